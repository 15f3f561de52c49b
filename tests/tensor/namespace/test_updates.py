"""`x.at[...]`: what JAX gives, out-of-range modes, derivatives, batching, traced indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(3)
X = RNG.standard_normal((5, 3))
PLACES = np.array([[4, -7, 0, 2], [1, 9, -1, 2]])
ROWS = RNG.standard_normal((2, 4, 3))
METHODS = ("set", "add", "subtract", "multiply", "divide", "min", "max", "power")


@pytest.mark.parametrize("mode", ["clip", "wrap", "drop", "fill"])
def test_modes_are_those_of_jax(mode: str) -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    base = np.abs(X).astype(np.float32) + 1
    rows = np.abs(ROWS).astype(np.float32) + 0.5
    once = np.array([[4, -7, 0], [9, 2, 3]]) if mode == "drop" else np.array([[4, 0]])

    @lm.jit
    def ours(x, i, j, rows):
        found = {m: getattr(x.at[i], m)(rows, mode=mode) for m in METHODS if m != "set"}
        found["set"] = x.at[j].set(rows[: j.shape[0], : j.shape[1]], mode=mode)
        found["column"] = x.at[:, j].add(2.0, mode=mode)
        found["pair"] = x.at[j, j].add(2.0, mode=mode)
        found["one"] = x.at[i[1, 1], 1].set(3.0, mode=mode)
        return found

    def wanted(x, i, j, rows):
        found = {m: getattr(x.at[i], m)(rows, mode=mode) for m in METHODS if m != "set"}
        found["set"] = x.at[j].set(rows[: j.shape[0], : j.shape[1]], mode=mode)
        found["column"] = x.at[:, j].add(2.0, mode=mode)
        found["pair"] = x.at[j, j].add(2.0, mode=mode)
        found["one"] = x.at[i[1, 1], 1].set(3.0, mode=mode)
        return found

    if mode == "wrap":  # JAX counts a negative index from the end first, and wraps once
        pytest.skip("tested against NumPy below")
    expected = wanted(jnp.asarray(base), jnp.asarray(PLACES), jnp.asarray(once), jnp.asarray(rows))
    for name, got in ours(base, PLACES, once, rows).items():
        np.testing.assert_allclose(got.numpy(), expected[name], 2e-6, err_msg=name)
    read = lm.asarray(base).at[PLACES].get(mode=mode)
    np.testing.assert_array_equal(read.numpy(), jnp.asarray(base).at[PLACES].get(mode=mode))


def test_wrapping_counts_around_the_end() -> None:
    x = lm.asarray(X)
    for i in (PLACES, lm.asarray(PLACES)):
        np.testing.assert_array_equal(x.at[i].get(mode="wrap").numpy(), X[PLACES % 5])
        np.testing.assert_array_equal(lm.take(x, i, axis=0, mode="wrap").numpy(), X[PLACES % 5])
    assert x.at[-13].get(mode="wrap").tolist() == X[2].tolist()


@pytest.mark.parametrize("kind", ["int8", "uint8", "bool", "float32"])
def test_what_is_read_outside_without_a_fill_value(kind: str) -> None:
    x = lm.ones(2, dtype=getattr(lm, kind))
    (got,) = x.at[lm.asarray([5])].get(mode="fill").tolist()
    wanted = {"int8": -128, "uint8": 255, "bool": True, "float32": np.nan}[kind]
    np.testing.assert_equal(got, wanted)
    assert x.at[7].get(mode="fill", fill_value=0).tolist() == 0


def test_the_last_of_several_values_stays() -> None:
    i = np.array([3, 1, 3, 0, 3, 1])
    for index in (i, lm.asarray(i)):
        got = lm.zeros(5).at[index].set(lm.arange(6, dtype=lm.float32))
        assert got.tolist() == [3.0, 5.0, 0.0, 4.0, 0.0]


def test_halves_are_summed_in_single_precision() -> None:
    i = np.zeros(4000, np.int64)
    for kind in (lm.float16, lm.bfloat16):
        got = lm.zeros(2, dtype=kind).at[lm.asarray(i)].add(lm.ones(4000, dtype=kind))
        assert float(got[0]) == 4000.0


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    i = RNG.integers(0, 50, 20000)
    rows = RNG.standard_normal((20000, 40)).astype(np.float32)
    got = lm.zeros((50, 40)).at[lm.asarray(i)].add(rows)
    wanted = np.zeros((50, 40), np.float32)
    np.add.at(wanted, i, rows)
    np.testing.assert_array_equal(got.numpy(), wanted)
    column = lm.zeros(70000).at[lm.asarray(i * 1000)].add(rows[:, 0])
    wanted = np.zeros(70000, np.float32)
    np.add.at(wanted, i * 1000, rows[:, 0])
    np.testing.assert_array_equal(column.numpy(), wanted)


# ------------------------------------------------------------------ derivatives


def _loss(method: str, key: Callable[[Any], Any]) -> Callable[..., Any]:
    weights = lm.asarray(RNG.standard_normal(X.shape))

    def loss(x: Any, v: Any) -> Any:
        y = getattr(x.at[key(x)], method)(v)
        return lm.sum(weights * lm.sin(y) * y)

    return loss


KEYS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "rows twice": (lambda x: lm.asarray([1, 4, 1]), (3, 3)),
    "pairs": (lambda x: (lm.asarray([0, 2, 0]), lm.asarray([1, 1, 1])), (3,)),
    "slices": (lambda x: (slice(4, 0, -2), slice(None, None, 2)), (2, 2)),
    "column": (lambda x: (slice(None), lm.asarray([2, 0])), (5, 2)),
    "mask": (lambda x: lm.asarray(X > 0), ()),
    "one": (lambda x: (lm.asarray(3), 1), ()),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("method", ["set", "add", "multiply", "divide", "min", "max", "get"])
def test_derivatives_against_differences(method: str, key: str) -> None:
    find, shape = KEYS[key]
    v = np.asarray(RNG.uniform(0.3, 2.0, shape))
    if method == "get":
        loss = lambda x, v: lm.sum(lm.sin(x[find(x)]) * x[find(x)]) + 0.0 * lm.sum(v)
    else:
        loss = _loss(method, find)
    both = lm.jit(lambda x, v, a, b: (
        lm.grad(loss, argnums=(0, 1))(x, v),
        lm.jvp(lambda x, v: lm.grad(loss, argnums=(0, 1))(x, v), (x, v), (a, b))[1],
    ))  # fmt: skip
    first = lm.jit(loss)
    a, b = RNG.standard_normal(X.shape), np.asarray(RNG.standard_normal(shape))
    (to_x, to_v), (second_x, second_v) = both(X, v, a, b)
    h = 1e-5
    up, down = ((X + s * a, np.asarray(v + s * b)) for s in (h, -h))
    slope = (float(first(*up)) - float(first(*down))) / (2 * h)
    got = np.sum(to_x.numpy() * a) + np.sum(to_v.numpy() * b)
    np.testing.assert_allclose(got, slope, 1e-6, 1e-7)
    ahead, behind = both(*up, a, b)[0], both(*down, a, b)[0]
    for got, p, q in zip((second_x, second_v), ahead, behind):
        np.testing.assert_allclose(got.numpy(), (p.numpy() - q.numpy()) / (2 * h), 1e-4, 1e-6)


def test_products_with_zeros_have_exact_gradients() -> None:
    i = lm.asarray([0, 0, 1, 1, 2])
    v = lm.asarray([0.0, 3.0, 0.0, 0.0, 5.0])
    x = lm.asarray([2.0, 7.0, 1.0])
    to_x, to_v = lm.grad(lambda x, v: lm.sum(x.at[i].multiply(v)), argnums=(0, 1))(x, v)
    assert to_x.tolist() == [0.0, 0.0, 5.0]
    assert to_v.tolist() == [6.0, 0.0, 0.0, 0.0, 1.0]


def test_ties_share_the_derivative() -> None:
    x, v = lm.asarray([1.0, 5.0]), lm.asarray([1.0, 1.0, 4.0])
    i = lm.asarray([0, 0, 1])
    to_x, to_v = lm.grad(lambda x, v: lm.sum(x.at[i].max(v)), argnums=(0, 1))(x, v)
    np.testing.assert_allclose(to_x.numpy(), [1 / 3, 1.0], 1e-6)
    np.testing.assert_allclose(to_v.numpy(), [1 / 3, 1 / 3, 0.0], 1e-6)


# ------------------------------------------------------------------ vmap and jit

XS = RNG.standard_normal((4, 5, 3))
IS = RNG.integers(-5, 5, (4, 2))
VS = RNG.standard_normal((4, 2, 3))
PROGRAMS: dict[str, Callable[..., Any]] = {
    "read": lambda x, i, v: x[i] * v,
    "read both": lambda x, i, v: x[i, i % 3] + v[:, 0],
    "set": lambda x, i, v: x.at[i].set(v),
    "add": lambda x, i, v: x.at[i].add(v),
    "max": lambda x, i, v: x.at[i, :].max(v),
    "column": lambda x, i, v: x.at[:, i % 3].set(v[0, 0]),
    "drop": lambda x, i, v: x.at[i + 2].add(v, mode="drop"),
    "mask": lambda x, i, v: x.at[x > 0].set(v[0, 0]),
    "one": lambda x, i, v: x.at[i[0]].set(v[1]),
    "gradient": lambda x, i, v: lm.grad(lambda x: lm.sum(x.at[i].multiply(v) ** 2))(x),
}


@pytest.mark.parametrize("axes", [(0, 0, 0), (None, 0, 0), (0, None, 0), (0, None, None)], ids=str)
def test_vmap_against_a_loop(axes: tuple[int | None, ...]) -> None:
    def all_of(x: Any, i: Any, v: Any) -> dict[str, Any]:
        return {name: f(x, i, v) for name, f in PROGRAMS.items()}

    given = [a if axis == 0 else a[0] for a, axis in zip((XS, IS, VS), axes)]
    many = lm.jit(lm.vmap(all_of, in_axes=axes))(*given)
    one = lm.jit(all_of)
    for n in range(4):
        single = one(*[a[n] if axis == 0 else a for a, axis in zip(given, axes)])
        for name, wanted in single.items():
            np.testing.assert_allclose(
                many[name].numpy()[n], wanted.numpy(), 1e-12, 1e-12, err_msg=name
            )


def test_a_mask_that_is_not_known_yet_selects_without_a_count() -> None:
    @lm.jit
    def f(x, flag):
        x[x < 0] = 0.0
        x = x.at[x > 1].multiply(10.0)
        x = x.at[:, lm.asarray([True, False, True])].add(1.0)
        return x.at[flag].add(100.0)

    wanted = np.maximum(X, 0)
    wanted[wanted > 1] *= 10
    wanted[:, [0, 2]] += 1
    np.testing.assert_allclose(f(X, np.array(False)).numpy(), wanted, 1e-12)
    np.testing.assert_allclose(f(X, np.array(True)).numpy(), wanted + 100, 1e-12)


def test_a_number_argument_is_a_traced_index() -> None:
    f = lm.jit(lambda x, i: (x[i], x.at[i].set(0.0), x[i, i - 1]))
    for i in (1, 2, -1):
        row, without, one = f(X, i)
        wanted = X.copy()
        wanted[i] = 0
        np.testing.assert_array_equal(row.numpy(), X[i])
        np.testing.assert_array_equal(without.numpy(), wanted)
        assert float(one) == X[i, i - 1]
    assert f.signatures == 1
