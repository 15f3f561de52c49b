"""What became of a program, stage by stage, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lamina.backend.codegen.llvm import kernel_assembly, kernel_ir
from lamina.backend.compile.build import Compiled
from lamina.backend.compile.calls import rows_of
from lamina.backend.compile.changes import Trail
from lamina.backend.compile.lower import Lowered, Step
from lamina.backend.compile.plan_memory import Plan
from lamina.backend.nest.printer import to_text
from lamina.backend.nest.units import unit_of
from lamina.base.text import quantity, table
from lamina.graph.ops import Fusion
from lamina.graph.passes.fuse import is_step

WIDTH = 80
CACHE_NOTE = "codegen: kernels that this process or the disk cache has are loaded, not compiled"


@dataclass(frozen=True)
class Section:
    """One stage of a program, or one view of its result.

    Attributes:
        name: "graph", the name of a pass, "kernels", "nest", "llvm", "assembly", "memory",
            "program" or "time".
        title: the name with the most important numbers.
        text: what there is to see.
        seconds: how long the stage took; None for a view.
    """

    name: str
    title: str
    text: str
    seconds: float | None = None

    def __str__(self) -> str:
        spent = "" if self.seconds is None else f", {quantity(self.seconds, 's')}"
        head = f"── {self.title}{spent} "
        ruled = f"{head}{'─' * max(3, WIDTH - len(head))}"
        return f"{ruled}\n{self.text}" if self.text else ruled


def sections(
    compiled: Compiled,
    *,
    passes: bool = True,
    graphs: bool = False,
    llvm: bool = False,
    assembly: bool = False,
    trace_s: float | None = None,
) -> tuple[Section, ...]:
    """Every stage of a compiled graph in order: what changed, how long it took, and the memory.

    Args:
        compiled: the program.
        passes: with what each graph pass changed; else only their times.
        graphs: with the whole graph after each pass instead of the change.
        llvm: with the LLVM IR of each kernel.
        assembly: with its machine code as text.
        trace_s: how long the user's function was traced, if that is known.
    """
    found = list(_graphs(compiled, passes, graphs, trace_s))
    found.append(_kernels(compiled))
    found += _nests(compiled, llvm, assembly)
    found += [_memory(compiled), _program(compiled)]
    found.append(Section("time", "time", f"{_times(compiled, trace_s)}\n\n{CACHE_NOTE}"))
    return tuple(found)


def joined(parts: Sequence[Section]) -> str:
    """The sections as one text; those without a text stand close together."""
    pieces = [str(part) for part in parts[:1]]
    for last, part in pairwise(parts):
        pieces.append(f"\n{part}" if last.text or part.text else str(part))
    return "\n".join(pieces)


def report(compiled: Compiled, llvm: bool = False, assembly: bool = False) -> str:
    """The sections of a compiled graph as one text."""
    return joined(sections(compiled, llvm=llvm, assembly=assembly))


def times(compiled: Compiled) -> str:
    """The table of compile stages alone."""
    return _times(compiled, None)


def _graphs(
    compiled: Compiled, passes: bool, graphs: bool, trace_s: float | None
) -> Iterator[Section]:
    record = compiled.record
    trail = Trail(record.source)
    title = f"graph: {_count(len(record.source.nodes), 'node')}"
    yield Section("graph", title, trail.text(), trace_s)
    for stage in record.stages if passes or graphs else ():
        change = trail.follow(stage.graph)
        fusions = sum(isinstance(v.op, Fusion) for v in stage.graph.nodes)
        steps = fusions + sum(is_step(v) for v in stage.graph.nodes)
        after = _count(steps, "step") if fusions else _count(stage.after, "node")
        title = f"{stage.name}: {_count(stage.before, 'node')} -> {after}"
        if not change.text:
            title = f"{stage.name}: no change"
        text = str(stage.graph) if graphs and change.text else change.text
        yield Section(stage.name, title, text, stage.seconds)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _made(compiled: Compiled) -> tuple[Lowered, Plan]:
    """Steps and memory plan, which every compiled graph has."""
    record = compiled.record
    assert record.lowered is not None and record.plan is not None
    return record.lowered, record.plan


def _kernels(compiled: Compiled) -> Section:
    lowered, _ = _made(compiled)
    rows = []
    for number, step in enumerate(lowered.steps):
        reads, writes = _traffic(step)
        for at, task in enumerate(step.launches):
            name = task.nest.name if task else step.body.outputs[0].op.name
            loop = task or rows_of(step.body.outputs[0])
            name += " (once)" * step.runs_once(at)
            unit = unit_of(task.nest) if task else ""
            row = [len(rows), number, name, step.policy, unit, loop.extent, loop.grain]
            rows.append([*row, quantity(reads, "B"), quantity(writes, "B"), step.span or ""])
    facts = ["kernel", "policy", "unit", "extent", "grain", "reads", "writes", "line"]
    head = ["launch", "step", *facts]
    seconds = compiled.record.seconds.get("schedule")
    return Section("kernels", f"kernels: {len(rows)}", table(head, rows), seconds)


def _traffic(step: Step) -> tuple[int, int]:
    reads = sum(s.size_bytes for n, s in step.slots.items() if n.startswith("in"))
    writes = sum(s.size_bytes for n, s in step.slots.items() if n.startswith("out"))
    return reads, writes


def _nests(compiled: Compiled, llvm: bool, assembly: bool) -> list[Section]:
    """Each kernel once, however often it is launched."""
    lowered, _ = _made(compiled)
    found: list[Section] = []
    shown: set[str] = set()
    every = [task for step in lowered.steps for task in step.launches]
    nests = [(launch, task.nest) for launch, task in enumerate(every) if task]
    for (launch, nest), kernel in zip(nests, compiled.record.kernels, strict=True):
        if kernel.key in shown:
            continue
        shown.add(kernel.key)
        title = f"launch {launch}, {nest.name}"
        found.append(Section("nest", f"nest of {title}", to_text(nest).rstrip()))
        if llvm:
            text = kernel_ir(nest, compiled.target).rstrip()
            found.append(Section("llvm", f"LLVM IR of {title}", text))
        if assembly:
            text = kernel_assembly(nest, compiled.target).rstrip()
            found.append(Section("assembly", f"assembly of {title}", text))
    return found


def _memory(compiled: Compiled) -> Section:
    lowered, plan = _made(compiled)
    rows = [
        [_value(slot.name), slot.offset, quantity(slot.size_bytes, "B"), slot.first, slot.last]
        for slot in lowered.slots
        if slot.kind == "arena"
    ]
    once = [
        [_value(slot.name), slot.offset, quantity(slot.size_bytes, "B"), slot.first, slot.last]
        for slot in lowered.slots
        if slot.kind == "kept"
    ]
    lines = [
        f"arena {quantity(plan.arena_bytes, 'B')}; "
        f"{quantity(plan.sum_bytes, 'B')} without reuse; "
        f"{_count(len(plan.in_place), 'result')} written over an operand; "
        f"{_count(len(plan.donors), 'output')} that may take an input's memory",
    ]
    remade = compiled.record.remade
    if remade is not None:
        lines.append(
            f"budget {quantity(remade.budget_bytes, 'B')}, "
            f"{quantity(remade.plain_bytes, 'B')} without; "
            f"{_count(remade.steps, 'step')} run a second time, about "
            f"{100 * remade.share:.0f} % more work"
        )
    if plan.least_bytes:
        most = quantity(plan.least_bytes, "B")
        lines.append(f"{plan.ratio:.3f} x the {most} that are alive at once, found by {plan.way}")
    head = ["value", "offset", "size", "first step", "last"]
    if rows:
        lines += ["", table(head, rows)]
    title = f"memory: {quantity(plan.arena_bytes, 'B')}"
    if once:
        size, count = quantity(lowered.kept_bytes, "B"), _count(len(once), "value")
        lines += ["", f"kept from call to call: {size} in {count}", "", table(head, once)]
        title += f", {size} kept from call to call"
    seconds = compiled.record.seconds.get("plan_memory")
    return Section("memory", title, "\n".join(lines), seconds)


def _value(slot_name: str) -> str:
    """`arena-1: f32[8]` is a value without a number: its type says more."""
    return slot_name.removeprefix("arena-1: ")


def _program(compiled: Compiled) -> Section:
    target = compiled.target
    launches = sum(len(step.launches) for step in _made(compiled)[0].steps)
    title = f"program for {target.name}: {launches} {'launch' if launches == 1 else 'launches'}"
    return Section("program", title, str(compiled.program))


def _times(compiled: Compiled, trace_s: float | None) -> str:
    record = compiled.record
    rows: list[Sequence[object]] = []
    if trace_s is not None:
        rows.append(["trace", "", len(record.source.nodes), f"{trace_s * 1e3:.2f}"])
    rows += [
        [stage.name, stage.before, stage.after, f"{stage.seconds * 1e3:.2f}"]
        for stage in record.stages
    ]
    rows += [[name, "", "", f"{s * 1e3:.2f}"] for name, s in record.seconds.items()]
    total = sum(s.seconds for s in record.stages) + sum(record.seconds.values()) + (trace_s or 0.0)
    rows.append(["total", "", "", f"{total * 1e3:.2f}"])
    return table(["stage", "nodes before", "after", "ms"], rows)
