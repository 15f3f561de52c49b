"""Where every intermediate lies: one arena, planned from lifetimes, with in-place reuse.

Each arena slot lives from the step that writes it to the step that reads it last. Slots that live
at the same time must not overlap; the packing is greedy by size with the best fitting gap (the
general problem is NP-complete). A step may write a result over an operand that dies there when
its kernel reads each element before writing it (`Param.may_alias`). An output may take the memory
of an input when nothing can fail any more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from lamina.backend.compile.faults import last_check
from lamina.backend.compile.lower import Lowered, Slot, Step

ALIGNMENT = 64


@dataclass(frozen=True)
class Plan:
    """The memory of a program.

    Attributes:
        arena_bytes: size of the one allocation.
        sum_bytes: what the intermediates would take without reuse.
        donors: for each output, by number, the input whose memory it may take, or -1.
        in_place: pairs (written, overwritten) that share memory in the arena.
    """

    arena_bytes: int
    sum_bytes: int
    donors: dict[int, int]
    in_place: tuple[tuple[Slot, Slot], ...]


def plan_memory(program: Lowered) -> Plan:
    """Give each arena slot its offset; say which outputs may take the memory of an input."""
    safe_after = last_check(program)  # a fault must find the inputs as they were
    host: dict[int, Slot] = {}
    donors: dict[int, int] = {}
    pairs: list[tuple[Slot, Slot]] = []
    taken: set[int] = set()
    for number, step in enumerate(program.steps):
        for written, dying in replaceable(step):
            shared = id(written) in host or id(dying) in taken or written.number in donors
            if shared or dying.last != number:
                continue
            if written.kind == "arena" and dying.kind == "arena":
                host[id(written)] = dying
                pairs.append((written, dying))
            elif written.kind == "output" and dying.kind == "input" and number > safe_after:
                donors[written.number] = dying.number
            else:
                continue
            taken.add(id(dying))
    arena = [slot for slot in program.slots if slot.kind == "arena"]
    roots = _merged(arena, host)
    total = _pack([(first, last, size, slots) for first, last, size, slots in roots])
    return Plan(total, sum(aligned(s.size_bytes) for s in arena), donors, tuple(pairs))


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


def _merged(arena: list[Slot], host: dict[int, Slot]) -> list[tuple[int, int, int, list[Slot]]]:
    """Chains of slots that share memory, as one interval each."""

    def root(slot: Slot) -> Slot:
        while id(slot) in host:
            slot = host[id(slot)]
        return slot

    chains: dict[int, list[Slot]] = {}
    for slot in arena:
        chains.setdefault(id(root(slot)), []).append(slot)
    return [
        (min(s.first for s in c), max(s.last for s in c), max(s.size_bytes for s in c), c)
        for c in chains.values()
    ]


def aligned(size_bytes: int) -> int:
    """The bytes that a slot of this size takes."""
    return (size_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def _pack(chains: list[tuple[int, int, int, list[Slot]]]) -> int:
    """Offsets, largest first, each into the smallest gap that holds it; the arena's size."""
    placed = np.empty((len(chains), 4), np.int64)  # first, last, begin, end
    total = 0
    for count, (first, last, size, slots) in enumerate(sorted(chains, key=lambda c: -c[2])):
        size = aligned(size)
        known = placed[:count]
        beside = known[(known[:, 0] <= last) & (known[:, 1] >= first), 2:]
        busy = sorted(map(tuple, beside.tolist()))
        best, best_gap, begin = -1, -1, 0
        for b, e in busy:
            gap = b - begin
            if gap >= size and (best < 0 or gap < best_gap):
                best, best_gap = begin, gap
            begin = max(begin, e)
        offset = best if best >= 0 else begin
        placed[count] = first, last, offset, offset + size
        total = max(total, offset + size)
        for slot in slots:
            slot.offset = offset
    return total
