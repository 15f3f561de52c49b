"""Complex numbers become pairs of real ones: nothing below this pass knows them.

A complex input, output, operand or result of a call keeps its bytes: c64[8] is read as f32[8,2].
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lamina.base.records import field_names
from lamina.base.spans import at
from lamina.graph.ir.graph import Graph
from lamina.graph.ir.op import Op
from lamina.graph.ir.types import TensorType, TupleType, Type
from lamina.graph.ir.value import Value, apply, placeholder
from lamina.graph.ops.constant import Constant, Literal, constant
from lamina.graph.ops.item import Item
from lamina.graph.ops.opaque import OnPairs, as_pairs
from lamina.graph.ops.pairs import Parts, by_parts
from lamina.graph.passes.legalize import is_composite, legalize
from lamina.graph.passes.pass_ import graph_pass


@graph_pass
def split_complex(graph: Graph) -> Graph:
    """Write ops on complex numbers with ops on their parts, as each op says itself.

    Before:
        %x: c64[8]
        %y: c64[8]
        %0 = add %x, %y
    After:
        %x: f32[8,2]
        %y: f32[8,2]
        %0 = component(0) %x
        %1 = component(0) %y
        %2 = add %0, %1
        %3 = component(1) %x
        %4 = component(1) %y
        %5 = add %3, %4
        %6 = interleave %2, %5
    """
    if not any(_is_complex(v.type) for v in graph.values) and not any(map(_bodies, graph.nodes)):
        return graph
    if any(is_composite(v.op) and _meets_complex(v) for v in graph.nodes):
        graph = legalize(graph)
    new: dict[int, Any] = {}
    inputs = [placeholder(as_pairs(v.type)) if _is_complex(v.type) else v for v in graph.inputs]
    for v, w in zip(graph.inputs, inputs):
        new[v.id] = _seen(w, v.type)
    for v in graph.nodes:
        with at(v.span):
            new[v.id] = _split(v, [new[o.id] for o in v.operands])
    return Graph(inputs, [_whole(new[v.id]) for v in graph.outputs])


def _is_complex(type: Type) -> bool:
    parts = type.items if isinstance(type, TupleType) else (type,)
    return any(t.dtype.is_complex for t in parts)


def _meets_complex(v: Value) -> bool:
    """Whether a complex number goes into `v` or comes out."""
    return any(_is_complex(u.type) for u in (v, *v.operands))


def _seen(value: Value, type: Type) -> Any:
    """A value of pairs as what stands for a value of `type`."""
    single = isinstance(type, TensorType) and type.dtype.is_complex
    return Parts.of(value) if single else value


def _whole(x: Any) -> Value:
    """The one value that stands for x."""
    return x.joined if isinstance(x, Parts) else x


def _split(v: Value, operands: list[Any]) -> Any:
    """What stands for `v`, from what stands for its operands."""
    op: Op = v.op
    bodies = _bodies(v)
    if not bodies and not _meets_complex(v):
        same = all(a is b for a, b in zip(operands, v.operands))
        return v if same else apply(op, tuple(operands))
    if isinstance(op, Constant):
        return _constant(op)
    if op.part_by_part:
        return by_parts(op, *operands)
    if op.split is not None:
        return op.split(*operands)
    if bodies:
        op = replace(op, **{k: _split_body(body) for k, body in bodies.items()})
    elif not isinstance(op, Item):
        op = OnPairs(_alone(v))
    return _seen(apply(op, tuple(map(_whole, operands))), v.type)


def _bodies(v: Value) -> dict[str, Any]:
    """The graphs inside an op, by the name of the field; those of a call are its own matter."""
    if v.op is None or v.op.call is not None:
        return {}
    found = {name: getattr(v.op, name) for name in field_names(v.op)}
    return {name: held for name, held in found.items() if _holds_graphs(held)}


def _holds_graphs(held: Any) -> bool:
    several = isinstance(held, tuple) and bool(held)
    return isinstance(held, Graph) or (several and all(map(_holds_graphs, held)))


def _split_body(held: Any) -> Any:
    return split_complex(held) if isinstance(held, Graph) else tuple(map(_split_body, held))


def _alone(v: Value) -> Graph:
    """The graph of one node."""
    inputs = [placeholder(o.type) for o in v.operands]
    return Graph(inputs, [Value(v.type, v.op, tuple(inputs), v.span)])


def _constant(op: Constant) -> Parts:
    part = op.dtype.part
    if isinstance(op.value, Literal):
        array: Any = op.value.array
        return Parts.of(constant(np.stack([array.real, array.imag], -1), part))
    value = complex(op.value)
    return Parts(constant(value.real, part, op.shape), constant(value.imag, part, op.shape))
