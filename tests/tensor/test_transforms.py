"""grad, vjp, jvp, vmap and jit: against loops, finite differences, and each other."""

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from tests.tensor.stand_ins import Affine

RNG = np.random.default_rng(1)
W = RNG.standard_normal((4, 3))
X = RNG.standard_normal((5, 4))
V = RNG.standard_normal((5, 4))


def loss(x):
    hidden = lm.tanh(x @ lm.asarray(W))
    return (hidden * hidden * lm.exp(-hidden)).sum()


def slope(f, x, v, h=1e-5):
    return (float(f(lm.asarray(x + h * v))) - float(f(lm.asarray(x - h * v)))) / (2 * h)


def test_grad_against_finite_differences():
    found = lm.grad(loss)(lm.asarray(X))
    assert found.dtype is lm.float64
    np.testing.assert_allclose((found.numpy() * V).sum(), slope(loss, X, V), rtol=1e-7)


def test_grad_of_grad():
    def directional(x):
        return (lm.grad(loss)(x) * lm.asarray(V)).sum()

    second = lm.grad(directional)(lm.asarray(X))
    np.testing.assert_allclose((second.numpy() * V).sum(), slope(directional, X, V), rtol=1e-6)


def test_third_order():
    f = lm.grad(lm.grad(lm.grad(lambda x: x**5)))
    assert float(f(lm.asarray(2.0))) == pytest.approx(240.0)


def test_jvp_against_vjp():
    def f(x):
        return lm.sin(x) @ lm.asarray(W)

    y, dot = lm.jvp(f, [lm.asarray(X)], [lm.asarray(V)])
    bar = RNG.standard_normal(y.shape)
    same, pull = lm.vjp(f, lm.asarray(X))
    (back,) = pull(lm.asarray(bar))
    np.testing.assert_allclose(y.numpy(), same.numpy())
    np.testing.assert_allclose((dot.numpy() * bar).sum(), (back.numpy() * V).sum())


def test_pull_twice_and_after_looking():
    y, pull = lm.vjp(lambda x: x * x, lm.asarray([1.0, 2.0]))
    y.block()
    assert pull(lm.asarray([1.0, 0.0]))[0].tolist() == [2.0, 0.0]
    assert pull(lm.asarray([0.0, 1.0]))[0].tolist() == [0.0, 4.0]


def test_jvp_of_grad_is_hessian_times_vector():
    _, dot = lm.jvp(lm.grad(loss), [lm.asarray(X)], [lm.asarray(V)])

    def directional(x):
        return (lm.grad(loss)(x) * lm.asarray(V)).sum()

    np.testing.assert_allclose(dot.numpy(), lm.grad(directional)(lm.asarray(X)).numpy(), rtol=1e-9)


def test_grad_of_jvp():
    def forward(x):
        return lm.jvp(loss, [x], [lm.asarray(V)])[1]

    found = lm.grad(forward)(lm.asarray(X)).numpy()
    np.testing.assert_allclose((found * V).sum(), slope(forward, X, V), rtol=1e-6)


def row_loss(x, w):
    return (lm.tanh(x @ w) ** 2).sum()


def looped(f, *args):
    return np.stack([f(*(lm.asarray(a[i]) for a in args)).numpy() for i in range(len(args[0]))])


def test_vmap_against_a_loop():
    w = lm.asarray(W)
    found = lm.vmap(lambda x: row_loss(x, w))(lm.asarray(X))
    np.testing.assert_allclose(found.numpy(), looped(lambda x: row_loss(x, w), X))


def test_vmap_of_grad():
    g = lm.grad(lambda x: row_loss(x, lm.asarray(W)))
    np.testing.assert_allclose(lm.vmap(g)(lm.asarray(X)).numpy(), looped(g, X))


