"""Loops and branches for `cases.py`: small bodies that differ in what they carry, keep and read."""

from __future__ import annotations

from typing import Any

from lamina.base.dtypes import int32, int64
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, Value, emit, placeholder


def scan(x: Value, w: Value, xs: Value, *, reverse: bool = False, part: int = 0) -> Value:
    """A recurrent cell: w: [3, 3], x: [3], xs: [length, 3]."""
    weights, state, slice_ = placeholder(w.type), placeholder(x.type), placeholder(x.type)
    new = ops.tanh(ops.contract(state, weights, "i,ij->j") + slice_)
    body = Graph([weights, state, slice_], [new, new * slice_])
    return ops.item(emit(ops.Scan(body, xs.shape[0], 1, 1, reverse), w, x, xs), part)


def powers(x: Value) -> Value:
    """A state of two parts, one of them an integer; no slices come in, two go out."""
    number, total = placeholder(TensorType(int64)), placeholder(x.type)
    factor = ops.cast(number + ops.lift(1, number), x.dtype)
    body = Graph([number, total], [number + ops.lift(1, number), total * factor, total, number])
    begin = ops.constant(0, int64, ())
    return ops.item(emit(ops.Scan(body, 4, 2, 0, False), begin, x), 2)


def cumulative(xs: Value) -> Value:
    """The state is passed on as it came, and so is a slice."""
    number = TensorType(xs.dtype)
    state, slice_ = placeholder(number), placeholder(number)
    body = Graph([state, slice_], [slice_, state, state * slice_])
    one = ops.constant(1.0, xs.dtype, ())
    return ops.item(emit(ops.Scan(body, xs.shape[0], 1, 1, False), one, xs), 2)


def collatz(x: Value) -> Value:
    """Steps until 1: a state of two integers, of which the condition reads one."""
    asked = [placeholder(TensorType(int64)) for _ in range(2)]
    value, steps = (placeholder(TensorType(int64)) for _ in range(2))
    one, two, three = (ops.lift(n, value) for n in (1, 2, 3))
    even = ops.equal(ops.remainder(value, two), ops.lift(0, value))
    new = ops.select(even, ops.floor_divide(value, two), three * value + one)
    loop = ops.While(
        Graph(asked, [ops.greater(asked[0], ops.lift(1, asked[0]))]),
        Graph([value, steps], [new, steps + one]),
    )
    begin = ops.maximum(x, ops.lift(1, x))
    return ops.item(emit(loop, begin, ops.zeros_like(x)), 1)


def switch(index: Value, x: Value, y: Value) -> Value:
    """Branches that read one operand, both, or none."""

    def branch(make: Any) -> Graph:
        inputs = [placeholder(x.type), placeholder(y.type)]
        return Graph(inputs, [make(*inputs)])

    branches = (
        branch(lambda a, b: ops.sin(a)),
        branch(lambda a, b: a * b),
        branch(lambda a, b: ops.constant(2.0, a.dtype, a.shape)),
    )
    return ops.item(emit(ops.Switch(branches), ops.cast(index, int32), x, y), 0)


def recursion(x: Value, n: Value, *, mutual: bool = False) -> Value:
    """x times the results of two calls inside, until n is 0; with `mutual`, of another function."""
    types = TensorType(x.dtype, x.shape), TensorType(n.dtype, n.shape)

    def function(to: str, base: Any) -> Graph:
        def onward(a: Value, k: Value) -> Value:
            less = k - ops.lift(1, k)
            calls = [emit(ops.Recur(to, (x.type,)), b, less) for b in (a, ops.sin(a))]
            return a * ops.item(calls[0], 0) + ops.item(calls[1], 0)

        inputs = [placeholder(t) for t in types]
        last, more = [placeholder(t) for t in types], [placeholder(t) for t in types]
        branches = Graph(more, [onward(*more)]), Graph(last, [base(last[0])])
        done = ops.cast(ops.less_equal(inputs[1], ops.lift(0, inputs[1])), int32)
        return Graph(inputs, [ops.item(emit(ops.Switch(branches), done, *inputs), 0)])

    names = ("f", "g") if mutual else ("f",)
    functions = (function(names[-1], ops.exp), function("f", ops.cos))[: len(names)]
    return ops.item(emit(ops.Recursion(names, functions, 9), x, n), 0)


def checkpoint(x: Value, y: Value, *, keep: str = "nothing") -> Value:
    """Products and a name inside; the second of two results."""
    a, b = placeholder(x.type), placeholder(y.type)
    inner = ops.named(ops.tanh(ops.contract(a, b, "ij,jk->ik")), "e")
    body = Graph([a, b], [a * a, ops.sin(inner)])
    return ops.item(emit(ops.Checkpoint(body, keep), x, y), 1)


def budget(x: Value, y: Value) -> Value:
    """A product under a budget that every program keeps."""
    return ops.within(x, "1.0") * y


def barrier(x: Value, y: Value) -> Value:
    """Both operands behind a barrier, multiplied."""
    whole = emit(ops.Barrier(), x, y)
    return ops.item(whole, 0) * ops.item(whole, 1)
