"""Shapes at the edge: many axes, no elements, no axes, axes of one element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lamina as lm
from lamina import functional

Function = Callable[..., lm.Tensor]


def agree(got: lm.Tensor, wanted: np.ndarray | float) -> None:
    wanted = np.asarray(wanted)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------ many axes


@pytest.mark.parametrize("rank", [8, 11, 16, 31])
def test_many_axes(rank: int) -> None:
    shape = tuple(2 if i % 3 == 0 and i < 18 else 1 for i in range(rank))
    a = np.random.default_rng(rank).standard_normal(shape).astype(np.float32)
    x = lm.asarray(a)
    back = tuple(reversed(range(rank)))
    every_second = tuple(range(0, rank, 2))
    agree(x * 2 + 1, a * 2 + 1)
    agree(x.sum(axis=0), a.sum(axis=0))
    agree(x.sum(axis=every_second), a.sum(axis=every_second))
    agree(x.max(axis=(1, -1), keepdims=True), a.max(axis=(1, -1), keepdims=True))
    agree(x.argmax(axis=0), a.argmax(axis=0))
    agree(lm.permute_dims(x, back), a.transpose())
    agree(lm.permute_dims(x, back) @ lm.ones((2, 3)), a.transpose() @ np.ones((2, 3)))
    agree(lm.flip(x), np.flip(a))
    agree(x[..., None, :, 0], a[..., None, :, 0])
    agree(lm.concat([x, x], axis=5), np.concatenate([a, a], axis=5))
    agree(lm.grad(lambda x: (x * x).sum())(x), 2 * a)
    agree(lm.vmap(lambda x: x.sum(axis=-1))(x), a.sum(axis=-1))
    agree(lm.jit(lambda x: x.reshape((-1,)))(x), a.reshape(-1))


def test_more_axes_than_numpy_had_for_long() -> None:
    x = lm.ones((1,) * 40) + 1
    assert x.ndim == 40
    assert float(x.sum()) == 2.0
    assert x.sum(axis=tuple(range(39))).tolist() == [2.0]


# ------------------------------------------------------------------ no elements

REDUCTIONS = ["sum", "prod", "mean", "std", "var", "any", "all"]
EXTREMES = ["max", "min", "argmax", "argmin"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_nothing(name: str, shape: tuple[int, ...], axis: int | None) -> None:
    agree(
        getattr(lm, name)(lm.zeros(shape), axis=axis), getattr(np, name)(np.zeros(shape), axis=axis)
    )


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_of_nothing(name: str, axis: int | None) -> None:
    """An error where NumPy has one: the largest of no elements."""
    x, a = lm.zeros((0, 3)), np.zeros((0, 3))
    try:
        wanted = getattr(np, name)(a, axis=axis)
    except ValueError:
        with pytest.raises(lm.ShapeError, match=f"^{name}: no elements along the ax"):
            getattr(lm, name)(x, axis=axis)
    else:
        agree(getattr(lm, name)(x, axis=axis), wanted)


PRODUCTS = [
    ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((2, 3), (3, 0)), ((0, 0), (0, 0)), ((0, 2, 3), (3, 4)),
    ((2, 0, 3), (2, 3, 4)), ((5, 2, 0), (5, 0, 4)), ((3,), (3, 0)), ((0,), (0,)), ((0,), (0, 3)),
    ((1, 0), (0, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), PRODUCTS)
def test_products_with_nothing(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    agree(lm.ones(left) @ lm.ones(right), np.ones(left) @ np.ones(right))
    agree(lm.jit(lambda x, y: x @ y + 1)(np.ones(left), np.ones(right)),
          np.ones(left) @ np.ones(right) + 1)  # fmt: skip


NOTHING: dict[str, tuple[Callable[[], lm.Tensor], tuple[int, ...]]] = {
    "softmax": (lambda: functional.softmax(lm.zeros((0, 3))), (0, 3)),
    "softmax over nothing": (lambda: functional.softmax(lm.zeros((3, 0))), (3, 0)),
    "log_softmax over nothing": (lambda: functional.log_softmax(lm.zeros((3, 0))), (3, 0)),
    "linear": (lambda: lm.nn.Linear(3, 4)(lm.zeros((0, 3))), (0, 4)),
    "no image": (lambda: lm.nn.Conv2d(3, 4, 3)(lm.zeros((0, 3, 8, 8))), (0, 4, 6, 6)),
    "no filters": (
        lambda: functional.conv2d(lm.zeros((2, 3, 8, 8)), lm.zeros((0, 3, 3, 3))),
        (2, 0, 6, 6),
    ),
    "no channels": (
        lambda: functional.conv2d(lm.zeros((2, 0, 8, 8)), lm.zeros((4, 0, 3, 3))),
        (2, 4, 6, 6),
    ),
    "pooling": (lambda: functional.max_pool2d(lm.zeros((0, 3, 4, 4)), 2), (0, 3, 2, 2)),
    "batch norm": (lambda: lm.nn.BatchNorm2d(3).eval()(lm.zeros((0, 3, 2, 2))), (0, 3, 2, 2)),
    "layer norm": (lambda: lm.nn.LayerNorm(3)(lm.zeros((0, 3))), (0, 3)),
    "lookup of none": (lambda: lm.ones((3, 4))[lm.zeros((0,), dtype=lm.int64)], (0, 4)),
    "lookup of none in nothing": (lambda: lm.ones((0, 4))[lm.zeros((0,), dtype=lm.int64)], (0, 4)),
    "along an axis": (
        lambda: lm.take_along_axis(lm.zeros((0, 3)), lm.zeros((0, 1), dtype=lm.int64), axis=1),
        (0, 1),
    ),
    "one hot": (lambda: lm.one_hot(lm.zeros((0,), dtype=lm.int64), 3), (0, 3)),
    "triangle": (lambda: lm.tril(lm.zeros((0, 3))), (0, 3)),
    "roll": (lambda: lm.roll(lm.zeros((0, 3)), 1, axis=0), (0, 3)),
    "repeat": (lambda: lm.repeat(lm.ones((2, 3)), 0, axis=0), (0, 3)),
    "tile": (lambda: lm.tile(lm.ones((2, 3)), (0, 1)), (0, 3)),
    "range": (lambda: lm.arange(5, 0), (0,)),
    "linspace": (lambda: lm.linspace(0, 1, 0), (0,)),
    "eye": (lambda: lm.eye(0, 3), (0, 3)),
    "random": (lambda: lm.random.normal((0, 3)), (0, 3)),
    "permutation": (lambda: lm.random.permutation(0), (0,)),
    "categorical": (lambda: lm.random.categorical(lm.zeros((0, 3))), (0,)),
    "reshape": (lambda: lm.zeros((0, 3)).reshape((-1, 5)), (0, 5)),
    "einsum": (lambda: lm.einsum("ij,jk->ik", lm.ones((2, 0)), lm.ones((0, 3))), (2, 3)),
    "vmap": (lambda: lm.vmap(lambda r: (r * 2).sum())(lm.zeros((0, 3))), (0,)),
    "slice": (lambda: lm.ones((4,))[3:1], (0,)),
    "gradient": (lambda: lm.grad(lambda x: (x * x).sum())(lm.zeros((0, 2))), (0, 2)),
    "gradient of a mean": (lambda: lm.grad(lambda x: x.mean())(lm.zeros((0,))), (0,)),
    "jit": (lambda: lm.jit(lambda x: lm.exp(x).sum(axis=0))(lm.zeros((0, 2))), (2,)),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_goes_through_everything(name: str) -> None:
    make, shape = NOTHING[name]
    found = make()
    assert found.shape == shape
    assert found.numpy().shape == shape
    assert not np.isnan(found.numpy()).any()


def test_gradients_with_an_empty_batch() -> None:
    for layer, x in (
        (lm.nn.Linear(3, 4), lm.zeros((0, 3))),
        (lm.nn.Conv2d(3, 4, 3), lm.zeros((0, 3, 8, 8))),
    ):
        grads = lm.grad(lambda m, x=x: m(x).sum())(layer)
        assert not grads.weight.numpy().any()
        assert not grads.bias.numpy().any()


def test_parts_of_nothing() -> None:
    assert lm.unstack(lm.zeros((0, 3))) == ()
    assert [t.shape for t in lm.split(lm.zeros((0, 3)), 3)] == [(0, 3)] * 3
    joined = lm.concat([lm.zeros((0, 3)), lm.ones((2, 3)), lm.zeros((0, 3))])
    agree(joined, np.ones((2, 3)))
    agree(lm.pad(lm.ones((0, 2)), ((1, 1), (0, 0))), np.zeros((2, 2)))


# ------------------------------------------------------------------ no axes


SCALARS: dict[str, tuple[Function, object]] = {
    "sum": (lm.sum, 3.0), "mean": (lm.mean, 3.0), "max": (lm.max, 3.0), "argmax": (lm.argmax, 0),
    "std": (lm.std, 0.0), "any": (lm.any, True), "flip": (lm.flip, 3.0),
    "reshape": (lambda x: x.reshape((1, 1)), [[3.0]]),
    "new axis": (lambda x: x[None], [3.0]), "all of it": (lambda x: x[()], 3.0),
    "dots": (lambda x: x[...], 3.0),
    "permute": (lambda x: lm.permute_dims(x, ()), 3.0),
    "stack": (lambda x: lm.stack([x, x]), [3.0, 3.0]),
    "concat of all": (lambda x: lm.concat([x, x], axis=None), [3.0, 3.0]),
    "where": (lambda x: lm.where(x > 2, x, 0.0), 3.0),
    "clip": (lambda x: lm.clip(x, 0, 1), 1.0),
    "repeat": (lambda x: lm.repeat(x, 2), [3.0, 3.0]),
    "tile": (lambda x: lm.tile(x, (1, 2)), [[3.0, 3.0]]),
    "broadcast": (lambda x: lm.broadcast_to(x, (2, 1)), [[3.0], [3.0]]),
    "outer einsum": (lambda x: lm.einsum(",i->i", x, lm.ones((2,))), [3.0, 3.0]),
    "tensordot": (lambda x: lm.tensordot(x, x, axes=0), 9.0),
    "power": (lambda x: x**2, 9.0),
    "sum over no axes": (lambda x: lm.sum(x, axis=()), 3.0),
    "gradient": (lm.grad(lambda x: x * x), 6.0),
    "jit": (lm.jit(lambda x: x * x + 1), 10.0),
    "pad": (lambda x: lm.pad(x, ()), 3.0),
    "flatten": (lm.flatten, [3.0]),
    "relu": (functional.relu, 3.0),
}  # fmt: skip


@pytest.mark.parametrize("name", SCALARS)
def test_tensors_without_axes(name: str) -> None:
    f, wanted = SCALARS[name]
    agree(f(lm.asarray(3.0)), np.asarray(wanted))


# ------------------------------------------------------------------ axes of one element


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 5), (5, 1), (1, 4, 1, 3), (2, 1, 1)])
def test_axes_of_one_element(shape: tuple[int, ...]) -> None:
    a = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x = lm.asarray(a)
    for axis in range(len(shape)):
        agree(x.sum(axis=axis), a.sum(axis=axis))
        agree(x.max(axis=axis, keepdims=True), a.max(axis=axis, keepdims=True))
        agree(x.argmin(axis=axis), a.argmin(axis=axis))
        agree(functional.softmax(x, axis), np.exp(a) / np.exp(a).sum(axis=axis, keepdims=True))
        agree(lm.roll(x, 1, axis=axis), np.roll(a, 1, axis=axis))
        if shape[axis] == 1:
            agree(lm.squeeze(x, axis), np.squeeze(a, axis))
    agree(x + lm.ones(shape[-1:]) + x, a + 1 + a)
    agree(x.mT @ x if a.ndim > 1 else x @ x, np.swapaxes(a, -1, -2) @ a if a.ndim > 1 else a @ a)
    agree(lm.var(x, correction=0), a.var())
