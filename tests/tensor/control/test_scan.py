"""`scan` and what is made of it, against the same loops in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from programs import array, lstm_arguments, lstm_python, lstm_scan

import lamina as lm
from lamina.base.errors import ShapeError, TraceError, UsageError


def close(a: Any, b: Any, tolerance: float = 1e-10) -> None:
    """All tensors of two trees agree."""
    for x, y in zip(lm.tree.leaves(a), lm.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), tolerance, tolerance)


@pytest.mark.parametrize("length", [0, 1, 2, 5])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("jitted", [False, True])
def test_values_and_gradients_of_a_recurrent_network(
    length: int, reverse: bool, jitted: bool
) -> None:
    params, xs = lstm_arguments(length)
    both = lm.value_and_grad(lambda p, x: lstm_scan(p, x, reverse), (0, 1))
    got = (lm.jit(both) if jitted else both)(params, xs)
    close(got, lm.value_and_grad(lambda p, x: lstm_python(p, x, reverse), (0, 1))(params, xs))


def test_forward_mode_and_second_order() -> None:
    params, xs = lstm_arguments(3)
    dots = {k: array(*v.shape) for k, v in params.items()}
    along = lambda f: lambda p: lm.jvp(lambda q: f(q, xs), [p], [dots])[1]
    close(along(lstm_scan)(params), along(lstm_python)(params))
    close(lm.grad(along(lstm_scan))(params), lm.grad(along(lstm_python))(params))
    twice = lambda f: (
        lambda p: sum((g * g).sum() for g in lm.tree.leaves(lm.grad(lambda q: f(q, xs))(p)))
    )
    close(lm.jit(lm.grad(twice(lstm_scan)))(params), lm.grad(twice(lstm_python))(params))


@pytest.mark.parametrize("unroll", [2, 3, 7])
@pytest.mark.parametrize("reverse", [False, True])
def test_unrolled_rounds_give_the_same(unroll: int, reverse: bool) -> None:
    params, xs = lstm_arguments(7)
    f = lambda p: lstm_scan(p, xs, reverse, unroll)
    close(
        lm.value_and_grad(f)(params),
        lm.value_and_grad(lambda p: lstm_python(p, xs, reverse))(params),
    )


def test_batched_state_constants_and_slices() -> None:
    params, xs = lstm_arguments(4)
    many = {k: lm.stack([v, v * 0.5, -v]) for k, v in params.items()}
    sequences = lm.stack([xs, xs * 2.0, xs + 1.0])
    for axes in ((0, 0), (0, None), (None, 0)):
        got = lm.vmap(lm.grad(lstm_scan), in_axes=axes)(
            many if axes[0] == 0 else params, sequences if axes[1] == 0 else xs
        )
        for i in range(3):
            one = {k: v[i] for k, v in many.items()} if axes[0] == 0 else params
            wanted = lm.grad(lstm_python)(one, sequences[i] if axes[1] == 0 else xs)
            close({k: v[i] for k, v in got.items()}, wanted)


def test_gradient_of_a_batched_loop() -> None:
    params, xs = lstm_arguments(4)
    sequences = lm.stack([xs, xs * 2.0])
    f = lambda p: lm.vmap(lambda x: lstm_scan(p, x))(sequences).sum()
    g = lambda p: sum(lstm_python(p, sequences[i]) for i in range(2))
    close(lm.grad(f)(params), lm.grad(g)(params))


def test_loops_inside_loops() -> None:
    w, xs = array(3, 3) * 0.5, array(4, 3)

    def inner(state: Any, x: Any) -> Any:
        f = lambda s, k: (lm.tanh(s @ w + x) * k, None)
        return lm.scan(f, state, lm.arange(1.0, 4.0, dtype=lm.float64))[0], state.sum()

    def loops(w_: Any) -> Any:
        nonlocal w
        w = w_
        state, ys = lm.scan(inner, lm.ones(3, dtype=lm.float64), xs)
        return state.sum() + (ys * ys).sum()

    def unrolled(w_: Any) -> Any:
        state, total = lm.ones(3, dtype=lm.float64), 0.0
        for t in range(4):
            total = total + state.sum() ** 2
            for k in (1.0, 2.0, 3.0):
                state = lm.tanh(state @ w_ + xs[t]) * k
        return state.sum() + total

    start = w
    close(lm.value_and_grad(loops)(start), lm.value_and_grad(unrolled)(start))
    close(lm.jit(lm.grad(loops))(start), lm.grad(unrolled)(start))


def test_compile_time_does_not_depend_on_the_length() -> None:
    def nodes(length: int) -> int:
        params, xs = lstm_arguments(length)
        return len(lm.jit(lm.grad(lstm_scan)).graph(params, xs).nodes)

    assert nodes(4) == nodes(4096)


def test_machine_code_does_not_depend_on_the_length() -> None:
    """A step is compiled once, and 4096 steps share most of it with 16."""

    def compiled(length: int) -> Any:
        params, xs = lstm_arguments(length, batch=8, inputs=16, width=16)
        return lm.jit(lm.value_and_grad(lstm_scan)).program(params, xs).record.kernels

    short, long = compiled(16), compiled(4096)
    size = lambda kernels: sum(map(len, {k.code for k in kernels}))
    texts = lambda kernels: len({k.key for k in kernels})
    finishing = sum(k.name.startswith("contract_finish") for k in long)  # of products cut in two
    assert finishing <= 2
    assert len(long) - finishing <= len(short) + 2 <= 12  # a long sum is taken in two parts
    assert texts(long) <= texts(short) + 2
    assert size(long) <= 1.5 * size(short)
    assert len({k.key for k in short} & {k.key for k in long}) >= len(short) // 2


def test_a_number_in_the_state_takes_the_dtype_of_the_body() -> None:
    total, _ = lm.scan(lambda s, x: (s + x, None), 0, lm.asarray([1.5, 2.5]))
    assert (float(total), total.dtype) == (4.0, lm.float32)


def test_trees_modules_and_no_slices() -> None:
    state, ys = lm.scan(
        lambda s, _: ({"a": s["a"] + 1, "b": (s["b"][0] * 2, None)}, {"y": s["a"]}),
        {"a": lm.asarray(0), "b": (lm.asarray(1.0), None)},
        length=3,
    )
    assert int(state["a"]) == 3 and float(state["b"][0]) == 8.0 and state["b"][1] is None
    assert ys["y"].tolist() == [0, 1, 2]


def test_random_numbers_differ_from_step_to_step() -> None:
    def draws() -> Any:
        return lm.scan(lambda s, _: (s, lm.random.uniform((2,))), None, length=3)[1]

    lm.random.seed(3)
    eager = np.asarray(draws())
    after = np.asarray(lm.random.uniform((2,)))
    assert len(np.unique(eager)) == 6
    lm.random.seed(3)
    jitted = lm.jit(draws)
    np.testing.assert_array_equal(np.asarray(jitted()), eager)
    np.testing.assert_array_equal(np.asarray(lm.random.uniform((2,))), after)


def test_fori_loop_and_map() -> None:
    x = array(3)
    loop = lambda v: lm.fori_loop(1, 5, lambda i, s: s * v + lm.astype(i, lm.float64), v).sum()

    def python(v: Any) -> Any:
        s = v
        for i in range(1, 5):
            s = s * v + float(i)
        return s.sum()

    close(lm.value_and_grad(loop)(x), lm.value_and_grad(python)(x))
    assert int(lm.fori_loop(0, lm.asarray(4), lambda i, s: s + i, 0)) == 6
    xs = array(7, 3)
    for size in (None, 1, 2, 7, 9):
        got = lm.map(lambda r: {"s": (r * r).sum()}, xs, batch_size=size)["s"]
        close(got, (xs * xs).sum(axis=1))


def test_the_number_of_a_step_is_a_python_number() -> None:
    """A loop with Python's bounds gives what the same loop of Python gives, in every dtype."""
    bodies = {
        "scaled": lambda i, s: s + 0.1 * i,
        "divided": lambda i, s: s * (i / 7) - i,
        "compared": lambda i, s: lm.where(i > 2, s * 2, s + i),
        "branched": lambda i, s: lm.cond(i % 2 == 0, lambda t: t + 0.3, lambda t: t * i, s),
        "indexed": lambda i, s: s + table[i],
    }
    table = array(6, 2)
    for dtype in (lm.float64, lm.float32, lm.float16):
        x = lm.astype(array(2), dtype)
        table = lm.astype(table, dtype)
        for name, body in bodies.items():
            wanted = x
            for i in range(1, 6):
                wanted = body(i, wanted)
            got = lm.fori_loop(1, 6, body, x)
            assert got.dtype is wanted.dtype is dtype, name
            close(got, wanted, 1e-13 if dtype is lm.float64 else 1e-2)
    last, total = lm.fori_loop(0, 4, lambda i, s: (i, s[1] + i), (0, 0))
    assert (last.dtype, int(last), int(total)) == (lm.int64, 3, 6)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 33])
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(count: int, reverse: bool) -> None:
    a, b = array(2, count), array(2, count)

    def combine(x: Any, y: Any) -> Any:  # x -> a x + b, composed
        return x[0] * y[0], y[0] * x[1] + y[1]

    got = lm.associative_scan(combine, (a, b), axis=1, reverse=reverse)
    gain, offset = np.asarray(a), np.asarray(b)
    state, wanted = (np.ones(2), np.zeros(2)), np.zeros((2, 2, count))
    for t in reversed(range(count)) if reverse else range(count):
        state = (state[0] * gain[:, t], gain[:, t] * state[1] + offset[:, t])
        wanted[:, :, t] = state
    close(got, (wanted[0], wanted[1]))


def test_messages() -> None:
    xs = lm.zeros((3, 2))
    with pytest.raises(ShapeError, match="the body changes the state"):
        lm.scan(lambda s, x: (s[:1], None), lm.zeros(2), xs)
    with pytest.raises(UsageError, match="does not return a pair"):
        lm.scan(lambda s, x: s, lm.zeros(2), xs)
    with pytest.raises(ShapeError, match="the first axes differ"):
        lm.scan(lambda s, x: (s, None), lm.zeros(2), (xs, lm.zeros(4)))
    with pytest.raises(UsageError, match="the number of steps is unknown"):
        lm.scan(lambda s, x: (s, None), lm.zeros(2))
    with pytest.raises(TraceError, match="no value yet inside scan"):
        lm.scan(lambda s, x: (s, float(x[0])), lm.zeros(2), xs)
