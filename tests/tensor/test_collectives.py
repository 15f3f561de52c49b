"""Collectives over named axes: their meaning in NumPy, derivatives, the same programs in JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.graph import ops

try:
    import jax
except ImportError:
    jax = None  # type: ignore[assignment]

RNG = np.random.default_rng(3)
X = RNG.uniform(-1.0, 1.0, (3, 4))
Y = RNG.uniform(0.5, 1.5, (3, 4, 2))
RING = [(0, 1), (1, 2), (2, 0)]
ORDERS = {
    "eager": lambda f: lm.vmap(f, axis_name="i"),
    "jit outside": lambda f: lm.jit(lm.vmap(f, axis_name="i")),
    "jit inside": lambda f: lm.vmap(lm.jit(f), axis_name="i"),
}


def mapped(f: Any, x: np.ndarray, order: str = "jit outside") -> np.ndarray:
    return np.asarray(ORDERS[order](f)(lm.asarray(x)))


# ------------------------------------------------------------------ what they give

MEANINGS = {
    "psum": (lambda x: lm.psum(x, "i"), np.broadcast_to(X.sum(0), X.shape)),
    "pmean": (lambda x: lm.pmean(x, "i"), np.broadcast_to(X.mean(0), X.shape)),
    "pmax": (lambda x: lm.pmax(x, "i"), np.broadcast_to(X.max(0), X.shape)),
    "pmin": (lambda x: lm.pmin(x, "i"), np.broadcast_to(X.min(0), X.shape)),
    "gather": (lambda x: lm.all_gather(x, "i"), np.stack([X] * 3)),
    "gather 1": (lambda x: lm.all_gather(x, "i", axis=1), np.stack([X.T] * 3)),
    "gather -1": (lambda x: lm.all_gather(x, "i", axis=-1), np.stack([X.T] * 3)),
    "tiled": (lambda x: lm.all_gather(x, "i", tiled=True), np.stack([X.reshape(-1)] * 3)),
    "ring": (lambda x: lm.ppermute(x, "i", RING), X[[2, 0, 1]]),
    "one way": (
        lambda x: lm.ppermute(x, "i", [(2, 0)]),
        np.stack([X[2], np.zeros(4), np.zeros(4)]),
    ),
    "place": (lambda x: x * lm.axis_index("i"), X * np.arange(3)[:, None]),
    "size": (lambda x: x * lm.axis_size("i"), X * 3),
    "of what is shared": (lambda x: lm.psum(lm.ones(4, dtype=x.dtype), "i"), np.full((3, 4), 3.0)),
    "of a number": (lambda x: x * lm.psum(2, "i"), X * 6),
    "of a collective": (lambda x: lm.psum(lm.pmax(x, "i"), "i"), np.stack([X.max(0) * 3] * 3)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", MEANINGS)
def test_what_every_member_gets(name: str, order: str) -> None:
    f, wanted = MEANINGS[name]
    got = mapped(f, X, order)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, wanted, 1e-12)


def test_a_member_gets_its_slice_of_a_sum() -> None:
    cube = RNG.uniform(size=(3, 3, 2))
    slices = lambda x: lm.psum_scatter(x, "i")
    np.testing.assert_allclose(mapped(slices, cube), cube.sum(0), 1e-12)
    last = lambda x: lm.psum_scatter(x, "i", scatter_dimension=-1)
    np.testing.assert_allclose(mapped(last, cube.swapaxes(1, 2)), cube.sum(0), 1e-12)
    tiled = lambda x: lm.psum_scatter(x, "i", tiled=True)
    wide = RNG.uniform(size=(3, 6))
    np.testing.assert_allclose(mapped(tiled, wide), wide.sum(0).reshape(3, 2), 1e-12)


def test_booleans_are_counted_and_integers_have_a_mean() -> None:
    x = lm.asarray([True, False, True])
    assert lm.vmap(lambda b: lm.psum(b, "i"), axis_name="i")(x).tolist() == [2, 2, 2]
    found = lm.vmap(lambda n: lm.pmean(n, "i"), axis_name="i")(lm.asarray([1, 2]))
    assert found.tolist() == [1.5, 1.5]


def test_trees_keep_what_is_no_tensor() -> None:
    linear = lm.nn.Linear(2, 2)
    x = lm.asarray(Y[:, :, 0], dtype=lm.float32)[:, :2]

    def gradient(row: Any) -> Any:
        found = lm.grad(lambda m: lm.sum(m(row) ** 2))(linear)
        assert lm.psum({"none": None, "name": "a"}, "i") == {"none": None, "name": "a"}
        return lm.pmean(found, "i")

    mean = lm.vmap(gradient, axis_name="i", out_axes=None)(x)
    wanted = lm.grad(lambda m: lm.sum(m(x) ** 2) / 3.0)(linear)
    assert mean.in_features == 2 and mean.weight.shape == (2, 2)
    np.testing.assert_allclose(mean.weight.numpy(), wanted.weight.numpy(), 1e-5)


def test_what_all_members_share_is_computed_once() -> None:
    """A maximum over N members takes N elements, not N times N."""
    f = lambda x: lm.exp(lm.pmax(x, "i")) - x
    graph = lm.jit(lm.vmap(f, axis_name="i")).graph(lm.ones((50, 4)))
    assert max(v.type.size for v in graph.nodes) == 200
    exponents = [v for v in graph.nodes if isinstance(v.op, ops.Exp)]
    assert [v.shape for v in exponents] == [(4,)]


def test_many_threads_have_axes_of_their_own() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def one(size: int) -> list[int]:
        f = lm.vmap(lambda: lm.axis_index("i") + lm.axis_size("i"), axis_name="i", axis_size=size)
        return f().tolist()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, [2, 3, 4, 5])) == [[n + k for k in range(n)] for n in range(2, 6)]


# ------------------------------------------------------------------ derivatives

SMOOTH = {
    "psum": lambda x: lm.psum(x * x, "i") * x,
    "pmean": lambda x: x - lm.pmean(x**3, "i"),
    "pmax": lambda x: lm.pmax(lm.sin(x), "i") * x,
    "pmin": lambda x: lm.pmin(lm.sin(x), "i") * x,
    "all_gather": lambda x: lm.sum(lm.all_gather(x * x, "i", axis=1), axis=1) * x,
    "psum_scatter": lambda x: lm.psum_scatter(lm.stack([x, x**2, x**3]), "i") * x,
    "ppermute": lambda x: lm.ppermute(x * x, "i", [(0, 2), (2, 1)]) * x,
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_against_differences(name: str) -> None:
    """Of the mapped function, in both modes, and a second time."""
    whole = lm.vmap(SMOOTH[name], axis_name="i")
    loss = lambda x: lm.sum(lm.sin(whole(x)))
    dot = RNG.uniform(0.5, 1.0, X.shape)
    at = lambda f, h: np.asarray(f(lm.asarray(X + h * dot)))
    slope = lambda f, h=1e-3: (
        8 * (at(f, h) - at(f, -h)) - (at(f, 2 * h) - at(f, -2 * h))
    ) / (12 * h)  # fmt: skip
    gradient = lm.jit(lm.grad(loss))
    forward = lm.jit(lambda x: lm.jvp(whole, [x], [lm.asarray(dot)])[1])(lm.asarray(X))
    np.testing.assert_allclose(forward.numpy(), slope(lm.jit(whole)), 1e-6, 1e-8)
    backward = float(lm.sum(gradient(lm.asarray(X)) * lm.asarray(dot)))
    np.testing.assert_allclose(backward, slope(lm.jit(loss)), 1e-6, 1e-8)
    twice = lm.jit(lambda x: lm.jvp(lm.grad(loss), [x], [lm.asarray(dot)])[1])(lm.asarray(X))
    np.testing.assert_allclose(twice.numpy(), slope(gradient), 1e-6, 1e-8)


def test_members_that_take_other_branches() -> None:
    """Each branch is run by all members, since what it gives the others belongs to the sum."""
    branches = [lambda r: lm.psum(r, "i"), lm.sin, lambda r: r * lm.pmean(r, "i")]
    whole = lm.vmap(lambda r: lm.switch(lm.axis_index("i"), branches, r), axis_name="i")
    wanted = np.stack([X.sum(0), np.sin(X[1]), X[2] * X.mean(0)])
    weight = np.cos(np.arange(12.0)).reshape(3, 4)
    slopes = np.stack([weight[0] + weight[2] * X[2] / 3.0] * 3)
    slopes[1] += weight[1] * np.cos(X[1])
    slopes[2] += weight[2] * X.mean(0)
    for run in (lambda f: f, lm.jit):
        np.testing.assert_allclose(run(whole)(lm.asarray(X)).numpy(), wanted, 1e-12)
        loss = lambda x: lm.sum(whole(x) * lm.asarray(weight))
        np.testing.assert_allclose(run(lm.grad(loss))(lm.asarray(X)).numpy(), slopes, 1e-12)


def test_members_that_leave_a_loop_one_after_the_other() -> None:
    more, step = lambda s: lm.sum(s) < 3.0, lambda s: s + lm.psum(s, "i") * 0.1 + 0.2
    whole = lm.vmap(lambda row: lm.while_loop(more, step, row), axis_name="i")
    state = np.abs(X)
    while (state.sum(1) < 3.0).any():
        state = np.where((state.sum(1) < 3.0)[:, None], state + state.sum(0) * 0.1 + 0.2, state)
    for f in (whole, lm.jit(whole)):
        np.testing.assert_allclose(f(lm.asarray(np.abs(X))).numpy(), state, 1e-12)


def test_the_number_of_members_may_be_a_symbol() -> None:
    def one(row: Any) -> Any:
        mean = lm.pmean(row, "i") + lm.psum(row, "i") / lm.axis_size("i")
        return mean * lm.axis_index("i") + lm.pmax(row, "i") - lm.all_gather(row, "i").sum(axis=0)

    whole = lambda x: lm.vmap(one, axis_name="i")(x)
    f = lm.jit(whole, dynamic_shapes={"x": {0: lm.Dim("B")}})
    for count in (1, 3, 7):
        x = lm.asarray(RNG.uniform(size=(count, 2)))
        np.testing.assert_allclose(f(x).numpy(), whole(x).numpy(), 1e-12)
    assert len(f.traces) == 1


def test_a_custom_rule_finds_the_axes_of_its_call() -> None:
    """Also when it runs later, for many members at once."""

    @lm.custom_jvp
    def total(x: Any) -> Any:
        return lm.psum(x, "i")

    @total.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return total(*primals), 10.0 * lm.psum(tangents[0], "i")

    @lm.custom_vjp
    def share(x: Any) -> Any:
        return x / lm.psum(x, "i")

    share.defvjp(
        lambda x: (share(x), lm.axis_index("i")),
        lambda place, bar: (lm.psum(bar, "i") * (place + 1),),
    )
    for inner in (lambda f: f, lm.jit):
        f = inner(lm.vmap(total, axis_name="i"))
        got = lm.grad(lambda x, f=f: lm.sum(f(x) * x))(lm.asarray(X))
        rows = np.broadcast_to(X.sum(0), X.shape)
        np.testing.assert_allclose(got.numpy(), rows + 10.0 * rows, 1e-12)
        g = inner(lm.vmap(share, axis_name="i"))
        got = lm.grad(lambda x, g=g: lm.sum(g(x) * lm.asarray(X)))(lm.asarray(X))
        np.testing.assert_allclose(got.numpy(), rows * np.arange(1, 4)[:, None], 1e-12)


# ------------------------------------------------------------------ beside JAX


class _Jax:
    """JAX's functions under the names that Lamina has them by."""

    def __getattr__(self, name: str) -> Any:
        if name in ("vmap", "jit", "grad", "jvp", "jacfwd", "checkpoint"):
            return getattr(jax, name)
        return getattr(jax.numpy if hasattr(jax.numpy, name) else jax.lax, name)


