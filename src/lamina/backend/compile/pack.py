"""Intermediates into one arena: several greedy ways are tried, and the best of them is kept.

Each way puts one intermediate after the other into a gap between those that exclude it. They differ
in who comes first, and in which gap is taken. Where none of them reaches the bound, whoever stands
at the top of the best arrangement comes first in the next one. It ends at the bound, or when so
many intermediates were placed; the first way, the largest first into the tightest gap, always ends.

Source: the general problem is NP-complete (Garey & Johnson 1979, SR2); greedy by size is Pisarchyk
& Lee 2020, "Efficient memory management for deep neural net inference", section 5; bringing what
stands badly to the front is Joslin & Clements 1999, "Squeaky wheel optimization".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lamina.backend.compile.exclude import Exclusions

FIRST_WAY = "size, best fit"
PLACEMENTS = 1024  # after the first way; one takes about 10 µs


@dataclass(frozen=True)
class Packing:
    """Where each intermediate lies.

    Attributes:
        offsets: bytes from the begin of the arena.
        total_bytes: the arena.
        way: how it was found.
    """

    offsets: np.ndarray
    total_bytes: int
    way: str


def pack(given: Exclusions, least_bytes: int, placements: int = PLACEMENTS) -> Packing:
    """The best packing that was found.

    Args:
        given: sizes and exclusions.
        least_bytes: no search for less than this.
        placements: how many intermediates are placed in ways after the first.
    """
    largest = np.argsort(-given.sizes, kind="stable")
    best = _packed(given, largest, FIRST_WAY)
    assert best is not None
    order = largest
    left = placements
    for name, tried in _orders(given, largest):
        for fit in ("best fit", "first fit"):
            way = f"{name}, {fit}"
            if way == FIRST_WAY:
                continue
            if best.total_bytes <= least_bytes or left <= 0:
                return best
            left -= len(given)
            found = _packed(given, tried, way, fit == "first fit", best.total_bytes)
            if found is not None:
                best, order = found, tried
    return _improved(given, best, order, least_bytes, left)


def _orders(given: Exclusions, largest: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Who comes first, by name; of equals the larger one."""
    long = given.last - given.first + 1

    def by(rank: np.ndarray) -> np.ndarray:
        return largest[np.argsort(-rank[largest], kind="stable")]

    yield "size", largest
    yield "size x time", by(given.sizes * long)
    yield "excluded bytes", by(_excluded_bytes(given))
    yield "time", by(long)
    yield "start", by(-given.first)


def _excluded_bytes(given: Exclusions) -> np.ndarray:
    return np.array([given.sizes[given.row(i)].sum() for i in range(len(given))])


def _improved(
    given: Exclusions, best: Packing, order: np.ndarray, least_bytes: int, left: int
) -> Packing:
    """A packing in which who stood at the top came first, again and again."""
    at_top = best
    while left > 0 and best.total_bytes > least_bytes:
        left -= len(given)
        top = at_top.offsets + given.sizes > least_bytes
        order = np.concatenate([order[top[order]], order[~top[order]]])
        found = _packed(given, order, f"{best.way}, top first")
        assert found is not None
        at_top = found
        if found.total_bytes < best.total_bytes:
            best = found
    return best


def _packed(
    given: Exclusions,
    order: np.ndarray,
    way: str,
    lowest: bool = False,
    limit_bytes: int | None = None,
) -> Packing | None:
    """The packing in an order, each in the tightest gap or the lowest one; None where it does not
    stay below the limit."""
    sizes = given.sizes.tolist()
    begins = np.zeros(len(given), np.int64)
    ends = np.zeros(len(given), np.int64)
    placed = np.zeros(len(given), bool)
    total = 0
    for i in order.tolist():
        beside = (given.row(i) & placed).nonzero()[0]
        offset = _gap(begins[beside], ends[beside], sizes[i], lowest)
        begins[i], ends[i], placed[i] = offset, offset + sizes[i], True
        total = max(total, offset + sizes[i])
        if limit_bytes is not None and total >= limit_bytes:
            return None
    return Packing(begins, total, way)


def _gap(begins: np.ndarray, ends: np.ndarray, size: int, lowest: bool) -> int:
    """Where a stretch of bytes lies beside others: in the tightest gap, or in the lowest."""
    if not len(begins):
        return 0
    order = begins.argsort()
    free = np.empty(len(order) + 1, np.int64)  # where each gap begins, the last one above all
    free[0] = 0
    np.maximum.accumulate(ends[order], out=free[1:])
    gaps = begins[order] - free[:-1]
    fitting = (gaps >= size).nonzero()[0]
    if not len(fitting):
        return int(free[-1])
    return int(free[fitting[0] if lowest else fitting[gaps[fitting].argmin()]])
