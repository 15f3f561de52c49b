"""Scan: a loop of a known number of steps inside the graph; its body is a graph of its own.

Sources: the signature is that of `scan` in functional languages (Bird 1987); reverse mode by a loop
that runs backwards over kept values: Griewank & Walther 2008, section 12.1.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError
from lamina.base.records import frozen
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
from lamina.graph.ops.arithmetic import Add
from lamina.graph.ops.bodies import (
    BatchValues,
    batched_body,
    closed,
    depending,
    may_vary,
    or_zero,
    require_body,
    require_state,
    with_examples,
)
from lamina.graph.ops.contract import LETTERS, Contract, contract
from lamina.graph.ops.item import item
from lamina.graph.ops.reduce import Sum
from lamina.graph.ops.reduce import sum as sum_of
from lamina.graph.ops.shape import permute


@frozen
class Scan(Op):
    """`length` steps of `body`, each with the state that the one before left and a slice of inputs.

    body: (constants, state, slices) -> (state, slices).  Operands: constants, the first state,
    stacked slices [length, ...]; result: the last state, stacked slices [length, ...].  With
    `reverse` the steps go from the last slice to the first.  Inputs: any.  Source: ours.
    """

    arity = None
    body: Graph
    length: int
    state: int  # how many of the body's inputs, and first outputs, are state
    slices: int  # how many of the body's inputs, the last ones, are slices
    reverse: bool

    @property
    def constants(self) -> int:
        """How many of the operands are the same at every step."""
        return len(self.body.inputs) - self.state - self.slices

    def grouped(self, items: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """One thing for each operand as those for constants, state and slices."""
        first, last = self.constants, self.constants + self.state
        return list(items[:first]), list(items[first:last]), list(items[last:])

    def infer(self, *types: TensorType) -> TupleType:
        if len(types) != len(self.body.inputs):
            raise UsageError(
                f"scan: {len(types)} operands for a body of {len(self.body.inputs)} inputs"
            )
        constants, state, stacked = self.grouped(types)
        for t in stacked:
            if not t.rank or t.shape[0] != self.length:
                raise ShapeError(
                    "scan: an input is not one slice a step",
                    [f"input: {t}", f"steps: {self.length}"],
                    "its first axis counts the steps",
                )
        require_body(self, "body", [*constants, *state, *map(_slice_type, stacked)], self.body)
        inner, outer = self.grouped(self.body.inputs)[1], self.body.outputs[: self.state]
        require_state(self, inner, outer)
        made = [
            v.type.with_shape((self.length, *v.type.shape)) for v in self.body.outputs[self.state :]
        ]
        return TupleType((*[v.type for v in outer], *made))

    def reference(self, *arrays: Any) -> tuple[Any, ...]:
        constants, state, stacked = self.grouped(arrays)
        made = self.body.outputs[self.state :]
        rows: list[list[Any]] = [[None] * self.length for _ in made]
        steps = range(self.length)
        for t in reversed(steps) if self.reverse else steps:
            found = evaluate(self.body, *constants, *state, *[a[t] for a in stacked])
            state = list(found[: self.state])
            for row, array in zip(rows, found[self.state :], strict=True):
                row[t] = array
        return (*state, *[_stack(row, v.type) for row, v in zip(rows, made, strict=True)])

    # ------------------------------------------------------------------ forward mode

    def push(
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of the results: one loop over the body and its tangents together."""
        body = self.body
        moving = [dot is not None for dot in dots]
        while True:
            marks = {v.id: placeholder(v.type) for v, m in zip(body.inputs, moving) if m}
            found = push_forward(body.outputs, marks)
            grown = [
                self.constants + i
                for i in range(self.state)
                if found[i] is not None and not moving[self.constants + i]
            ]
            if not grown:
                break
            for i in grown:
                moving[i] = True
        inner = self.grouped([marks.get(v.id) for v in body.inputs])
        outer = list(found)
        for i, mark in enumerate(inner[1]):
            outer[i] = None if mark is None else or_zero(found[i], body.outputs[i])
        given = self.grouped(
            [or_zero(dot, x) if m else None for dot, x, m in zip(dots, operands, moving)]
        )
        return self._doubled(operands, given, inner, outer)

    def _doubled(
        self,
        operands: Sequence[Any],
        dots: Sequence[list[Any]],
        inner: Sequence[list[Any]],
        outer: list[Any],
    ) -> tuple[Any, ...]:
        """The loop over values and tangents; None stands for a tangent that is zero.

        Args:
            operands: of the loop.
            dots: their tangents, split.
            inner: placeholders for the tangents of the body's inputs, split.
            outer: the tangents of the body's outputs.
        """
        values = self.grouped(self.body.inputs)
        state, slices = self.body.outputs[: self.state], self.body.outputs[self.state :]
        state_dots = [d for d in outer[: self.state] if d is not None]
        slice_dots = [d for d in outer[self.state :] if d is not None]
        whole = Graph(_interleaved(values, inner), [*state, *state_dots, *slices, *slice_dots])
        outside, (body,) = closed([whole])
        loop = Scan(
            body,
            self.length,
            len(state) + len(state_dots),
            self.slices + sum(d is not None for d in inner[2]),
            self.reverse,
        )
        both = emit(loop, *outside, *_interleaved(self.grouped(operands), dots))
        first, last = len(state), len(state) + len(state_dots) + len(slices)
        places = itertools.chain(
            range(first, first + len(state_dots)), range(last, last + len(slice_dots))
        )
        return tuple(None if d is None else item(both, next(places)) for d in outer)

    # ------------------------------------------------------------------ reverse mode

    def pull(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """The cotangents of the operands: a loop that runs the other way over kept values."""
        return _Backward(self, pull_back, operands, bars, set(wanted)).run()

    # ------------------------------------------------------------------ batching

    def lift(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> tuple[Any, ...]:
        """The results for `size` examples at once: one loop over the batched body."""
        first, mapped = self.constants, list(is_batched)
        while True:
            inputs = [v for v, m in zip(self.body.inputs, mapped) if m]
            reached = depending(self.body.outputs, inputs)
            known = mapped[first : first + self.state]
            grown = [m or v.id in reached for m, v in zip(known, self.body.outputs)]
            mapped[first : first + self.state] = grown
            if grown == known:
                break
        made = [*grown, *(v.id in reached for v in self.body.outputs[self.state :])]
        body = batched_body(self.body, mapped, made, size, batch_values)
        given = [with_examples(x, b, m, size) for x, b, m in zip(operands, is_batched, mapped)]
        for i in range(first + self.state, len(given)):
            given[i] = permute(given[i], _swapped(given[i].rank)) if mapped[i] else given[i]
        result = emit(replace(self, body=body), *given)
        parts = [item(result, i) for i in range(len(made))]
        for i in range(self.state, len(parts)):
            parts[i] = permute(parts[i], _swapped(parts[i].rank)) if made[i] else parts[i]
        return tuple(with_examples(p, m, True, size) for p, m in zip(parts, made))

    # ------------------------------------------------------------------ fewer results

    def like(self, other: Scan) -> list[int] | None:
        """The results that would be those of `other`, if this loop does all that `other` does."""
        made = len(other.body.outputs) - other.state
        more = len(self.body.outputs) - self.state
        if (self.length, self.reverse) != (other.length, other.reverse):
            return None
        if other.state > self.state or made > more:
            return None
        return [*range(other.state), *range(self.state, self.state + made)]

    def restricted(self, results: Iterable[int]) -> tuple[Scan, list[int], list[int]]:
        """The loop with these results and the state that they need.

        Returns:
            (loop, operands, results): the numbers of what the smaller loop has of each.
        """
        body, first = self.body, self.constants
        kept = set(results)
        while True:
            read = {v.id for v in topological([body.outputs[i] for i in kept])}
            grown = {i for i in range(self.state) if body.inputs[first + i].id in read}
            if grown <= kept:
                break
            kept |= grown
        order = sorted(kept)
        state = [i for i in order if i < self.state]
        operands = [
            i
            for i, v in enumerate(body.inputs)
            if (i - first in kept if first <= i < first + self.state else v.id in read)
        ]
        smaller = Scan(
            Graph([body.inputs[i] for i in operands], [body.outputs[i] for i in order]),
            self.length,
            len(state),
            sum(i >= first + self.state for i in operands),
            self.reverse,
        )
        return smaller, operands, order


def _slice_type(t: TensorType) -> TensorType:
    return t.with_shape(t.shape[1:])


def _stack(rows: list[Any], type: TensorType) -> np.ndarray:
    if not rows:
        return np.zeros((0, *type.shape), type.dtype.numpy)
    return np.stack([np.asarray(r) for r in rows])


def _swapped(rank: int) -> tuple[int, ...]:
    """The order that exchanges the first two axes."""
    return (1 - rank, -rank, *range(2 - rank, 0))


class _Backward:
    """The loop that pulls cotangents back through a scan.

    What a backward step needs of the forward step is kept, stacked, by a forward loop with more
    results, which takes the place of the first one (`graph.passes.merge_loops`). Constants and
    slices need not be kept, and views, and what follows from constants alone, are made again.

    The cotangent of a constant is a sum over all steps. Where a step's part of it is a contraction
    of things smaller than itself, those are stacked and contracted once, over all steps.
    """

    def __init__(
        self,
        op: Scan,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: set[int],
    ):
        self.op = op
        self.pull_back = pull_back
        self.operands = operands
        self.bars = list(bars)
        self.constants, self.state, self.slices = op.grouped(op.body.inputs)
        self.active = self._active(wanted)
        self.forward = {v.id: v for v in topological(op.body.outputs)}
        self.forward.update({v.id: v for v in op.body.inputs})
        varying = depending(op.body.outputs, [*self.state, *self.slices])
        self.invariant = {i for i in self.forward if i not in varying}
        self.kept: dict[int, Value] = {}  # forward values that are stacked
        self.moved: dict[int, Value] = {}  # backward values that are stacked

    def _active(self, wanted: set[int]) -> list[bool]:
        """Which inputs of the body have a cotangent that somebody asks for, or needs."""
        op, active = self.op, [i in wanted for i in range(len(self.operands))]
        while True:
            on = [v for v, a in zip(op.body.inputs, active) if a]
            reached = depending(op.body.outputs, on)
            grown = [
                op.constants + i
                for i, v in enumerate(op.body.outputs[: op.state])
                if v.id in reached and may_vary(v) and not active[op.constants + i]
            ]
            if not grown:
                return active
            for i in grown:
                active[i] = True

    def run(self) -> list[Any]:
        """A cotangent for each operand, None where it is zero."""
        state_bars, slice_bars, found = self._step()
        constants, state, slices = self.op.grouped(found)
        ahead, later = self._sums(constants)
        state_out = [or_zero(found, v) for v, found in zip(self.state, state) if v.id in state_bars]
        sums = [placeholder(bar.type) for _, bar in ahead]
        added = [emit(Add(), s, bar) for s, (_, bar) in zip(sums, ahead)]
        slices_out = [bar for bar in slices if bar is not None]
        outputs = [*state_out, *added, *slices_out]
        stacks = self._stacks([*outputs, *self.moved.values()])
        moved = list(self.moved.values())
        inner, outer = self._inputs(stacks)
        inputs = [
            *inner["constants"].values(),
            *state_bars.values(), *sums,
            *inner["slices"].values(), *slice_bars.values(),
        ]  # fmt: skip
        replaced = inner["constants"] | inner["slices"]
        outside, (body,) = closed([Graph(inputs, grafted([*outputs, *moved], replaced))])
        count = len(state_bars) + len(sums)
        loop = Scan(
            body,
            self.op.length,
            count,
            len(inner["slices"]) + len(slice_bars),
            not self.op.reverse,
        )
        live = [i for i, v in enumerate(self.state) if v.id in state_bars]
        result = (
            emit(
                loop,
                *outside,
                *outer["constants"],
                *[or_zero(self.bars[i], self.operands[self.op.constants + i]) for i in live],
                *[or_zero(None, s) for s in sums],
                *outer["slices"],
                *[self.bars[self.op.state + j] for j in self._moving_slices()],
            )
            if body.outputs
            else None
        )
        parts = [item(result, i) for i in range(len(body.outputs))]
        for k, v in enumerate(self.moved.values()):
            stacks[v.id] = parts[count + len(slices_out) + k]
        return self._collected(live, ahead, later, slices, parts, stacks)

    def _moving_slices(self) -> list[int]:
        return [j for j, bar in enumerate(self.bars[self.op.state :]) if bar is not None]

    def _step(self) -> tuple[dict[int, Value], dict[int, Value], list[Any]]:
        """Placeholders for the cotangents of one step's results; those of its inputs."""
        op, body = self.op, self.op.body
        first = op.constants
        wrt = [v for v, a in zip(body.inputs, self.active) if a]
        slice_bars = {
            j: placeholder(body.outputs[op.state + j].type) for j in self._moving_slices()
        }
        live = [i for i in range(op.state) if self.bars[i] is not None and self.active[first + i]]
        while True:
            state_bars = {self.state[i].id: placeholder(self.state[i].type) for i in live}
            bars = [state_bars.get(v.id) for v in self.state]
            bars += [slice_bars.get(j) for j in range(len(body.outputs) - op.state)]
            some = iter(self.pull_back(body.outputs, bars, wrt))
            found = [next(some) if a else None for a in self.active]
            grown = [
                i for i, bar in enumerate(op.grouped(found)[1]) if bar is not None and i not in live
            ]
            if not grown:
                return state_bars, slice_bars, found
            live = sorted({*live, *grown})

    # ------------------------------------------------------------------ sums over steps

    def _sums(self, constants: list[Any]) -> tuple[list[Any], list[Any]]:
        """Parts of the constants' cotangents that are added up step by step, and those later.

        Both as (number of the constant, value).
        """
        ahead: list[Any] = []
        later: list[Any] = []
        for number, bar in enumerate(constants):
            together = None
            for term in [] if bar is None else self._terms(bar):
                if self._is_later(term):
                    later.append((number, term))
                    for v in term.operands:
                        self._stack(v)
                else:
                    together = term if together is None else emit(Add(), together, term)
            if together is not None:
                ahead.append((number, together))
        return ahead, later

    def _terms(self, bar: Value) -> list[Value]:
        """The summands that the backward step made."""
        found: list[Value] = []
        stack = [bar]
        while stack:
            v = stack.pop()
            if isinstance(v.op, Add) and v.id not in self.forward:
                stack.extend(reversed(v.operands))
            else:
                found.append(v)
        return found

    def _is_later(self, term: Value) -> bool:
        """Whether a summand is cheaper to make once, from everything it is made of at all steps."""
        if not isinstance(term.op, Contract | Sum) or any(
            o.id in self.invariant for o in term.operands
        ):
            return False
        fresh = [o for o in term.operands if not self._is_stacked(o)]
        return sum(o.type.size for o in fresh) <= 2 * term.type.size

    def _is_stacked(self, v: Value) -> bool:
        return v.id in self.kept or v.id in self.moved or any(v is s for s in self.slices)

    def _stack(self, v: Value) -> None:
        if v.id not in self.forward:
            self.moved[v.id] = v
        elif not any(v is s for s in self.slices):
            self.kept[v.id] = v

    def _summed(self, term: Value, stacks: dict[int, Any]) -> Any:
        """One summand over all steps: the steps are one more summed axis."""
        if isinstance(term.op, Sum):
            x = stacks[term.operands[0].id]
            return sum_of(x, (-x.rank, *term.op.axes))
        left, right, out = term.op.axes
        x, y = (stacks[o.id] for o in term.operands)
        free = iter(c for c in LETTERS if c not in left + right)
        step = next(free)
        lead = "".join(next(free) for _ in range(x.rank - 1 - len(left)))
        return contract(x, y, f"{step}{lead}{left},{step}{lead}{right}->{lead}{out}")

    # ------------------------------------------------------------------ what is kept

    def _stacks(self, outputs: Sequence[Value]) -> dict[int, Any]:
        """The stacked form of every forward value that the backward step reads, by its id."""
        self._find_kept(outputs)
        op, body = self.op, self.op.body
        found = {v.id: x for v, x in zip(self.slices, op.grouped(self.operands)[2])}
        new = [v for v in self.kept.values() if not any(v is s for s in self.slices)]
        if new:
            loop = Scan(
                Graph(body.inputs, (*body.outputs, *new)),
                op.length,
                op.state,
                op.slices,
                op.reverse,
            )
            whole = emit(loop, *self.operands)
            for k, v in enumerate(new):
                found[v.id] = item(whole, len(body.outputs) + k)
        return found

    def _find_kept(self, outputs: Sequence[Value]) -> None:
        stack = list(outputs)
        seen: set[int] = set()
        while stack:
            v = stack.pop()
            if v.id in seen:
                continue
            seen.add(v.id)
            if v.id in self.forward and not self._made_again(v):
                if not any(v is x for x in (*self.constants, *self.slices)):
                    self.kept[v.id] = v
            else:
                stack.extend(v.operands)

    def _made_again(self, v: Value) -> bool:
        """Whether a backward step computes a forward value once more instead of reading it."""
        if v.op is None or v.id in self.kept:
            return False
        return v.id in self.invariant or (v.op.view is not None and v.op.cost <= 1)

    def _inputs(self, stacks: dict[int, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Placeholders of the backward body for what it reads of the forward pass, by id."""
        given = self.op.grouped(self.operands)[0]
        inner = {
            "constants": {v.id: placeholder(v.type) for v in self.constants},
            "slices": {i: placeholder(self.forward[i].type) for i in stacks},
        }
        return inner, {"constants": given, "slices": list(stacks.values())}

    def _collected(
        self,
        live: list[int],
        ahead: list[Any],
        later: list[Any],
        slices: list[Any],
        parts: list[Any],
        stacks: dict[int, Any],
    ) -> list[Any]:
        """The cotangent of every operand from the results of the backward loop."""
        op = self.op
        found: list[Any] = [None] * len(self.operands)
        for k, i in enumerate(live):
            found[op.constants + i] = parts[k]
        for k, (number, _) in enumerate(ahead):
            found[number] = parts[len(live) + k]
        for number, term in later:
            whole = self._summed(term, stacks)
            found[number] = whole if found[number] is None else emit(Add(), found[number], whole)
        place = len(live) + len(ahead)
        for j, bar in enumerate(slices):
            if bar is not None:
                found[op.constants + op.state + j] = parts[place]
                place += 1
        return found


def _interleaved(parts: Sequence[Sequence[Any]], others: Sequence[Sequence[Any]]) -> list[Any]:
    """The parts one after the other, each followed by the others that go with it."""
    return [x for a, b in zip(parts, others) for x in (*a, *(y for y in b if y is not None))]
