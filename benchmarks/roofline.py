"""Roofline: the least time a workload can take on the measured machine.

    floor = max(flops / peak, time to move the compulsory bytes)

Reading costs 1/B_read a byte. Copying moves a byte in for every byte out, so that B_copy, which
counts both, gives the cost of writing: 2/B_copy - 1/B_read. Both bandwidths are those at the
workload's working set.

Source: Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009, with one roof a cache level.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.workload import Cost

Point = tuple[float, float]
"""(working set in bytes, bytes a second)."""


@dataclass(frozen=True)
class Limits:
    """What the machine can do with so many threads.

    Attributes:
        threads: that worked together.
        peak_flops: f32 multiply-adds a second, times two, by number of threads.
        read, copy: bandwidth by working set, all threads together.
    """

    threads: int
    peak_flops: dict[int, float]
    read: tuple[Point, ...]
    copy: tuple[Point, ...]

    @property
    def peak(self) -> float:
        """Operations a second of all threads."""
        return self.peak_flops[self.threads]

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {
            "threads": self.threads,
            "peak_flops": {str(n): x for n, x in self.peak_flops.items()},
            "read": [list(p) for p in self.read],
            "copy": [list(p) for p in self.copy],
        }

    @staticmethod
    def from_json(found: dict[str, Any]) -> Limits:
        """What `to_json` wrote."""
        return Limits(
            found["threads"],
            {int(n): x for n, x in found["peak_flops"].items()},
            tuple((size, rate) for size, rate in found["read"]),
            tuple((size, rate) for size, rate in found["copy"]),
        )

    def best(self, other: Limits) -> Limits:
        """The larger of each limit: a disturbed measurement only ever shows less."""
        peaks = {n: max(x, other.peak_flops.get(n, 0.0)) for n, x in self.peak_flops.items()}
        return Limits(
            self.threads, peaks, _largest(self.read, other.read), _largest(self.copy, other.copy)
        )


def _largest(one: Sequence[Point], two: Sequence[Point]) -> tuple[Point, ...]:
    known = dict(two)
    return tuple((size, max(rate, known.get(size, 0.0))) for size, rate in one)


@dataclass(frozen=True)
class Floor:
    """The least time, and what sets it."""

    seconds: float
    bound: Literal["compute", "memory"]


def floor(cost: Cost, limits: Limits) -> Floor:
    """The floor of a workload.

    Example:
        >>> flat = ((1e3, 1e10), (1e9, 1e10))
        >>> floor(Cost(1e9, 4e6, 0), Limits(2, {2: 1e11}, flat, flat))
        Floor(seconds=0.01, bound='compute')
    """
    computing = cost.flops / limits.peak
    moving = moving_seconds(cost, limits)
    if computing >= moving:
        return Floor(computing, "compute")
    return Floor(moving, "memory")


def moving_seconds(cost: Cost, limits: Limits) -> float:
    """The least time in which the compulsory bytes are read and written."""
    size = cost.working_set_bytes
    if size <= 0:
        return 0.0
    read_s = 1.0 / bandwidth(limits.read, size)
    write_s = max(2.0 / bandwidth(limits.copy, size) - read_s, 0.0)
    return cost.read_bytes * read_s + cost.written_bytes * write_s


def bandwidth(points: Sequence[Point], size_bytes: float) -> float:
    """The bandwidth at a working set: straight lines between the points on logarithmic axes."""
    known = sorted(points)
    if size_bytes <= known[0][0]:
        return known[0][1]
    for (small, slow), (large, fast) in itertools.pairwise(known):
        if size_bytes <= large:
            share = math.log(size_bytes / small) / math.log(large / small)
            return slow ** (1.0 - share) * fast**share
    return known[-1][1]
