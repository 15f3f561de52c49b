"""Where every intermediate lies: one arena, planned from what excludes what, with in-place reuse.

Each arena slot is touched by some launches. Which slots may share memory follows from those
(`exclude.py`), in the order that launches have, or, for a program that runs as its dependencies
allow, in all orders; where each lies is then searched (`pack.py`). A step may write a result over
an operand that dies there when its kernel reads each element before writing it (`Param.may_alias`).
An output may take the memory of an input when nothing can fail any more.

Whatever shares memory, launches that meet in it wait for each other (`history.py`), so any plan is
safe under any executor; one that was made for the graph executor makes nobody wait.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.backend.compile.exclude import ALIGNMENT, Exclusions, ancestors_of, as_graph, in_order
from lamina.backend.compile.faults import last_check
from lamina.backend.compile.history import dependencies
from lamina.backend.compile.lower import Lowered, Slot, Step, Touch
from lamina.backend.compile.pack import pack

MOST_LAUNCHES = 8192  # of which all ancestors are known at once, in 64 MiB


@dataclass(frozen=True)
class Plan:
    """The memory of a program.

    Attributes:
        arena_bytes: size of the one allocation.
        sum_bytes: what the intermediates would take without reuse.
        donors: for each output, by number, the input whose memory it may take, or -1.
        in_place: pairs (written, overwritten) that share memory in the arena.
        least_bytes: no arena is smaller: so much may be alive at the same time.
        way: how the arrangement was found.
    """

    arena_bytes: int
    sum_bytes: int
    donors: dict[int, int]
    in_place: tuple[tuple[Slot, Slot], ...]
    least_bytes: int = 0
    way: str = ""

    @property
    def ratio(self) -> float:
        """The arena by the least that it could be."""
        return self.arena_bytes / self.least_bytes if self.least_bytes else 1.0


def plan_memory(program: Lowered, parallel: bool = False) -> Plan:
    """Give each arena slot its offset; say which outputs may take the memory of an input.

    Args:
        program: offsets are written into its slots.
        parallel: nothing waits for memory under the executor "graph", which takes more of it.
            Programs of more than `MOST_LAUNCHES` launches are planned in order all the same.
    """
    touches = [touch for step in program.steps for touch in step.touches]
    dying = _dying(program)
    donors = _donors(program, dying)
    ancestors = None
    if parallel and len(touches) <= MOST_LAUNCHES:
        ancestors = _ancestors(touches, donors)
    touching = _touching(touches)
    pairs = _pairs(dying, touching, ancestors)
    arena = [slot for slot in program.slots if slot.kind == "arena"]
    chains = _chains(arena, pairs)
    given = _exclusions(chains, touching, touches, ancestors)
    least_bytes = given.least_bytes()
    packing = pack(given, least_bytes)
    for slots, offset in zip(chains, packing.offsets.tolist(), strict=True):
        for slot in slots:
            slot.offset = offset
    sum_bytes = sum(aligned(s.size_bytes) for s in arena)
    return Plan(packing.total_bytes, sum_bytes, donors, tuple(pairs), least_bytes, packing.way)


def _dying(program: Lowered) -> list[tuple[int, Slot, Slot]]:
    """(step, result, operand) where the operand dies and the result may be written over it."""
    return [
        (number, written, dying)
        for number, step in enumerate(program.steps)
        for written, dying in replaceable(step)
        if dying.last == number
    ]


def _donors(program: Lowered, dying: Sequence[tuple[int, Slot, Slot]]) -> dict[int, int]:
    """For outputs, by number, the input that each may be written over."""
    safe_after = last_check(program)  # a fault must find the inputs as they were
    donors: dict[int, int] = {}
    taken: set[int] = set()
    for number, written, operand in dying:
        able = (written.kind, operand.kind) == ("output", "input") and number > safe_after
        if able and written.number not in donors and operand.number not in taken:
            donors[written.number] = operand.number
            taken.add(operand.number)
    return donors


def _pairs(
    dying: Sequence[tuple[int, Slot, Slot]],
    touching: dict[int, list[int]],
    ancestors: np.ndarray | None,
) -> list[tuple[Slot, Slot]]:
    """Pairs (written, overwritten) of arena slots; all else that touches the latter came before."""
    found: list[tuple[Slot, Slot]] = []
    written_over: set[int] = set()
    taken: set[int] = set()
    for _, written, operand in dying:
        in_arena = written.kind == operand.kind == "arena"
        if not in_arena or id(written) in written_over or id(operand) in taken:
            continue
        *others, launch = touching[id(operand)]
        if ancestors is None or ancestors[launch, others].all():
            found.append((written, operand))
            written_over.add(id(written))
            taken.add(id(operand))
    return found


def _ancestors(touches: Sequence[Touch], donors: dict[int, int]) -> np.ndarray:
    """Which launches come before which, whatever shares memory in the arena."""
    found = ancestors_of(dependencies(touches, donors, None))
    once = np.array([touch.once for touch in touches], bool)
    found[np.ix_(~once, once)] = True  # those that run once are done before the others begin
    found[np.ix_(once, ~once)] = False
    return found


def _touching(touches: Sequence[Touch]) -> dict[int, list[int]]:
    """The launches that touch each slot, by its identity."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for launch, touch in enumerate(touches):
        for key in dict.fromkeys(map(id, (*touch.reads, *touch.writes))):
            found[key].append(launch)
    return found


def _exclusions(
    chains: Sequence[Sequence[Slot]],
    touching: dict[int, list[int]],
    touches: Sequence[Touch],
    ancestors: np.ndarray | None,
) -> Exclusions:
    """Which chains exclude which."""
    sizes = [aligned(max(slot.size_bytes for slot in slots)) for slots in chains]
    launches = [sorted({n for s in slots for n in touching[id(s)]}) for slots in chains]
    if ancestors is not None:
        return as_graph(sizes, launches, ancestors)
    order = sorted(range(len(touches)), key=lambda launch: not touches[launch].once)
    place = {launch: at for at, launch in enumerate(order)}  # those that run once come first
    return in_order(sizes, [[place[launch] for launch in each] for each in launches])


def replaceable(step: Step) -> list[tuple[Slot, Slot]]:
    """Pairs (result, operand) of a step where the result may be written over a dying operand.

    Both must be touched by one task of the step only: another one could read what is written over.
    """
    touched = Counter([id(step.slots[p.name]) for task in step.tasks for p in task.nest.params])
    found: list[tuple[Slot, Slot]] = []
    for param in [p for task in step.tasks for p in task.nest.params if p.role != "in"]:
        written = step.slots[param.name]
        for name in param.may_alias.split():
            dying = step.slots[name]
            once = touched[id(dying)] == touched[id(written)] == 1
            if once and dying.size_bytes == written.size_bytes:
                found.append((written, dying))
    return found


def _chains(arena: list[Slot], pairs: Sequence[tuple[Slot, Slot]]) -> list[list[Slot]]:
    """Slots that share memory because they are written over one another."""
    host = {id(written): dying for written, dying in pairs}

    def root(slot: Slot) -> Slot:
        while id(slot) in host:
            slot = host[id(slot)]
        return slot

    chains: dict[int, list[Slot]] = {}
    for slot in arena:
        chains.setdefault(id(root(slot)), []).append(slot)
    return list(chains.values())


def aligned(size_bytes: int) -> int:
    """The bytes that a slot of this size takes."""
    return (size_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
