"""How fast training is: examples and arithmetic in a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

import lamina.tensor as lm


class Throughput:
    """Steps, examples and arithmetic in the seconds since the last `restart`, pauses left out.

    Args:
        clock: seconds; another one in tests.
    """

    def __init__(self, clock=time.perf_counter):
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Count from here."""
        self._since = self._clock()
        self.steps = 0
        self.examples = 0
        self.flops = 0

    def count(self, examples: int, flops: int) -> None:
        """Note a step."""
        self.steps += 1
        self.examples += examples
        self.flops += flops

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The time in the block does not count."""
        began = self._clock()
        try:
            yield
        finally:
            self._since += self._clock() - began

    @property
    def seconds(self) -> float:
        """Since the last `restart`, without pauses."""
        return max(self._clock() - self._since, 1e-9)


def measured_peak(size: int = 1024, trials: int = 5) -> float:
    """The arithmetic in a second that a float32 matrix product reaches on this machine.

    The best of a few products: what the utilisation of a training run is measured against.

    Args:
        size: rows and columns of the matrices.
        trials: how many products are timed.

    Returns:
        flops in a second, a multiplication and an addition being two.
    """
    x = lm.asarray(np.ones((size, size), np.float32))
    product = lm.jit(lambda x: lm.matmul(x, x))
    product(x).block()
    best = float("inf")
    for _ in range(trials):
        began = time.perf_counter()
        product(x).block()
        best = min(best, time.perf_counter() - began)
    return 2.0 * size**3 / best