def test_grad_of_vmap():
    def total(x):
        return lm.vmap(lambda r: row_loss(r, lm.asarray(W)))(x).sum()

    direct = lm.grad(lambda x: row_loss(x, lm.asarray(W)))(lm.asarray(X))
    np.testing.assert_allclose(lm.grad(total)(lm.asarray(X)).numpy(), direct.numpy())


def test_per_example_gradients_of_shared_parameters():
    per_example = lm.vmap(lm.grad(lambda w, x: row_loss(x, w)), in_axes=(None, 0))
    found = per_example(lm.asarray(W), lm.asarray(X)).numpy()
    wanted = looped(lambda x: lm.grad(lambda w: row_loss(x, w))(lm.asarray(W)), X)
    np.testing.assert_allclose(found, wanted)


def test_vmap_of_vmap():
    outer = lm.vmap(lm.vmap(lambda a, b: a @ b, in_axes=(None, 0)), in_axes=(0, None))
    found = outer(lm.asarray(X), lm.asarray(V))
    np.testing.assert_allclose(found.numpy(), X @ V.T)


def test_vmap_axes():
    found = lm.vmap(lambda a, b: a + b, in_axes=(1, 0), out_axes=1)(lm.asarray(X), lm.asarray(X.T))
    np.testing.assert_allclose(found.numpy(), 2 * X)
    first, second = lm.vmap(lambda a: (a, 2.0), out_axes=(0, 0))(lm.asarray(X))
    np.testing.assert_allclose(first.numpy(), X)
    assert second.tolist() == [2.0] * 5


def test_hessian_by_vmap_of_jvp():
    def f(x):
        return (x**3).sum() + x[0] * x[1]

    x = lm.asarray([1.0, 2.0], dtype=lm.float64)
    hessian = lm.vmap(lambda e: lm.jvp(lm.grad(f), [x], [e])[1])(lm.eye(2, dtype=lm.float64))
    np.testing.assert_allclose(hessian.numpy(), [[6.0, 1.0], [1.0, 12.0]])


@pytest.mark.parametrize(
    "make",
    [
        lambda f: lm.jit(lm.vmap(lm.grad(f))),
        lambda f: lm.vmap(lm.jit(lm.grad(f))),
        lambda f: lm.vmap(lm.grad(lm.jit(f))),
        lambda f: lm.jit(lm.vmap(lm.jit(lm.grad(lm.jit(f))))),
    ],
)
def test_jit_anywhere(make):
    f = lambda x: row_loss(x, lm.asarray(W))
    wanted = looped(lm.grad(f), X)
    found = make(f)
    for _ in range(2):
        np.testing.assert_allclose(found(lm.asarray(X)).numpy(), wanted, rtol=1e-10)


def test_gradients_of_trees():
    params = {"w": lm.asarray(2.0), "pair": (lm.asarray(3.0), [lm.asarray(4.0)]), "n": 3}

    def f(p, y):
        return p["w"] * p["pair"][0] + p["pair"][1][0] * y

    value, (g, y_bar) = lm.value_and_grad(f, argnums=(0, 1))(params, 5.0)
    assert float(value) == 26.0
    assert float(y_bar) == 4.0
    assert {k: g[k] for k in ("n",)} == {"n": None}
    assert [float(t) for t in (g["w"], g["pair"][0], g["pair"][1][0])] == [3.0, 2.0, 5.0]
    assert float(params["w"]) == 2.0


def test_gradients_of_a_module():
    model = Affine()
    old = model.scale

    def f(m, x):
        return m(x).sum()

    value, g = lm.value_and_grad(f)(model, lm.asarray([1.0, 2.0]))
    assert float(value) == 8.0
    assert type(g) is Affine
    assert (float(g.scale), float(g.shift), g.calls, g.name) == (3.0, 2.0, None, "affine")
    assert model.scale is old
    assert float(model.calls) == 1.0  # what f assigned stays
    moved = lm.tree.map(lambda p, d: None if d is None else p - 0.5 * d, model, g)
    assert float(moved.scale) == 0.5


