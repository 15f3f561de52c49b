"""Graphs: a program as inputs and outputs; the nodes between follow from the operands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from lamina.base.errors import VerifyError
from lamina.base.spans import at
from lamina.graph.ir.printer import to_text
from lamina.graph.ir.types import TensorType
from lamina.graph.ir.value import Value, apply, placeholder


def topological(
    outputs: Iterable[Value], stop: Callable[[Value], bool] | None = None
) -> list[Value]:
    """Every value that `outputs` depend on, operands before users; not beyond values that `stop`.

    Raises:
        VerifyError: the values form a cycle; the message names them.
    """
    done: set[int] = set()
    open_: set[int] = set()  # those on the way from a root to where we are
    order: list[Value] = []
    for root in outputs:
        stack = [root]
        while stack:
            v = stack[-1]
            if v.id not in done:
                if v.id not in open_ and (stop is None or not stop(v)):
                    missing = [o for o in v.operands if o.id not in done]
                    if missing:
                        open_.add(v.id)
                        if not open_.isdisjoint([o.id for o in missing]):
                            raise _cyclic(stack, open_)
                        stack.extend(reversed(missing))
                        continue
                done.add(v.id)
                order.append(v)
            open_.discard(v.id)
            stack.pop()
    return order


def _cyclic(stack: Sequence[Value], open_: set[int]) -> VerifyError:
    cycle = list(dict.fromkeys(repr(v) for v in stack if v.id in open_))
    return VerifyError("graph: values depend on each other in a cycle", cycle[-6:])


class Graph:
    """A function of typed inputs. Immutable; transforms and passes return other graphs."""

    def __init__(self, inputs: Sequence[Value], outputs: Sequence[Value]):
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """All values in topological order, inputs first (unused inputs too)."""
        ids = {v.id for v in self.inputs}
        inner = topological(self.outputs, stop=lambda v: v.id in ids)
        return (*self.inputs, *(v for v in inner if v.id not in ids))

    @property
    def nodes(self) -> tuple[Value, ...]:
        """The values made by an op, in topological order."""
        return self.values[len(self.inputs) :]

    @cached_property
    def users(self) -> dict[int, tuple[Value, ...]]:
        """The nodes that read a value, by its id; one that reads it twice is there once."""
        found: dict[int, list[Value]] = {v.id: [] for v in self.values}
        for node in self.nodes:
            for operand_id in dict.fromkeys(o.id for o in node.operands):
                found[operand_id].append(node)
        return {k: tuple(v) for k, v in found.items()}

    def depends(self, value: Value, on: Value) -> bool:
        """Whether there is a path from `on` to `value`; a value depends on itself."""
        return any(v.id == on.id for v in topological([value]))

    def independent(self, a: Value, b: Value) -> bool:
        """Whether neither depends on the other."""
        return not self.depends(a, b) and not self.depends(b, a)

    def __str__(self) -> str:
        return to_text(self)

    def __eq__(self, other: object) -> bool:
        """Same structure: graphs are equal when their text without source lines is."""
        return isinstance(other, Graph) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """The structure without names and source lines: equal keys, equal programs."""
        number = {v.id: i for i, v in enumerate(self.values)}
        return (
            tuple(v.type for v in self.inputs),
            tuple((v.op, tuple(number[o.id] for o in v.operands)) for v in self.nodes),
            tuple(number[v.id] for v in self.outputs),
        )


def trace(f: Callable[..., Any], *types: TensorType) -> Graph:
    """The graph of `f` applied to placeholders of the given types."""
    inputs = tuple(placeholder(t) for t in types)
    out = f(*inputs)
    return Graph(inputs, out if isinstance(out, tuple) else (out,))


def rebuild(
    graph: Graph, rewrite: Callable[[Value, tuple[Value, ...]], Value | None] | None = None
) -> Graph:
    """The graph made anew, node by node; the common body of passes.

    `rewrite(node, new_operands)` returns the new value, or None to keep the node's op. Nodes whose
    operands did not change are kept as they are. New nodes carry the span of the old.
    """
    new: dict[int, Value] = {v.id: v for v in graph.inputs}
    for v in graph.nodes:
        operands = tuple([new[o.id] for o in v.operands])
        with at(v.span):
            w = rewrite(v, operands) if rewrite else None
            if w is None:
                unchanged = all(a is b for a, b in zip(operands, v.operands, strict=True))
                w = v if unchanged or v.op is None else apply(v.op, operands)
        new[v.id] = w
    return Graph(graph.inputs, tuple(new[v.id] for v in graph.outputs))


def inline(graph: Graph, arguments: Sequence[Any], emit: Callable[..., Any]) -> tuple[Any, ...]:
    """The outputs of `graph` applied to `arguments` by emitting its ops again."""
    new: dict[int, Any] = {v.id: a for v, a in zip(graph.inputs, arguments, strict=True)}
    for v in graph.nodes:
        with at(v.span):
            new[v.id] = emit(v.op, *[new[o.id] for o in v.operands])
    return tuple(new[v.id] for v in graph.outputs)


def grafted(outputs: Sequence[Value], new: Mapping[int, Value]) -> tuple[Value, ...]:
    """The `outputs` over other values: `new` by the id of what each takes the place of.

    What does not depend on a replaced value stays as it is.
    """
    found: dict[int, Value] = dict(new)
    for v in topological(outputs, stop=lambda v: v.id in new):
        if v.id in found:
            continue
        operands = tuple([found[o.id] for o in v.operands])
        same = all(a is b for a, b in zip(operands, v.operands, strict=True))
        found[v.id] = v if same or v.op is None else Value(v.type, v.op, operands, v.span)
    return tuple(found[v.id] for v in outputs)
