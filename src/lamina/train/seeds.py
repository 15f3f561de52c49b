"""One seed for everything that draws."""

from __future__ import annotations

import random as python_random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from lamina.tensor import random


def seed_everything(seed: int) -> None:
    """Start Lamina's default generator, NumPy's and Python's from `seed`.

    Lamina itself draws from the first only; `data.Batches` has a seed of its own.

    Example:
        >>> import lamina as lm
        >>> seed_everything(3)
        >>> first = lm.random.normal((2,))
        >>> seed_everything(3)
        >>> bool((first == lm.random.normal((2,))).all())
        True
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    python_random.seed(seed)


@contextmanager
def undisturbed() -> Iterator[None]:
    """What is drawn in the block leaves Lamina's default generator where it was."""
    state = random.get_state()
    try:
        yield
    finally:
        random.set_state(state)
