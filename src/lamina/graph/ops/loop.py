"""While: a loop that ends when its condition says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lamina.base.dtypes import bool_, int8
from lamina.base.errors import ShapeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir import (
    Graph,
    Op,
    TensorType,
    TupleType,
    emit,
    grafted,
    placeholder,
    topological,
)
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ops.bodies import (
    BatchValues,
    batched_body,
    closed,
    depending,
    or_zero,
    renamed,
    require_body,
    require_state,
    with_examples,
)
from lamina.graph.ops.comparison import select
from lamina.graph.ops.convert import cast
from lamina.graph.ops.item import item
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.reduce import max as max_of


@frozen
class While(Op):
    """While `condition` holds of the state, the state becomes what `body` makes of it.

    condition: (constants, state) -> bool[].  body: (constants, state) -> state.  Operands:
    constants, the first state; result: the last state.  Inputs: any.  Source: ours.
    Derivatives are forward only: a loop of unknown length keeps nothing for the way back.
    """

    arity = None
    condition: Graph
    body: Graph

    @property
    def constants(self) -> int:
        """How many of the operands are the same at every step."""
        return len(self.body.inputs) - len(self.body.outputs)

    def infer(self, *types: TensorType) -> TupleType:
        require_body(self, "body", types, self.body)
        require_body(self, "condition", types, self.condition)
        require_state(self, self.body.inputs[self.constants :], self.body.outputs)
        answers = [v.type for v in self.condition.outputs]
        if answers != [TensorType(bool_)]:
            raise ShapeError(
                "while: the condition is not one boolean",
                [f"gives: {', '.join(map(str, answers))}", "wanted: bool[]"],
                "reduce it with all() or any()",
            )
        return TupleType(tuple(v.type for v in self.body.outputs))

    def reference(self, *arrays: Any) -> tuple[Any, ...]:
        constants, state = arrays[: self.constants], arrays[self.constants :]
        while evaluate(self.condition, *constants, *state)[0]:
            state = evaluate(self.body, *constants, *state)
        return tuple(state)

    def push(
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of the results: one loop over the state and its tangent together."""
        first, body = self.constants, self.body
        moving = [dot is not None for dot in dots]
        while True:
            marks = {v.id: placeholder(v.type) for v, m in zip(body.inputs, moving) if m}
            found = push_forward(body.outputs, marks)
            known = moving[first:]
            moving = moving[:first] + [m or d is not None for m, d in zip(known, found)]
            if moving[first:] == known:
                break

        def both(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
            beside = [x for x, m in zip(others[:first], moving) if m]
            behind = [x for x, m in zip(others[first:], moving[first:]) if m]
            return [*values[:first], *beside, *values[first:], *behind]

        condition = renamed(self.condition)
        unread = [placeholder(v.type) for v in body.inputs]
        inner = [marks.get(v.id) for v in body.inputs]
        made = [or_zero(d, v) for d, v, m in zip(found, body.outputs, moving[first:]) if m]
        graphs = [
            Graph(both(condition.inputs, unread), condition.outputs),
            Graph(both(body.inputs, inner), [*body.outputs, *made]),
        ]
        outside, graphs = closed(graphs)
        loop = While(*graphs)
        given = both(operands, [or_zero(d, x) for d, x in zip(dots, operands)])
        result = emit(loop, *outside, *given)
        places = iter(range(len(body.outputs), len(loop.body.outputs)))
        return tuple(item(result, next(places)) if m else None for m in moving[first:])

    def pull(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """Refused: the number of steps is known only when they are over."""
        raise UsageError(
            "while_loop: no reverse derivative of a loop of unknown length",
            ["steps: known only when the loop ends", "kept for the way back: one state a step"],
            "give max_steps=, use scan or fori_loop with a known length, or forward mode (jvp)",
        )

    def lift(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> tuple[Any, ...]:
        """`size` loops at once: all run until the last has ended; ended ones keep their state."""
        first, mapped = self.constants, list(is_batched)
        answer = self.condition.outputs[0]
        while True:
            asked = [v for v, m in zip(self.condition.inputs, mapped) if m]
            differs = answer.id in depending([answer], asked)
            inputs = [v for v, m in zip(self.body.inputs, mapped) if m]
            reached = depending(self.body.outputs, inputs)
            known = mapped[first:]
            grown = [m or differs or v.id in reached for m, v in zip(known, self.body.outputs)]
            mapped[first:] = grown
            if grown == known:
                break
        condition = batched_body(self.condition, mapped, [differs], size, batch_values)
        body = batched_body(self.body, mapped, grown, size, batch_values)
        if differs:
            body = _where(condition, body, first)
            condition = Graph(condition.inputs, [_any(condition.outputs[0])])
        given = [with_examples(x, b, m, size) for x, b, m in zip(operands, is_batched, mapped)]
        result = emit(While(condition, body), *given)
        parts = [item(result, i) for i in range(len(grown))]
        return tuple(with_examples(p, m, True, size) for p, m in zip(parts, grown))

    def like(self, other: While) -> list[int] | None:
        """The results that would be those of `other`, if this loop does all that `other` does."""
        return list(range(len(other.body.outputs)))

    def restricted(self, results: Iterable[int]) -> tuple[While, list[int], list[int]]:
        """The loop with these results and the state that they and the condition need.

        Returns:
            (loop, operands, results): the numbers of what the smaller loop has of each.
        """
        first, inputs = self.constants, self.body.inputs
        asked = {v.id for v in topological(self.condition.outputs)}
        asked_at = {i for i, v in enumerate(self.condition.inputs) if v.id in asked}
        kept = set(results) | {i - first for i in asked_at if i >= first}
        while True:
            read = {v.id for v in topological([self.body.outputs[i] for i in kept])}
            grown = {i for i in range(len(inputs) - first) if inputs[first + i].id in read}
            if grown <= kept:
                break
            kept |= grown
        operands = [
            i
            for i, v in enumerate(inputs)
            if (i - first in kept if i >= first else v.id in read or i in asked_at)
        ]
        order = sorted(kept)
        smaller = While(
            Graph([self.condition.inputs[i] for i in operands], self.condition.outputs),
            Graph([inputs[i] for i in operands], [self.body.outputs[i] for i in order]),
        )
        return smaller, operands, order


def _where(condition: Graph, body: Graph, constants: int) -> Graph:
    """The body, whose results count only for the examples of which the condition holds."""
    inputs = dict(zip((v.id for v in condition.inputs), body.inputs))
    holds = grafted(condition.outputs, inputs)[0]
    outputs = []
    for new, old in zip(body.outputs, body.inputs[constants:], strict=True):
        axes = tuple(range(1 - new.rank, 0))
        chosen = expand(holds, axes, new.shape[1:]) if axes else holds
        outputs.append(select(chosen, new, old))
    return Graph(body.inputs, outputs)


def _any(x: Any) -> Any:
    """Whether one of a row of booleans holds."""
    return cast(max_of(cast(x, int8), (-1,)), bool_)
