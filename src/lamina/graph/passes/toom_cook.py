"""The matrices of short convolutions with few multiplications, in exact fractions.

F(m, r) gives m neighbouring outputs of a filter with r taps w, from n = m + r - 1 inputs d,

    y[k] = sum over j of w[j] d[k + j]  =  (A' ((G w) * (B' d)))[k]

with n multiplications where the sum has m r. It is Toom and Cook's product of polynomials, by their
values at n - 1 numbers and at infinity, transposed (Winograd 1980; Lavin & Gray 2016).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from math import prod
from typing import NamedTuple

from lamina.base.errors import UsageError

Matrix = tuple[tuple[Fraction, ...], ...]

POINTS = tuple(Fraction(*p) for p in ((0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1), (1, 2), (-1, 2)))
"""Where polynomials are evaluated, besides infinity: the first ones give the smallest errors."""


class Transforms(NamedTuple):
    """The matrices of F(m, r); one row of each for each of the n multiplications.

    Attributes:
        inputs: B', [n, n].
        weights: G, [n, r].
        outputs: A, [n, m].
    """

    inputs: Matrix
    weights: Matrix
    outputs: Matrix


@cache
def transforms(outputs: int, taps: int) -> Transforms:
    """The matrices of F(outputs, taps).

    Raises:
        UsageError: there are not enough points.

    Example:
        >>> for row in transforms(2, 3).inputs:
        ...     print(*row)
        1 0 -1 0
        0 1 1 0
        0 -1 1 0
        0 -1 0 1
    """
    finite = outputs + taps - 2
    if min(outputs, taps) < 1 or finite > len(POINTS):
        raise UsageError(
            f"winograd: no matrices for {outputs} outputs and {taps} taps",
            [f"outputs + taps: {outputs + taps}", f"at most: {len(POINTS) + 2}"],
            "take fewer outputs in a tile",
        )
    points = POINTS[:finite]
    inputs, weights = [], []
    for i, p in enumerate(points):
        others = points[:i] + points[i + 1 :]
        scale = prod((p - q for q in others), start=Fraction(1))
        sign = -1 if scale < 0 else 1
        inputs.append(tuple(sign * c for c in (*_with_roots(others), Fraction(0))))
        weights.append(tuple(c / abs(scale) for c in _powers(p, taps)))
    inputs.append(_with_roots(points))
    weights.append(_last(taps))
    rows = (*(_powers(p, outputs) for p in points), _last(outputs))
    return Transforms(tuple(inputs), tuple(weights), rows)


def _powers(p: Fraction, count: int) -> tuple[Fraction, ...]:
    return tuple(p**i for i in range(count))


def _last(count: int) -> tuple[Fraction, ...]:
    """What infinity sees of a polynomial: its highest coefficient."""
    return tuple(Fraction(int(i == count - 1)) for i in range(count))


def _with_roots(roots: Iterable[Fraction]) -> tuple[Fraction, ...]:
    """The coefficients of the product of all x - root, from the lowest."""
    found = [Fraction(1)]
    for root in roots:
        found = [a - root * b for a, b in zip([Fraction(0), *found], [*found, Fraction(0)])]
    return tuple(found)
