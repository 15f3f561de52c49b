"""Switch: one of several branches, chosen when the program runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lamina.base.dtypes import int32
from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Graph, Op, TensorType, TupleType, emit, inline, placeholder, topological
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ops.bodies import (
    BatchValues,
    batched_body,
    closed,
    depending,
    or_zero,
    require_body,
    with_examples,
)
from lamina.graph.ops.comparison import equal, less_equal, select
from lamina.graph.ops.constant import lift
from lamina.graph.ops.item import item
from lamina.graph.ops.reduce import expand


@frozen
class Switch(Op):
    """The results of branch number `index`, the only one that is computed.

    Operands: index: i32[], then those of the branches. An index below 0 takes the first branch,
    one too large the last.  Inputs: any.  Source: ours.
    The derivative is a switch over the derivatives of the branches.
    """

    arity = None
    branches: tuple[Graph, ...]

    def infer(self, *types: TensorType) -> TupleType:
        if types[0] != TensorType(int32):
            raise ShapeError(
                "switch: the index is not one number",
                [f"index: {types[0]}", "wanted: i32[]"],
                "cast it to int32",
            )
        first = [v.type for v in self.branches[0].outputs]
        for number, branch in enumerate(self.branches):
            require_body(self, f"branch {number}", types[1:], branch)
            given = [v.type for v in branch.outputs]
            if given != first:
                raise ShapeError(
                    "switch: the branches give different types",
                    [
                        f"branch 0: {', '.join(map(str, first))}",
                        f"branch {number}: {', '.join(map(str, given))}",
                    ],
                    "cast or reshape what they return",
                )
        return TupleType(tuple(first))

    def reference(self, *arrays: Any) -> tuple[Any, ...]:
        chosen = min(max(int(arrays[0]), 0), len(self.branches) - 1)
        return evaluate(self.branches[chosen], *arrays[1:])

    def push(
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of the results: a switch over the branches and their tangents together."""
        moving = [dot is not None for dot in dots[1:]]
        found, marks = [], []
        for branch in self.branches:
            mark = [placeholder(v.type) if m else None for v, m in zip(branch.inputs, moving)]
            known = {v.id: x for v, x in zip(branch.inputs, mark) if x is not None}
            marks.append([x for x in mark if x is not None])
            found.append(push_forward(branch.outputs, known))
        live = [any(dots[i] is not None for dots in found) for i in range(len(found[0]))]
        if not any(live):
            return (None,) * len(live)
        graphs = [
            Graph(
                [*branch.inputs, *mark],
                [
                    *branch.outputs,  # so that the branch need not run for itself (merge_loops)
                    *(or_zero(dot, v) for dot, v, m in zip(dots, branch.outputs, live) if m),
                ],
            )
            for branch, mark, dots in zip(self.branches, marks, found)
        ]
        given = [dot for dot in dots[1:] if dot is not None]
        result = _switch(graphs, operands[0], [*operands[1:], *given])
        places = iter(range(len(live), 2 * len(live)))
        return tuple(item(result, next(places)) if m else None for m in live)

    def pull(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """The cotangents of the operands: a switch whose branches run forward again, then back.

        Running a branch again costs a second forward pass of the branch that was taken; keeping
        its values instead would cost memory for the values of all branches.
        """
        asked = [i - 1 for i in wanted if i > 0]
        found, marks = [], []
        for branch in self.branches:
            mark = [None if bar is None else placeholder(bar.type) for bar in bars]
            marks.append([x for x in mark if x is not None])
            found.append(pull_back(branch.outputs, mark, [branch.inputs[i] for i in asked]))
        live = [any(some[k] is not None for some in found) for k in range(len(asked))]
        result: list[Any] = [None] * len(operands)
        if not any(live):
            return result
        graphs = [
            Graph(
                [*branch.inputs, *mark],
                [or_zero(some[k], branch.inputs[i]) for k, i in enumerate(asked) if live[k]],
            )
            for branch, mark, some in zip(self.branches, marks, found)
        ]
        given = [bar for bar in bars if bar is not None]
        parts = _switch(graphs, operands[0], [*operands[1:], *given])
        for place, i in enumerate(i for k, i in enumerate(asked) if live[k]):
            result[i + 1] = item(parts, place)
        return result

    def lift(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> tuple[Any, ...]:
        """One index for all: a switch over batched branches; one each: all branches, selected."""
        mapped = list(is_batched[1:])
        if is_batched[0]:
            return self._selected(batch_values, size, operands, mapped)
        made = [False] * len(self.branches[0].outputs)
        for branch in self.branches:
            reached = depending(branch.outputs, [v for v, m in zip(branch.inputs, mapped) if m])
            made = [m or v.id in reached for m, v in zip(made, branch.outputs)]
        graphs = tuple(batched_body(b, mapped, made, size, batch_values) for b in self.branches)
        result = emit(Switch(graphs), *operands)
        parts = [item(result, i) for i in range(len(made))]
        return tuple(with_examples(p, m, True, size) for p, m in zip(parts, made))

    def _selected(
        self, batch_values: BatchValues, size: int, operands: Sequence[Any], mapped: list[bool]
    ) -> tuple[Any, ...]:
        index, given = operands[0], operands[1:]
        made = [True] * len(self.branches[0].outputs)
        results = [
            inline(batched_body(b, mapped, made, size, batch_values), given, emit)
            for b in self.branches
        ]
        chosen = list(results[-1])
        for number in reversed(range(len(self.branches) - 1)):
            one = lift(number, index)
            taken = equal(index, one) if number else less_equal(index, one)
            for k, x in enumerate(results[number]):
                axes = tuple(range(1 - x.rank, 0))
                where = expand(taken, axes, x.shape[1:]) if axes else taken
                chosen[k] = select(where, x, chosen[k])
        return tuple(chosen)

    def like(self, other: Switch) -> list[int] | None:
        """The results that would be those of `other`, if this switch does all that `other` does."""
        mine, others = (len(op.branches[0].outputs) for op in (self, other))
        return list(range(others)) if others <= mine else None

    def restricted(self, results: Iterable[int]) -> tuple[Switch, list[int], list[int]]:
        """The switch with these results only.

        Returns:
            (switch, operands, results): the numbers of what the smaller switch has of each.
        """
        order = sorted(results)
        read = [{v.id for v in topological([b.outputs[i] for i in order])} for b in self.branches]
        used = [
            i
            for i in range(len(self.branches[0].inputs))
            if any(b.inputs[i].id in ids for b, ids in zip(self.branches, read))
        ]
        branches = tuple(
            Graph([b.inputs[i] for i in used], [b.outputs[i] for i in order]) for b in self.branches
        )
        return Switch(branches), [0, *(i + 1 for i in used)], order


def _switch(branches: Sequence[Graph], index: Any, operands: Sequence[Any]) -> Any:
    """A switch whose branches may read values from outside."""
    outside, graphs = closed(branches)
    return emit(Switch(tuple(graphs)), index, *outside, *operands)