def _two_names(xp: Any, x: Any) -> Any:
    """Members of a square: rows are named i, columns j."""
    f = lambda e: (
        xp.psum(e * xp.axis_index("j") + xp.axis_index("i"), ("i", "j")) * e
        + xp.psum(e * e, "i") - xp.pmean(e, "j") * xp.max(xp.all_gather(e, "i"))
    )  # fmt: skip
    return xp.vmap(xp.vmap(f, axis_name="j"), axis_name="i")(x)


def _hidden_name(xp: Any, x: Any) -> Any:
    inner = lambda row: xp.vmap(lambda e: e / xp.psum(e, "i"), axis_name="i")(row)
    return xp.vmap(lambda row: inner(row) + xp.psum(row, "i"), axis_name="i")(x)


def _in_a_scan(xp: Any, x: Any) -> Any:
    def one(row: Any) -> Any:
        step = lambda c, e: (xp.sin(c + xp.psum(e, "i")), c * xp.axis_index("i"))
        last, seen = xp.scan(step, row[0], row)
        return xp.stack([last, xp.sum(seen)])

    return xp.vmap(one, axis_name="i")(x)


def _in_a_branch(xp: Any, x: Any) -> Any:
    one = lambda row: xp.cond(
        xp.sum(row) > 0, lambda r: xp.sin(r) * xp.psum(r, "i"), lambda r: xp.pmean(r, "i"), row
    )
    return xp.vmap(one, axis_name="i")(x)


