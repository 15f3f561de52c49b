"""From a fused graph to steps: fusions are scheduled, and everything is bound to buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from lamina.backend.compile import choices
from lamina.backend.compile.choices import Choices, in_force
from lamina.backend.compile.control import Control, control_of
from lamina.backend.compile.foreign import ForeignCall, foreign_call
from lamina.backend.schedule.policies import policy_of, schedule
from lamina.backend.schedule.schedule import Schedule, Still, Task
from lamina.backend.targets import Target
from lamina.base.spans import Span
from lamina.graph.ir import Graph, TensorType, TupleType, Value, placeholder
from lamina.graph.ops import Barrier, Fusion, Item
from lamina.graph.passes.frozen import follows
from lamina.graph.passes.fuse import is_step
from lamina.graph.passes.order import before_barriers, ordered

Pick = Callable[[Graph], tuple[str, Schedule]]


@dataclass(eq=False)
class Slot:
    """Memory that one value lies in.

    Attributes:
        kind: "input", "constant", "output", "arena", or "kept" where it outlives a run.
        number: the position among the inputs, constants, outputs or kept values of the program.
        first, last: the steps that write it first and read it last; -1 before all.
    """

    kind: str
    size_bytes: int
    number: int = -1
    first: int = -1
    last: int = -1
    offset: int = -1
    name: str = ""


@dataclass(frozen=True, eq=False)
class Touch:
    """What a launch does to memory.

    Attributes:
        reads, writes: slots; what is read and then written stands in both.
        checks: whether it may report a fault.
        acts: whether it has an effect outside of the program, and keeps its order with others.
        once: whether it runs before the others, and only where what it makes is not kept.
    """

    reads: list[Slot]
    writes: list[Slot]
    checks: bool = False
    acts: bool = False
    once: bool = False


@dataclass
class Step:
    """One fusion: its tasks in order, and the slots of the parameters of its nests by name.

    Or one library call, loop or branch, which has no task: `in0`, `in1`, ... are its operands,
    `out0`, ... its results (of a call those that somebody reads), `tmp0`, ... what it works in.

    Attributes:
        call: the node that a library computes; None for anything else.
        foreign: how, where that is machine code of a user's.
        control: the loop or branch; None for anything else.
        once: of each launch, whether it runs once; empty where none does.
        still: the operands that are frozen, by number, where that decided the schedule.
    """

    tasks: tuple[Task, ...]
    slots: dict[str, Slot]
    policy: str
    body: Graph
    span: Span | None = None
    call: Value | None = None
    control: Control | None = None
    foreign: ForeignCall | None = None
    once: tuple[bool, ...] = ()
    still: Still = frozenset()

    def runs_once(self, launch: int) -> bool:
        """Whether the launch of this number in the step does."""
        return bool(self.once) and self.once[launch]

    @property
    def has_effect(self) -> bool:
        """Whether it must keep its order with others."""
        if self.call is not None and not self.call.op.pure:
            return True
        return self.control is not None and self.control.acts

    @property
    def launches(self) -> tuple[Task | None, ...]:
        """What the executor starts: the tasks, or None for the one call, loop or branch."""
        return self.tasks or (None,)

    @property
    def touches(self) -> list[Touch]:
        """What each launch does to memory, in order."""
        slots = self.slots
        if not self.tasks:
            reads = [slot for name, slot in slots.items() if name.startswith("in")]
            writes = [slot for name, slot in slots.items() if not name.startswith("in")]
            checks = self.control is None or self.control.native.checks
            return [Touch(reads, writes, checks, self.has_effect, self.runs_once(0))]
        found = []
        for number, task in enumerate(self.tasks):
            params = task.nest.params
            reads = [slots[p.name] for p in params if p.role != "out"]
            writes = [slots[p.name] for p in params if p.role != "in"]
            found.append(Touch(reads, writes, task.nest.checks, once=self.runs_once(number)))
        return found

    @property
    def results(self) -> tuple[int, ...]:
        """The numbers of the results of a call that have a slot, in order."""
        return tuple(int(name[3:]) for name in self.slots if name.startswith("out"))


@dataclass
class Lowered:
    """Steps and slots of a program.

    Attributes:
        outputs: the slot of each output of the graph; one slot may serve several.
        constants: array constants, by their slot's number.
        kept_bytes: memory of the kept slots.
        frozen: the inputs that the launches read which run once.
    """

    steps: list[Step]
    inputs: list[Slot]
    outputs: list[Slot]
    constants: list[np.ndarray]
    slots: list[Slot] = field(default_factory=list)
    kept_bytes: int = 0
    frozen: tuple[int, ...] = ()


def lower(
    graph: Graph,
    target: Target,
    compile_body: Callable[[Graph], Any] | None = None,
    generic: bool = False,
    pick: Pick | None = None,
    frozen: Sequence[int] = (),
) -> Lowered:
    """Schedule every fusion of `graph`; equal bodies are scheduled once.

    Args:
        graph: after the fusing pass.
        target: the machine.
        compile_body: makes the bodies of loops and branches programs, if there are any.
        generic: kernels leave their sizes open.
        pick: how a body is scheduled; by the choices in force when not given.
        frozen: numbers of inputs that are seldom others than at the call before.
    """
    return _Lowering(target, compile_body, generic, pick, follows(graph, frozen)).run(graph)


class _Lowering:
    def __init__(
        self,
        target: Target,
        compile_body: Callable[[Graph], Any] | None,
        generic: bool,
        pick: Pick | None,
        still: frozenset[int],
    ):
        self.still = still
        self.target = target
        self.pick = pick or partial(_pick, target, choices.NONE if generic else in_force(target))
        self.compile_body = compile_body
        self.generic = generic
        self.slot: dict[int, Slot] = {}
        self.parts: dict[int, list[Slot]] = {}
        self.slots: list[Slot] = []
        self.constants: list[np.ndarray] = []
        self.scheduled: dict[tuple[Graph, Still], tuple[str, Schedule]] = {}

    def run(self, graph: Graph) -> Lowered:
        inputs = []
        for i, v in enumerate(graph.inputs):
            inputs.append(self._new("input", v.type, i))
            self.slot[v.id] = inputs[-1]
        results = {before_barriers(v).id for v in graph.outputs}
        parts: dict[int, dict[int, Value]] = {}
        for v in graph.nodes:
            if isinstance(v.op, Item):
                parts.setdefault(v.operands[0].id, {})[v.op.index] = v
        numbered = 0
        steps: list[Step] = []
        for v in ordered(graph):
            if isinstance(v.op, Item):
                if isinstance(v.operands[0].op, Barrier):
                    self.slot[v.id] = self.slot[v.operands[0].operands[v.op.index].id]
                continue
            if isinstance(v.op, Barrier):
                continue  # its work is done: the order is fixed
            if not isinstance(v.op, Fusion) and not is_step(v):
                self._constant(v)
                continue
            several = isinstance(v.type, TupleType)
            owners = parts.get(v.id, {}) if several else {0: v}
            foreign = foreign_call(v)
            outs: dict[str, Slot] = {}
            for j, type in enumerate(v.type.items if several else (v.type,)):
                owner = owners.get(j)
                if owner is None and v.op.call is not None and foreign is None:
                    continue  # nobody reads this part
                kind = "output" if owner is not None and owner.id in results else "arena"
                slot = self._new(kind, type, numbered if kind == "output" else -1)
                numbered += kind == "output"
                if owner is not None:
                    self.slot[owner.id] = slot
                outs[f"out{j}"] = slot
            made = self._step if isinstance(v.op, Fusion) else self._alone
            steps.append(made(v, outs, len(steps)))
        outputs = [self.slot[v.id] for v in graph.outputs]
        for slot in outputs:
            slot.last = len(steps)
        return Lowered(steps, inputs, outputs, self.constants, self.slots)

    def _new(self, kind: str, type: TensorType, number: int) -> Slot:
        slot = Slot(kind, type.size_bytes, number, name=f"{kind}{number}: {type}")
        self.slots.append(slot)
        return slot

    def _constant(self, v: Value) -> None:
        array = np.ascontiguousarray(v.op.reference()) if v.op is not None else None
        assert array is not None and not v.operands, f"fuse left {v!r} outside a fusion"
        self.slot[v.id] = self._new("constant", v.type, len(self.constants))
        self.constants.append(array)

    def _alone(self, v: Value, outs: dict[str, Slot], number: int) -> Step:
        """A library call, a loop or a branch."""
        slots = {f"in{i}": self.slot[o.id] for i, o in enumerate(v.operands)} | outs
        control = None
        if v.op.call is None:
            assert self.compile_body is not None, f"{v!r} has bodies and nobody compiles them"
            control = control_of(v, self.compile_body)
            self._add_temporaries(slots, control.temporaries_bytes)
        foreign = foreign_call(v)
        if foreign is not None and foreign.workspace_bytes:
            self._add_temporaries(slots, [foreign.workspace_bytes])
        live(slots, number)
        inputs = tuple(placeholder(o.type) for o in v.operands)
        body = Graph(inputs, (Value(v.type, v.op, inputs, v.span),))
        if control is not None:
            return Step((), slots, "control flow", body, v.span, control=control)
        policy = "library call" if foreign is None else f"kernel {foreign.kernel.symbol}"
        return Step((), slots, policy, body, v.span, v, foreign=foreign)

    def _add_temporaries(self, slots: dict[str, Slot], sizes_bytes: Sequence[int]) -> None:
        for k, size_bytes in enumerate(sizes_bytes):
            slots[f"tmp{k}"] = Slot("arena", size_bytes, name=f"tmp{k}")
            self.slots.append(slots[f"tmp{k}"])

    def _step(self, v: Value, outs: dict[str, Slot], number: int) -> Step:
        body = v.op.body
        still = frozenset([i for i, o in enumerate(v.operands) if self._is_still(o)])
        if len(still) == len(v.operands) or policy_of(body).prepared is None:
            still = frozenset()  # all of it runs once, or it makes no difference
        known = self.scheduled.get((body, still))
        if known is None:
            known = self.scheduled[body, still] = self._schedule(body, still)
        name, schedule = known
        slots = {f"in{i}": self.slot[o.id] for i, o in enumerate(v.operands)} | outs
        self._add_temporaries(slots, schedule.temporaries_bytes)
        live(slots, number)
        return Step(schedule.tasks, slots, name, body, v.span, still=still)

    def _is_still(self, v: Value) -> bool:
        """Whether a value is frozen, or an array constant beside such."""
        return v.id in self.still or (bool(self.still) and self.slot[v.id].kind == "constant")

    def _schedule(self, body: Graph, still: Still) -> tuple[str, Schedule]:
        """By the model where inputs are frozen: choices were measured with packing in each call."""
        policy = policy_of(body)
        if still:
            assert policy.prepared is not None
            name, made = policy.name, policy.prepared(body, self.target, still)
        else:
            name, made = self.pick(body)
        if self.generic:
            made = replace(made, tasks=tuple([task.lifted() for task in made.tasks]))
        return name, made


def _pick(target: Target, chosen: Choices, body: Graph) -> tuple[str, Schedule]:
    """The policy of a body, with the candidate where one was chosen, and the schedule."""
    name, choice = policy_of(body).name, chosen.name_of(body)
    return f"{name}: {choice}" if choice else name, schedule(body, target, choice)


def live(slots: dict[str, Slot], number: int) -> None:
    """Note that step `number` reads and writes these slots."""
    for slot in slots.values():
        if slot.kind in ("arena", "output", "kept") and slot.first < 0:
            slot.first = number
        slot.last = max(slot.last, number)
