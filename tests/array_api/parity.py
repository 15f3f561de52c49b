"""The parity table: each case is a call in the words of NumPy and in those of Lamina.

A case gives arrays, the Lamina call on tensors of them, and the NumPy call on arrays. Half
precision is computed by NumPy in float64 and rounded once. Cases of a group share a dtype and are
compiled together, as one program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
FLOATS = ("float16", "bfloat16", "float32", "float64")
REALS = INTEGERS + FLOATS
ALL = ("bool", *REALS)

TOLERANCES = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 3e-6, "float64": 3e-14}
"""A few units in the last place; sums of some dozens of numbers in any order stay within."""


@dataclass(frozen=True)
class Case:
    """One call.

    `exact` asks for equal bits; `scale` widens the tolerance of sums that cancel.
    """

    name: str
    arrays: tuple[np.ndarray, ...]
    lamina: Callable[..., Any]
    numpy: Callable[..., Any]
    exact: bool = False
    scale: float = 1.0

    @property
    def group(self) -> str:
        """Cases with one name before the first blank and one dtype are compiled together."""
        kinds = ",".join(str(a.dtype) for a in self.arrays[:1])
        return f"{self.name.split()[0]} {kinds}"

    def wanted(self) -> Any:
        """What NumPy gives; halves are widened first."""
        wide = [_widened(a) for a in self.arrays]
        with np.errstate(all="ignore"):
            return self.numpy(*wide)


def _widened(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float64) if a.dtype in (np.dtype(np.float16), BFLOAT16) else a


def kind_of(dtype: str) -> np.dtype:
    """The NumPy dtype of a name."""
    return BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)


@dataclass
class Source:
    """Numbers for the arrays of cases, the same in every run."""

    seed: int
    generator: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)

    def draw(self, dtype: str, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
        """Numbers in [low, high), quarters so that halves hold them too."""
        if dtype == "bool":
            return np.asarray(self.generator.integers(0, 2, shape)).astype(bool)
        low = max(low, 0) if dtype in UNSIGNED else low
        if dtype in INTEGERS:
            first = math.ceil(low)
            behind = max(math.ceil(high), first + 1)
            return np.asarray(self.generator.integers(first, behind, shape)).astype(dtype)
        drawn = self.generator.uniform(low, high, shape)
        return np.asarray(drawn.astype(np.float32).astype(kind_of(dtype)))


THOROUGH = ("bool", "int32", "float32")
"""These get every form; the other dtypes, whose loops are the same, get half of them."""


def laid_out(source: Source, dtype: str, low: float, high: float) -> Iterator[tuple[str, Any]]:
    """Arrays of many forms: ranks, sizes, and orders in memory."""

    def draw(*shape: int) -> np.ndarray:
        return source.draw(dtype, shape, low, high)

    yield "0-d", draw()
    yield "vectors", draw(3, 37)
    yield "transposed", draw(5, 3, 2).transpose(2, 0, 1)
    if dtype in THOROUGH:
        yield "empty", draw(0, 3)
        yield "one", draw(1, 1)
        yield "odd", draw(7)
        yield "strided", draw(9, 8)[1::2, ::3]
        yield "reversed", draw(6, 5)[::-1, ::-1]


def specials(dtype: str) -> np.ndarray:
    """Where functions have special cases: zeros, ones, infinities, NaN, ends of ranges."""
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        around = [v for v in (-2, -1, 0, 1, 2) if v >= limits.min]
        return np.array([limits.min, *around, limits.max], dtype)
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, math.inf, -math.inf, math.nan]
    return np.array(values, np.float32).astype(kind_of(dtype))


def pairs_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs."""
    n = len(values)
    return np.repeat(values, n), np.concatenate([values] * n)
