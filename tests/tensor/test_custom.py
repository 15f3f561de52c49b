"""Functions that say how they are differentiated, in all transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.base.errors import ShapeError, TraceError, UsageError
from lamina.tensor.eager import FLUSH_DEPTH

RNG = np.random.default_rng(0)


def f64(*shape: int) -> Any:
    return lm.asarray(RNG.standard_normal(shape))


def close(a: Any, b: Any) -> None:
    for x, y in zip(lm.tree.leaves(a), lm.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), 1e-10, 1e-10)


# ------------------------------------------------------------------ custom_jvp


@lm.custom_jvp
def shifted(x: Any, y: Any) -> Any:
    """x sin(y) with a derivative that is wrong on purpose, to see which one is used."""
    return x * lm.sin(y)


@shifted.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x, y), (x_dot, y_dot) = primals, tangents
    return shifted(x, y), 10.0 * x_dot * lm.sin(y) + 3.0 * x * y_dot


@pytest.mark.parametrize("wrap", [lambda f: f, lm.jit])
def test_custom_jvp_in_both_modes(wrap: Any) -> None:
    x, y = f64(3), f64(3)
    close(wrap(shifted)(x, y), x * lm.sin(y))
    close(wrap(lambda a, b: lm.jvp(shifted, [a, b], [b, a])[1])(x, y),
          10.0 * y * lm.sin(y) + 3.0 * x * x)  # fmt: skip
    g = lm.grad(lambda a, b: shifted(a, b).sum(), (0, 1))
    close(wrap(g)(x, y), (10.0 * lm.sin(y), 3.0 * x))
    second = lm.grad(lambda b: lm.grad(lambda a: shifted(a, b).sum())(x).sum())
    close(wrap(second)(y), 10.0 * lm.cos(y))


def test_custom_jvp_under_vmap() -> None:
    x, y = f64(4), f64(4)
    both = lm.vmap(lm.grad(shifted, (0, 1)))
    close(both(x, y), (10.0 * lm.sin(y), 3.0 * x))
    shared = lm.grad(lambda a: lm.vmap(shifted, in_axes=(None, 0))(a, y).sum())
    close(shared(x[0]), (10.0 * lm.sin(y)).sum())
    close(lm.jit(lm.vmap(lm.vmap(lm.grad(shifted))))(x.reshape(2, 2), y.reshape(2, 2)),
          (10.0 * lm.sin(y)).reshape(2, 2))  # fmt: skip


# ------------------------------------------------------------------ rules with loops and tensors

SCALES, MIX = f64(3), f64(3, 3)  # what rules read from outside


def inner(x: Any) -> Any:
    """A loop, whose transposed tangents read what the loop passed through."""
    return lm.scan(lambda s, a: (lm.tanh(MIX @ s) + a * x, None), x, lm.stack([x, 2.0 * x]))[0]


def forward_ruled(f: Any) -> Any:
    g = lm.custom_jvp(f)

    @g.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        return g(*primals), SCALES * lm.jvp(f, primals, tangents)[1]

    return lambda x: g(x)


def reverse_ruled(f: Any) -> Any:
    g = lm.custom_vjp(f)
    g.defvjp(lambda x: (g(x), x), lambda x, bar: lm.vjp(f, x)[1](SCALES * bar))
    return lambda x: g(x)


def without_a_rule(f: Any) -> Any:
    """The same value and the same first derivative."""
    return lambda x: SCALES * f(x) + lm.stop_gradient((1.0 - SCALES) * f(x))


AROUND = {
    "nothing": lambda f: f,
    "cond": lambda f: lambda x: lm.cond(x[0] < 9.0, f, lm.sin, x),
    "scan": lambda f: lambda x: lm.scan(lambda s, a: (f(s) + a * x, s.sum()), x, x)[0],
    "checkpoint": lambda f: lambda x: lm.checkpoint(lambda t: f(t) * x)(x - 1.0),
    "vmap": lambda f: lambda x: lm.vmap(f)(lm.stack([x, x * x])).sum(axis=0),
    "bounded": lambda f: (
        lambda x: lm.while_loop(
            lambda s: s[1] < 3, lambda s: (f(s[0]) * x, s[1] + 1), (x, 0), max_steps=4
        )[0]
    ),
    "scan of cond": lambda f: AROUND["scan"](AROUND["cond"](f)),
}


@pytest.mark.parametrize("ruled", [forward_ruled, reverse_ruled])
@pytest.mark.parametrize("around", AROUND)
def test_rules_with_loops_and_tensors_from_outside(around: str, ruled: Any) -> None:
    x, wrap = f64(3), AROUND[around]
    loss = lambda ruled: lambda t: wrap(ruled(inner))(t).sum()
    wanted = lm.value_and_grad(loss(without_a_rule))(x)
    close(lm.value_and_grad(loss(ruled))(x), wanted)
    close(lm.jit(lm.value_and_grad(loss(ruled)))(x), wanted)


@pytest.mark.parametrize("around", [*AROUND, "while"])
def test_tangents_of_rules_with_tensors_from_outside(around: str) -> None:
    def loop(f: Any) -> Any:
        step = lambda s: (f(s[0]) * 0.5, s[1] + 1)
        return lambda x: lm.while_loop(lambda s: s[1] < 3, step, (x, 0))[0]

    x, dot, wrap = f64(3), f64(3), AROUND.get(around, loop)
    along = lambda ruled: lm.jvp(wrap(ruled(inner)), (x,), (dot,))
    close(along(forward_ruled), along(without_a_rule))
    close(lm.jit(lambda: along(forward_ruled))(), along(without_a_rule))


@pytest.mark.parametrize("ruled", [forward_ruled, reverse_ruled])
@pytest.mark.parametrize("around", ["nothing", "cond", "scan"])
def test_rules_longer_than_a_chain_that_is_computed_at_once(around: str, ruled: Any) -> None:
    def long(x: Any) -> Any:
        for _ in range(FLUSH_DEPTH // 2):
            x = lm.sin(x) + 0.1 * x
        return x

    x, wrap = f64(3), AROUND[around]
    loss = lambda ruled: lambda t: wrap(ruled(long))(t).sum()
    close(lm.grad(loss(ruled))(x), lm.grad(loss(without_a_rule))(x))


def test_looking_inside_a_rule_is_an_error() -> None:
    @lm.custom_jvp
    def f(x: Any) -> Any:
        return lm.sin(x)

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        return f(*primals), tangents[0] if float(tangents[0]) > 0 else primals[0]

    with pytest.raises(TraceError, match="no value yet inside a derivative"):
        lm.grad(f)(lm.asarray(1.0))


# ------------------------------------------------------------------ custom_vjp


@lm.custom_vjp
def scaled(x: Any, p: Any) -> Any:
    """A result of two parts, from a tensor and a tree."""
    return {"a": x * p["w"], "b": x.sum()}


def _forward(x: Any, p: Any) -> Any:
    return scaled(x, p), (x, p["w"])


def _backward(kept: Any, bar: Any) -> Any:
    x, w = kept
    return 7.0 * bar["a"] * w + bar["b"], {"w": -bar["a"] * x, "n": None}


scaled.defvjp(_forward, _backward)


@pytest.mark.parametrize("wrap", [lambda f: f, lm.jit])
def test_custom_vjp(wrap: Any) -> None:
    x, w, c = f64(3), f64(3), f64(3)
    loss = lambda a, b: (scaled(a, {"w": b, "n": None})["a"] * c).sum()
    close(wrap(lm.grad(loss, (0, 1)))(x, w), (7.0 * c * w, -c * x))
    both = lambda a: (lambda r: r["a"].sum() + r["b"])(scaled(a, {"w": w, "n": None}))
    close(wrap(lm.grad(both))(x), 7.0 * w + 1.0)


def test_custom_vjp_under_vmap_and_scan() -> None:
    xs, w = f64(4, 3), f64(3)
    one = lambda a, b: scaled(a, {"w": b, "n": None})["a"].sum()
    each = lm.vmap(lm.grad(one, (0, 1)), in_axes=(0, None))(xs, w)
    close(each, (lm.broadcast_to(7.0 * w, (4, 3)), -xs))
    total = lm.grad(lambda b: lm.vmap(one, in_axes=(0, None))(xs, b).sum())
    close(total(w), -xs.sum(axis=0))
    looped = lambda b: lm.scan(
        lambda s, x: (s + one(x, b), None), lm.zeros((), dtype=lm.float64), xs
    )[0]
    close(lm.jit(lm.grad(looped))(w), -xs.sum(axis=0))


def test_implicit_derivative_of_a_root() -> None:
    """x(a) with x^3 + x = a by Newton in a while loop; dx/da = 1 / (3 x^2 + 1)."""

    def solve(a: Any) -> Any:
        step = lambda x: x - (x**3 + x - a) / (3.0 * x * x + 1.0)
        return lm.while_loop(lambda x: lm.abs(x**3 + x - a) > 1e-13, step, a * 0.5)

    root = lm.custom_vjp(solve)
    root.defvjp(lambda a: (lambda x: (x, x))(root(a)), lambda x, bar: (bar / (3.0 * x * x + 1.0),))
    a = f64(5) * 3.0
    roots = lm.vmap(root)(a)
    np.testing.assert_allclose(np.asarray(roots**3 + roots), np.asarray(a), 1e-12)
    close(lm.jit(lm.vmap(lm.grad(root)))(a), 1.0 / (3.0 * roots * roots + 1.0))


def test_messages() -> None:
    x = f64(3)
    p = {"w": x, "n": None}
    with pytest.raises(UsageError, match="scaled: no forward derivative"):
        lm.jvp(lambda a: scaled(a, p), [x], [x])
    nothing = lm.custom_vjp(lambda a: a)
    with pytest.raises(UsageError, match="has no rule yet"):
        nothing(x)
    nothing.defvjp(lambda a: (a, None), lambda _, bar: bar)
    with pytest.raises(UsageError, match="does not give one cotangent for each argument"):
        lm.grad(lambda a: nothing(a).sum())(x)
    nothing.defvjp(lambda a: (a, None), lambda _, bar: (bar[:2],))
    with pytest.raises(ShapeError, match="a cotangent does not fit its argument"):
        lm.grad(lambda a: nothing(a).sum())(x)


# ------------------------------------------------------------------ checkpoint


def block(x: Any, w: Any) -> Any:
    """A residual block with a few inner values."""
    h = lm.tanh(x @ w)
    return x + lm.sin(h) * lm.exp(-h * h)


def network(keep: Any, depth: int = 3) -> Any:
    """Blocks, each a checkpoint unless `keep` is None."""
    layer = block if keep is None else lm.checkpoint(block, keep=keep)

    def loss(ws: Any, x: Any) -> Any:
        for i in range(depth):
            x = layer(x, ws[i])
        return (x * x).sum()

    return loss


@pytest.mark.parametrize("keep", ["nothing", "products", "everything", ["h"]])
def test_checkpoints_change_no_derivative(keep: Any) -> None:
    ws, x = f64(3, 4, 4) * 0.3, f64(2, 4)
    plain, tried = network(None), network(keep)
    close(tried(ws, x), plain(ws, x))
    for transform in (
        lambda f: lm.grad(f, (0, 1)),
        lambda f: lm.jit(lm.value_and_grad(f)),
        lambda f: lambda w, v: lm.jvp(lambda u: f(u, v), [w], [w * 0.1])[1],
        lambda f: lm.grad(lambda w, v: (lm.grad(f)(w, v) ** 2).sum()),
    ):
        close(transform(tried)(ws, x), transform(plain)(ws, x))
    xs = lm.stack([x, x * 2.0])
    each = lambda f: lm.vmap(lm.grad(f), in_axes=(None, 0))(ws, xs)
    close(each(tried), each(plain))


def arena_bytes(f: Any, *args: Any) -> int:
    program = lm.jit(f).program(*args)
    return program.record.plan.arena_bytes


def test_checkpoints_save_memory() -> None:
    ws, x = [lm.ones((64, 64)) * 0.01 for _ in range(24)], lm.ones((32, 64))
    plain = arena_bytes(lm.grad(network(None, 24)), ws, x)
    nothing = arena_bytes(lm.grad(network("nothing", 24)), ws, x)
    products = arena_bytes(lm.grad(network("products", 24)), ws, x)
    assert nothing < products < plain
    assert nothing < 0.4 * plain


def test_named_values_are_kept() -> None:
    def f(x: Any) -> Any:
        return lm.sin(lm.checkpoint_name(lm.exp(x), "e")).sum()

    x = f64(5)
    g = lm.jit(lm.grad(lm.checkpoint(f, keep=["e"]))).graph(x)
    close(lm.grad(lm.checkpoint(f, keep=["e"]))(x), lm.grad(f)(x))
    kept = [v.op for v in g.nodes if v.op.name == "checkpoint"]
    assert any(len(op.body.outputs) == 2 for op in kept)
    with pytest.raises(UsageError, match="checkpoint: no policy 'some'"):
        lm.checkpoint(f, keep="some")


def test_checkpoints_of_modules_that_draw_and_assign() -> None:
    lm.random.seed(0)
    norm, drop = lm.nn.BatchNorm2d(3), lm.nn.Dropout(0.5)

    def f(x: Any) -> Any:
        return (drop(norm(x)) ** 2).sum()

    x = lm.asarray(RNG.standard_normal((2, 3, 4, 4)).astype(np.float32))
    lm.random.seed(1)
    wanted = lm.grad(f)(x)
    before = np.asarray(norm.running_mean)
    lm.random.seed(1)
    got = lm.grad(lm.checkpoint(f))(x)
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), 1e-4, 1e-5)
    assert not np.array_equal(np.asarray(norm.running_mean), before)
