"""Trees of axes for `vmap`: prefixes, dicts, modules, negative numbers, None, no axes at all."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(2)
X = RNG.uniform(-1.0, 1.0, (3, 4))
W = RNG.uniform(-1.0, 1.0, (4, 2, 3))
Pair = namedtuple("Pair", "left right")


def test_a_number_holds_for_all_that_is_below_it() -> None:
    f = lm.vmap(lambda d, x: d["a"] * x + d["b"][0], in_axes=({"a": 0, "b": 1}, 0))
    given = {"a": lm.asarray(X), "b": [lm.asarray(X.T), 5]}
    np.testing.assert_allclose(f(given, lm.asarray(X)).numpy(), X * X + X)
    assert given["b"][0].shape == (4, 3)


def test_negative_axes_of_arguments_and_results() -> None:
    f = lm.vmap(lambda w: (w, lm.sum(w)), in_axes=-1, out_axes=(-2, -1))
    whole, total = f(lm.asarray(W))
    np.testing.assert_allclose(whole.numpy(), np.moveaxis(W, -1, 1))
    np.testing.assert_allclose(total.numpy(), W.sum((0, 1)))


def test_named_tuples_lists_and_dicts_of_results() -> None:
    f = lm.vmap(
        lambda x: {"pair": Pair(x, lm.outer(x, x)), "list": [x, 1.5]},
        out_axes={"pair": Pair(1, 2), "list": 0},
    )
    found = f(lm.asarray(X))
    assert isinstance(found["pair"], Pair)
    np.testing.assert_allclose(found["pair"].left.numpy(), X.T)
    np.testing.assert_allclose(found["pair"].right.numpy(), np.einsum("ni,nj->ijn", X, X))
    assert found["list"][1].tolist() == [1.5] * 3


def test_results_that_all_examples_share_are_given_once() -> None:
    shared = lm.asarray(2.0)
    f = lm.vmap(lambda x: (x, shared * 3.0, "name"), out_axes=(0, None, None))
    each, one, name = lm.jit(f)(lm.asarray(X))
    assert each.shape == (3, 4) and one.shape == () and float(one) == 6.0 and name == "name"


def test_axes_of_a_module_are_named_by_a_dict() -> None:
    """Here an ensemble of one weight for each member, and a shared bias."""
    linear = lm.nn.Linear(2, 3)
    linear.weight = lm.asarray(RNG.uniform(size=(3, 2, 5)), dtype=lm.float32)  # members last
    x = lm.asarray(RNG.uniform(size=(5, 2)), dtype=lm.float32)
    f = lm.vmap(lambda m, x: m(x), in_axes=({"weight": 2}, 0))
    for g in (f, lm.jit(f)):
        found = g(linear, x)
        wanted = np.einsum("oin,ni->no", linear.weight.numpy(), x.numpy()) + linear.bias.numpy()
        np.testing.assert_allclose(found.numpy(), wanted, 1e-5)
    assert linear.weight.shape == (3, 2, 5)


def test_axes_of_a_module_in_the_results() -> None:
    linear = lm.nn.Linear(2, 3)
    x = lm.asarray(RNG.uniform(size=(5, 2)), dtype=lm.float32)
    loss = lambda m, row: lm.sum(m(row) ** 2)
    each = lm.vmap(lm.grad(loss), in_axes=(None, 0), out_axes={"weight": -1, "bias": 0})
    for g in (each, lm.jit(each)):
        found = g(linear, x)
        one = lm.grad(loss)(linear, x[3])
        np.testing.assert_allclose(found.weight.numpy()[..., 3], one.weight.numpy(), 1e-5)
        np.testing.assert_allclose(found.bias.numpy()[3], one.bias.numpy(), 1e-5)
        assert found.in_features == 2


def test_a_number_of_examples_without_an_argument() -> None:
    draws = lm.vmap(lambda: lm.random.normal((2,)), axis_size=4)()
    assert draws.shape == (4, 2) and len(np.unique(draws.numpy())) == 8
    again = lm.vmap(lambda x: x + 1.0, in_axes=None, axis_size=2)(lm.asarray([1.0]))
    assert again.tolist() == [[2.0], [2.0]]
    assert lm.vmap(lambda x: x, axis_size=0)(lm.ones((0, 2))).shape == (0, 2)


def test_one_tensor_under_two_axes() -> None:
    square = lm.asarray(RNG.uniform(size=(3, 3)))
    found = lm.vmap(lambda a, b: a @ b, in_axes=(0, 1))(square, square)
    np.testing.assert_allclose(found.numpy(), np.einsum("ni,in->n", square.numpy(), square.numpy()))


@pytest.mark.parametrize("axes", [0, (0, None), [0, None], ((0, 0), None)])
def test_ways_to_say_the_same(axes: Any) -> None:
    f = lambda pair, other: pair[0] + pair[1]
    x = lm.asarray(X)
    if axes == 0:
        assert lm.vmap(f, in_axes=axes)((x, x), x).shape == (3, 4)
    else:
        assert lm.vmap(f, in_axes=axes)((x, x), lm.ones((7,))).shape == (3, 4)


@pytest.mark.parametrize(
    "axes", [(0,), (0, 0, 0), ({"a": 0}, None), ((0,), None), ("0", None), (True, None), {"a": 0}]
)
def test_axes_that_do_not_fit(axes: Any) -> None:
    x = lm.asarray(X)
    with pytest.raises(lm.UsageError, match=r"vmap: (the axes do|in_axes does) not fit"):
        lm.vmap(lambda pair, other: pair[0], in_axes=axes)((x, x), x)


@pytest.mark.parametrize("axes", [(0,), {"a": 0}, (0, "0"), 0.5])
def test_axes_that_do_not_fit_the_results(axes: Any) -> None:
    with pytest.raises(lm.UsageError, match="vmap: the axes do not fit result"):
        lm.vmap(lambda x: (x, x), out_axes=axes)(lm.asarray(X))


def test_jvp_and_grad_go_through_axes() -> None:
    f = lm.vmap(lambda d: d["w"] @ d["v"], in_axes=({"w": 2, "v": None},), out_axes=-1)
    v = lm.asarray(RNG.uniform(size=(2,)))
    loss = lambda w: lm.sum(f({"w": w, "v": v}) ** 2)
    wanted = lambda w: lm.sum(lm.einsum("ijn,j->in", w, v) ** 2)
    for inner in (lambda g: g, lm.jit):
        got, want = inner(lm.grad(loss))(lm.asarray(W)), lm.grad(wanted)(lm.asarray(W))
        np.testing.assert_allclose(got.numpy(), want.numpy(), 1e-12)
    tangent = lm.jvp(loss, [lm.asarray(W)], [lm.asarray(np.ones_like(W))])[1]
    np.testing.assert_allclose(float(tangent), want.numpy().sum(), 1e-12)