def _batch_norm(xp: Any, x: Any) -> Any:
    def one(row: Any) -> Any:
        centred = row - xp.pmean(row, "i")
        return centred / xp.sqrt(xp.pmean(centred**2, "i") + 1e-3)

    return xp.vmap(one, axis_name="i")(x)


def _softmax(xp: Any, x: Any) -> Any:
    """Over the members."""

    def one(row: Any) -> Any:
        e = xp.exp(row - xp.stop_gradient(xp.max(xp.all_gather(row, "i"), axis=0)))
        return e / xp.psum(e, "i")

    return xp.vmap(one, axis_name="i")(x)


def _exchange(xp: Any, x: Any) -> Any:
    def one(row: Any) -> Any:
        left = xp.ppermute(row, "i", RING)
        return left * xp.psum_scatter(xp.stack([row, left, row * left]), "i")

    return xp.vmap(one, axis_name="i")(x)


def _gradient_of_each(xp: Any, x: Any) -> Any:
    """A derivative inside goes through the members too."""
    loss = lambda row: xp.sum(xp.psum(xp.sin(row), "i") * row)
    return xp.vmap(xp.grad(loss), axis_name="i")(x)


def _gathered_gradient(xp: Any, x: Any) -> Any:
    loss = lambda row: xp.sum(xp.all_gather(row, "i", axis=1, tiled=False) ** 3)
    return xp.vmap(xp.grad(loss), axis_name="i")(x)


