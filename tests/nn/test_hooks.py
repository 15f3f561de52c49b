"""Hooks: when they are called, what they change, and that compiled code follows."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn

X = np.array([[1.0, -2.0]], np.float32)


def doubled(layer: nn.Module, args: Any, y: Any) -> Any:
    return y * 2.0


def shifted(layer: nn.Module, args: Any) -> Any:
    return args[0] + 1.0


def test_hooks_see_and_replace() -> None:
    layer = nn.ReLU()
    seen: list[Any] = []
    first = layer.register_forward_hook(lambda layer, args, y: seen.append((args, y)))
    x = lm.asarray(X)
    y = layer(x)
    assert seen[0][0][0] is x and seen[0][1] is y
    layer.register_forward_hook(doubled)
    layer.register_forward_pre_hook(shifted)
    np.testing.assert_array_equal(layer(x).numpy(), [[4, 0]])
    assert (seen[1][1].numpy() == [[2, 0]]).all()  # before it was doubled
    first.remove()
    first.remove()
    layer(x)
    assert len(seen) == 2


def test_order_and_keywords() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Any, *, factor: float = 1.0) -> Any:
            return x * factor

    layer, order = Scaled(), []
    layer.register_forward_hook(lambda *_: order.append("second"))
    layer.register_forward_hook(lambda *_: order.append("first"), prepend=True)
    layer.register_forward_pre_hook(
        lambda layer, args, kwargs: (args, {"factor": kwargs["factor"] + 1.0}), with_kwargs=True
    )
    layer.register_forward_hook(
        lambda layer, args, kwargs, y: order.append(kwargs["factor"]), with_kwargs=True
    )
    np.testing.assert_array_equal(layer(lm.asarray(X), factor=2.0).numpy(), 3 * X)
    assert order == ["first", "second", 3.0]


def test_a_hook_is_part_of_the_signature() -> None:
    net = nn.Sequential(nn.ReLU(), nn.ReLU())
    f = lm.jit(lambda net, x: net(x))
    plain = f(net, X).numpy()
    for _ in range(2):  # the second time finds both programs
        with net[0].register_forward_hook(doubled):
            np.testing.assert_array_equal(f(net, X).numpy(), 2 * plain)
        np.testing.assert_array_equal(f(net, X).numpy(), plain)
    assert f.signatures == 2


def test_a_hook_may_keep_activations_through_jit_and_grad() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())

    def keep(layer: nn.Module, args: Any, y: Any) -> None:
        layer.seen = lm.stop_gradient(y)

    net[0].register_buffer("seen", lm.zeros((1, 3)))
    net[0].register_forward_hook(keep)
    expected = net[0](lm.asarray(X)).numpy()
    step = lm.jit(lm.grad(lambda net, x: lm.sum(net(x))))
    grads = step(net, X)
    np.testing.assert_allclose(net[0].seen.numpy(), expected, rtol=1e-6)
    assert grads[0].weight.shape == (3, 2)


def test_copies_have_the_hooks_too() -> None:
    layer = nn.ReLU()
    handle = layer.register_forward_hook(doubled)
    other = copy.deepcopy(layer)
    handle.remove()
    np.testing.assert_array_equal(layer(lm.asarray(X)).numpy(), [[1, 0]])
    np.testing.assert_array_equal(other(lm.asarray(X)).numpy(), [[2, 0]])


@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_module_without_hooks_holds_nothing_for_them(kind: str) -> None:
    layer = nn.ReLU()
    before = dict(vars(layer))
    with getattr(layer, kind)(doubled):
        assert vars(layer) != before
    assert vars(layer) == before
