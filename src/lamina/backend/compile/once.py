"""What follows from frozen inputs alone is made once: which launches those are, and what is kept.

A program may be told that some inputs are *frozen*: seldom others from call to call. A launch that
reads nothing but such inputs, constants, and what such launches made, runs *once*: at the first
call, and again when a frozen input has other contents. What other launches read of its results is
*kept*: it lies in memory that outlives a run. What only such launches read stays in the arena.

    pack the weights (in1 -> tmp0)      once    tmp0 is kept
    product (in0, tmp0 -> out0)

A launch that depends on no frozen input runs once only for others that do: a table made of nothing
is cheaper made again than kept. Nothing that an output or an effect needs runs once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lamina.backend.compile.lower import Lowered, Slot, Step
from lamina.backend.compile.plan_memory import aligned


@dataclass(eq=False)
class _Launch:
    """What a launch reads and writes.

    Attributes:
        able: whether it may run once at all.
    """

    reads: list[Slot]
    writes: list[Slot]
    able: bool
    frozen: bool = False  # whether it depends on a frozen input


@dataclass
class _Uses:
    """Who writes and who reads each slot, by the slot's identity."""

    writers: defaultdict[int, list[_Launch]] = field(default_factory=lambda: defaultdict(list))
    readers: defaultdict[int, list[_Launch]] = field(default_factory=lambda: defaultdict(list))


def keep(program: Lowered, frozen: Sequence[int]) -> None:
    """Mark the launches that run once, and keep what they make. Before the memory plan.

    Args:
        program: its steps, slots, `kept_bytes` and `frozen` are written to.
        frozen: numbers of the frozen inputs.
    """
    every = [list(_launches(step)) for step in program.steps]
    launches = [launch for step in every for launch in step]
    uses = _Uses()
    for launch in launches:
        for slot in launch.writes:
            uses.writers[id(slot)].append(launch)
        for slot in launch.reads:
            uses.readers[id(slot)].append(launch)
    given = {id(program.inputs[i]) for i in frozen}
    once = _once(launches, uses, given)
    for step, own in zip(program.steps, every, strict=True):
        step.once = tuple([launch in once for launch in own])
    read = {id(slot) for launch in once for slot in launch.reads}
    program.frozen = tuple([i for i in frozen if id(program.inputs[i]) in read])
    number = 0
    for slot in program.slots:
        made = slot.kind == "arena" and any(w in once for w in uses.writers[id(slot)])
        if made and any(r not in once for r in uses.readers[id(slot)]):
            slot.kind, slot.number, slot.offset = "kept", number, program.kept_bytes
            number += 1
            program.kept_bytes += aligned(slot.size_bytes)


def _launches(step: Step) -> Iterator[_Launch]:
    for touch in step.touches:
        yield _Launch(touch.reads, touch.writes, not touch.acts)


def _once(launches: Sequence[_Launch], uses: _Uses, given: set[int]) -> set[_Launch]:
    """The most launches of which each reads only what is given or made by them, and that alone
    write what they write."""
    for launch in launches:
        known = (id(s) in given or any(w.frozen for w in uses.writers[id(s)]) for s in launch.reads)
        launch.frozen = any(known)

    def still(slot: Slot, found: set[_Launch]) -> bool:
        if id(slot) in given or slot.kind == "constant":
            return True
        return slot.kind == "arena" and all(w in found for w in uses.writers[id(slot)])

    def stays(launch: _Launch, found: set[_Launch]) -> bool:
        if not all(still(slot, found) for slot in (*launch.reads, *launch.writes)):
            return False
        readers = (r for slot in launch.writes for r in uses.readers[id(slot)])
        return launch.frozen or all(r in found for r in readers)

    found = {launch for launch in launches if launch.able}
    while True:
        left = {launch for launch in found if stays(launch, found)}
        if left == found:
            return found
        found = left
