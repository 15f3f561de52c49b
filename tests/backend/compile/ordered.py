"""Whether the launches of a program may run as their dependencies allow."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backend.compile.build import Compiled
from lamina.backend.compile.lower import Slot, Touch
from lamina.backend.compile.plan_memory import Plan


def ancestors(after: Sequence[Sequence[int]]) -> list[set[int]]:
    """For each launch all that come before it, by what comes directly before each."""
    found: list[set[int]] = []
    for direct in after:
        found.append(set(direct).union(*(found[i] for i in direct)))
    return found


def races(compiled: Compiled) -> list[tuple[int, int]]:
    """Pairs of launches that meet in memory, one of them writing, and that nothing orders.

    What runs once runs before all else; among themselves, each of the two kinds has only the
    dependencies within it.
    """
    lowered, plan = compiled.record.lowered, compiled.record.plan
    assert lowered is not None and plan is not None
    touches = [touch for step in lowered.steps for touch in step.touches]
    tasks = compiled.program.tasks()
    before = ancestors([[i for i in t.dependencies if tasks[i].once == t.once] for t in tasks])
    return [
        (i, j)
        for j in range(len(tasks))
        for i in range(j)
        if tasks[i].once == tasks[j].once
        and i not in before[j]
        and _meet(touches[i], touches[j], plan.donors)
    ]


def _meet(a: Touch, b: Touch, donors: dict[int, int]) -> bool:
    return any(
        _overlap(x, y, donors)
        for mine, others in ((a.writes, (*b.reads, *b.writes)), (a.reads, b.writes))
        for x in mine
        for y in others
    )


def _overlap(x: Slot, y: Slot, donors: dict[int, int]) -> bool:
    (memory, begin, end), (other, start, stop) = _place(x, donors), _place(y, donors)
    return memory == other and begin < stop and start < end


def _place(slot: Slot, donors: dict[int, int]) -> tuple[tuple[str, int], int, int]:
    if slot.kind == "arena":
        return ("arena", 0), slot.offset, slot.offset + slot.size_bytes
    if slot.kind == "output" and donors.get(slot.number, -1) >= 0:
        return ("input", donors[slot.number]), 0, 1
    return (slot.kind, slot.number), 0, 1


def gone(touches: Sequence[Touch], order: Sequence[int], plan: Plan) -> list[str]:
    """What launches read too late when they run in an order: the bytes are another's by then.

    Each byte of the arena knows whose it is, in pieces of 64. A slot's own are those that it wrote,
    and those of the slot that it was written over.
    """
    owner: list[object] = [None] * (plan.arena_bytes // 64)
    wrong = []
    for launch in order:
        touch = touches[launch]
        for slot in touch.reads:
            own = all(owner[i] is slot for i in _pieces(slot))
            if not own and slot not in touch.writes:
                wrong.append(f"launch {launch} reads {slot.name}, which is gone")
        for slot in touch.writes:
            for i in _pieces(slot):
                owner[i] = slot
    return wrong


def _pieces(slot: Slot) -> range:
    if slot.kind != "arena":
        return range(0)
    return range(slot.offset // 64, -(-(slot.offset + slot.size_bytes) // 64))
