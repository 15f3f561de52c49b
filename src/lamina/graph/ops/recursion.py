"""Functions that call themselves and each other, as deep as data says.

A `Recursion` holds named functions; a `Recur` in one of them calls any of them by its name. What
derivatives need are more functions beside those: the tangents of `f` are `f.dot`, its cotangents
`f.bar`, and these call themselves and `f`.

Sources: functions bound together by name: Landin 1964, "The mechanical evaluation of expressions";
derivatives of recursive functions as recursive functions: Pearlmutter & Siskind 2008, "Reverse-mode
AD in a functional framework: Lambda the ultimate backpropagator".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from lamina.base.errors import ShapeError, UsageError, VerifyError
from lamina.base.records import field_names, frozen
from lamina.graph.ir import (
    Graph,
    Op,
    TensorType,
    TupleType,
    Value,
    emit,
    grafted,
    placeholder,
    topological,
)
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ops.bodies import BatchValues, or_zero, require_body
from lamina.graph.ops.item import item
from lamina.graph.ops.opaque import as_pairs
from lamina.graph.ops.pairs import Parts
from lamina.graph.ops.scan import Scan

Extends = tuple[tuple[str, int, int, int], ...]
"""What a function does all of, and more: (name, its first operand here, operands, results).

Then what that one extends, and so on. So a function and its tangents are computed in one go.
"""

_running: ContextVar[tuple[Mapping[str, Graph], ...]] = ContextVar("running", default=())
_varying: ContextVar[tuple[_Derivative, ...]] = ContextVar("varying", default=())


@frozen
class Recur(Op):
    """The results of the function `to` of a `Recursion` around it.

    Operands: those of the function.  Inputs: any.  Source: ours.
    """

    arity = None
    to: str
    gives: tuple[TensorType, ...]
    extends: Extends = ()

    def infer(self, *types: TensorType) -> TupleType:
        return TupleType(self.gives)

    def reference(self, *arrays: Any) -> tuple[Any, ...]:
        around = _running.get()
        while around and self.to not in around[-1]:
            around = around[:-1]
        if not around:
            raise VerifyError(f"recur: there is no function {self.to} around it")
        mark = _running.set(around)
        try:
            return evaluate(around[-1][self.to], *arrays)
        finally:
            _running.reset(mark)

    def split(self, *operands: Any) -> Any:
        gives = tuple(map(as_pairs, self.gives))
        whole = [x.joined if isinstance(x, Parts) else x for x in operands]
        return emit(Recur(self.to, gives, self.extends), *whole)

    def push(
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of the results, by a call of the function's tangents."""
        return _around(self).tangents(self, operands, dots)

    def pull(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """The cotangents of the operands, by a call of the function's cotangents."""
        return _around(self).cotangents(self, operands, bars, wanted)

    def lift(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> tuple[Any, ...]:
        """One example after the other: each ends the recursion where it likes."""
        return _one_by_one(self, size, operands, is_batched)

    def like(self, other: Recur) -> list[int] | None:
        """The results that would be those of `other`, if this call does all that `other` does."""
        return _results_of(self.extends, other.to)

    def restricted(self, results: Iterable[int]) -> tuple[Op, list[int], list[int]] | None:
        """The call of what the function extends, if that gives these results.

        Returns:
            (call, operands, results): the numbers of what the smaller call has of each.
        """
        found = _smaller(self.extends, results)
        if found is None:
            return None
        name, operands, kept = found
        return Recur(name, self.gives[: len(kept)], self.extends[1:]), operands, kept


@frozen
class Recursion(Op):
    """The results of the first of some functions, which call each other by `Recur`.

    `most_calls` may be inside one another; each has memory of its own.  Operands: those of the
    first function.  Inputs: any.  Source: ours.
    """

    arity = None
    names: tuple[str, ...]
    functions: tuple[Graph, ...]
    most_calls: int
    extends: Extends = ()

    @property
    def bodies(self) -> dict[str, Graph]:
        """The functions by their names."""
        return dict(zip(self.names, self.functions, strict=True))

    def infer(self, *types: TensorType) -> TupleType:
        require_body(self, "function", types, self.functions[0])
        for name, body in self.bodies.items():
            for v in _calls(body, self.names):
                self._require_call(name, v)
        return TupleType(tuple(v.type for v in self.functions[0].outputs))

    def _require_call(self, name: str, v: Value) -> None:
        called = self.bodies[v.op.to]
        takes = [u.type for u in called.inputs], [u.type for u in called.outputs]
        given = [u.type for u in v.operands], list(v.op.gives)
        if takes != given:
            raise ShapeError(
                f"recursion: {name} calls {v.op.to} with other types than it has",
                [f"{way}: {_listed(a)} -> {_listed(b)}"
                 for way, (a, b) in (("call", given), ("function", takes))],
                "all calls of a function have the same types",
            )  # fmt: skip

    def reference(self, *arrays: Any) -> tuple[Any, ...]:
        mark = _running.set((*_running.get(), self.bodies))
        try:
            return evaluate(self.functions[0], *arrays)
        finally:
            _running.reset(mark)

    def push(
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of the results: a recursion that computes both together."""
        derivative = _Derivative(self, "dot", push_forward)
        return derivative.tangents(None, operands, dots)

    def pull(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """The cotangents of the operands: a recursion that runs each function again, then back.

        Nothing is kept. Where calls lie one inside the other, each on the way back computes again
        all that lie inside it.
        """
        derivative = _Derivative(self, "bar", pull_back)
        return derivative.cotangents(None, operands, bars, wanted)

    def lift(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> tuple[Any, ...]:
        """One example after the other: each ends the recursion where it likes."""
        return _one_by_one(self, size, operands, is_batched)

    def like(self, other: Recursion) -> list[int] | None:
        """The results that would be those of `other`, if this one does all that `other` does."""
        return _results_of(self.extends, other.names[0])

    def restricted(self, results: Iterable[int]) -> tuple[Op, list[int], list[int]] | None:
        """The recursion of what the first function extends, if that gives these results.

        Returns:
            (recursion, operands, results): the numbers of what the smaller one has of each.
        """
        found = _smaller(self.extends, results)
        if found is None:
            return None
        name, operands, kept = found
        return beginning(name, self.bodies, self.most_calls, self.extends[1:]), operands, kept


def beginning(
    name: str, bodies: Mapping[str, Graph], most_calls: int, extends: Extends = ()
) -> Recursion:
    """The recursion that begins with the function `name`, with those that it needs."""
    found = [name]
    for one in found:
        found += dict.fromkeys(v.op.to for v in _calls(bodies[one], bodies) if v.op.to not in found)
    return Recursion(tuple(found), tuple([bodies[f] for f in found]), most_calls, extends)


def _calls(body: Graph, names: Iterable[str]) -> Iterator[Value]:
    """The calls of functions of these names in a body, and in the graphs inside it."""
    for v in body.nodes:
        if isinstance(v.op, Recur):
            if v.op.to in names:
                yield v
            continue
        for held in (getattr(v.op, name) for name in field_names(v.op)):
            for inner in held if isinstance(held, tuple) else (held,):
                if isinstance(inner, Graph):
                    own = v.op.names if isinstance(v.op, Recursion) else ()
                    yield from _calls(inner, [n for n in names if n not in own])


def _listed(types: Iterable[TensorType]) -> str:
    return f"({', '.join(map(str, types))})"


def _results_of(extends: Extends, name: str) -> list[int] | None:
    return list(range(extends[0][3])) if extends and extends[0][0] == name else None


def _smaller(extends: Extends, results: Iterable[int]) -> tuple[str, list[int], list[int]] | None:
    """What is extended, if it gives these results: its name, its operands, all its results."""
    if not extends:
        return None
    name, first, takes, gives = extends[0]
    if any(i >= gives for i in results):
        return None
    return name, list(range(first, first + takes)), list(range(gives))


def _one_by_one(
    op: Op, size: int, operands: Sequence[Any], is_batched: Sequence[bool]
) -> tuple[Any, ...]:
    """The op on each example: a scan over the operands that have an example axis."""
    inner = [
        placeholder(x.type.with_shape(x.type.shape[1:]) if b else x.type)
        for x, b in zip(operands, is_batched)
    ]
    whole = emit(op, *inner)
    outputs = [item(whole, i) for i in range(len(whole.type.items))]

    def shared_first(values: Sequence[Any]) -> list[Any]:
        pairs = list(zip(values, is_batched))
        return [v for v, b in pairs if not b] + [v for v, b in pairs if b]

    loop = Scan(Graph(shared_first(inner), outputs), size, 0, sum(is_batched), False)
    result = emit(loop, *shared_first(operands))
    return tuple(item(result, i) for i in range(len(outputs)))


# ------------------------------------------------------------------ derivatives


def _around(call: Recur) -> _Derivative:
    """The derivative under way of the functions that a call belongs to."""
    for derivative in reversed(_varying.get()):
        if call.to in derivative.bodies:
            return derivative
    raise UsageError(
        f"recursive {call.to}: a derivative of a recursive call, taken inside the function",
        [f"call: {call.to} -> {_listed(call.gives)}", "it would need derivatives of every order"],
        "take the derivative of the whole function, outside",
    )


class _Derivative:
    """The derivatives of the functions of a recursion, made together: they call each other.

    Which operands have tangents, and which results therefore get some, is known only when all
    are made; so it grows from nothing until it stays. In reverse mode the marks are the cotangents
    of results, and what is made are those of operands.
    """

    def __init__(self, op: Recursion, suffix: str, transform: Callable[..., Any]):
        self.op = op
        self.bodies = op.bodies
        self.transform = transform
        self.derived = {name: _fresh(f"{name}.{suffix}", op.names) for name in op.names}
        self.marked: dict[str, set[int]] = {}
        self.wanted: dict[str, set[int]] = {}
        self.made: dict[str, set[int]] = {}
        self.outside: list[Value] = []  # what rules of users read

    def tangents(
        self, call: Recur | None, operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of the results of a call, or of the whole recursion."""
        name = self._noted(call, {i for i, dot in enumerate(dots) if dot is not None}, set())
        if call is None:
            self._settle(self._pushed)
        made = sorted(self.made[name])
        count = len(self.bodies[name].outputs)
        if not made:
            return (None,) * count
        marks = [or_zero(dots[i], operands[i]) for i in sorted(self.marked[name])]
        gives = [v.type for v in self.bodies[name].outputs]
        gives += [gives[i] for i in made]
        extends = (name, len(self.outside), len(operands), count)
        chain = (extends, *(self.op.extends if call is None else call.extends))
        result = self._called(call, name, [*operands, *marks], gives, chain)
        return tuple(item(result, count + made.index(i)) if i in made else None
                     for i in range(count))  # fmt: skip

    def cotangents(
        self,
        call: Recur | None,
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Iterable[int],
    ) -> list[Any]:
        """The cotangents of the operands of a call, or of the whole recursion."""
        live = {i for i, bar in enumerate(bars) if bar is not None}
        name = self._noted(call, live, set(wanted))
        if call is None:
            self._settle(self._pulled)
        made = sorted(self.made[name])
        if not made:
            return [None] * len(operands)
        outputs = self.bodies[name].outputs
        marks = [or_zero(bars[i], outputs[i]) for i in sorted(self.marked[name])]
        gives = [self.bodies[name].inputs[i].type for i in made]
        result = self._called(call, name, [*operands, *marks], gives, ())
        return [item(result, made.index(i)) if i in made else None for i in range(len(operands))]

    def _noted(self, call: Recur | None, marked: set[int], wanted: set[int]) -> str:
        """The name of the called function; its derivative has at least these marks."""
        name = self.op.names[0] if call is None else call.to
        for known, more in ((self.marked, marked), (self.wanted, wanted), (self.made, set())):
            known.setdefault(name, set()).update(more)
        return name

    def _called(
        self, call: Recur | None, name: str, given: list[Any], gives: list[Any], extends: Extends
    ) -> Any:
        derived = self.derived[name]
        if call is not None:
            return emit(Recur(derived, tuple(gives), extends), *self.outside, *given)
        bodies = self.bodies | {self.derived[n]: self._closed(g) for n, g in self.graphs.items()}
        return emit(beginning(derived, bodies, self.op.most_calls, extends), *self.outside, *given)

    def _settle(self, derive: Callable[[str], Graph]) -> None:
        mark = _varying.set((*_varying.get(), self))
        try:
            known = None
            while known != (now := self._size()):
                known = now
                self.graphs = {name: derive(name) for name in list(self.marked)}
        finally:
            _varying.reset(mark)

    def _size(self) -> tuple[int, ...]:
        """What grows until it stays."""
        grown = (self.marked, self.wanted, self.made)
        return (len(self.outside), *(sum(map(len, sets.values())) for sets in grown))

    def _pushed(self, name: str) -> Graph:
        body = self.bodies[name]
        marks = {i: placeholder(body.inputs[i].type) for i in sorted(self.marked[name])}
        found = self.transform(body.outputs, {body.inputs[i].id: m for i, m in marks.items()})
        self.made[name].update(i for i, dot in enumerate(found) if dot is not None)
        made = [or_zero(found[i], body.outputs[i]) for i in sorted(self.made[name])]
        return self._derived(Graph([*body.inputs, *marks.values()], [*body.outputs, *made]))

    def _pulled(self, name: str) -> Graph:
        body = self.bodies[name]
        marks = {i: placeholder(body.outputs[i].type) for i in sorted(self.marked[name])}
        wanted = sorted(self.wanted[name])
        bars = [marks.get(i) for i in range(len(body.outputs))]
        found = dict(
            zip(wanted, self.transform(body.outputs, bars, [body.inputs[i] for i in wanted]))
        )
        self.made[name].update(i for i, bar in found.items() if bar is not None)
        made = [or_zero(found[i], body.inputs[i]) for i in sorted(self.made[name])]
        return self._derived(Graph([*body.inputs, *marks.values()], made))

    def _derived(self, graph: Graph) -> Graph:
        """The graph, after what it reads from outside is noted."""
        known = {v.id for v in (*graph.inputs, *self.outside)}
        free = [v for v in topological(graph.outputs) if v.op is None and v.id not in known]
        self.outside += free
        return graph

    def _closed(self, graph: Graph) -> Graph:
        """The graph with inputs for all that is read from outside in front."""
        new = {v.id: placeholder(v.type) for v in self.outside}
        return Graph([*new.values(), *graph.inputs], grafted(graph.outputs, new))


def _fresh(name: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}{number}"
    return found
