"""Python called from programs: results, order, errors, and `lm.debug`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.base.errors import CallError, CheckError, DTypeError, ShapeError


def test_a_pure_callback_in_all_transforms() -> None:
    x = lm.asarray(np.linspace(0.0, 1.0, 4))
    f = lambda v: lm.pure_callback(np.sin, v, v) * 2.0
    wanted = np.sin(np.asarray(x)) * 2.0
    for run in (f, lm.jit(f), lm.vmap(f)):
        np.testing.assert_allclose(np.asarray(run(x)), wanted)
    twice = lm.jit(lm.vmap(lm.vmap(f)))(x.reshape(2, 2))
    np.testing.assert_allclose(np.asarray(twice).reshape(-1), wanted)


def test_several_results_and_no_operands() -> None:
    types = {"a": lm.zeros((2,), dtype=lm.float64), "b": (lm.asarray(0), None)}
    got = lm.jit(lambda: lm.pure_callback(lambda: (np.ones(2), 7), types))()
    assert got["a"].tolist() == [1.0, 1.0] and int(got["b"][0]) == 7 and got["b"][1] is None


def test_a_derivative_by_a_rule() -> None:
    @lm.custom_jvp
    def sine(x: Any) -> Any:
        return lm.pure_callback(np.sin, x, x)

    @sine.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return sine(*primals), lm.pure_callback(np.cos, primals[0], primals[0]) * tangents[0]

    x = lm.asarray(0.3, dtype=lm.float64)
    assert float(lm.jit(lm.grad(sine))(x)) == pytest.approx(np.cos(0.3))
    many = lm.vmap(lm.grad(sine))(lm.asarray([0.1, 0.2], dtype=lm.float64))
    np.testing.assert_allclose(np.asarray(many), np.cos([0.1, 0.2]))


def _through(call: Any, x: Any) -> Any:
    return lm.sum(call(np.sin, x, x) * x)


def _in_a_scan(call: Any, x: Any) -> Any:
    step = lambda c, e: (call(np.sin, c * e, c * e), None)
    return lm.scan(step, x[0], x)[0]


@pytest.mark.parametrize("body", [_through, _in_a_scan])
@pytest.mark.parametrize("call", [lm.pure_callback, lm.io_callback], ids=lambda f: f.__name__)
def test_a_derivative_through_a_result_is_an_error(call: Any, body: Any) -> None:
    """And not zero, in both modes."""
    x = lm.asarray([0.3, 0.7])
    f = lambda x: body(call, x)
    ways = {
        "grad": lm.grad(f),
        "grad in jit": lm.jit(lm.grad(f)),
        "jit in grad": lm.grad(lm.jit(f)),
        "jvp": lambda x: lm.jvp(f, [x], [x])[1],
        "vmap of grad": lambda x: lm.vmap(lm.grad(f))(lm.stack([x, x])),
        "checkpoint": lm.grad(lm.checkpoint(f)),
        "linearize": lambda x: lm.linearize(f, x)[1](x),
    }
    for way, g in ways.items():
        with pytest.raises(lm.UsageError, match=f"{call.__name__} sin: has no derivative") as error:
            g(x)
        assert "lm.custom_jvp or lm.custom_vjp" in str(error.value), way
    assert np.isfinite(np.asarray(f(x))).all()


@pytest.mark.parametrize("call", [lm.pure_callback, lm.io_callback], ids=lambda f: f.__name__)
def test_a_result_that_is_not_differentiated_is_no_error(call: Any) -> None:
    x = lm.asarray([0.3, 0.7], dtype=lm.float64)
    count = lambda v: np.asarray(v.size, np.int32)
    fine = {
        "operands stopped": lambda x: x * call(np.sin, x, lm.stop_gradient(x)),
        "result stopped": lambda x: x * lm.stop_gradient(call(np.sin, x, x)),
        "integers": lambda x: x * call(count, lm.spec((), "int32"), x),
        "a comparison": lambda x: lm.where(call(np.sin, x, x) > 0.5, x * x, x),
        "beside the loss": lambda x: (call(np.sin, x, x), x * x)[1],
    }
    for name, f in fine.items():
        loss = lambda x, f=f: lm.sum(f(x))
        found = lm.jit(lm.grad(loss))(x)
        slope = lm.jvp(loss, [x], [lm.ones_like(x)])[1]
        np.testing.assert_allclose(float(slope), float(lm.sum(found)), 1e-12, err_msg=name)
        assert float(slope) != 0.0, name


@pytest.mark.parametrize("call", [lm.pure_callback, lm.io_callback], ids=lambda f: f.__name__)
def test_a_reverse_rule_around_a_callback(call: Any) -> None:
    @lm.custom_vjp
    def sine(x: Any) -> Any:
        return call(np.sin, x, x)

    sine.defvjp(lambda x: (sine(x), x), lambda x, bar: (bar * call(np.cos, x, x),))
    x = lm.asarray([0.3, 0.7], dtype=lm.float64)
    for transform in (lambda f: f, lm.jit):
        found = transform(lm.grad(lambda x: lm.sum(sine(x) ** 2)))(x)
        np.testing.assert_allclose(found.numpy(), np.sin(2 * x.numpy()), 1e-12)


def test_effects_happen_once_a_call_and_in_order() -> None:
    seen: list[Any] = []
    note = lambda *a: seen.append([int(x) for x in a])

    @lm.jit
    def f(x: Any) -> Any:
        lm.io_callback(note, None, x)
        total, _ = lm.scan(lambda s, i: (s + i, lm.io_callback(note, None, s, i)), x, lm.arange(2))
        lm.cond(x > 5, lambda: lm.io_callback(note, None, x * 100), lambda: None)
        lm.io_callback(note, None, total)
        return 0

    for x in (1, 7):
        seen.clear()
        f(lm.asarray(x))
        assert seen == [[x], [x, 0], [x, 1], *([[x * 100]] if x > 5 else []), [x + 1]]


def test_effects_outside_of_programs_happen_at_once() -> None:
    seen: list[int] = []
    lm.io_callback(lambda x: seen.append(int(x)), None, lm.asarray(3) + 1)
    assert seen == [4]
    lm.grad(lambda x: (lm.io_callback(lambda v: seen.append(int(v)), None, x), x * x)[1])(2.0)
    assert seen == [4, 2]
    lm.vmap(lambda x: lm.io_callback(lambda v: seen.append(int(v)), None, x))(lm.arange(3))
    assert seen == [4, 2, 0, 1, 2]


def test_a_callback_that_reads_the_world() -> None:
    state = {"n": 0}

    def count(x: Any) -> Any:
        state["n"] += 1
        return np.asarray(x + state["n"])

    f = lm.jit(lambda x: lm.io_callback(count, x, x))
    assert [int(f(lm.asarray(10))) for _ in range(3)] == [11, 12, 13]


def test_errors_of_callbacks() -> None:
    def broken(x: Any) -> Any:
        raise KeyError("gone")

    x = lm.ones(2)
    with pytest.raises(CallError, match="KeyError: 'gone'"):
        lm.jit(lambda v: lm.pure_callback(broken, v, v))(x).block()
    with pytest.raises(ShapeError, match="a result of another shape than declared"):
        lm.pure_callback(lambda v: v[:1], x, x).block()
    with pytest.raises(DTypeError, match="a result of another dtype than declared"):
        lm.pure_callback(lambda v: v * 1j, x, x).block()
    with pytest.raises(ShapeError, match="another number of results than declared"):
        lm.pure_callback(lambda v: (v, v), x, x).block()
    with pytest.raises(DTypeError, match="the declared result is no type"):
        lm.pure_callback(np.sin, "f32", x)


def test_printing_from_programs(capsys: pytest.CaptureFixture[str]) -> None:
    f = lm.jit(lambda x: (lm.debug.print("x={} {note}", x, note="n"), x)[1])
    f(lm.asarray([1, 2]))
    f(lm.asarray([3, 4]))
    assert capsys.readouterr().out == "x=[1 2] n\nx=[3 4] n\n"


def test_conditions_are_checked_when_the_program_runs() -> None:
    f = lm.jit(lambda x: (lm.debug.check_that(x > 0, "x is {}", x), lm.log(x))[1])
    assert float(f(lm.asarray(1.0))) == 0.0
    with pytest.raises(CheckError, match=r"check_that: x is -1\.0"):
        f(lm.asarray(-1.0)).block()


def test_the_first_op_that_makes_a_nan_is_named() -> None:
    def model(x: Any) -> Any:
        h = lm.sqrt(x - 1.0)
        return (h * 2.0).sum()

    good, bad = lm.asarray([1.0, 2.0]), lm.asarray([0.5, 2.0])
    for f in (lm.debug.check(model), lm.debug.check(lm.jit(model)), lm.debug.check(lm.grad(model))):
        f(good + 1.0)
        with pytest.raises(CheckError) as caught:
            f(bad)
        text = str(caught.value)
        assert "sqrt made nan from finite numbers" in text
        assert "1 of 2 elements" in text and "test_callbacks.py" in text and "h = lm.sqrt" in text
