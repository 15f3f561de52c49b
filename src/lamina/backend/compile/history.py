"""Which launches of a program must come first: by data, by reuse of memory, and checks before
writes into inputs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from lamina.backend.compile.lower import Slot
from lamina.backend.compile.plan_memory import Plan

Place = tuple[str, int]  # arena, output, kept value, or input that an output may overwrite


@dataclass
class _Stretch:
    """Bytes that were written by one launch, and the launches that have read them since."""

    begin: int
    end: int
    writer: int = -1
    readers: set[int] = field(default_factory=set)


def _begin(stretch: _Stretch) -> int:
    return stretch.begin


class _Memory:
    """The stretches of one memory, in order and without gaps."""

    def __init__(self, size_bytes: int):
        self.stretches = [_Stretch(0, size_bytes)]

    def read(self, begin: int, end: int, launch: int) -> set[int]:
        """Who must come before a launch that reads these bytes."""
        found: set[int] = set()
        for stretch in self.stretches[self._between(begin, end)]:
            found.add(stretch.writer)
            stretch.readers.add(launch)
        return found

    def write(self, begin: int, end: int, launch: int) -> set[int]:
        """Who must come before a launch that writes these bytes; who comes after it need not
        know them."""
        where = self._between(begin, end)
        found: set[int] = set()
        for stretch in self.stretches[where]:
            found |= {stretch.writer, *stretch.readers}
        self.stretches[where] = [_Stretch(begin, end, launch)]
        return found

    def _between(self, begin: int, end: int) -> slice:
        self._cut(begin)
        self._cut(end)
        return slice(
            bisect_left(self.stretches, begin, key=_begin),
            bisect_left(self.stretches, end, key=_begin),
        )

    def _cut(self, at: int) -> None:
        i = bisect_right(self.stretches, at, key=_begin) - 1
        cut = self.stretches[i]
        if cut.begin < at < cut.end:
            rest = _Stretch(at, cut.end, cut.writer, set(cut.readers))
            self.stretches[i : i + 1] = [
                _Stretch(cut.begin, at, cut.writer, cut.readers),
                rest,
            ]


class History:
    """The launches so far; each new one is told which of them it has to wait for."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.written_inputs = set(plan.donors.values())
        self.memories: dict[Place, _Memory] = {("arena", 0): _Memory(plan.arena_bytes)}
        self.checks: list[int] = []  # launches that may report a fault
        self.effect = -1  # the last launch with an effect

    def depend(
        self, launch: int, reads: Sequence[Slot], writes: Sequence[Slot], checks: bool
    ) -> tuple[int, ...]:
        """The launches that `launch` comes after, directly.

        Args:
            launch: its number, one more than that of the last.
            reads: what it reads.
            writes: what it writes.
            checks: whether it may report a fault.
        """
        found: set[int] = set()
        if any(slot.kind == "output" and slot.number in self.plan.donors for slot in writes):
            found.update(self.checks)  # a fault must find the inputs as they were
        if checks:
            self.checks.append(launch)
        for slot in reads:
            if place := self._place(slot):
                found |= self._memory(place).read(*self._bytes(slot), launch)
        for slot in writes:
            if place := self._place(slot):
                found |= self._memory(place).write(*self._bytes(slot), launch)
        return tuple(sorted(found - {-1, launch}))

    def follow_effect(self, launch: int) -> tuple[int, ...]:
        """The launch with an effect before this one, which has one too: they keep their order."""
        before, self.effect = self.effect, launch
        return (before,) if before >= 0 else ()

    def _memory(self, place: Place) -> _Memory:
        return self.memories.setdefault(place, _Memory(1))

    def _bytes(self, slot: Slot) -> tuple[int, int]:
        return (slot.offset, slot.offset + slot.size_bytes) if slot.kind == "arena" else (0, 1)

    def _place(self, slot: Slot) -> Place | None:
        """The memory that a slot lies in; None for what nobody writes."""
        if slot.kind == "arena":
            return ("arena", 0) if slot.size_bytes else None
        if slot.kind == "output":
            donor = self.plan.donors.get(slot.number, -1)
            return ("input", donor) if donor >= 0 else ("output", slot.number)
        return (slot.kind, slot.number) if self._is_written(slot) else None

    def _is_written(self, slot: Slot) -> bool:
        if slot.kind == "kept":
            return True
        return slot.kind == "input" and slot.number in self.written_inputs
