"""Layers by themselves: gradients against finite differences, known answers, modes, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn
from tests.nn.cases import CASES, Case

STEP = 1e-6


def f32(*values: Any) -> lm.Tensor:
    return lm.asarray(np.array(values, np.float32))


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.ties], ids=lambda case: case.name
)
def test_gradients_are_slopes(case: Case) -> None:
    """In a random direction of input and parameters together, in float64."""
    lm.random.seed(3)
    layer = case.make(nn).astype(lm.float64)
    x = case.input("float64")
    rng = np.random.default_rng(9)
    weights = rng.standard_normal(layer(lm.asarray(x)).shape)
    start = {name: p.numpy() for name, p in layer.named_parameters()}
    way = {name: rng.standard_normal(p.shape) for name, p in start.items()}
    x_way = rng.standard_normal(x.shape)

    @lm.jit
    def loss(layer: nn.Module, x: Any) -> lm.Tensor:
        return lm.sum(layer(x) * weights)

    def at(t: float) -> float:
        layer.set_parameters({n: lm.asarray(p + t * way[n]) for n, p in start.items()})
        return float(loss(layer, x + t * x_way))

    measured = (at(STEP) - at(-STEP)) / (2 * STEP)
    layer.set_parameters({n: lm.asarray(p) for n, p in start.items()})
    grads, x_bar = lm.grad(loss, argnums=(0, 1))(layer, x)
    slope = np.vdot(x_bar.numpy(), x_way)
    for name, bar in grads.named_parameters():
        slope += np.vdot(bar.numpy(), way[name])
    assert slope == pytest.approx(measured, rel=1e-6, abs=1e-6)


def test_linear() -> None:
    layer = nn.Linear(2, 2)
    layer.load_state_dict({"weight": [[1.0, 2.0], [3.0, 4.0]], "bias": [10.0, 20.0]})
    np.testing.assert_array_equal(layer(f32(1, 1)).numpy(), [13, 27])


def test_convolution_is_cross_correlation() -> None:
    layer = nn.Conv2d(1, 1, 2, bias=False)
    layer.load_state_dict({"weight": np.array([[[[1.0, 10.0], [100.0, 1000.0]]]])})
    image = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(layer(lm.asarray(image)).numpy(), [[[[4310, 5421]]]])


def test_the_layers_are_the_functions() -> None:
    """A layer gives what its function gives with the same weights."""
    x = lm.random.normal((2, 4, 5, 5), key=lm.random.key(0))
    conv = nn.Conv2d(4, 2, 3, stride=2, padding=1, groups=2)
    expected = functional.conv2d(x, conv.weight, conv.bias, stride=2, padding=1, groups=2)
    np.testing.assert_array_equal(conv(x).numpy(), expected.numpy())
    norm = nn.LayerNorm(5)
    expected = functional.layer_norm(x, 5, norm.weight, norm.bias)
    np.testing.assert_array_equal(norm(x).numpy(), expected.numpy())
    linear = nn.Linear(5, 3)
    expected = functional.linear(x, linear.weight, linear.bias)
    np.testing.assert_array_equal(linear(x).numpy(), expected.numpy())


def test_the_largest_share_the_gradient() -> None:
    image = np.array([[[[3.0, 3.0, 1.0, 0.0], [3.0, 3.0, 0.0, 1.0]]]])
    bar = lm.grad(lambda x: lm.sum(nn.MaxPool2d(2)(x)))(lm.asarray(image)).numpy()
    expected = [[[[0.25, 0.25, 0.5, 0.0], [0.25, 0.25, 0.0, 0.5]]]]
    np.testing.assert_array_equal(bar, expected)


def test_pooling_pads_with_minus_infinity() -> None:
    image = f32([[[[-1.0, -2.0], [-3.0, -4.0]]]]).reshape((1, 1, 2, 2))
    pooled = nn.MaxPool2d(2, padding=1)(image).numpy()
    np.testing.assert_array_equal(pooled, [[[[-1, -2], [-3, -4]]]])


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_dropout(jitted: bool) -> None:
    lm.random.seed(1)
    layer = nn.Dropout(0.3)
    f = lm.jit(lambda layer, x: layer(x)) if jitted else lambda layer, x: layer(x)
    x = lm.ones((200, 100))
    first, second = f(layer, x).numpy(), f(layer, x).numpy()
    np.testing.assert_allclose(np.unique(first), [0.0, 1.0 / 0.7], rtol=1e-6)
    assert abs((first == 0).mean() - 0.3) < 0.012  # four standard deviations are 0.013
    assert (first != second).any()
    lm.random.seed(1)
    np.testing.assert_array_equal(f(layer, x).numpy(), first)
    layer.eval()
    np.testing.assert_array_equal(f(layer, x).numpy(), x.numpy())
    np.testing.assert_array_equal(nn.Dropout(1.0)(x).numpy(), np.zeros(x.shape))


def test_the_gradient_sees_the_same_noise() -> None:
    lm.random.seed(2)
    layer = nn.Dropout(0.5)

    def loss(x: lm.Tensor) -> tuple[lm.Tensor, lm.Tensor]:
        y = layer(x)
        return lm.sum(y), y

    bar, y = lm.jit(lm.grad(loss, has_aux=True))(lm.ones((50,)))
    np.testing.assert_array_equal(bar.numpy(), y.numpy())


def test_batch_norm_by_hand() -> None:
    lm.random.seed(0)
    layer = nn.BatchNorm2d(2, momentum=0.25)
    x = np.random.default_rng(0).normal(3.0, 2.0, (4, 2, 3, 3)).astype(np.float32)
    y = layer(lm.asarray(x)).numpy()
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    spread = (slice(None), None, None)
    np.testing.assert_allclose(
        y, (x - mean[spread]) / np.sqrt(var[spread] + 1e-5), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.25 * mean, rtol=1e-5)
    unbiased = x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.75 + 0.25 * unbiased, rtol=1e-5)
    kept = layer.running_mean
    layer.eval()(lm.asarray(x))
    assert layer.running_mean is kept


def test_no_gradient_flows_into_running_statistics() -> None:
    layer = nn.BatchNorm2d(2)
    grads = lm.grad(lambda layer, x: lm.sum(layer(x) ** 3))(layer, lm.ones((2, 2, 3, 3)))
    assert [name for name, _ in grads.named_parameters()] == ["weight", "bias"]
    assert list(grads.named_buffers()) == []
    assert not layer.running_mean.is_traced


def test_images_through_a_network_of_ordinary_sizes() -> None:
    shapes = []

    class Probe(nn.Module):
        def forward(self, x: lm.Tensor) -> lm.Tensor:
            shapes.append(x.shape[1:])
            return x

    parts = [
        *(nn.Conv2d(3, 16, 3, padding="same"), Probe(), nn.MaxPool2d(2), Probe()),
        *(nn.Conv2d(16, 32, 3, padding="same"), Probe(), nn.MaxPool2d(2), Probe()),
        *(nn.Flatten(), Probe(), nn.Linear(8192, 128), Probe(), nn.Linear(128, 64), Probe()),
        nn.Linear(64, 10),
    ]
    assert nn.Sequential(*parts)(lm.zeros((2, 3, 64, 64))).shape == (2, 10)
    assert shapes == [
        *((16, 64, 64), (16, 32, 32), (32, 32, 32), (32, 16, 16)),
        *((8192,), (128,), (64,)),
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 17, 33])
def test_odd_numbers_of_images(count: int) -> None:
    """Each image gives the same alone, in any company, and through jit."""
    lm.random.seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(30, 7)
    )
    x = np.random.default_rng(0).standard_normal((33, 2, 7, 5)).astype(np.float32)
    whole = net(lm.asarray(x)).numpy()
    some = lm.jit(lambda net, x: net(x))(net, x[:count]).numpy()
    assert some.shape == (count, 7)
    np.testing.assert_allclose(some, whole[:count], rtol=1e-5, atol=1e-6)


def test_another_dtype() -> None:
    """A float64 module computes in float64; whole-number images meet float32 weights."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3, dtype=lm.float64), nn.Flatten())
    assert net(lm.ones((1, 1, 4, 4), dtype=lm.float64)).dtype is lm.float64
    for dtype in (lm.float16, lm.bfloat16):
        half = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.GELU()).astype(dtype)
        assert half(lm.ones((2, 4), dtype=dtype)).dtype is dtype
    assert nn.Linear(4, 3)(lm.ones((2, 4), dtype=lm.uint8)).dtype is lm.float32
    assert nn.Conv2d(1, 1, 1)(lm.ones((1, 1, 2, 2), dtype=lm.uint8)).dtype is lm.float32
