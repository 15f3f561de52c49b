"""What a row of the tables is: a call of a public function, and operands that it takes.

Operands are float64 or complex128; their elements lie apart, so that a small step changes neither
an order nor a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Operand:
    """An operand: its shape, and the range its elements (or their parts) are drawn from."""

    shape: tuple[int, ...]
    low: float = -1.9
    high: float = 1.7
    complex: bool = False

    def draw(self, rng: np.random.Generator, *lead: int) -> np.ndarray:
        """Elements that lie apart, in random order; each of the `lead` examples on its own."""
        drawn = self._parts(rng, lead)
        return drawn + 1j * self._parts(rng, lead) if self.complex else drawn

    def _parts(self, rng: np.random.Generator, lead: tuple[int, ...]) -> np.ndarray:
        count = int(np.prod(self.shape))
        gap = (self.high - self.low) / max(count, 1)
        places = rng.permuted(np.tile(np.arange(count), (*lead, 1)), axis=-1)
        moved = places + rng.uniform(0.2, 0.8, places.shape)
        return np.asarray((self.low + gap * moved).reshape(*lead, *self.shape))

    def direction(self, rng: np.random.Generator) -> np.ndarray:
        """A tangent of length about 1 in every element."""
        drawn = rng.uniform(0.5, 1.0, self.shape) * rng.choice([-1.0, 1.0], self.shape)
        if self.complex:
            drawn = drawn * np.exp(1j * rng.uniform(0, 6, self.shape))
        return np.asarray(drawn)


@dataclass(frozen=True)
class Case:
    """One call.

    Attributes:
        name: the public name, as in "sin" or "linalg.inv".
        call: gives a tensor or a tree of them; what is neither floating nor complex is left out.
        operands: what it is differentiated in.
    """

    name: str
    call: Callable[..., Any]
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        kinds = "c" if any(o.complex for o in self.operands) else "r"
        return f"{self.name}-{kinds}"


def one(
    name: str,
    call: Callable[..., Any],
    low: float = -1.9,
    high: float = 1.7,
    shape: tuple[int, ...] = (2, 3),
) -> Case:
    """A call with one real operand."""
    return Case(name, call, (Operand(shape, low, high),))


def two(
    name: str,
    call: Callable[..., Any],
    low: float = -1.9,
    high: float = 1.7,
    shapes: Sequence[tuple[int, ...]] = ((2, 3), (3,)),
) -> Case:
    """A call with two real operands."""
    return Case(name, call, tuple(Operand(s, low, high) for s in shapes))


def wave(
    name: str,
    call: Callable[..., Any],
    *shapes: tuple[int, ...],
    low: float = 0.3,
    high: float = 1.3,
) -> Case:
    """A call with complex operands."""
    return Case(name, call, tuple(Operand(s, low, high, True) for s in shapes or ((2, 2),)))
