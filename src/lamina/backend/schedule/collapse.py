"""Merge neighbouring axes that a group always treats alike: fewer, longer loops.

A group of f32[32,8,8] values without broadcasts is one of f32[2048]; layer norm over f32[4,16,64]
with weights f32[64] is one over f32[64,64].
"""

from __future__ import annotations

import math

from lamina.graph.ir import Graph, Value
from lamina.graph.ops import (
    Component,
    Constant,
    Expand,
    Interleave,
    Permute,
    Reduction,
    splat_value,
)

Label = int


class _Classes:
    """Union-find over (value, axis): axes of two values that always carry the same index."""

    def __init__(self) -> None:
        self.parent: list[int] = []

    def new(self) -> Label:
        self.parent.append(len(self.parent))
        return self.parent[-1]

    def find(self, a: Label) -> Label:
        while self.parent[a] != a:
            self.parent[a] = self.parent[self.parent[a]]
            a = self.parent[a]
        return a

    def join(self, a: Label, b: Label) -> None:
        self.parent[self.find(a)] = self.find(b)


def _kept_axes(axes: tuple[int, ...], rank: int) -> list[int]:
    gone = {a % rank for a in axes}
    return [i for i in range(rank) if i not in gone]


def _sources(v: Value) -> list[int]:
    """For each axis of a permuted value, the axis of its operand."""
    order = v.op.order
    lead = v.type.rank - len(order)
    return [*range(lead), *(axis + v.type.rank for axis in order)]


def _label(graph: Graph) -> tuple[dict[int, list[Label]], set[Label], _Classes]:
    """A label for each axis of each value, those that must stay as they are, and their classes."""
    classes = _Classes()
    labels = {v.id: [classes.new() for _ in v.type.shape] for v in graph.values}
    pinned: set[Label] = set()
    for v in graph.nodes:
        pairs = _same_index(v, labels)
        if pairs is None:
            pinned.update(labels[v.id], *(labels[o.id] for o in v.operands))
        for left, right in pairs or ():
            classes.join(left, right)
    first: dict[tuple[int, ...], list[Label]] = {}
    for v in _looped(graph):
        for left, right in zip(first.setdefault(v.type.shape, labels[v.id]), labels[v.id]):
            classes.join(left, right)
    for v in graph.nodes:
        if isinstance(v.op, Component | Interleave):
            pairs_of = v if isinstance(v.op, Interleave) else v.operands[0]
            pinned.add(labels[pairs_of.id][-1])
        elif isinstance(v.op, Permute) and _repeats([classes.find(a) for a in labels[v.id]]):
            pinned.update(labels[v.id])
    return labels, pinned, classes


def _repeats(row: list[Label]) -> bool:
    return len(set(row)) < len(row)


def _looped(graph: Graph) -> list[Value]:
    """The values that the loops of the group go through: those of one shape share their loops."""
    found = [v.operands[0] if isinstance(v.op, Interleave) else v for v in graph.outputs]
    for v in graph.nodes:
        if isinstance(v.op, Reduction):
            found += (v, v.operands[0])
    return found


def _same_index(v: Value, labels: dict[int, list[Label]]) -> list[tuple[Label, Label]] | None:
    """The axes of `v` and its operands that carry one index; None where that is not so simple."""
    own = labels[v.id]
    if isinstance(v.op, Expand):
        kept = [own[i] for i in _kept_axes(v.op.axes, v.type.rank)]
        return list(zip(kept, labels[v.operands[0].id], strict=True))
    if isinstance(v.op, Reduction) and v.op.compose is None:
        inner = labels[v.operands[0].id]
        kept = [inner[i] for i in _kept_axes(v.op.axes, len(inner))]
        return list(zip(kept, own, strict=True))
    if isinstance(v.op, Permute):
        inner = labels[v.operands[0].id]
        return [(own[i], inner[axis]) for i, axis in enumerate(_sources(v))]
    if isinstance(v.op, Component):
        return list(zip(own, labels[v.operands[0].id][:-1], strict=True))
    if isinstance(v.op, Interleave):
        return [pair for o in v.operands for pair in zip(own[:-1], labels[o.id], strict=True)]
    if v.op.lane is not None:
        return [pair for o in v.operands for pair in zip(own, labels[o.id], strict=True)]
    return [] if splat_value(v) is not None else None


def collapse(graph: Graph) -> Graph:
    """`graph` with axes merged; its inputs and outputs are the same memory, shaped anew."""
    labels, pinned, classes = _label(graph)
    find = classes.find
    fixed = {find(a) for a in pinned}
    following: dict[Label, set[Label | None]] = {}
    leading: dict[Label, set[Label | None]] = {}
    for v in graph.values:
        row = [find(a) for a in labels[v.id]]
        for i, a in enumerate(row):
            following.setdefault(a, set()).add(row[i + 1] if i + 1 < len(row) else None)
            leading.setdefault(a, set()).add(row[i - 1] if i else None)

    def merges(a: Label, b: Label) -> bool:
        free = a not in fixed and b not in fixed and a != b
        return free and following[a] == {b} and leading[b] == {a}

    def runs(v: Value) -> list[list[int]]:
        """The axes of `v` in runs that merge."""
        row = [find(a) for a in labels[v.id]]
        found: list[list[int]] = []
        for i, a in enumerate(row):
            if i and merges(row[i - 1], a):
                found[-1].append(i)
            else:
                found.append([i])
        return found

    return _reshaped(graph, {v.id: runs(v) for v in graph.values})


def _reshaped(graph: Graph, runs: dict[int, list[list[int]]]) -> Graph:
    if all(len(run) == 1 for rows in runs.values() for run in rows):
        return graph

    def axes_of(v: Value, axes: tuple[int, ...]) -> list[int]:
        """The runs of `v` that consist of the given (negative) axes, as negative axes."""
        rank = v.type.rank
        wanted = {a % rank for a in axes}
        n = len(runs[v.id])
        return [i - n for i, run in enumerate(runs[v.id]) if set(run) <= wanted]

    new: dict[int, Value] = {}
    for v in graph.values:
        shape = v.type.shape
        merged = tuple(math.prod(shape[i] for i in run) for run in runs[v.id])
        op = v.op
        if isinstance(op, Expand):
            axes = axes_of(v, op.axes)
            op = Expand(tuple(axes), tuple(merged[a] for a in axes))
        elif isinstance(op, Reduction) and op.compose is None:
            op = type(op)(tuple(axes_of(v.operands[0], op.axes)))
        elif isinstance(op, Permute):
            inner, sources = runs[v.operands[0].id], _sources(v)
            op = Permute(
                tuple(inner.index([sources[i] for i in r]) - len(inner) for r in runs[v.id])
            )
        elif isinstance(op, Constant) and splat_value(v) is not None:
            op = Constant(op.value, op.dtype, merged)
        operands = tuple(new[o.id] for o in v.operands)
        new[v.id] = Value(v.type.with_shape(merged), op, operands, v.span)
    return Graph([new[v.id] for v in graph.inputs], [new[v.id] for v in graph.outputs])
