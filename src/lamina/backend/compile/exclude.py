"""Which intermediates may not share memory, and the least memory that follows from that.

What runs in order needs no more than lifetimes: two intermediates share memory where one was
touched for the last time before the other is touched first. What runs as dependencies allow has no
such order. There they share memory only where every launch that touches the one comes before every
launch that touches the other in any order, so that sharing makes nobody wait.

Source: the joining of streams and ancestors is that of SOMAS, MindSpore's planner of memory; the
heaviest antichain as a flow is Dilworth's theorem with weights (Ford & Fulkerson 1962, II.8 and 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALIGNMENT = 64
MOST_IN_FLOW = 1024  # intermediates; the flow takes about 0.1 s for 500
MOST_UNITS = 1 << 30  # what a flow counts in 32 bits


@dataclass(frozen=True)
class Exclusions:
    """Intermediates by number, and which of them exclude one another.

    Attributes:
        sizes: bytes of each, aligned.
        first, last: the launches that touch each first and last, counted in the order they run in.
        matrix: whether two exclude one another; None where that is whether their lifetimes meet.
    """

    sizes: np.ndarray
    first: np.ndarray
    last: np.ndarray
    matrix: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def row(self, i: int) -> np.ndarray:
        """For each intermediate whether it excludes number `i`; true for itself."""
        if self.matrix is not None:
            return self.matrix[i]
        return (self.first <= self.last[i]) & (self.last >= self.first[i])

    def least_bytes(self) -> int:
        """What no arrangement goes below: the most of a set in which all exclude one another.

        In order, those alive at one launch are such a set, and the largest one is among them. As a
        graph the largest one is found by a flow; of very many intermediates only those that are
        alive together in the order of the launches count.
        """
        change = np.zeros(int(self.last.max(initial=-1)) + 2, np.int64)
        np.add.at(change, self.first, self.sizes)
        np.subtract.at(change, self.last + 1, self.sizes)
        alive = int(np.cumsum(change).max(initial=0))
        if self.matrix is None or not 0 < len(self) <= MOST_IN_FLOW:
            return alive
        return max(alive, _heaviest_antichain(self.sizes, ~self.matrix & self._earlier()))

    def _earlier(self) -> np.ndarray:
        """[a, b]: whether a was touched last before b was touched first."""
        return self.last[:, None] < self.first[None, :]


def _heaviest_antichain(sizes: np.ndarray, before: np.ndarray) -> int:
    """The most bytes of a set of which none is before another.

    It is all bytes less the most that can flow from intermediates to later ones, where each gives
    and takes no more than its size: what flows is shared.

    Args:
        sizes: [N].
        before: [N, N]; a strict partial order.
    """
    from scipy.sparse import csr_array  # only for programs that run as a graph
    from scipy.sparse.csgraph import maximum_flow

    count = len(sizes)
    unit = max(ALIGNMENT, -(-int(sizes.sum()) // MOST_UNITS))
    units = sizes // unit  # rounded down, so that the bound stays one
    source, sink = 2 * count, 2 * count + 1
    gives, takes = before.nonzero()
    every = np.arange(count)
    begins = np.concatenate([np.full(count, source), gives, every + count])
    ends = np.concatenate([every, takes + count, np.full(count, sink)])
    most = np.concatenate([units, np.minimum(units[gives], units[takes]), units]).astype(np.int32)
    graph = csr_array((most, (begins, ends)), shape=(sink + 1, sink + 1))
    return (int(units.sum()) - int(maximum_flow(graph, source, sink).flow_value)) * unit


def in_order(sizes: Sequence[int], touching: Sequence[Sequence[int]]) -> Exclusions:
    """Exclusions of what runs one launch after the other.

    Args:
        sizes: bytes of each intermediate, aligned.
        touching: the launches that touch each, ascending in the order they run in.
    """
    first = np.array([launches[0] for launches in touching], np.int64)
    last = np.array([launches[-1] for launches in touching], np.int64)
    return Exclusions(np.array(sizes, np.int64), first, last)


def as_graph(
    sizes: Sequence[int], touching: Sequence[Sequence[int]], ancestors: np.ndarray
) -> Exclusions:
    """Exclusions of what runs as dependencies allow.

    Args:
        sizes, touching: as for `in_order`.
        ancestors: [L, L]; whether launch j comes before launch i in any order, at [i, j].
    """
    plain = in_order(sizes, touching)
    count = len(touching)
    known = np.empty((count, len(ancestors)), bool)  # launches before all that touch it
    for i, launches in enumerate(touching):
        known[i] = ancestors[launches].all(0)
    by_launch = np.ascontiguousarray(known.T)
    before = np.empty((count, count), bool)  # [a, b]: all that touch a are before all that touch b
    for i, launches in enumerate(touching):
        before[i] = by_launch[launches].all(0)
    return Exclusions(plain.sizes, plain.first, plain.last, ~(before | before.T))


def ancestors_of(after: Sequence[Sequence[int]]) -> np.ndarray:
    """[L, L]: whether launch j comes before launch i in any order, at [i, j].

    Args:
        after: the launches that each comes after directly, all of them earlier ones.
    """
    found = np.zeros((len(after), len(after)), bool)
    for i, direct in enumerate(after):
        for j in direct:
            found[i] |= found[j]
            found[i, j] = True
    return found
