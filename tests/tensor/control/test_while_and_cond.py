"""`while_loop`, `cond` and `switch` against Python's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from programs import array
from test_scan import close

import lamina as lm
from lamina.base.errors import BoundsError, DTypeError, ShapeError, UsageError


def halve(x: Any) -> Any:
    """x / 1.5 until it is at most 1, with a count."""
    return lm.while_loop(lambda s: s[0] > 1.0, lambda s: (s[0] / 1.5, s[1] + 1), (x, 0))


def halve_python(x: float) -> tuple[float, int]:
    count = 0
    while x > 1.0:
        x, count = x / 1.5, count + 1
    return x, count


@pytest.mark.parametrize("x", [0.5, 1.5, 100.0])
def test_a_loop_runs_as_often_as_data_says(x: float) -> None:
    for f in (halve, lm.jit(halve)):
        value, count = f(lm.asarray(x, dtype=lm.float64))
        assert (float(value), int(count)) == pytest.approx(halve_python(x))


def test_forward_mode_of_a_while_loop() -> None:
    x = lm.asarray(100.0, dtype=lm.float64)
    _, dot = lm.jvp(lambda v: halve(v)[0], [x], [lm.asarray(1.0, dtype=lm.float64)])
    assert float(dot) == pytest.approx(1.5 ** -halve_python(100.0)[1])


def test_reverse_mode_needs_a_bound() -> None:
    x = lm.asarray(100.0, dtype=lm.float64)
    with pytest.raises(UsageError, match="no reverse derivative of a loop of unknown length"):
        lm.grad(lambda v: halve(v)[0])(x)


@pytest.mark.parametrize("most", [0, 1, 5, 12, 100])
def test_bounded_loops_have_both_modes(most: int) -> None:
    def loop(x: Any) -> Any:
        return lm.while_loop(lambda s: s > 1.0, lambda s: s * s * 0.1, x, max_steps=most)

    def python(x: Any) -> Any:
        for _ in range(most):
            if float(x) > 1.0:
                x = x * x * 0.1
        return x

    x = lm.asarray(9.0, dtype=lm.float64)
    close(lm.value_and_grad(loop)(x), lm.value_and_grad(python)(x))
    close(lm.jit(lm.grad(loop))(x), lm.grad(python)(x))


def test_many_loops_at_once_end_one_by_one() -> None:
    xs = lm.asarray([0.5, 3.0, 100.0], dtype=lm.float64)
    values, counts = lm.vmap(halve)(xs)
    for x, value, count in zip(xs.tolist(), values.tolist(), counts.tolist(), strict=True):
        assert (value, count) == pytest.approx(halve_python(x))
    bound = lambda s: lm.while_loop(lambda t: t < 20.0, lambda t: t * s, s)
    got = lm.vmap(bound)(lm.asarray([1.5, 3.0], dtype=lm.float64))
    assert got.tolist() == pytest.approx([1.5**8, 27.0])


def test_one_condition_for_a_batch() -> None:
    w = array(3, 4)
    f = lambda v: lm.while_loop(lambda s: s[1] < 3, lambda s: (s[0] * v, s[1] + 1), (v, 0))[0]
    close(lm.vmap(f)(w), w**4)


def test_cond_takes_one_branch_and_its_gradient() -> None:
    def f(p: Any, x: Any, y: Any) -> Any:
        return lm.cond(p, lambda a, b: lm.sin(a) * 2.0, lambda a, b: a * b, x, y).sum()

    x, y = array(3), array(3)
    for run in (f, lm.jit(f)):
        g = lm.grad(run, (1, 2))
        close(g(True, x, y), (2.0 * lm.cos(x), lm.zeros_like(x)))
        close(g(False, x, y), (y, x))
    close(lm.jvp(lambda a: f(True, a, y), [x], [y])[1], (2.0 * lm.cos(x) * y).sum())
    hess = lm.grad(lambda a: lm.grad(f, 1)(True, a, y).sum())(x)
    close(hess, -2.0 * lm.sin(x))


def test_the_other_branch_is_not_run() -> None:
    table = lm.arange(4)
    f = lambda p, i: lm.cond(p, lambda: lm.take(table, i), lambda: lm.asarray(-1))
    assert int(lm.jit(f)(False, lm.asarray(9))) == -1
    with pytest.raises(BoundsError, match="9"):
        int(lm.jit(f)(True, lm.asarray(9)))


def test_cond_under_vmap_is_a_choice_for_each() -> None:
    x = array(4)
    f = lambda v: lm.cond(v > 0.0, lambda a: a * a, lambda a: -a, v)
    close(lm.vmap(f)(x), lm.where(x > 0.0, x * x, -x))
    close(lm.vmap(lm.grad(f))(x), lm.where(x > 0.0, 2.0 * x, -lm.ones_like(x)))
    close(lm.vmap(lambda v: lm.cond(x[0] > 0.0, lm.sin, lm.cos, v))(x),
          lm.sin(x) if float(x[0]) > 0 else lm.cos(x))  # fmt: skip


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 9])
def test_switch(index: int) -> None:
    branches = [lambda v: v, lambda v: v * v, lambda v: v**3]
    x = array(2)
    wanted = branches[min(max(index, 0), 2)](x)
    close(lm.switch(index, branches, x), wanted)
    close(lm.jit(lambda i, v: lm.switch(i, branches, v))(index, x), wanted)
    many = lm.vmap(lambda i: lm.switch(i, branches, x))(lm.arange(-1, 4))
    close(many, lm.stack([x, x, x * x, x**3, x**3]))


def test_random_numbers_in_branches_move_the_generator_alike() -> None:
    def f(p: Any) -> Any:
        return lm.cond(p, lambda: lm.random.uniform((2,)), lambda: lm.zeros(2))

    for p in (True, False):
        lm.random.seed(0)
        first = np.asarray(lm.jit(f)(p))
        second = np.asarray(lm.random.uniform((2,)))
        lm.random.seed(0)
        np.testing.assert_array_equal(np.asarray(f(p)), first)
        np.testing.assert_array_equal(np.asarray(lm.random.uniform((2,))), second)


def test_a_fault_inside_loops_names_the_line() -> None:
    table = lm.arange(4)

    def f(n: Any) -> Any:
        def step(s: Any, i: Any) -> Any:
            return lm.cond(i > 2, lambda: s + lm.take(table, i * n), lambda: s), None

        return lm.scan(step, lm.asarray(0), lm.arange(4))[0]

    assert int(lm.jit(f)(1)) == 3
    with pytest.raises(BoundsError, match="outside the axis") as caught:
        int(lm.jit(f)(2))
    assert "index 6" in str(caught.value) and "test_while_and_cond.py" in str(caught.value)


def test_messages() -> None:
    x = lm.zeros(3)
    with pytest.raises(ShapeError, match="cond: pred is not one element"):
        lm.cond(x > 0, lambda: x, lambda: x)
    with pytest.raises(ShapeError, match="cond: the branches give different results"):
        lm.cond(True, lambda: x, lambda: x[:1])
    with pytest.raises(DTypeError, match="switch: the index is not an integer"):
        lm.switch(0.5, [lambda: x])
    with pytest.raises(ShapeError, match="while_loop: the condition is not one element"):
        lm.while_loop(lambda s: s > 0, lambda s: s, x)
    with pytest.raises(ShapeError, match="while_loop: the body changes the state"):
        lm.while_loop(lambda s: s.sum() > 0, lambda s: s[:1], x)
    with pytest.raises(UsageError, match="cond: true_fun is no function"):
        lm.cond(True, x, lambda: x)
