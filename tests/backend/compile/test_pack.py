"""Packings: nothing that excludes one another overlaps, and none is worse than greedy by size."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from lamina.backend.compile.exclude import Exclusions, ancestors_of, as_graph, in_order
from lamina.backend.compile.pack import pack
from tests.backend.compile.ordered import ancestors


def lifetimes(seed: int, count: int, length: float = 20.0) -> tuple[list[int], list[list[int]]]:
    """Sizes over four orders of magnitude, and lifetimes of which some are long."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, count, count)
    last = np.minimum(count - 1, first + rng.exponential(length, count).astype(int))
    sizes = 64 * (2 ** rng.uniform(0, 14, count)).astype(int)
    return sizes.tolist(), [[a, b] for a, b in zip(first.tolist(), last.tolist(), strict=True)]


def tree(seed: int, count: int) -> tuple[list[int], list[list[int]], list[list[int]]]:
    """Launches that each read one to three values of earlier ones and make one: sizes, who touches
    each value, and who comes directly before each launch."""
    rng = np.random.default_rng(seed)
    sizes = (64 * (2 ** rng.uniform(0, 10, count)).astype(int)).tolist()
    after: list[list[int]] = []
    touching: list[list[int]] = [[i] for i in range(count)]
    for i in range(count):
        wanted = rng.integers(max(0, i - 12), i, rng.integers(1, 4)) if i else []
        after.append(sorted({int(j) for j in wanted}))
        for j in after[-1]:
            touching[j].append(i)
    return sizes, touching, after


def best_fit(given: Exclusions) -> int:
    """The baseline: the largest first, each into the tightest gap."""
    placed: list[tuple[int, int, int]] = []
    for i in np.argsort(-given.sizes, kind="stable").tolist():
        size, free, found = int(given.sizes[i]), 0, None
        row = given.row(i)
        for begin, end in sorted((b, e) for j, b, e in placed if row[j]):
            if begin - free >= size and (found is None or begin - free < found[0]):
                found = begin - free, free
            free = max(free, end)
        offset = found[1] if found else free
        placed.append((i, offset, offset + size))
    return max((e for _, _, e in placed), default=0)


def check(given: Exclusions) -> tuple[int, int]:
    """Packs, checks, and gives the bytes found and the bound."""
    least = given.least_bytes()
    found = pack(given, least)
    begins, ends = found.offsets, found.offsets + given.sizes
    for i in range(len(given)):
        others = given.row(i).copy()
        assert others[i]
        others[i] = False
        assert ((ends[others] <= begins[i]) | (begins[others] >= ends[i])).all()
    assert (found.offsets % 64 == 0).all()
    assert found.total_bytes == max(ends, default=0)
    assert least <= found.total_bytes <= best_fit(given)
    return found.total_bytes, least


@pytest.mark.parametrize("seed", range(40))
def test_in_order(seed: int) -> None:
    sizes, touching = lifetimes(seed, 3 + 5 * seed)
    found, least = check(in_order(sizes, touching))
    alive = [
        sum(s for s, (a, b) in zip(sizes, touching, strict=True) if a <= t <= b)
        for t in range(3 + 5 * seed)
    ]
    assert least == max(alive)
    assert found <= 1.15 * least


@pytest.mark.parametrize("seed", range(40))
def test_as_a_graph(seed: int) -> None:
    """Two share memory where all that touch the one come before all that touch the other."""
    sizes, touching, after = tree(seed, 3 + 3 * seed)
    given = as_graph(sizes, touching, ancestors_of(after))
    check(given)
    before = ancestors(after)
    for i, mine in enumerate(touching):
        for j, others in enumerate(touching):
            earlier = all(a in before[b] for a in mine for b in others)
            later = all(b in before[a] for a in mine for b in others)
            assert given.row(i)[j] == (not earlier and not later)


def test_search_gains_on_greedy_by_size() -> None:
    every = [in_order(*lifetimes(seed, 60)) for seed in range(30)]
    found = [check(given)[0] for given in every]
    assert sum(a < best_fit(given) for a, given in zip(found, every, strict=True)) >= 5


@pytest.mark.parametrize("seed", range(25))
def test_no_arrangement_is_below_the_bound(seed: int) -> None:
    """The best of all first-fit packings is the best of all packings."""
    rng = np.random.default_rng(seed)
    sizes, touching, after = tree(seed, 6)
    sizes = (64 * rng.integers(1, 6, 6)).tolist()
    for given in (in_order(sizes, touching), as_graph(sizes, touching, ancestors_of(after))):
        best = min(_first_fit(given, order) for order in permutations(range(6)))
        assert given.least_bytes() <= best <= pack(given, given.least_bytes()).total_bytes


def _first_fit(given: Exclusions, order: tuple[int, ...]) -> int:
    placed: list[tuple[int, int, int]] = []
    for i in order:
        offset = 0
        for begin, end in sorted((b, e) for j, b, e in placed if given.row(i)[j]):
            if begin - offset >= given.sizes[i]:
                break
            offset = max(offset, end)
        placed.append((i, offset, offset + int(given.sizes[i])))
    return max(e for _, _, e in placed)


@pytest.mark.parametrize("seed", range(25))
def test_the_bound_of_a_graph_is_the_heaviest_set_that_excludes_itself(seed: int) -> None:
    sizes, touching, after = tree(seed, 10)
    given = as_graph(sizes, touching, ancestors_of(after))
    heaviest = 0
    for chosen in range(1 << 10):
        members = [i for i in range(10) if chosen >> i & 1]
        if all(given.row(i)[j] for i in members for j in members):
            heaviest = max(heaviest, sum(sizes[i] for i in members))
    assert given.least_bytes() == heaviest


def test_the_bound_of_sizes_that_32_bits_do_not_count() -> None:
    after = [[], [0], [1], [], [3], [4]]
    touching = [[0, 1], [1, 2], [3, 4], [4, 5]]
    given = as_graph([1 << 40] * 4, touching, ancestors_of(after))
    assert 0.999 * 4 * (1 << 40) < given.least_bytes() <= 4 * (1 << 40)


def test_the_bound_of_a_graph_counts_what_no_order_need_hold() -> None:
    """Three chains of two values that nothing orders: in order two are alive, as a graph five."""
    after: list[list[int]] = []
    for chain in range(3):
        after += [[], [3 * chain], [3 * chain + 1]]
    touching = [[i, i + 1] for i in range(9) if i % 3 < 2]
    sizes = [64] * 6
    assert in_order(sizes, touching).least_bytes() == 128
    given = as_graph(sizes, touching, ancestors_of(after))
    assert given.least_bytes() == pack(given, given.least_bytes()).total_bytes == 6 * 64


def test_the_search_ends_at_the_bound_and_with_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    row = Exclusions.row
    monkeypatch.setattr(Exclusions, "row", lambda self, i: asked.append(i) or row(self, i))
    easy = in_order([64, 128, 64], [[0, 1], [1, 2], [2, 3]])
    assert pack(easy, easy.least_bytes()).way == "size, best fit"
    assert len(asked) == 3
    hard = in_order(*lifetimes(4, 100))
    asked.clear()
    pack(hard, 0, placements=350)
    assert len(asked) <= 100 + 4 * 100 + 100, "the first way, four within the budget, one table"


def test_nothing_to_pack() -> None:
    given = in_order([], [])
    assert given.least_bytes() == 0
    assert pack(given, 0).total_bytes == 0
