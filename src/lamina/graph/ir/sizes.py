"""Symbolic sizes in graphs: which there are, and the graph for given ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.base.dims import Dim
from lamina.base.errors import LaminaError, ShapeError
from lamina.base.records import field_names
from lamina.base.spans import at
from lamina.graph.ir.graph import Graph
from lamina.graph.ir.op import Op
from lamina.graph.ir.types import TensorType, TupleType, Type
from lamina.graph.ir.value import Value, apply


def type_at(type: Type, sizes: Mapping[str, int]) -> Any:
    """The type when the symbols are these sizes."""
    if isinstance(type, TupleType):
        return TupleType(tuple([type_at(t, sizes) for t in type.items]))
    if not type.symbolic:
        return type
    return TensorType(type.dtype, [at_sizes(n, sizes) for n in type.shape])


def at_sizes(parameter: Any, sizes: Mapping[str, int]) -> Any:
    """A parameter of an op when the symbols are these sizes; itself where it has none."""
    kind = type(parameter)
    if kind is Dim:
        return parameter.at(sizes)
    if kind is tuple:
        parts = [at_sizes(p, sizes) for p in parameter]
        return parameter if all(map(_is, parts, parameter)) else tuple(parts)
    if kind is TensorType or kind is TupleType:
        return type_at(parameter, sizes)
    return graph_at(parameter, sizes) if kind is Graph else parameter


def op_at(op: Op, sizes: Mapping[str, int]) -> Op:
    """The op when the symbols are these sizes; itself where it has none."""
    fields = [getattr(op, name) for name in field_names(op)]
    found = [at_sizes(p, sizes) for p in fields]
    if all(map(_is, found, fields)):
        return op
    made = type(op)(*found)
    return made.settle() if made.settle is not None else made


def graph_at(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """The graph when the symbols are these sizes; every op checks its operands again.

    Raises:
        ShapeError: there is no such graph for these sizes, such as where `B - 3` is negative.
    """
    new = {v.id: Value(type_at(v.type, sizes), span=v.span) for v in graph.inputs}
    for v in graph.nodes:
        with at(v.span):
            try:
                new[v.id] = apply(op_at(v.op, sizes), tuple([new[o.id] for o in v.operands]))
            except LaminaError as error:
                raise _unfit(v, sizes, error) from error
    return Graph([new[v.id] for v in graph.inputs], [new[v.id] for v in graph.outputs])


def _unfit(v: Value, sizes: Mapping[str, int], error: LaminaError) -> ShapeError:
    given = ", ".join(f"{name} = {n}" for name, n in sizes.items())
    return ShapeError(
        f"{v.op.name}: does not take these sizes",
        [f"given: {given}", f"gives: {v.type}", f"with these sizes: {error.summary}"],
        "call it with other sizes",
        v.span,
    )


def _is(a: Any, b: Any) -> bool:
    return a is b
