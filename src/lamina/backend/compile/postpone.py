"""Updates wait for the last reader of what they replace, so that they are written over it.

The gradient of a layer's weights frees what it is computed from, so its step, which ends with the
update of the weights, runs early (`graph/passes/order.py`). The gradient of the layer's input reads
the old weights, and often comes right after it; the new ones then need memory of their own. Here
such an update runs behind the last reader, unless the arena grows by more than that saves.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from lamina.backend.compile.lower import Lowered, Slot, Step, live
from lamina.backend.compile.plan_memory import replaceable


def postpone_updates(program: Lowered) -> None:
    """Move the steps of `program` that replace an input behind the other readers of it.

    Before:  0: new = weights - rate * gradient;  1: y = weights @ x
    After:   0: y = weights @ x;  1: new = weights - rate * gradient, over the weights
    """
    order = _Order(program)
    moved = [order.postpone(step) for step in list(program.steps)]
    if not any(moved):
        return
    program.steps[:] = order.steps
    for slot in program.slots:
        slot.first = slot.last = -1
    for number, step in enumerate(program.steps):
        live(step.slots, number)
    for slot in program.outputs:
        slot.last = len(program.steps)


class _Order:
    """Steps in an order that changes, and the memory in use at each."""

    def __init__(self, program: Lowered):
        self.steps = list(program.steps)
        self.place = {id(step): n for n, step in enumerate(self.steps)}
        self.touching: defaultdict[int, list[Step]] = defaultdict(list)
        for step in self.steps:
            for slot in {id(s): s for s in step.slots.values()}.values():
                self.touching[id(slot)].append(step)
        self.live = np.zeros(len(self.steps), np.int64)
        for slot in program.slots:
            self._count(self.live, slot, 1)
        self.most = int(self.live.max(initial=0))

    def _count(self, live: np.ndarray, slot: Slot, sign: int) -> None:
        """Adds what a slot takes, or takes it away."""
        if slot.kind == "arena" and self.touching[id(slot)]:
            places = [self.place[id(step)] for step in self.touching[id(slot)]]
            live[min(places) : max(places) + 1] += sign * slot.size_bytes

    def postpone(self, step: Step) -> bool:
        """Moves a step behind the readers of what it replaces; whether it did."""
        first = self.place[id(step)]
        last, saved_bytes = self._last_reader(step)
        if last <= first or self._followed(step, last):
            return False
        between = self.steps[first : last + 1]
        slots = {id(s): s for other in between for s in other.slots.values()}.values()
        found = self.live.copy()
        for slot in slots:
            self._count(found, slot, -1)
        self._arrange(first, [*between[1:], step])
        for slot in slots:
            self._count(found, slot, 1)
        most = int(found.max())
        if most > self.most + saved_bytes:
            self._arrange(first, between)
            return False
        self.live, self.most = found, max(self.most, most)
        return True

    def _arrange(self, first: int, steps: list[Step]) -> None:
        self.steps[first : first + len(steps)] = steps
        for n, step in enumerate(steps, first):
            self.place[id(step)] = n

    def _last_reader(self, step: Step) -> tuple[int, int]:
        """The place of the last reader of what a step replaces, and the bytes that wait for it."""
        place = self.place[id(step)]
        taken: set[int] = set()
        found, saved_bytes = place, 0
        pairs: defaultdict[int, list[Slot]] = defaultdict(list)
        for written, dying in replaceable(step):
            if written.kind == "output" and dying.kind == "input":
                pairs[id(written)].append(dying)
        for options in pairs.values():
            free = [slot for slot in options if id(slot) not in taken]
            if not free:
                continue
            ends = [max(self.place[id(s)] for s in self.touching[id(slot)]) for slot in free]
            best = int(np.argmin(ends))
            taken.add(id(free[best]))
            found = max(found, ends[best])
            saved_bytes += free[best].size_bytes if ends[best] > place else 0
        return found, saved_bytes

    def _followed(self, step: Step, last: int) -> bool:
        """Whether a step up to `last` reads what this one makes, or this one may fail."""
        if not step.tasks or any(task.nest.checks for task in step.tasks):
            return True
        names = {p.name for task in step.tasks for p in task.nest.params if p.role != "in"}
        made = [step.slots[name] for name in names]
        place = self.place[id(step)]
        readers = [other for slot in made for other in self.touching[id(slot)]]
        return any(place < self.place[id(other)] <= last for other in readers)
