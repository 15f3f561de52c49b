"""What became of a program, stage by stage, as text."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backend.codegen.llvm import kernel_assembly, kernel_ir
from lamina.backend.compile.build import Compiled
from lamina.backend.compile.lower import Step
from lamina.backend.nest.printer import to_text
from lamina.base.text import quantity, table


def report(compiled: Compiled, llvm: bool = False, assembly: bool = False) -> str:
    """Every stage of a compiled graph, what changed in it, the time of each, and the memory.

    Args:
        llvm: with the LLVM IR of each kernel.
        assembly: with its machine code as text.
    """
    return "\n\n".join(
        [
            *_graphs(compiled),
            _kernels(compiled),
            *_nests(compiled, llvm, assembly),
            _memory(compiled),
            _times(compiled),
        ]
    )


def _title(text: str) -> str:
    return f"── {text} " + "─" * max(3, 76 - len(text))


def _graphs(compiled: Compiled) -> list[str]:
    record = compiled.record
    parts = [f"{_title(f'graph: {len(record.source.nodes)} nodes')}\n{record.source}"]
    previous = str(record.source)
    for stage in record.stages:
        text = str(stage.graph)
        title = _title(f"{stage.name}: {stage.before} -> {stage.after} nodes")
        parts.append(f"{title}\n{text}" if text != previous else f"{title}\nno change")
        previous = text
    return parts


def _kernels(compiled: Compiled) -> str:
    lowered = compiled.record.lowered
    assert lowered is not None
    rows = []
    for number, step in enumerate(lowered.steps):
        for task in step.tasks:
            reads, writes = _traffic(step)
            rows.append(
                [
                    number,
                    task.nest.name,
                    task.extent,
                    task.grain,
                    quantity(reads, "B"),
                    quantity(writes, "B"),
                    step.span or "",
                ]
            )
    head = ["step", "kernel", "extent", "grain", "reads", "writes", "line"]
    return f"{_title(f'kernels: {len(rows)}')}\n{table(head, rows)}"


def _traffic(step: Step) -> tuple[int, int]:
    reads = sum(s.size_bytes for n, s in step.slots.items() if n.startswith("in"))
    writes = sum(s.size_bytes for n, s in step.slots.items() if n.startswith("out"))
    return reads, writes


def _nests(compiled: Compiled, llvm: bool, assembly: bool) -> list[str]:
    lowered = compiled.record.lowered
    assert lowered is not None
    parts: list[str] = []
    shown: set[str] = set()
    nests = [task.nest for step in lowered.steps for task in step.tasks]
    for nest, kernel in zip(nests, compiled.record.kernels, strict=True):
        if kernel.key in shown:
            continue
        shown.add(kernel.key)
        parts.append(f"{_title(f'nest {nest.name}')}\n{to_text(nest)}")
        if llvm:
            parts.append(f"{_title(f'LLVM {nest.name}')}\n{kernel_ir(nest, compiled.target)}")
        if assembly:
            text = kernel_assembly(nest, compiled.target)
            parts.append(f"{_title(f'assembly {nest.name}')}\n{text}")
    return parts


def _memory(compiled: Compiled) -> str:
    record = compiled.record
    plan, lowered = record.plan, record.lowered
    assert plan is not None and lowered is not None
    rows = [
        [slot.name, slot.offset, quantity(slot.size_bytes, "B"), slot.first, slot.last]
        for slot in lowered.slots
        if slot.kind == "arena"
    ]
    lines = [
        _title("memory"),
        f"arena {quantity(plan.arena_bytes, 'B')}; "
        f"{quantity(plan.sum_bytes, 'B')} without reuse; "
        f"{len(plan.in_place)} results written over an operand; "
        f"{len(plan.donors)} outputs that may take an input's memory",
    ]
    if rows:
        lines.append(table(["value", "offset", "size", "first", "last"], rows))
    return "\n".join(lines)


def _times(compiled: Compiled) -> str:
    record = compiled.record
    rows: list[Sequence[object]] = [
        [stage.name, stage.before, stage.after, f"{stage.seconds * 1e3:.2f}"]
        for stage in record.stages
    ]
    rows += [[name, "", "", f"{s * 1e3:.2f}"] for name, s in record.seconds.items()]
    total = sum(s.seconds for s in record.stages) + sum(record.seconds.values())
    rows.append(["total", "", "", f"{total * 1e3:.2f}"])
    return f"{_title('time')}\n{table(['stage', 'nodes before', 'after', 'ms'], rows)}"


def times(compiled: Compiled) -> str:
    """The table of compile stages alone."""
    return _times(compiled).split("\n", 1)[1]
