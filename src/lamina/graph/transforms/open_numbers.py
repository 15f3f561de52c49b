"""Numbers made of symbolic sizes, as inputs of a graph."""

from __future__ import annotations

from lamina.base.dims import Dim
from lamina.base.dtypes import DType
from lamina.graph.ir import Graph, TensorType, Value, rebuild
from lamina.graph.ops import expand


def numbers_as_inputs(graph: Graph, at: int) -> tuple[Graph, list[tuple[Dim, DType]]]:
    """The graph with numbers that depend on symbols as inputs, the first of them input `at`.

    A mean over `B` elements divides by one. As inputs they stay out of the code of the kernels,
    which serve all sizes then.
    """
    found: dict[tuple[Dim, DType], Value] = {}

    def read(v: Value, operands: tuple[Value, ...]) -> Value | None:
        number = getattr(v.op, "value", None)
        if not isinstance(number, Dim):
            return None
        key = number, v.type.dtype
        if key not in found:
            found[key] = Value(TensorType(v.type.dtype), span=v.span)
        return expand(found[key], range(-v.type.rank, 0), v.type.shape)

    made = rebuild(graph, read)
    inputs = [*graph.inputs[:at], *found.values(), *graph.inputs[at:]]
    return Graph(inputs, made.outputs), list(found)
