"""Which launches of a program must come first: by data, by reuse of memory, and checks before
writes into inputs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lamina.backend.compile.lower import Slot, Touch

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


def dependencies(
    touches: Sequence[Touch], donors: Mapping[int, int], arena_bytes: int | None
) -> list[tuple[int, ...]]:
    """The launches that each launch comes after, directly.

    Launches that run once, and those that run always, have the arena in turn: each kind has its
    own order in it, which holds without the other.

    Args:
        touches: what the launches do to memory, in order.
        donors: for each output, by number, the input whose memory it may take, or -1.
        arena_bytes: the size of the arena; None before it is planned: then each slot is a memory
            of its own.
    """
    history = _History(donors, arena_bytes)
    return [history.depend(launch, touch) for launch, touch in enumerate(touches)]


class _History:
    """The launches so far; each new one is told which of them it has to wait for."""

    def __init__(self, donors: Mapping[int, int], arena_bytes: int | None):
        self.donors = donors
        self.written_inputs = set(donors.values())
        self.arena_bytes = arena_bytes
        self.memories: dict[Place, _Memory] = {}
        self.checks: list[int] = []  # launches that may report a fault
        self.effect = -1  # the last launch with an effect

    def depend(self, launch: int, touch: Touch) -> tuple[int, ...]:
        """The launches that `launch` comes after; its number is one more than that of the last."""
        found: set[int] = set()
        if any(slot.kind == "output" and slot.number in self.donors for slot in touch.writes):
            found.update(self.checks)  # a fault must find the inputs as they were
        if touch.checks:
            self.checks.append(launch)
        if touch.acts:
            found.add(self.effect)
            self.effect = launch
        for slot in touch.reads:
            if place := self._place(slot, touch.once):
                found |= self._memory(place).read(*self._bytes(slot), launch)
        for slot in touch.writes:
            if place := self._place(slot, touch.once):
                found |= self._memory(place).write(*self._bytes(slot), launch)
        return tuple(sorted(found - {-1, launch}))

    def _memory(self, place: Place) -> _Memory:
        size_bytes = self.arena_bytes if place[0] == "arena" else 1
        return self.memories.setdefault(place, _Memory(size_bytes or 1))

    def _bytes(self, slot: Slot) -> tuple[int, int]:
        planned = slot.kind == "arena" and self.arena_bytes is not None
        return (slot.offset, slot.offset + slot.size_bytes) if planned else (0, 1)

    def _place(self, slot: Slot, once: bool) -> Place | None:
        """The memory that a slot lies in; None for what nobody writes."""
        if slot.kind == "arena":
            if not slot.size_bytes:
                return None
            return ("slot", id(slot)) if self.arena_bytes is None else ("arena", int(once))
        if slot.kind == "output":
            donor = self.donors.get(slot.number, -1)
            return ("input", donor) if donor >= 0 else ("output", slot.number)
        return (slot.kind, slot.number) if self._is_written(slot) else None

    def _is_written(self, slot: Slot) -> bool:
        if slot.kind == "kept":
            return True
        return slot.kind == "input" and slot.number in self.written_inputs
