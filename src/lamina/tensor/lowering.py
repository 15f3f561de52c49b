"""Functions of tensors as graphs over placeholders: what an operator of a user's is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from lamina.base.errors import ShapeError, TraceError, UsageError
from lamina.graph.ir import Graph, TensorType, Value, apply
from lamina.graph.ir import placeholder as input_of
from lamina.graph.ir.graph import grafted
from lamina.graph.ops import Constant, Foreign, Literal
from lamina.graph.transforms import batch
from lamina.tensor.control.bodies import Closure, Tree, trace
from lamina.tensor.tensor import wrap

KNOWN_GRAPHS = 256  # of one function, by the types and attributes it was traced for


class Lowering:
    """A function of tensors that computes an operator, by other operators.

    Args:
        f: (*operands, **attributes) -> the results for one example.
    """

    def __init__(self, f: Callable[..., Any]):
        self._f = f
        self._known = lru_cache(KNOWN_GRAPHS)(self._graph)

    def __call__(self, op: Foreign, types: tuple[TensorType, ...]) -> Graph:
        """The graph for operands of these types, all examples at once."""
        return self._known(op, types)

    def _graph(self, op: Foreign, types: tuple[TensorType, ...]) -> Graph:
        if op.lead:
            one = self(replace(op, lead=0, shared=()), op.takes(types))
            return for_examples(one, op.examples(types), list(map(op.has_rows, range(len(types)))))
        with op.unfolding(types):
            graph = traced(f"the lowering of {op.name}", self._called(op), types)
        gives, found = op.gives(types), [v.type for v in graph.outputs]
        if found != list(gives):
            raise ShapeError(
                f"{op.name}: its lowering gives other types than the type rule",
                [
                    f"type rule: {', '.join(map(str, gives))}",
                    f"lowering:  {', '.join(map(str, found))}",
                ],
                "make the type rule and the lowering agree",
            )
        return graph

    def _called(self, op: Foreign) -> Callable[..., Any]:
        return lambda *operands: self._f(*operands, **dict(op.attributes))


def for_examples(graph: Graph, sizes: Sequence[int], has_rows: Sequence[bool]) -> Graph:
    """The graph for examples along leading axes of `sizes`, of those inputs that have them."""
    for size in reversed(sizes):
        graph = batch(graph, size, has_rows)
    return graph


def traced(name: str, f: Callable[..., Any], types: Sequence[TensorType]) -> Graph:
    """The graph of `f`, which may read tensors that it makes itself, but none from outside.

    Args:
        name: of the function, for errors.
        f: (*tensors) -> a tensor, or a tuple of tensors.
        types: of the operands.

    Raises:
        UsageError: the function returns something else, draws from the default random generator,
            has effects, or reads a tensor from outside.
    """
    operands = [Tree.of(wrap(input_of(t))) for t in types]
    body = trace(name, f, operands)
    result = body.result if isinstance(body.result, tuple) else (body.result,)
    if body.draws or body.tokens:
        what = "draws random numbers" if body.draws else "calls Python while it runs"
        raise UsageError(
            f"{name}: the function {what}", (), "take what it needs as an operand, such as a key"
        )
    trees = [Tree.of(part) for part in result]
    if any(len(tree.leaves) != 1 or tree.filled([None]) is not None for tree in trees):
        kinds = ", ".join(type(part).__name__ for part in result)
        raise UsageError(
            f"{name}: the function returns no tensors", [f"returned: {kinds}"],
            "return a tensor, or a tuple of tensors, as the type rule does",
        )  # fmt: skip
    inputs = [t._value for t in body.inputs]
    outputs = [tree.leaves[0]._value for tree in trees]
    closure = Closure()
    closure.add(inputs, outputs, body.since)
    (graph,) = closure.graphs()
    held = {
        v.id: _constant(name, taken, body.since) for v, taken in zip(graph.inputs, closure.captured)
    }
    return Graph(graph.inputs[len(held) :], grafted(graph.outputs, held))


def _constant(name: str, taken: Value, since: int) -> Value:
    """A tensor that the function made, as a part of the graph."""
    if taken.id < since or taken.data is None:
        raise UsageError(
            f"{name}: the function reads a tensor from outside",
            [f"read: {taken.type}"],
            "make it an operand, or make it inside of the function, as with lm.asarray",
            taken.span,
        )
    try:
        literal = Literal.of(wrap(taken).numpy())
    except TraceError as error:
        raise UsageError(f"{name}: reads a value that is not there yet", [str(error)]) from None
    return apply(Constant(literal, literal.dtype, literal.shape))
