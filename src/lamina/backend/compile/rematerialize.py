"""A program made to fit into a budget: values are dropped, and made again where they are read.

Whole steps run again, with the kernels they have, so results stay what they are to the last bit and
nothing more is compiled. Which ones is searched in a family of two numbers:

- *how dear* a value may be, in cycles for a byte, and still be dropped. Results of elementwise
  steps go first, those of matrix products last;
- *how long* a segment is, in bytes. What is dropped in a row is made again together. So after a
  segment the values that the rest of the forward pass reads are kept, at the place nearby where
  they are smallest. For a chain of n equal layers the best length leaves about 2 sqrt(n) of them.

The cheapest member that fits then keeps more, the dearest first, until the budget is used up. What
fits is first judged by counting living bytes, and in the end by the memory plan itself.

Source: Chen et al. 2016, "Training deep nets with sublinear memory cost"; the ranking by cycles for
a byte is that of Jain et al. 2020, "Checkmate", section 2, for heuristics; the search is ours.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from lamina.backend.compile.lower import Lowered
from lamina.backend.compile.plan_memory import Plan, plan_memory
from lamina.backend.compile.rerun import Reruns, Run
from lamina.base.errors import MemoryBudgetWarning
from lamina.base.text import quantity
from lamina.graph.ir import Graph
from lamina.graph.ops import Budget, Call

ATTEMPTS = 6  # plans that may turn out larger than counted
LENGTHS = 8  # lengths of segments that are tried, each half of the one before
CHUNKS = 12  # in which a run that fits keeps more


@dataclass(frozen=True)
class Remade:
    """What a budget did to a program.

    Attributes:
        budget_bytes: what was asked for.
        plain_bytes: the arena without a budget.
        steps: how many run a second time.
        share: their part of the work of all steps that were there, by estimate.
    """

    budget_bytes: int
    plain_bytes: int
    steps: int
    share: float


def budgets_of(graph: Graph) -> set[str]:
    """What the `Budget`s in a graph say, those inside calls included."""
    found: set[str] = set()
    for v in graph.nodes:
        if isinstance(v.op, Budget):
            found.add(v.op.most)
        elif isinstance(v.op, Call):
            found |= budgets_of(v.op.body)
    return found


def rematerialize(
    lowered: Lowered, plan: Plan, budgets: Iterable[str]
) -> tuple[Lowered, Plan, Remade]:
    """The program within the smallest of its budgets, or as near as it gets, with a warning.

    Args:
        lowered: a program, with the lifetimes of its slots.
        plan: its memory.
        budgets: shares of its arena, as "0.4", or bytes, as "1000".
    """
    plain = plan.arena_bytes
    budget = min(int(b) if b.isdigit() else int(plain * float(b)) for b in budgets)
    if plain <= budget:
        return lowered, plan, Remade(budget, plain, 0, 0.0)
    search = _Search(lowered)
    best: tuple[Lowered, Plan, Run | None] = (lowered, plan, None)
    counted = budget
    for _ in range(ATTEMPTS):
        run = search.best(counted)
        made = search.program.written(run)
        planned = plan_memory(made)
        if planned.arena_bytes < best[1].arena_bytes:
            best = made, planned, run
        if planned.arena_bytes <= budget or run.peak_bytes > counted:
            break
        counted = min(counted - 64, int(counted * (budget / planned.arena_bytes) * 0.995))
    if best[1].arena_bytes > budget:
        _warn(budget, plain, best[1].arena_bytes)
    made, planned, run = best
    again = [i for i, second in run.order if second] if run else []
    cost = search.program.cost
    share = sum(cost[i] for i in again) / sum(cost)
    return made, planned, Remade(budget, plain, len(again), share)


def _warn(budget_bytes: int, plain_bytes: int, least_bytes: int) -> None:
    warnings.warn(
        MemoryBudgetWarning(
            f"checkpoint: the program cannot be made to fit into its budget of "
            f"{quantity(budget_bytes, 'B')}; it takes {quantity(least_bytes, 'B')}, the least that "
            f"was found, and {quantity(plain_bytes, 'B')} without a budget; raise the budget to "
            f"{least_bytes}, or use smaller batches"
        ),
        stacklevel=2,
    )


class _Search:
    """The runs of one program."""

    def __init__(self, lowered: Lowered):
        self.program = Reruns(lowered)
        self.every = set(range(self.program.steps))
        self.plain = self.program.run(self.every, [self.program.steps] * self.program.steps)
        self.alive = self.program.profile(self.plain)

    def best(self, budget_bytes: int) -> Run:
        """The cheapest run that is found within the budget; else the one with the least memory."""
        self.ends = self.program.ends([n > budget_bytes for n in self.alive])
        self.known: dict[frozenset[int], Run] = {}
        self.late = self._late()
        self.price = {i: self._price(i) for i in self.late}
        levels = sorted(set(self.price.values()))
        low, high = 0, len(levels) - 1
        if high < 0:
            return self.plain
        found = self._at(levels[high], budget_bytes)
        if found[0].peak_bytes > budget_bytes:
            return found[0]
        while low < high:
            middle = (low + high) // 2
            tried = self._at(levels[middle], budget_bytes)
            if tried[0].peak_bytes <= budget_bytes:
                found, high = tried, middle
            else:
                low = middle + 1
        return self._keep_more(*found, budget_bytes)

    def _late(self) -> dict[int, int]:
        """The steps whose results are read after a gap: how many bytes of them are."""
        program = self.program
        found = {}
        for i, made in enumerate(program.made):
            size = sum(program.sizes[slot] for slot in made
                       if any(r > self.ends[i] for r in program.readers[slot]))  # fmt: skip
            if size and program.repeatable[i]:
                found[i] = size
        return found

    def _price(self, i: int) -> float:
        """Cycles for a byte: those of the step, and of what it reads and nobody reads late."""
        program = self.program
        cycles, seen, stack = 0.0, {i}, [i]
        while stack:
            step = stack.pop()
            cycles += program.cost[step]
            for maker in {program.maker[slot] for slot in program.reads[step]} - seen:
                if maker not in self.late and program.repeatable[maker]:
                    seen.add(maker)
                    stack.append(maker)
        return cycles / self.late[i]

    # ------------------------------------------------------------ the family

    def _at(self, price: float, budget_bytes: int) -> tuple[Run, set[int]]:
        """The run that drops all that is no dearer: the cheapest that fits, else the smallest."""
        whole = sum(size for i, size in self.late.items() if self.price[i] <= price)
        found: list[tuple[Run, set[int]]] = []
        for halvings in range(LENGTHS):
            kept = self._kept(price, whole >> halvings)
            found.append((self._run(kept), kept))
            if min(r.peak_bytes for r, _ in found[-2:]) > min(r.peak_bytes for r, _ in found):
                break  # it only grows from here
        fitting = [f for f in found if f[0].peak_bytes <= budget_bytes]
        if fitting:
            return min(fitting, key=lambda f: f[0].cost)
        return min(found, key=lambda f: f[0].peak_bytes)

    def _run(self, kept: set[int]) -> Run:
        """The run that keeps these; made once."""
        key = frozenset(kept)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self.program.run(kept, self.ends)
        return found

    def _kept(self, price: float, length_bytes: int) -> set[int]:
        """What is kept: the dearer ones, and what the forward pass reads across segments."""
        program = self.program
        dear = {i for i in self.late if self.price[i] > price}
        kept = dear | {i for i in self.every if not program.repeatable[i]}
        across = self._across(kept)
        since, start = 0, 0
        for i in range(program.steps):
            since += self.late.get(i, 0) if i not in kept else 0
            if since < length_bytes or i not in self.late:
                continue
            at = min(range(start, i + 1), key=lambda j: (across[j], -j))
            kept |= {m for m in range(at + 1) if self.ends[m] > at and program.made[m]}
            since = sum(self.late.get(j, 0) for j in range(at + 1, i + 1) if j not in kept)
            start = i + 1
        return kept

    def _across(self, kept: set[int]) -> list[int]:
        """For each step, the bytes that later ones read before any gap, without those kept."""
        program = self.program
        change = [0] * (program.steps + 1)
        for i, made in enumerate(program.made):
            end = self.ends[i]
            if i not in kept and end > i:
                size = sum(program.sizes[slot] for slot in made)
                change[i] += size
                change[end] -= size
        found, alive = [], 0
        for step in change:
            alive += step
            found.append(alive)
        return found

    def _keep_more(self, run: Run, kept: set[int], budget_bytes: int) -> Run:
        """Keeps further values while they fit, the dearest first, later ones before earlier."""
        again = [i for i, second in run.order if second and i in self.late]
        again.sort(key=lambda i: (-self.price[i], -i))
        width = -(-len(again) // CHUNKS) or 1
        while again and width:
            tried = kept | set(again[:width])
            other = self._run(tried)
            if other.peak_bytes <= budget_bytes:
                run, kept, again = other, tried, again[width:]
            elif width > 1:
                width //= 2
            else:
                again = again[1:] if len(again) < CHUNKS else again[len(again) // CHUNKS :]
        return run
