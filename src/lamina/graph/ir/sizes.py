"""Symbolic sizes in graphs: what they are for given shapes, and the graph for given ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.base.dims import Dim, solved
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


def sizes_from(who: str, wanted: Sequence[tuple[str, Any, int]]) -> dict[str, int]:
    """What the symbols are: plain ones first, then those that follow from sums and products.

    Args:
        who: asks, for errors.
        wanted: a place, the symbolic size that it should have, and the size that it has.

    Raises:
        ShapeError: a symbol would be two sizes at once, or less than its smallest, or is not told.
    """
    known: dict[str, int] = {}
    whence: dict[str, str] = {}
    left = list(wanted)
    while left:
        rest = []
        for place, size, there in left:
            found = solved(size, there, known) if type(size) is Dim else None
            if found is not None:
                name, n = found
                if n < size.symbols[name]:
                    raise ShapeError(
                        f"{who}: {name} is at least {size.symbols[name]}",
                        [f"{place}: {size} = {there}, so {name} = {n}"],
                        "call it with other sizes, or lower the `min` of the symbol",
                    )
                known[name], whence[name] = n, f"{name} = {n} from {place}"
            else:
                rest.append((place, size, there))
        if len(rest) == len(left):
            break
        left = rest
    for place, size, there in wanted:
        symbols = list(size.symbols) if type(size) is Dim else []
        missing = [name for name in symbols if name not in known]
        if missing:
            raise ShapeError(
                f"{who}: {', '.join(missing)} cannot be told from the arguments",
                [f"{place}: {size} = {there}"],
                "let some axis be the symbol itself",
            )
        is_ = size.at(known) if type(size) is Dim else size
        if is_ != there:
            raise ShapeError(
                f"{who}: {size} is {is_} here and {there} there",
                [*(whence[name] for name in symbols), f"{place}: {size} = {there}"],
                "axes with one symbol have one size: give other arguments, or another symbol",
            )
    return known


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