def test_closed_over_uses_do_not_count():
    x = lm.asarray(3.0)
    assert float(lm.grad(lambda y: x * y)(x)) == 3.0


def test_shared_tensors_gather_both_gradients():
    w = lm.asarray(3.0)
    g = lm.grad(lambda p: p["a"] * p["b"])({"a": w, "b": w})
    assert (float(g["a"]), float(g["b"])) == (6.0, 6.0)


def test_missing_dependency_is_zero():
    g = lm.grad(lambda p: p[0] * 2.0)([lm.asarray(1.0), lm.ones((2,))])
    assert g[1].tolist() == [0.0, 0.0]


def test_aux():
    g, aux = lm.grad(lambda x: (x * x, {"twice": 2 * x}), has_aux=True)(lm.asarray(3.0))
    assert float(g) == 6.0
    assert float(aux["twice"]) == 6.0


def test_control_flow_inside_grad():
    def f(x):
        while x < 100.0:
            x = x * x
        return x

    assert float(lm.grad(f)(lm.asarray(3.0))) == pytest.approx(8 * 3.0**7)


def test_looking_inside_grad_keeps_history():
    def f(x):
        y = x * x
        assert float(y) == 9.0
        return y * y

    assert float(lm.grad(f)(lm.asarray(3.0))) == pytest.approx(108.0)
    assert float(lm.grad(lm.grad(f))(lm.asarray(3.0))) == pytest.approx(108.0)


def test_objects_are_restored_after_an_error():
    model = Affine()
    before = dict(vars(model))

    def f(m):
        m.scale * 2
        raise RuntimeError("stop")

    for transform in (lm.grad, lm.jit, lm.vmap):
        with pytest.raises((RuntimeError, lm.ShapeError)):
            transform(f)(model)
        assert all(vars(model)[k] is v for k, v in before.items())


def test_stop_gradient():
    assert float(lm.grad(lambda x: x * lm.stop_gradient(x))(lm.asarray(3.0))) == 3.0


def test_vmap_assigning_examples_is_an_error():
    model = Affine()

    def f(m, x):
        m.scale = x
        return x

    with pytest.raises(lm.UsageError, match="assigned a tensor of one example"):
        lm.vmap(f, in_axes=(None, 0))(model, lm.asarray([1.0, 2.0]))


def settings_of(module):
    return module[1].normalized_shape, module[1].training, module[1].eps


@pytest.mark.parametrize("wrap", [lambda f: f, lm.jit], ids=["eager", "jit"])
@pytest.mark.parametrize(
    "transformed",
    [
        lambda g, m, x: lm.vmap(lambda row: g(m, row))(x),
        lambda g, m, x: lm.scan(lambda carry, row: (carry, g(carry, row)), m, x)[1],
        lambda g, m, x: lm.scan(lambda carry, row: (g(carry, row), None), m, x)[0],
        lambda g, m, x: lm.map(lambda row: g(m, row), x),
        lambda g, m, x: lm.cond(lm.sum(x) > 0, lambda m: g(m, x), lambda m: m, m),
        lambda g, m, x: lm.fori_loop(0, 2, lambda i, m: g(m, x), m),
        lambda g, m, x: lm.jvp(lambda m: g(m, x), (m,), (m,))[1],
        lambda g, m, x: lm.linearize(lambda m: g(m, x), m)[1](m),
    ],
    ids=["vmap", "scan", "carry", "map", "cond", "fori", "jvp", "linearize"],
)
def test_numbers_in_modules_are_settings_in_every_transform(transformed, wrap):
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    gradient = lm.grad(lambda m, x: lm.sum(m(x) ** 3))
    found = wrap(lambda m, x: transformed(gradient, m, x))(model, lm.ones((2, 3)))
    assert settings_of(found) == settings_of(model)
    assert isinstance(found[0].weight, lm.Tensor)
