"""From a fused graph to steps: each fusion scheduled, its operands and results bound to buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lamina.backend.schedule.policies import policy_of
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.backend.targets import Target
from lamina.base.spans import Span
from lamina.graph.ir import Graph, Value
from lamina.graph.ops import Fusion, Item


@dataclass(eq=False)
class Slot:
    """Memory that one value lies in.

    Attributes:
        kind: "input", "constant", "output" or "arena".
        number: the position among the inputs, constants or outputs of the program.
        first, last: the steps that write it first and read it last; -1 before all.
    """

    kind: str
    size_bytes: int
    number: int = -1
    first: int = -1
    last: int = -1
    offset: int = -1
    name: str = ""


@dataclass
class Step:
    """One fusion: its tasks in order, and the slots of the parameters of its nests by name."""

    tasks: tuple[Task, ...]
    slots: dict[str, Slot]
    policy: str
    body: Graph
    span: Span | None = None


@dataclass
class Lowered:
    """Steps and slots of a program.

    Attributes:
        outputs: the slot of each output of the graph; one slot may serve several.
        constants: array constants, by their slot's number.
    """

    steps: list[Step]
    inputs: list[Slot]
    outputs: list[Slot]
    constants: list[np.ndarray]
    slots: list[Slot] = field(default_factory=list)


def lower(graph: Graph, target: Target) -> Lowered:
    """Schedule every fusion of `graph`; equal bodies are scheduled once."""
    made = _Lowering(target)
    return made.run(graph)


class _Lowering:
    def __init__(self, target: Target):
        self.target = target
        self.slot: dict[int, Slot] = {}
        self.parts: dict[int, list[Slot]] = {}
        self.slots: list[Slot] = []
        self.constants: list[np.ndarray] = []
        self.scheduled: dict[Graph, tuple[str, Schedule]] = {}

    def run(self, graph: Graph) -> Lowered:
        inputs = []
        for i, v in enumerate(graph.inputs):
            inputs.append(self._new("input", v, i))
            self.slot[v.id] = inputs[-1]
        results = {v.id for v in graph.outputs}
        parts: dict[int, dict[int, Value]] = {}
        for v in graph.nodes:
            if isinstance(v.op, Item):
                parts.setdefault(v.operands[0].id, {})[v.op.index] = v
        numbered = 0
        steps: list[Step] = []
        for v in graph.nodes:
            if isinstance(v.op, Item):
                continue
            if not isinstance(v.op, Fusion):
                self._constant(v)
                continue
            body = v.op.body
            owners = parts.get(v.id, {}) if len(body.outputs) > 1 else {0: v}
            outs = []
            for j, out in enumerate(body.outputs):
                owner = owners.get(j)
                kind = "output" if owner is not None and owner.id in results else "arena"
                slot = self._new(kind, out, numbered if kind == "output" else -1)
                numbered += kind == "output"
                if owner is not None:
                    self.slot[owner.id] = slot
                outs.append(slot)
            steps.append(self._step(v, body, outs, len(steps)))
        outputs = [self.slot[v.id] for v in graph.outputs]
        for slot in outputs:
            slot.last = len(steps)
        return Lowered(steps, inputs, outputs, self.constants, self.slots)

    def _new(self, kind: str, v: Value, number: int) -> Slot:
        slot = Slot(kind, v.type.size_bytes, number, name=f"{kind}{number}: {v.type}")
        self.slots.append(slot)
        return slot

    def _constant(self, v: Value) -> None:
        array = np.ascontiguousarray(v.op.reference()) if v.op is not None else None
        assert array is not None and not v.operands, f"fuse left {v!r} outside a fusion"
        self.slot[v.id] = self._new("constant", v, len(self.constants))
        self.constants.append(array)

    def _step(self, v: Value, body: Graph, outs: Sequence[Slot], number: int) -> Step:
        known = self.scheduled.get(body)
        if known is None:
            policy = policy_of(body)
            known = self.scheduled[body] = (policy.name, policy.schedule(body, self.target))
        name, schedule = known
        slots = {f"in{i}": self.slot[o.id] for i, o in enumerate(v.operands)}
        slots |= {f"out{j}": slot for j, slot in enumerate(outs)}
        for k, size_bytes in enumerate(schedule.temporaries_bytes):
            slots[f"tmp{k}"] = Slot("arena", size_bytes, name=f"tmp{k}")
            self.slots.append(slots[f"tmp{k}"])
        for slot in slots.values():
            if slot.kind in ("arena", "output") and slot.first < 0:
                slot.first = number
            slot.last = max(slot.last, number)
        return Step(schedule.tasks, slots, name, body, v.span)