def _tangent_of_each(xp: Any, x: Any) -> Any:
    f = lambda row: xp.psum(xp.sin(row), "i") * xp.axis_index("i")
    return xp.vmap(lambda row: xp.jvp(f, (row,), (row * row,))[1], axis_name="i")(x)


def _second_axis(xp: Any, x: Any) -> Any:
    f = lambda column: xp.psum(column, "i") * column - xp.pmean(column, "i")
    return xp.vmap(f, in_axes=-1, out_axes=-1, axis_name="i")(x)


def _in_a_checkpoint(xp: Any, x: Any) -> Any:
    inner = xp.checkpoint(lambda row: xp.sin(xp.psum(xp.sin(row), "i")) * row)
    return xp.vmap(inner, axis_name="i")(x)


def _vmaps_and_loops(xp: Any, x: Any) -> Any:
    """An inner name in the body of a loop whose outer name runs the members."""

    def outer(row: Any) -> Any:
        inner = lambda e: xp.psum(e * xp.psum(e, "i"), "j") + e * xp.axis_index("i")
        step = lambda c, _: (xp.vmap(inner, axis_name="j")(c), xp.psum(c, "i"))
        last, seen = xp.scan(step, row, None, length=2)
        return last + seen[1]

    return xp.vmap(outer, axis_name="i")(x)


def _jacobians(xp: Any, x: Any) -> Any:
    return xp.vmap(xp.jacfwd(lambda row: xp.psum(row * row, "i") * row), axis_name="i")(x)


def _gradient_across_an_inner_vmap(xp: Any, x: Any) -> Any:
    def outer(row: Any) -> Any:
        inner = lambda e: e * xp.psum(e, "j") * xp.psum(e, "i")
        return xp.grad(lambda row: xp.sum(xp.vmap(inner, axis_name="j")(row)))(row)

    return xp.vmap(outer, axis_name="i")(x)


PROGRAMS = [
    _in_a_checkpoint, _vmaps_and_loops, _jacobians, _gradient_across_an_inner_vmap,
    _two_names, _hidden_name, _in_a_scan, _in_a_branch, _batch_norm, _softmax, _exchange,
    _gradient_of_each, _gathered_gradient, _tangent_of_each, _second_axis,
]  # fmt: skip


@pytest.mark.skipif(jax is None, reason="JAX is not installed")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs_agree_with_jax(program: Any) -> None:
    """Values and gradients, eager and compiled."""
    with jax.enable_x64(True):
        peer = _Jax()
        wanted = np.asarray(program(peer, X))
        weight = np.cos(np.arange(wanted.size)).reshape(wanted.shape)
        slopes = np.asarray(jax.grad(lambda x: (program(peer, x) * weight).sum())(X))
    f = lambda x: program(lm, x)
    loss = lambda x: lm.sum(f(x) * lm.asarray(weight))
    np.testing.assert_allclose(f(lm.asarray(X)).numpy(), wanted, 1e-10, 1e-12)
    values, gradient = lm.jit(lambda x: (f(x), lm.grad(loss)(x)))(lm.asarray(X))
    np.testing.assert_allclose(values.numpy(), wanted, 1e-10, 1e-12)
    np.testing.assert_allclose(gradient.numpy(), slopes, 1e-10, 1e-12)
    np.testing.assert_allclose(lm.grad(loss)(lm.asarray(X)).numpy(), slopes, 1e-10, 1e-12)
