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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.workload import Cost

Point = tuple[float, float]
"""(working set in bytes, bytes a second)."""


UNITS: dict[str, tuple[tuple[str, float], ...]] = {
    "bf16": (("amx_bf16", 16.0), ("avx512_bf16", 2.0)),
    "int8": (("amx_int8", 32.0), ("avx512_vnni", 4.0), ("avx_vnni", 4.0), ("avx2", 2.0)),
}
"""How many times the f32 peak of two 512-bit multiply-adds a processor reaches in a precision, by
the first flag that it has: so the instructions' definitions. Without any it widens to f32."""


def unit_rates(flags: Collection[str]) -> dict[str, float]:
    """The rate of each precision's unit, as a multiple of the f32 peak.

    Example:
        >>> unit_rates({"avx512_bf16"})
        {'bf16': 2.0, 'int8': 1.0}
    """
    return {
        precision: next((rate for flag, rate in known if flag in flags), 1.0)
        for precision, known in UNITS.items()
    }


@dataclass(frozen=True)
class Limits:
    """What the machine can do with so many threads.

    Attributes:
        threads: that worked together.
        peak_flops: f32 multiply-adds a second, times two, by number of threads.
        read, copy: bandwidth by working set, all threads together.
        units: rate of products of other operands than f32, as a multiple of the f32 peak.
    """

    threads: int
    peak_flops: dict[int, float]
    read: tuple[Point, ...]
    copy: tuple[Point, ...]
    units: Mapping[str, float] = field(default_factory=dict)

    def peak(self, precision: str = "f32") -> float:
        """Operations a second of all threads."""
        return self.peak_flops[self.threads] * self.units.get(precision, 1.0)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {
            "threads": self.threads,
            "peak_flops": {str(n): x for n, x in self.peak_flops.items()},
            "read": [list(p) for p in self.read],
            "copy": [list(p) for p in self.copy],
            "units": dict(self.units),
        }

    @staticmethod
    def from_json(found: dict[str, Any]) -> Limits:
        """What `to_json` wrote."""
        return Limits(
            found["threads"],
            {int(n): x for n, x in found["peak_flops"].items()},
            tuple((size, rate) for size, rate in found["read"]),
            tuple((size, rate) for size, rate in found["copy"]),
            found.get("units", {}),
        )

    def best(self, other: Limits) -> Limits:
        """The larger of each limit: a disturbed measurement only ever shows less."""
        peaks = {n: max(x, other.peak_flops.get(n, 0.0)) for n, x in self.peak_flops.items()}
        read, copy = _largest(self.read, other.read), _largest(self.copy, other.copy)
        return Limits(self.threads, peaks, read, copy, self.units)


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
    computing = cost.flops / limits.peak(cost.precision)
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
