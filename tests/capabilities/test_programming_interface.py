"""Checks of the programming interface (rows PI-*) that no other test makes."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm
from lamina import functional, nn
from lamina.graph.ir import Graph

RNG = np.random.default_rng(11)


def count(graph: Graph, name: str) -> int:
    """How many nodes of a graph are of an op."""
    return sum(v.op.name == name for v in graph.nodes)


def test_newton_solves_a_quadratic_in_one_step() -> None:
    """PI-10: by the whole Hessian, and without it by conjugate gradients on its products."""
    root = RNG.standard_normal((6, 6))
    a, b = lm.asarray(root @ root.T + np.eye(6)), lm.asarray(RNG.standard_normal(6))
    f = lambda x: 0.5 * (x @ (a @ x)) - b @ x
    start = lm.asarray(RNG.standard_normal(6))
    wanted = np.linalg.solve(a.numpy(), b.numpy())

    @lm.jit
    def newton(x: Any) -> Any:
        return x - lm.linalg.solve(lm.hessian(f)(x), lm.grad(f)(x))

    @lm.jit
    def newton_cg(x: Any) -> Any:
        g = lm.grad(f)(x)

        def step(state: Any, _: Any) -> Any:
            p, r, d = state
            product = lm.hvp(f, [x], [d])
            share = (r @ r) / (d @ product)
            rest = r - share * product
            return (p + share * d, rest, rest + (rest @ rest) / (r @ r) * d), None

        (p, _, _), _ = lm.scan(step, (lm.zeros_like(x), -g, -g), length=6)
        return x + p

    np.testing.assert_allclose(newton(start).numpy(), wanted, 1e-10)
    np.testing.assert_allclose(newton_cg(start).numpy(), wanted, 1e-8)


def test_products_with_the_hessian_are_differences_of_gradients() -> None:
    """PI-10."""
    f = lambda x: lm.sum(lm.exp(lm.sin(x)) * lm.cumulative_sum(x * x))
    x, v, h = RNG.standard_normal(5), RNG.standard_normal(5), 1e-5
    g = lm.jit(lm.grad(f))
    difference = (g(lm.asarray(x + h * v)) - g(lm.asarray(x - h * v))) / (2 * h)
    product = lm.jit(lambda x, v: lm.hvp(f, [x], [v]))(lm.asarray(x), lm.asarray(v))
    np.testing.assert_allclose(product.numpy(), difference.numpy(), 1e-7)


def test_loss_auxiliary_results_and_gradients_come_from_one_forward_pass() -> None:
    """PI-14: the step of a functional optimiser; the function runs once, its exp is there once."""
    model = lm.nn.Linear(3, 2)
    runs: list[int] = []

    def loss_of(scale: Any, model: Any, x: Any) -> Any:
        runs.append(1)
        y = lm.exp(model(x) * scale)
        return lm.mean(y), {"largest": lm.max(y)}

    step = lm.value_and_grad(loss_of, argnums=(0, 1), has_aux=True)
    scale, x = lm.asarray(0.5), lm.asarray(RNG.standard_normal((4, 3)), dtype=lm.float32)
    compiled = lm.jit(step)
    for run in (step, compiled):
        runs.clear()
        (loss, aux), (d_scale, d_model) = run(scale, model, x)
        assert len(runs) == 1
        y = np.exp((x.numpy() @ model.weight.numpy().T + model.bias.numpy()) * 0.5)
        np.testing.assert_allclose(float(loss), y.mean(), 1e-5)
        np.testing.assert_allclose(float(aux["largest"]), y.max(), 1e-5)
        bars = y / y.size
        np.testing.assert_allclose(d_model.bias.numpy(), 0.5 * bars.sum(0), 1e-4)
        np.testing.assert_allclose(d_model.weight.numpy(), 0.5 * bars.T @ x.numpy(), 1e-4, 1e-6)
        np.testing.assert_allclose(float(d_scale), (bars * np.log(y)).sum() / 0.5, 1e-4)
    assert count(compiled.graph(scale, model, x), "exp") == 1
    optimizer = lm.optim.SGD(model, lr=0.1)
    before = model.bias.numpy()
    optimizer.update(model, d_model)
    np.testing.assert_allclose(model.bias.numpy(), before - 0.1 * d_model.bias.numpy(), 1e-6)


def test_a_network_of_vision_layers_has_the_sizes_it_is_drawn_with() -> None:
    """PI-6: 3x64x64 -> 16x64x64 -> 16x32x32 -> 32x32x32 -> 32x16x16 -> 8192 -> 128 -> 64 -> 10."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding="same"),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding="same"),
        nn.BatchNorm2d(32),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8192, 128),
        nn.Dropout(0.3),
        nn.Linear(128, 64),
        nn.Linear(64, 10),
    )
    x: Any = lm.asarray(RNG.standard_normal((2, 3, 64, 64), np.float32))
    shapes = []
    for layer in model:
        x = layer(x)
        if x.shape[1:] not in shapes:
            shapes.append(x.shape[1:])
    wanted = [(16, 64, 64), (16, 32, 32), (32, 32, 32), (32, 16, 16), (8192,), (128,), (64,), (10,)]
    assert shapes == wanted
    labels = lm.asarray([3, 7])
    grads = lm.jit(lm.grad(lambda m: functional.cross_entropy(m(lm.ones((2, 3, 64, 64))), labels)))
    assert all(np.isfinite(g.numpy()).all() for g in grads(model).parameters())


def test_max_pools_pad_with_minus_infinity_and_average_pools_with_zero() -> None:
    """PI-6."""
    x = lm.full((1, 1, 2, 2), -3.0)
    np.testing.assert_array_equal(functional.max_pool2d(x, 2, 2, 1).numpy(), x.numpy())
    np.testing.assert_array_equal(functional.avg_pool2d(x, 2, 2, 1).numpy(), x.numpy() / 4)
