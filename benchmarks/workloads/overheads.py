"""Calls that compute next to nothing: what is left is the cost of calling."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.calls import Make, function_peers
from benchmarks.workload import Builder, Data, Tolerance, Workload

EXACT = Tolerance()
SMALL = 16
LEAVES = 20
IDENTITIES = (1, 10, 200)  # leaves


def compiling_peers(make: Make) -> dict[str, Builder]:
    """The peers that compile; eager PyTorch and NumPy have nothing to compare."""
    builders = function_peers(lamina=make, torch=make, jax=make)
    return {name: builder for name, builder in builders.items() if name != "torch"}


def one_number(_: np.random.Generator) -> Data:
    return {"x": np.array([1.5], np.float32)}


def plus_one(_: ModuleType) -> Any:
    """x + 1."""
    return lambda x: x + 1.0


def numbers(count: int) -> Callable[[np.random.Generator], Data]:
    """That many arrays of one number."""
    return lambda _: {f"x{i}": np.array([float(i)], np.float32) for i in range(count)}


def first_and_last(_: ModuleType) -> Any:
    """The sum of the first and the last argument."""
    return lambda *xs: xs[0] + xs[-1]


def identity(_: ModuleType) -> Any:
    """All arguments."""
    return lambda *xs: xs


def identity_peers() -> dict[str, Builder]:
    """The peers that compile, and give several results."""
    builders = function_peers(lamina=identity, torch=identity, jax=identity, several=True)
    return {name: builder for name, builder in builders.items() if name != "torch"}


def two_rows(rng: np.random.Generator) -> Data:
    return {k: rng.standard_normal(SMALL, np.float32) for k in ("x", "y")}


def addition(_: ModuleType) -> Any:
    """x + y."""
    return lambda x, y: x + y


WORKLOADS = (
    Workload(
        "jit_call",
        "a call of a compiled function of one number",
        one_number,
        lambda data: [data["x"] + np.float32(1)],
        compiling_peers(plus_one),
        EXACT,
    ),
    Workload(
        f"jit_call_{LEAVES}_arguments",
        f"a call of a compiled function of {LEAVES} numbers",
        numbers(LEAVES),
        lambda data: [data["x0"] + data[f"x{LEAVES - 1}"]],
        compiling_peers(first_and_last),
        EXACT,
    ),
    *(
        Workload(
            f"jit_identity_{count}",
            f"a call of a compiled function that returns its {count} arguments",
            numbers(count),
            lambda data: list(data.values()),
            identity_peers(),
            EXACT,
        )
        for count in IDENTITIES
    ),
    Workload(
        f"eager_add_{SMALL}",
        f"the sum of two rows of {SMALL} f32, not compiled",
        two_rows,
        lambda data: [data["x"] + data["y"]],
        function_peers(lamina=addition, torch=addition, jax=addition, numpy=addition, eager=True),
        EXACT,
    ),
)
