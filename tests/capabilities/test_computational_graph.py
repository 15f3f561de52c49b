"""Checks of the computational graph (rows CG-*) that no other test makes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import lamina as lm
from lamina.base.dtypes import float32
from lamina.graph import ops
from lamina.graph.ir import TensorType, Value, trace
from lamina.graph.ir.evaluate import evaluate, with_values

ROW = TensorType(float32, (3,))


def test_a_traced_tensor_says_whether_it_is_trained() -> None:
    """CG-1: gradient state and mutability are the module's matter, also while it is traced."""
    norm = lm.nn.BatchNorm2d(2)
    seen: dict[str, bool] = {}

    @lm.jit
    def f(m: lm.nn.Module, x: lm.Tensor) -> lm.Tensor:
        for name, t in m.state_dict().items():
            assert isinstance(t, lm.Tensor)
            assert t.is_traced
            seen[name] = m.__trainable__(name)
        return m(x)

    f(norm, lm.ones((1, 2, 3, 3)))
    assert seen == {
        "weight": True,
        "bias": True,
        "running_mean": False,
        "running_var": False,
        "num_batches_tracked": False,
    }
    norm.weight[0] = 2.0
    assert norm.weight.tolist() == [2.0, 1.0]
    norm.weight.freeze()
    with pytest.raises(lm.ImmutableError):
        norm.weight[0] = 1.0


def test_a_static_graph_is_built_without_data_and_keeps_all_branches() -> None:
    """CG-12: placeholders first, values later; the fed flag takes its branch."""

    def f(flag: Value, x: Value) -> Value:
        chosen = ops.expand(flag, (-1,), (3,))
        return ops.select(chosen, ops.exp(x), ops.negative(x))

    graph = trace(f, TensorType(lm.bool, ()), ROW)
    assert {"exp", "negative", "select"} <= {v.op.name for v in graph.nodes}
    x = np.array([1.0, 2.0, 3.0], np.float32)
    (taken,) = evaluate(graph, np.array(True), x)
    (other,) = evaluate(graph, np.array(False), x)
    np.testing.assert_array_equal(taken, np.exp(x))
    np.testing.assert_array_equal(other, -x)


def test_a_dynamic_graph_is_built_anew_at_every_call(capsys: pytest.CaptureFixture[str]) -> None:
    """CG-13: shape and branch change from call to call, and values in the middle print."""

    def loss(x: lm.Tensor) -> lm.Tensor:
        total = (x * x).sum()
        print(f"{float(total):.1f}")
        return total if x.shape[0] % 2 else -total

    gradient = lm.grad(loss)
    for n in (1, 2, 3):
        sign = 1 if n % 2 else -1
        assert gradient(lm.ones((n,))).tolist() == [2.0 * sign] * n
    assert capsys.readouterr().out == "1.0\n2.0\n3.0\n"


def test_a_compiled_part_acts_as_one_op_of_an_eager_model() -> None:
    """CG-16: gradients cross the boundary; the second call finds the program."""
    traced: list[tuple[int, ...]] = []

    @lm.jit
    def block(w: lm.Tensor, x: lm.Tensor) -> lm.Tensor:
        traced.append(x.shape)
        return lm.tanh(x @ w)

    def model(w: lm.Tensor, x: lm.Tensor) -> lm.Tensor:
        y = x * 2  # eager
        for _ in range(2):
            y = block(w, y)
        return (y * y).sum()

    rng = np.random.default_rng(0)
    w = lm.asarray(rng.standard_normal((4, 4)).astype(np.float32))
    x = lm.asarray(rng.standard_normal((5, 4)).astype(np.float32))
    first = float(model(w, x))
    assert traced == [(5, 4)]
    assert float(model(w, x)) == first
    assert traced == [(5, 4)]
    assert block.signatures == 1

    got = lm.grad(model)(w, x).numpy()
    h = 1e-2
    for i, j in ((0, 0), (2, 3)):
        step = np.zeros((4, 4), np.float32)
        step[i, j] = h
        up, down = float(model(w + step, x)), float(model(w - step, x))
        assert got[i, j] == pytest.approx((up - down) / (2 * h), rel=2e-2, abs=1e-2)


def test_values_of_a_compiled_graph_can_be_printed() -> None:
    """CG-18: every value of a jitted function, with the line that made it."""

    def f(x: lm.Tensor) -> lm.Tensor:
        shifted = x + 1
        return lm.exp(shifted).sum()

    x = np.array([0.0, 1.0], np.float32)
    jitted = lm.jit(f)
    text = with_values(jitted.graph(x), x)
    assert [line.split(":")[0].strip() for line in text.splitlines()[::2]] == [
        "%a",
        "%0",
        "%1",
        "%2",
        "%3",
    ]
    assert "%1: f32[2] = add %a, %0    # test_computational_graph.py:" in text
    assert text.splitlines()[5] == "   [1., 2.]"
    shown = [float(number) for number in text.splitlines()[7].strip(" []").split(",")]
    assert shown == pytest.approx(np.exp([1.0, 2.0]), rel=1e-6)
    assert float(text.splitlines()[9]) == pytest.approx(float(jitted(x)))


def test_loops_in_the_graph_never_come_back_to_python() -> None:
    """CG-7: one program for any number of trips; it calls as many Python functions for each."""

    def collatz(n: lm.Tensor) -> lm.Tensor:
        step = lambda n: lm.cond(n % 2 == 0, lambda n: n // 2, lambda n: 3 * n + 1, n)
        more = lambda s: s[0] != 1
        return lm.while_loop(more, lambda s: (step(s[0]), s[1] + 1), (n, lm.asarray(0)))[1]

    def in_python(n: int) -> int:
        return 0 if n == 1 else 1 + in_python(n // 2 if n % 2 == 0 else 3 * n + 1)

    f = lm.jit(collatz)
    f(lm.asarray(3)).block()

    def calls(n: int) -> int:
        seen: list[str] = []
        number = lm.asarray(n).block()
        sys.setprofile(lambda frame, event, arg: seen.append(event))
        try:
            result = f(number)
        finally:
            sys.setprofile(None)
        assert int(result) == in_python(n)
        return seen.count("call")

    assert in_python(27) == 111 and in_python(2) == 1
    assert calls(2) == calls(27) > 0
    assert f.signatures == 1
