"""What is measured: data, a float64 reference, unavoidable cost, and one builder per peer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Data = dict[str, np.ndarray]
"""Named input arrays of a workload, in the order in which functions take them."""

SEED = 20240607
"""Every workload draws its data from a generator with this seed."""

ALIGNMENT_BYTES = 64


@dataclass(frozen=True)
class Prepared:
    """A workload made ready in one peer.

    Attributes:
        run: one unit of work, returning only when its result is in memory.
        result: the results as arrays, to be compared with the reference.
        reset: back to the initial state; called before each pass.
        seconds: measures one unit of work itself, where a stopwatch around `run` will not do
            (each sample is a process of its own).
    """

    run: Callable[[], object]
    result: Callable[[], Sequence[np.ndarray]]
    reset: Callable[[], None] = lambda: None
    seconds: Callable[[], float] | None = None


Builder = Callable[[Data], Prepared]


@dataclass(frozen=True)
class Cost:
    """What no implementation can avoid.

    Args:
        flops: floating-point operations; a multiply-add counts two.
        read_bytes: inputs, each read once.
        written_bytes: outputs, each written once.
        precision: of the operands of products, which says which unit computes them.
    """

    flops: float
    read_bytes: float
    written_bytes: float
    precision: str = "f32"

    @property
    def working_set_bytes(self) -> float:
        """All memory touched, which decides the cache level that serves it."""
        return self.read_bytes + self.written_bytes


@dataclass(frozen=True)
class Tolerance:
    """An element may differ from the reference by `absolute + relative * |reference|`."""

    relative: float = 0.0
    absolute: float = 0.0


@dataclass(frozen=True)
class Check:
    """How results compare with the reference.

    Attributes:
        error: the largest difference.
        share: the largest difference as a share of what is tolerated there; passes up to 1.
    """

    error: float
    share: float

    @property
    def passed(self) -> bool:
        """Whether every element is within tolerance."""
        return self.share <= 1.0


@dataclass(frozen=True)
class Workload:
    """One row of the table.

    Attributes:
        name: what `--only` matches.
        summary: one line for people.
        data: the inputs, drawn from a seeded generator.
        reference: what results must be, computed in float64 with NumPy.
        builders: how each peer prepares it, by peer.
        tolerance: how far results may be from the reference, and why is said beside it.
        cost: the unavoidable part, for the floor; None for latencies.
        memory: whether the memory that it takes is reported.
        fresh: whether each sample starts a process of its own.
        inside: what such a process prepares and runs, by peer.
    """

    name: str
    summary: str
    data: Callable[[np.random.Generator], Data]
    reference: Callable[[Data], Sequence[np.ndarray]]
    builders: Mapping[str, Builder]
    tolerance: Tolerance
    cost: Cost | None = None
    memory: bool = False
    fresh: bool = False
    inside: Mapping[str, Builder] = field(default_factory=dict)

    def make_data(self) -> Data:
        """The inputs, the same in every process, aligned as the peers' own arrays would be."""
        return {k: aligned(a) for k, a in self.data(np.random.default_rng(SEED)).items()}


def aligned(array: np.ndarray) -> np.ndarray:
    """A C-contiguous copy whose first element begins a cache line."""
    room = np.empty(array.nbytes + ALIGNMENT_BYTES, np.uint8)
    start = -room.ctypes.data % ALIGNMENT_BYTES
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def in_bf16(array: np.ndarray) -> np.ndarray:
    """The nearest numbers of bf16, ties to even, held in f32; for finite ones.

    Example:
        >>> in_bf16(np.array([1.0, 1.0 + 2**-8, 3.14159], np.float32)).tolist()
        [1.0, 1.0, 3.140625]
    """
    bits = array.astype(np.float32).view(np.uint32)
    bits = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (bits & np.uint32(0xFFFF0000)).view(np.float32)


def compare(
    results: Sequence[np.ndarray], reference: Sequence[np.ndarray], tolerance: Tolerance
) -> Check:
    """The check of `results`; a missing result, another shape or a NaN never passes."""
    if len(results) != len(reference):
        return Check(np.inf, np.inf)
    error = share = 0.0
    for found, wanted in zip(results, reference):
        found, wanted = np.asarray(found), np.asarray(wanted, np.float64)
        if found.shape != wanted.shape:
            return Check(np.inf, np.inf)
        gap = np.abs(found - wanted)
        allowed = tolerance.absolute + tolerance.relative * np.abs(wanted)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(gap == 0.0, 0.0, gap / allowed)
        error = max(error, _largest(gap))
        share = max(share, _largest(shares))
    return Check(error, share)


def _largest(x: np.ndarray) -> float:
    """The maximum, or infinity where anything is NaN."""
    if not x.size:
        return 0.0
    largest = float(np.max(x))
    return np.inf if np.isnan(largest) else largest
