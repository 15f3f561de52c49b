"""Lanes that lie apart in memory, by places known at compile time: few whole loads and a shuffle.

    x[2*l]      for 8 lanes    ->   load x[0..8], load x[7..15], take 0 2 4 6 9 11 13 15
    x[l // 2]                  ->   load x[0..4], take 0 0 1 1 2 2 3 3
    x[-l]                      ->   load x[-7..1], take 7 6 5 4 3 2 1 0

Nothing is read before the first or after the last element that is wanted, here or by a neighbour
(the same load shifted by a constant, such as the other elements of a pooling window).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_LOADS = 4
MOST_LOADS_SMALL = 8  # of elements below 32 bits, which no machine gathers


@dataclass(frozen=True)
class Spread:
    """Whole loads of `size` elements that begin at `starts`, and what each lane takes of them.

    Attributes:
        places: for each lane (load, element of it).
        count: elements that the only load really reads, the first of them, under a mask; 0 when
            all loads are whole.
    """

    starts: tuple[int, ...]
    size: int
    places: tuple[tuple[int, int], ...]
    count: int = 0


def spread(
    lanes: Sequence[int],
    live: Sequence[bool],
    window: tuple[int, int],
    size: int,
    masks: bool,
    most: int = MOST_LOADS,
) -> Spread | None:
    """How to load elements `lanes`, those of the live lanes, or None where that takes too much.

    Args:
        lanes: what each lane reads.
        live: the lanes that exist; at least one does.
        window: the first and last element that may be read; the live lanes are inside.
        size: elements of a whole load.
        masks: whether a load under a constant mask is one instruction.
        most: loads that are not too many.
    """
    wanted = sorted({n for n, exists in zip(lanes, live) if exists})
    first, last = window
    count = 0
    if last - first + 1 < size:
        span = wanted[-1] - wanted[0] + 1
        size_fits = 1 << span.bit_length() - 1
        if size_fits == span or not masks:
            size = size_fits
            starts = sorted({wanted[0], wanted[-1] + 1 - size})
        else:
            starts, count = [wanted[0]], span
    else:
        starts = _starts(wanted, first, last, size)
    if len(starts) > most:
        return None
    return Spread(tuple(starts), size, _places(lanes, live, starts, size), count)


def _starts(wanted: list[int], first: int, last: int, size: int) -> list[int]:
    """Where loads begin: on a grid that neighbours share, if that takes no more of them."""
    grid = sorted({min(first + (n - first) // size * size, last + 1 - size) for n in wanted})
    own: list[int] = []
    for n in wanted:
        if not own or n >= own[-1] + size:
            own.append(min(n, last + 1 - size))
    return grid if len(grid) <= len(own) else own


def _places(
    lanes: Sequence[int], live: Sequence[bool], starts: Sequence[int], size: int
) -> tuple[tuple[int, int], ...]:
    """A lane that does not exist takes what it would have read, or else what the last one does."""
    places: list[tuple[int, int]] = []
    for n, exists in zip(lanes, live):
        found = [(i, n - start) for i, start in enumerate(starts) if 0 <= n - start < size]
        if found:
            places.append(found[0])
        else:
            assert not exists
            places.append(places[-1] if places else (0, 0))
    return tuple(places)


def owners(wanted: Mapping[int, int], start: int, size: int) -> list[int]:
    """For each element of start..start+size the lane that wants it, or -1."""
    found = [-1] * size
    for lane, n in wanted.items():
        if 0 <= n - start < size:
            found[n - start] = lane
    return found


def cover(wanted: Sequence[int], size: int) -> list[int]:
    """Where the fewest stretches of `size` elements begin that contain all of `wanted`."""
    starts: list[int] = []
    for n in sorted(wanted):
        if not starts or n >= starts[-1] + size:
            starts.append(n)
    return starts
