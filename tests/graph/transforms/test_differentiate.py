"""Forward and reverse mode on whole programs, against analytic results and by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from lamina.base.dtypes import float64, int64
from lamina.base.errors import UsageError
from lamina.base.spans import Span
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, Value, emit, topological, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.transforms import batch, jvp, pull_back, push_forward, saved_values, vjp

SCALAR = TensorType(float64)


def matmul(x: Value, y: Value) -> Value:
    return ops.contract(x, y, "ik,kj->ij")


def f64(*shape: int) -> TensorType:
    return TensorType(float64, shape)


def sigmoid(x: Value) -> Value:
    return 1.0 / (1.0 + ops.exp(-x))


def mlp(x: Value, w: Value, v: Value) -> Value:
    return ops.sum(ops.tanh(matmul(ops.tanh(matmul(x, w)), v)), (-1,))


MLP = (f64(5, 4), f64(4, 3), f64(3, 2))


@pytest.fixture
def numbers() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(t.shape) for t in MLP]


# ------------------------------------------------------------------ the textbook example


def example(x1: Value, x2: Value) -> Value:
    return ops.log(x1) + x1 * x2 - ops.sin(x2)


POINT = (np.float64(2.0), np.float64(5.0))


def test_forward_mode_gives_one_column() -> None:
    """f = ln x1 + x1 x2 - sin x2 at (2, 5): the derivative in x1 is 1/2 + 5."""
    graph = trace(example, SCALAR, SCALAR)
    value, dot = evaluate(jvp(graph), *POINT, np.float64(1), np.float64(0))
    assert value == pytest.approx(math.log(2) + 10 - math.sin(5))
    assert dot == 5.5
    assert evaluate(jvp(graph), *POINT, np.float64(0), np.float64(1))[1] == pytest.approx(
        2 - math.cos(5)
    )


def test_reverse_mode_gives_the_row_in_one_pass() -> None:
    backward = vjp(trace(example, SCALAR, SCALAR))
    value, first, second = evaluate(backward, *POINT, np.float64(1))
    assert value == pytest.approx(math.log(2) + 10 - math.sin(5))
    assert first == 5.5
    assert second == pytest.approx(2 - math.cos(5))
    assert len(topological(backward.outputs)) < 4 * len(
        topological(trace(example, SCALAR, SCALAR).outputs)
    )


@pytest.mark.parametrize("order", range(6))
def test_orders_of_sine(order: int) -> None:
    """The k-th derivative of sin is sin(x + k pi / 2)."""
    graph = trace(ops.sin, SCALAR)
    for _ in range(order):
        made = vjp(graph)
        one = ops.constant(1.0, float64)
        inside = {made.inputs[1].id: one}
        graph = Graph(made.inputs[:1], (substitute(made.outputs[1], inside),))
    assert evaluate(graph, np.float64(0.3))[0] == pytest.approx(math.sin(0.3 + order * math.pi / 2))


def substitute(v: Value, given: dict[int, Value]) -> Value:
    """`v` with some inputs replaced."""
    new = dict(given)
    for u in topological([v]):
        if u.id not in new:
            new[u.id] = Value(u.type, u.op, tuple(new[o.id] for o in u.operands)) if u.op else u
    return new[v.id]


# ------------------------------------------------------------------ a network


def test_network_against_differences(numbers: list[np.ndarray]) -> None:
    graph = trace(mlp, *MLP)
    rng = np.random.default_rng(1)
    dots = [rng.standard_normal(a.shape) for a in numbers]
    bar = rng.standard_normal(5)
    h = 1e-6
    ahead, behind = (
        evaluate(graph, *(a + t * d for a, d in zip(numbers, dots)))[0] for t in (h, -h)
    )
    forward = evaluate(jvp(graph), *numbers, *dots)[1]
    np.testing.assert_allclose(forward, (ahead - behind) / (2 * h), 1e-7)
    bars = evaluate(vjp(graph), *numbers, bar)[1:]
    assert sum(np.vdot(b, d) for b, d in zip(bars, dots)) == pytest.approx(np.vdot(bar, forward))


def test_batch_of_gradients_against_a_loop(numbers: list[np.ndarray]) -> None:
    x, w, v = numbers
    graph = vjp(trace(mlp, *MLP))
    many = np.random.default_rng(2).standard_normal((7, *x.shape))
    got = evaluate(batch(graph, 7, (True, False, False, False)), many, w, v, np.ones(5))
    for i in range(7):
        for g, wanted in zip(got, evaluate(graph, many[i], w, v, np.ones(5))):
            np.testing.assert_allclose(g[i], wanted, 1e-12)


def test_hessian_vector_products_are_symmetric(numbers: list[np.ndarray]) -> None:
    """u H v = v H u, by forward over reverse and by reverse over reverse."""
    graph = trace(lambda w: ops.sum(ops.tanh(ops.tanh(w) * w), (-1, -2)), f64(4, 3))
    gradient = vjp(graph)
    gradient = Graph(gradient.inputs, gradient.outputs[1:])
    rng = np.random.default_rng(3)
    w, u, v = (rng.standard_normal((4, 3)) for _ in range(3))
    one, zero = np.float64(1), np.float64(0)
    forward = lambda d: evaluate(jvp(gradient), w, one, d, zero)[1]
    reverse = lambda d: evaluate(vjp(gradient), w, one, d)[1]
    assert np.vdot(u, forward(v)) == pytest.approx(np.vdot(v, forward(u)))
    np.testing.assert_allclose(forward(v), reverse(v), 1e-12)


def test_back_propagation_by_hand() -> None:
    """A sigmoid network with squared error: delta_2 = (a2 - t) a2 (1 - a2), delta_1 = ..."""

    def loss(x, t, w1, b1, w2, b2):
        rows = lambda b: ops.expand(b, (-2,), (6,))
        hidden = sigmoid(matmul(x, w1) + rows(b1))
        error = sigmoid(matmul(hidden, w2) + rows(b2)) - t
        return 0.5 * ops.sum(error * error, (-1, -2))

    shapes = ((6, 4), (6, 2), (4, 3), (3,), (3, 2), (2,))
    rng = np.random.default_rng(4)
    x, t, w1, b1, w2, b2 = arrays = [rng.standard_normal(s) for s in shapes]
    graph = vjp(trace(loss, *(f64(*s) for s in shapes)), wrt=(2, 3, 4, 5))
    got = evaluate(graph, *arrays, np.float64(1))[1:]

    a1 = 1 / (1 + np.exp(-(x @ w1 + b1)))
    a2 = 1 / (1 + np.exp(-(a1 @ w2 + b2)))
    delta2 = (a2 - t) * a2 * (1 - a2)
    delta1 = (delta2 @ w2.T) * a1 * (1 - a1)
    by_hand = (x.T @ delta1, delta1.sum(0), a1.T @ delta2, delta2.sum(0))
    for g, wanted in zip(got, by_hand):
        np.testing.assert_allclose(g, wanted, 1e-10)


@dataclass(frozen=True)
class Quotient(ops.Elementwise):
    """x / a, which is linear in x alone; its jvp is written with itself."""

    arity = 2
    formula = staticmethod(np.divide)

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0,)

    def transpose(self, i: int, bar: Value, x: Value, a: Value) -> Value:
        return emit(self, bar, a)

    def jvp(self, operands: Sequence[Value], dots: Sequence[Value], out: Value) -> Value:
        return emit(self, dots[0] - out * dots[1], operands[1])


@pytest.mark.parametrize("wrt", [(0,), (1,), (0, 1)])
def test_an_op_that_is_linear_in_one_operand(wrt: tuple[int, ...]) -> None:
    graph = trace(lambda x, a: emit(Quotient(), x, a), SCALAR, SCALAR)
    wanted = {0: 0.5, 1: -3.0 / 4.0}
    found = evaluate(vjp(graph, wrt), np.float64(3), np.float64(2), np.float64(1))[1:]
    np.testing.assert_allclose(found, [wanted[i] for i in wrt])
    dots = [np.float64(i in wrt) for i in range(2)]
    (dot,) = evaluate(jvp(graph), np.float64(3), np.float64(2), *dots)[1:]
    assert dot == pytest.approx(sum(wanted[i] for i in wrt))


def test_second_order_of_an_op_that_is_linear_in_one_operand() -> None:
    """The second derivative of x / a in a is 2 x / a^3."""
    graph = trace(lambda x, a: emit(Quotient(), x, a), SCALAR, SCALAR)
    gradient = vjp(graph, (1,))
    gradient = Graph(gradient.inputs, gradient.outputs[1:])
    (second,) = evaluate(vjp(gradient, (1,)), *map(np.float64, (3, 2, 1, 1)))[1:]
    assert second == pytest.approx(2 * 3 / 8)


def test_error_of_differences_has_its_minimum_between_truncation_and_rounding() -> None:
    """Central differences err by h^2 when h is large and by 1/h when it is small."""
    graph = trace(example, SCALAR, SCALAR)
    exact = evaluate(vjp(graph), *POINT, np.float64(1))[1]
    steps = 10.0 ** -np.arange(1, 14)
    at = lambda h: float(evaluate(graph, POINT[0] + h, POINT[1])[0])
    errors = np.array([abs((at(h) - at(-h)) / (2 * h) - exact) for h in steps])
    best = int(errors.argmin())
    assert 1e-8 < steps[best] < 1e-3
    assert errors[best] < 1e-8
    assert errors[0] > 1e4 * errors[best] and errors[-1] > 1e4 * errors[best]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.1)


# ------------------------------------------------------------------ how the walk goes


@pytest.mark.parametrize("k", [1, 2, 5, 16])
def test_fan_out_is_summed(k: int) -> None:
    """A value used k times gets the sum of k contributions."""

    def f(x: Value) -> Value:
        total = ops.sin(x)
        for i in range(1, k):
            total = total + float(i + 1) * ops.sin(x)
        return total

    graph = vjp(trace(f, SCALAR))
    got = evaluate(graph, np.float64(0.5), np.float64(1))[1]
    assert got == pytest.approx(math.cos(0.5) * sum(range(1, k + 1)))


def test_the_same_operand_twice() -> None:
    graph = vjp(trace(lambda x: x * x, SCALAR))
    assert evaluate(graph, np.float64(3), np.float64(1))[1] == 6.0


def test_an_output_twice_and_an_output_that_is_an_input() -> None:
    graph = vjp(trace(lambda x: (x, x * 2.0, x * 2.0), SCALAR))
    one = np.float64(1)
    assert evaluate(graph, np.float64(3), one, one, one)[-1] == 5.0


def test_unused_inputs_get_zeros() -> None:
    graph = vjp(trace(lambda x, y: ops.sin(x), f64(2), f64(3)))
    got = evaluate(graph, np.ones(2), np.ones(3), np.ones(2))
    np.testing.assert_array_equal(got[2], np.zeros(3))


def test_integers_have_no_derivative() -> None:
    graph = trace(lambda x, i: (ops.gather(x, i), i + 1), f64(5), TensorType(int64, (2,)))
    backward = vjp(graph)
    assert [str(v.type) for v in backward.inputs] == ["f64[5]", "i64[2]", "f64[2]"]
    assert [str(v.type) for v in backward.outputs] == ["f64[2]", "i64[2]", "f64[5]"]
    got = evaluate(backward, np.arange(5.0), np.array([1, 1]), np.array([2.0, 3.0]))[2]
    np.testing.assert_array_equal(got, [0, 5, 0, 0, 0])
    assert len(jvp(graph).inputs) == 3
    with pytest.raises(UsageError, match="only floating inputs"):
        vjp(graph, wrt=(1,))


def test_zero_cotangents_are_none() -> None:
    graph = trace(lambda x, y: ops.floor(x) + y, SCALAR, SCALAR)
    x, y = graph.inputs
    bar = ops.constant(1.0, float64)
    assert pull_back(graph.outputs, [bar], [x]) == [None]
    assert pull_back(graph.outputs, [bar], [y]) == [bar]
    assert pull_back(graph.outputs, [None], [y]) == [None]
    assert push_forward(graph.outputs, {x.id: bar}) == [None]
    assert push_forward(graph.outputs, {y.id: bar}) == [bar]


def test_gradient_of_a_value_in_the_middle() -> None:
    """Gradients exist for any value, not only inputs; the walk stops there."""
    graph = trace(lambda x: ops.exp(ops.sin(x)), SCALAR)
    middle = graph.outputs[0].operands[0]
    (bar,) = pull_back(graph.outputs, [ops.constant(1.0, float64)], [middle])
    got = evaluate(Graph(graph.inputs, (bar,)), np.float64(0.7))[0]
    assert got == pytest.approx(math.exp(math.sin(0.7)))
    assert "cos" not in str(Graph(graph.inputs, (bar,)))


def test_values_that_do_not_matter_are_skipped() -> None:
    graph = vjp(trace(lambda x, y: ops.sin(x) * ops.cos(y), SCALAR, SCALAR), wrt=(0,))
    assert str(graph).count("sin") == 1  # the derivative of cos would need sin y


def test_derivatives_carry_the_line_they_derive_from() -> None:
    graph = trace(lambda x: ops.sin(x), SCALAR)
    backward = vjp(graph)
    spans = {v.span for v in backward.nodes}
    assert spans == {graph.outputs[0].span}
    assert isinstance(graph.outputs[0].span, Span)


# ------------------------------------------------------------------ what is kept


def test_saved_values() -> None:
    """exp keeps its result, sin its operand; the sum keeps nothing."""
    graph = trace(lambda x, y: ops.exp(x) + ops.sin(y), SCALAR, SCALAR)
    backward = vjp(graph)
    kept = saved_values(backward.outputs[:1], backward.outputs[1:])
    assert [v.op.name if v.op else "input" for v in kept] == ["exp", "input"]
    assert kept[1] is graph.inputs[1]


def test_the_backward_pass_needs_every_saved_value(numbers: list[np.ndarray]) -> None:
    """With the saved values as inputs the gradients follow; without any one of them they do not."""
    graph = trace(mlp, *MLP)
    backward = vjp(graph)
    forward, gradients, bar = backward.outputs[:1], backward.outputs[1:], backward.inputs[-1]
    kept = saved_values(forward, gradients)
    assert 3 <= len(kept) < len(topological(forward))
    known = evaluate(Graph(graph.inputs, kept), *numbers)
    wanted = evaluate(backward, *numbers, np.ones(5))[1:]
    found = run_from({v.id: a for v, a in zip(kept, known)} | {bar.id: np.ones(5)}, gradients)
    for got, w in zip(found, wanted):
        np.testing.assert_allclose(got, w)
    for missing in kept:
        rest = {v.id: a for v, a in zip(kept, known) if v is not missing} | {bar.id: np.ones(5)}
        with pytest.raises(KeyError):
            run_from(rest, gradients, forward)


def run_from(
    known: dict[int, np.ndarray], outputs: tuple[Value, ...], forward: tuple[Value, ...] = ()
) -> list[np.ndarray]:
    """`outputs` from known values only; values of the forward program are not recomputed."""
    ahead = {v.id for v in topological(forward) if v.op is None or v.op.arity != 0}
    found = dict(known)
    for v in topological(outputs, stop=lambda v: v.id in known or v.id in ahead):
        if v.id not in found and v.id not in ahead:
            found[v.id] = v.op.reference(*(found[o.id] for o in v.operands))
    return [found[v.id] for v in outputs]


def test_cost_grows_linearly() -> None:
    """The gradient of a chain of n steps has a number of nodes proportional to n."""

    def chain(n: int) -> int:
        def f(x: Value) -> Value:
            for _ in range(n):
                x = 4.0 * x * (1.0 - x)
            return x

        return len(vjp(trace(f, SCALAR)).nodes)

    assert chain(40) - chain(20) == 2 * (chain(20) - chain(10))
