"""The meaning of a graph by NumPy: the oracle that every compiled program is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.dtypes import dtype as dtype_of
from lamina.base.errors import CallError, DTypeError, LaminaError, ShapeError, UsageError
from lamina.base.spans import Span, at
from lamina.graph.ir.graph import Graph
from lamina.graph.ir.op import Op
from lamina.graph.ir.printer import names, op_text, statement
from lamina.graph.ir.types import TensorType, TupleType
from lamina.graph.ir.value import Value


def evaluate(graph: Graph, *arrays: Any) -> tuple[np.ndarray, ...]:
    """The outputs of `graph` for the given inputs, each op by its NumPy reference.

    Raises:
        UsageError: another number of arrays than the graph has inputs.
        ShapeError, DTypeError: an array is not what its input or node is declared to be.
    """
    if len(arrays) != len(graph.inputs):
        raise UsageError(
            "evaluate: another number of inputs",
            [f"graph:  {len(graph.inputs)}", f"given:  {len(arrays)}"],
        )
    found: dict[int, Any] = {}
    for i, (v, array) in enumerate(zip(graph.inputs, arrays)):
        found[v.id] = _checked(np.asarray(array), v.type, f"input {i}", v)
    with np.errstate(all="ignore"):
        for v in graph.nodes:
            with at(v.span):
                result = _computed(v.op, [found[o.id] for o in v.operands])
            found[v.id] = _conform(result, v)
    return tuple(found[v.id] for v in graph.outputs)


def _computed(op: Op, arrays: list[Any]) -> Any:
    if op.call is None:
        return op.reference(*arrays)
    try:
        return op.reference(*arrays)
    except LaminaError:
        raise
    except Exception as error:
        raise call_error(op.name, error) from error


def call_error(name: str, error: Exception, span: Span | None = None) -> CallError:
    """The error of an op whose library call raised `error`."""
    return CallError(
        f"{name}: the function that computes it failed",
        [f"{type(error).__name__}: {error}"],
        "the error above this one says where",
        span,
    )


def with_values(graph: Graph, *arrays: Any) -> str:
    """The text of `graph` with what each node gives for these inputs, each op by its reference.

    What `print` is for eager tensors: a compiled program keeps no value in the middle.

        %0: f32[2] = exp %a    # model.py:41 in forward
           [1.0, 2.718282]
    """
    found = iter(evaluate(Graph(graph.inputs, graph.nodes), *arrays))
    name = names(graph)
    lines = [f"{name[v.id]}: {v.type}\n{_shown(a)}" for v, a in zip(graph.inputs, arrays)]
    for v in graph.nodes:
        line = f"    # {v.span}" if v.span else ""
        lines.append(f"{statement(v, name)}{line}\n{_shown(next(found))}")
    return "\n".join(lines)


def _shown(array: Any) -> str:
    text = np.array2string(np.asarray(array), separator=", ", threshold=64, edgeitems=2)
    return "   " + text.replace("\n", "\n   ")


def _conform(result: Any, v: Value) -> Any:
    """What the reference gave, as the declared type; a tuple part by part."""
    if not isinstance(v.type, TupleType):
        return _checked(np.asarray(result), v.type, "", v)
    if len(result) != len(v.type.items):
        raise ShapeError(
            f"{v.op.name}: the reference gave another number of parts",
            [f"declared:  {v.type}", f"given:     {len(result)} parts"],
            span=v.span,
        )
    parts = zip(result, v.type.items)
    return tuple([_checked(np.asarray(r), t, f", part {i}", v) for i, (r, t) in enumerate(parts)])


def _checked(array: np.ndarray, type: TensorType, what: str, v: Value) -> np.ndarray:
    """`array`, if it has the declared shape and a dtype of the declared kind."""
    if array.dtype == type.dtype.numpy and array.shape == type.shape:
        return array
    what = op_text(v.op) + what if v.op is not None else what
    facts = [
        f"declared:  {type}",
        f"given:     {array.dtype}{list(array.shape)}",
        f"value:     {v!r}",
    ]
    if array.shape != type.shape:
        raise ShapeError(f"evaluate: {what}: another shape than declared", facts, span=v.span)
    if v.op is None or dtype_of(array.dtype).kind != type.dtype.kind:
        raise DTypeError(f"evaluate: {what}: another dtype than declared", facts, span=v.span)
    return array.astype(type.dtype.numpy)
