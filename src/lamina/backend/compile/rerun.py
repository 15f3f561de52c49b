"""What a program is when some of its values are dropped and their steps run again.

Every value that the arena holds is either kept, or dropped at the longest gap between two of its
readers that lies where memory is short. Whoever reads a dropped value after its gap gets a second
copy: the step runs again right before, and before it the steps of whatever it reads that is gone
too. A copy stays until its last reader, so no step runs more than twice.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, field
from itertools import pairwise

from lamina.backend.compile.lower import Lowered, Slot, Step, live
from lamina.backend.compile.plan_memory import aligned, replaceable
from lamina.graph.ir import Graph
from lamina.graph.ops import Contract, Reduction

# Rough cycles, to compare steps with each other.
PRODUCT_FLOPS = 16  # in a cycle, of contractions
LANE_FLOPS = 8  # of everything else
MOVED_BYTES = 8
LAUNCH = 2000

LEAST_GAP = 4  # steps between two readers that are worth a second run
GAPS = 64  # and the part of all steps that they are at least


@dataclass
class Run:
    """A program with some steps run again.

    Attributes:
        order: the steps by number; True where one runs again.
        reads: what each of them reads: slots by number; those of a second run are counted on.
        peak_bytes: the most that is alive at one step.
        cost: cycles of the second runs.
    """

    order: list[tuple[int, bool]] = field(default_factory=list)
    reads: list[list[int]] = field(default_factory=list)
    peak_bytes: int = 0
    cost: float = 0.0


class Reruns:
    """A lowered program as numbers: what its steps read, make and cost.

    Attributes:
        steps: how many there are.
        sizes: bytes of each arena slot that a step makes.
        made: the slots that each step makes.
        cost: cycles of each step.
        repeatable: whether a step may run again.
    """

    def __init__(self, lowered: Lowered):
        self.lowered = lowered
        self.steps = len(lowered.steps)
        self.number: dict[int, int] = {}
        self.sizes: list[int] = []
        self.maker: list[int] = []
        self.made: list[list[int]] = []
        self.reads: list[list[int]] = []
        self.beside: list[int] = []  # bytes of the temporaries of each step
        for i, step in enumerate(lowered.steps):
            read = [s for n, s in step.slots.items() if n.startswith("in")]
            self.reads.append(list(dict.fromkeys(self.number[id(s)] for s in read
                                                 if id(s) in self.number)))  # fmt: skip
            self.made.append([self._numbered(s, i) for s in _made(step)])
            self.beside.append(sum(aligned(s.size_bytes) for n, s in step.slots.items()
                                   if n.startswith("tmp")))  # fmt: skip
        self.readers: list[list[int]] = [[] for _ in self.sizes]
        for i, read in enumerate(self.reads):
            for slot in read:
                self.readers[slot].append(i)
        self.in_place = [self._in_place(step) for step in lowered.steps]
        known: dict[Graph, float] = {}
        self.cost = [known.setdefault(s.body, 0.0) or _cost(s, known) for s in lowered.steps]
        self.repeatable = [_repeatable(step) for step in lowered.steps]

    def _numbered(self, slot: Slot, maker: int) -> int:
        self.number[id(slot)] = len(self.sizes)
        self.sizes.append(aligned(slot.size_bytes))
        self.maker.append(maker)
        return self.number[id(slot)]

    def _in_place(self, step: Step) -> list[tuple[int, int]]:
        """Pairs (result, operand) of arena slots where a result may take an operand's memory."""
        return [
            (self.number[id(written)], self.number[id(operand)])
            for written, operand in replaceable(step)
            if id(written) in self.number and id(operand) in self.number
        ]

    # ------------------------------------------------------------ where memory is short

    def profile(self, run: Run) -> list[int]:
        """The bytes alive at each step of a run."""
        count = len(self.sizes)
        last = [-1] * (2 * count)
        for at, read in enumerate(run.reads):
            for slot in read:
                last[slot] = at
        change = [0] * (len(run.order) + 1)
        for at, (i, again) in enumerate(run.order):
            shift = count if again else 0
            for slot in self.made[i]:
                change[at] += self.sizes[slot]
                change[max(at, last[slot + shift]) + 1] -= self.sizes[slot]
            for slot in self._overwritten(i, run.reads[at], last, at):
                change[at] -= self.sizes[slot]
                change[at + 1] += self.sizes[slot]
            change[at] += self.beside[i]
            change[at + 1] -= self.beside[i]
        found, alive = [], 0
        for step in change[:-1]:
            alive += step
            found.append(alive)
        return found

    def _overwritten(self, i: int, read: list[int], last: list[int], at: int) -> set[int]:
        """The operands of step `i` that die where it runs and give their memory to a result."""
        count = len(self.sizes)
        taken: dict[int, int] = {}
        for written, operand in self.in_place[i]:
            place = operand + count if operand + count in read else operand
            if last[place] == at and operand not in taken.values():
                taken.setdefault(written, operand)
        return set(taken.values())

    def ends(self, short: list[bool]) -> list[int]:
        """For each step the last reader of its results before their gap.

        The gap is the longest one, of some length, with a step where memory is short. A step with
        none ends with its last reader: it runs again only for other steps that do.
        """
        before = [0]
        for here in short:
            before.append(before[-1] + here)
        least = max(LEAST_GAP, self.steps // GAPS)
        found = []
        for i, made in enumerate(self.made):
            uses = [i, *sorted({r for slot in made for r in self.readers[slot]})]
            end, longest = uses[-1], least
            for a, b in pairwise(uses):
                if b - a > longest and before[b] > before[a + 1]:
                    end, longest = a, b - a
            found.append(end)
        return found

    # ------------------------------------------------------------ runs

    def run(self, kept: Set[int], ends: list[int]) -> Run:
        """The program in which every step outside `kept` runs again where it is needed."""
        run = Run()
        count = len(self.sizes)
        again: set[int] = set()

        def place(slot: int, now: int) -> int | None:
            """Where a slot is read at a step; None where its maker has to run again first."""
            maker = self.maker[slot]
            if maker in kept or now <= ends[maker] or not self.repeatable[maker]:
                return slot
            return slot + count if maker in again else None

        def emit(i: int, now: int, second: bool) -> None:
            stack = [(i, second)]
            while stack:
                step, repeated = stack[-1]
                places = [place(slot, now) for slot in self.reads[step]]
                missing = [self.maker[slot] for slot, found in zip(self.reads[step], places)
                           if found is None]  # fmt: skip
                if missing:
                    stack.append((missing[0], True))
                    continue
                stack.pop()
                run.order.append((step, repeated))
                run.reads.append([found for found in places if found is not None])
                if repeated:
                    again.add(step)
                    run.cost += self.cost[step]

        for i in range(self.steps):
            emit(i, i, False)
        run.peak_bytes = max(self.profile(run), default=0)
        return run

    def written(self, run: Run) -> Lowered:
        """The steps of a run, over slots of their own."""
        old = self.lowered
        new = {id(s): _fresh(s, s.kind) for s in [*old.inputs, *old.slots]}
        slots = [new[id(s)] for s in old.slots]
        second: dict[int, Slot] = {}
        steps: list[Step] = []
        again: set[int] = set()
        for i, repeated in run.order:
            step = old.steps[i]
            bound: dict[str, Slot] = {}
            for name, slot in step.slots.items():
                gone = id(slot) in second and id(slot) in self.number
                if repeated and not name.startswith("in"):
                    bound[name] = second[id(slot)] = _fresh(slot, "arena")
                    slots.append(bound[name])
                elif name.startswith("in") and gone and self._reads_second(run, len(steps), slot):
                    bound[name] = second[id(slot)]
                else:
                    bound[name] = new[id(slot)]
            live(bound, len(steps))
            steps.append(Step(step.tasks, bound, step.policy, step.body, step.span, step.call))
            steps[-1].control = step.control
            if repeated:
                again.add(i)
        outputs = [new[id(s)] for s in old.outputs]
        for slot in outputs:
            slot.last = len(steps)
        return Lowered(steps, [new[id(s)] for s in old.inputs], outputs, old.constants, slots)

    def _reads_second(self, run: Run, at: int, slot: Slot) -> bool:
        return self.number[id(slot)] + len(self.sizes) in run.reads[at]


def _fresh(slot: Slot, kind: str) -> Slot:
    number = slot.number if kind == slot.kind else -1
    return Slot(kind, slot.size_bytes, number, name=slot.name)


def _made(step: Step) -> list[Slot]:
    """The arena slots that a step makes for others."""
    return [s for n, s in step.slots.items() if n.startswith("out") and s.kind == "arena"]


def _repeatable(step: Step) -> bool:
    """Whether a step may run again: no loop or library call, and nothing that may fail."""
    alone = step.control is not None or step.call is not None
    return not alone and not any(task.nest.checks for task in step.tasks)


def _cost(step: Step, known: dict[Graph, float]) -> float:
    """Rough cycles of a step."""
    moved = sum(s.size_bytes for n, s in step.slots.items() if not n.startswith("tmp"))
    cycles = LAUNCH + moved / MOVED_BYTES
    for v in step.body.nodes:
        if isinstance(v.op, Contract):
            sizes = v.op.sizes(v.operands[0].type, v.operands[1].type)
            summed = math.prod(n for letter, n in sizes.items() if letter not in v.op.axes.out)
            cycles += 2 * v.type.size * summed / PRODUCT_FLOPS
        elif isinstance(v.op, Reduction):
            cycles += v.operands[0].type.size / LANE_FLOPS
        elif v.op.lane is not None:
            cycles += v.type.size * v.op.cost / LANE_FLOPS
    known[step.body] = cycles
    return cycles
