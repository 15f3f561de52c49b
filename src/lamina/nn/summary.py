"""A table of the layers of a model: what they give out, parameters, arithmetic."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina.base.dtypes import dtype
from lamina.graph.ir import Graph, Value, topological
from lamina.graph.ops import Contract, Scan
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.tensor.containers import tensors


@dataclass(frozen=True)
class Row:
    """One call of one module.

    Attributes:
        path: of the module, "" for the model itself.
        kind: name of its class.
        shapes: of the tensors it returned.
        parameters: elements of its own and inside, shared ones once.
        flops: of the products and convolutions in the call, a multiplication and an addition being
            two; what is done element by element does not count.
    """

    path: str
    kind: str
    shapes: tuple[tuple[int, ...], ...]
    parameters: int
    flops: int


@dataclass(frozen=True)
class Summary:
    """The rows of a model, in the order in which calls begin; prints as a table.

    Attributes:
        rows: the model first.
        parameters: elements of all parameters, shared ones once.
        trainable: those of them that have a gradient.
        parameter_bytes: of all parameters.
        flops: of one call.
    """

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    parameter_bytes: int
    flops: int

    def __str__(self) -> str:
        lines = [("layer", "output", "parameters", "flops")]
        for row in self.rows:
            depth = row.path.count(".") + 1 if row.path else 0
            name = row.path.rpartition(".")[2]
            shown = f"{name}: {row.kind}" if name else row.kind
            shapes = ", ".join(map(str, row.shapes))
            lines.append(("  " * depth + shown, shapes, f"{row.parameters:,}", f"{row.flops:,}"))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}"
            for a, b, c, d in lines
        ]
        rule = "-" * len(table[0])
        end = f"parameters: {self.parameters:,} ({self.trainable:,} trained, "
        end += f"{self.parameter_bytes:,} bytes); flops: {self.flops:,}"
        return "\n".join([table[0].rstrip(), rule, *table[1:], rule, end])

    __repr__ = __str__


def summary(model: Module, *example: Any, depth: int | None = None, **kwargs: Any) -> Summary:
    """What each layer of the model gives out for an example, its parameters and its arithmetic.

    The call is traced, not computed, and leaves nothing behind in the model.

    Args:
        model: what is called.
        example, kwargs: arguments for it: tensors, arrays, or anything with `shape` and `dtype`.
        depth: how deep the rows go; 1 shows the model and the modules directly inside.

    Example:
        >>> import lamina as lm
        >>> net = lm.nn.Sequential(lm.nn.Linear(4, 8), lm.nn.ReLU(), lm.nn.Linear(8, 2))
        >>> print(summary(net, lm.ones((3, 4))))
        layer        output  parameters  flops
        --------------------------------------
        Sequential   (3, 2)          58    288
          0: Linear  (3, 8)          40    192
          1: ReLU    (3, 8)           0      0
          2: Linear  (3, 2)          18     96
        --------------------------------------
        parameters: 58 (58 trained, 232 bytes); flops: 288
    """
    watches: list[_Watch] = []
    for path, module in model.named_modules():
        if depth is None or (path.count(".") + 1 if path else 0) <= depth:
            watches.append(_Watch(path, module))
    calls: list[_Call] = []
    with ExitStack() as stack:
        for watch in watches:
            watch.calls = calls
            stack.enter_context(watch.module.register_forward_pre_hook(watch.begin))
            stack.enter_context(watch.module.register_forward_hook(watch.end))
        _trace(model, example, kwargs)
    parameters = dict(model.named_parameters())
    return Summary(
        tuple(call.row() for call in calls),
        sum(p.size for p in parameters.values()),
        sum(p.size for p in model.trainable_parameters()),
        sum(p.size * p.dtype.bits // 8 for p in parameters.values()),
        calls[0].flops if calls else 0,
    )


def graph_flops(graph: Graph) -> int:
    """Arithmetic of the products and convolutions in a graph, a multiplication and an addition
    being two; what is done element by element does not count.

    Example:
        >>> import lamina as lm
        >>> graph = lm.jit(lambda x: x @ x).graph(lm.ones((4, 4)))
        >>> graph_flops(graph)
        128
    """
    return sum(_flops(value) for value in graph.nodes)


class _Call:
    """A call of a module while the model is traced."""

    def __init__(self, path: str, module: Module):
        self.path = path
        self.kind = type(module).__name__
        self.parameters = sum(p.size for p in module.parameters())
        self.since = Value(lm.zeros(()).type).id  # values made from here on have greater ids
        self.shapes: tuple[tuple[int, ...], ...] = ()
        self.flops = 0

    def row(self) -> Row:
        return Row(self.path, self.kind, self.shapes, self.parameters, self.flops)


class _Watch:
    """The hooks of one module."""

    def __init__(self, path: str, module: Module):
        self.path = path
        self.module = module
        self.calls: list[_Call] = []
        self._open: list[_Call] = []

    def begin(self, module: Module, args: tuple[Any, ...]) -> None:
        self._open.append(_Call(self.path, module))
        self.calls.append(self._open[-1])

    def end(self, module: Module, args: tuple[Any, ...], result: Any) -> None:
        call = self._open.pop()
        found = tensors(result)
        call.shapes = tuple(t.shape for t in found)
        values = [t._value for t in found]
        inside = topological(values, stop=lambda v: v.id <= call.since)
        call.flops = sum(_flops(v) for v in inside if v.id > call.since)


def _trace(model: Module, example: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Call the model on placeholders; what is no array is given as it is."""
    given = dict(enumerate(example)) | kwargs
    arrays = {k: _array(v) for k, v in given.items() if _has_shapes(v)}
    others = {k: v for k, v in given.items() if k not in arrays}

    def call(model: Module, arrays: dict[Any, Any]) -> Any:
        every = others | arrays
        args = [every[i] for i in range(len(example))]
        return model(*args, **{name: every[name] for name in kwargs})

    lm.jit(call).graph(model, arrays)


def _has_shapes(value: Any) -> bool:
    """Whether an argument holds anything with a shape and a dtype."""
    if isinstance(value, dict | list | tuple):
        parts = value.values() if isinstance(value, dict) else value
        return any(_has_shapes(part) for part in parts)
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _array(value: Any) -> Any:
    """Types as tensors of zeros, which are never computed."""
    if isinstance(value, dict):
        return {k: _array(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_array, value))
    if isinstance(value, Tensor | np.ndarray) or not hasattr(value, "dtype"):
        return value
    return lm.zeros(tuple(value.shape), dtype=dtype(value.dtype))


def _flops(value: Value) -> int:
    """Two for each multiplication with an addition in a contraction, loops included."""
    if not isinstance(value.op, Contract):
        bodies = [b for b in vars(value.op).values() if isinstance(b, Graph)] if value.op else []
        steps = value.op.length if isinstance(value.op, Scan) else 1
        return steps * sum(_flops(v) for body in bodies for v in body.nodes)
    axes = value.op.axes
    left, right = (o.type.shape for o in value.operands)
    shared = left[: len(left) - len(axes.left)]
    sizes = dict(zip(axes.left, left[len(shared) :], strict=True))
    sizes |= dict(zip(axes.right, right[len(shared) :], strict=True))
    return 2 * math.prod(shared) * math.prod(sizes.values())
