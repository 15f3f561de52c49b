"""Shapes that do not fit: the message names the operation, both shapes, a way out and the line."""

from __future__ import annotations

import pytest

import lamina as lm
from tests.errors.messages import whole


def test_add() -> None:
    x, y = lm.zeros((3, 4)), lm.zeros((3,))
    with pytest.raises(lm.ShapeError) as error:
        x + y
    assert whole(error) == (
        "add: shapes do not broadcast\n"
        "  operand 0: (3, 4)\n"
        "  operand 1: (3,)\n"
        "  help: axis -1 must have one size, or size 1 in all operands but one\n"
        "  at test_add: x + y"
    )


def test_matmul() -> None:
    x, y = lm.zeros((3, 4)), lm.zeros((3, 4))
    with pytest.raises(lm.ShapeError) as error:
        x @ y
    assert whole(error) == (
        "matmul: the inner sizes differ\n"
        "  x: f32[3,4]    last axis 4\n"
        "  y: f32[3,4]    inner axis 3\n"
        "  help: check the layer sizes, or transpose one operand\n"
        "  at test_matmul: x @ y"
    )


def test_matmul_without_axes() -> None:
    x, y = lm.asarray(2.0), lm.zeros((3, 4))
    with pytest.raises(lm.ShapeError) as error:
        x @ y
    assert whole(error) == (
        "matmul: an operand has no axes\n"
        "  x: f32[]\n"
        "  y: f32[3,4]\n"
        "  at test_matmul_without_axes: x @ y"
    )


def test_contract() -> None:
    x, w = lm.zeros((8, 784)), lm.zeros((512, 128))
    with pytest.raises(lm.ShapeError) as error:
        lm.einsum("ik,kj->ij", x, w)
    assert whole(error) == (
        'contract "ik,kj->ij": axis k has two sizes\n'
        "  x: f32[8,784]    k = 784\n"
        "  y: f32[512,128]  k = 512\n"
        "  help: check the layer sizes, or transpose one operand\n"
        '  at test_contract: lm.einsum("ik,kj->ij", x, w)'
    )


def test_concat() -> None:
    parts = [lm.zeros((2, 3)), lm.zeros((2, 4))]
    with pytest.raises(lm.ShapeError) as error:
        lm.concat(parts, axis=0)
    assert whole(error) == (
        "concatenate: operands differ beside axis -2\n"
        "  operand 0: f32[2,3]\n"
        "  operand 1: f32[2,4]\n"
        "  help: only the axis they are joined along may differ\n"
        "  at test_concat: lm.concat(parts, axis=0)"
    )


def test_impossible_reshape() -> None:
    x = lm.zeros((3, 4))
    with pytest.raises(lm.ShapeError) as error:
        x.reshape((5, -1))
    assert whole(error) == (
        "reshape: 12 elements do not fill (5, -1)\n"
        "  tensor: f32[3,4]\n"
        "  wanted: (5, -1)\n"
        "  help: the sizes must multiply to the number of elements; "
        "-1 stands for the one that fits\n"
        "  at test_impossible_reshape: x.reshape((5, -1))"
    )


def test_broadcast_to() -> None:
    x = lm.zeros((3,))
    with pytest.raises(lm.ShapeError) as error:
        lm.broadcast_to(x, (2, 4))
    assert whole(error) == (
        "broadcast_to: the shape does not broadcast\n"
        "  tensor: f32[3]\n"
        "  wanted: (2, 4)\n"
        "  at test_broadcast_to: lm.broadcast_to(x, (2, 4))"
    )


def test_axis_that_is_not_there() -> None:
    x = lm.zeros((3, 4))
    with pytest.raises(lm.ShapeError) as error:
        x.sum(axis=2)
    assert whole(error) == (
        "sum: no axis 2\n  the tensor has 2 axes\n  at test_axis_that_is_not_there: x.sum(axis=2)"
    )


def test_axis_that_is_there_twice() -> None:
    x = lm.zeros((3, 4))
    with pytest.raises(lm.ShapeError) as error:
        x.sum(axis=(0, -2))
    assert whole(error) == (
        "sum: an axis is there twice\n"
        "  axis: (0, -2)\n"
        "  at test_axis_that_is_there_twice: x.sum(axis=(0, -2))"
    )


@pytest.mark.parametrize(
    ("shape", "fact"),
    [
        ((-1, 2), "a size is negative"),
        ((1.5,), "sizes are integers"),
        (("3",), "sizes are integers"),
        ((2**61,), "it would take 9.2e+18 bytes\n  help: check the sizes"),
    ],
)
@pytest.mark.parametrize(
    "make", [lm.zeros, lm.random.normal, lambda s: lm.broadcast_to(lm.ones(()), s)]
)
def test_shape_that_no_tensor_has(make: object, shape: object, fact: str) -> None:
    if make is lm.random.normal and shape == (2**61,):
        pytest.skip("random bits have a limit of their own")
    with pytest.raises(lm.ShapeError) as error:
        make(shape)  # type: ignore[operator]
    assert whole(error).startswith(f"no tensor has the shape {shape}\n  {fact}\n  at ")


def test_maximum_of_nothing() -> None:
    x = lm.zeros((0, 3))
    with pytest.raises(lm.ShapeError) as error:
        lm.max(x, axis=0)
    assert whole(error) == (
        "max: no elements along the axes\n"
        "  tensor: f32[0,3]\n"
        "  at test_maximum_of_nothing: lm.max(x, axis=0)"
    )


def test_rows_of_different_lengths() -> None:
    rows = [[1.0], [1.0, 2.0]]
    with pytest.raises(lm.ShapeError) as error:
        lm.asarray(rows)
    assert whole(error) == (
        "asarray: this is no array\n"
        "  given: list\n"
        "  NumPy: setting an array element with a sequence. The requested array has an "
        "inhomogeneous shape after 1 dimensions. The detected shape was (2,) + inhomogeneous "
        "part.\n"
        "  help: make all rows equally long, or pad them\n"
        "  at test_rows_of_different_lengths: lm.asarray(rows)"
    )


class MLP(lm.nn.Module):
    """Two layers that do not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = lm.nn.Linear(4, 3)
        self.out = lm.nn.Linear(5, 2)

    def forward(self, x: lm.Tensor) -> lm.Tensor:
        h = self.hidden(x)
        return self.out(h)


MISFIT = (
    "linear: the input has another number of features than the weight takes\n"
    "  x: f32[8,3]\n"
    "  weight: f32[2,5]\n"
    "  help: check the layer sizes\n"
    "  at MLP.forward: return self.out(h)"
)


def test_layer_of_another_width() -> None:
    with pytest.raises(lm.ShapeError) as error:
        MLP()(lm.zeros((8, 4)))
    assert whole(error) == MISFIT


def test_layer_of_another_width_inside_transforms() -> None:
    step = lm.jit(lambda m, x: lm.value_and_grad(lambda m: m(x).mean())(m))
    with pytest.raises(lm.ShapeError) as error:
        step(MLP(), lm.zeros((8, 4)))
    assert whole(error) == MISFIT
    each = lm.vmap(MLP())
    with pytest.raises(lm.ShapeError) as error:
        each(lm.zeros((8, 4)))
    assert whole(error) == MISFIT.replace("f32[8,3]", "f32[3]")


def test_convolution_of_other_channels() -> None:
    conv = lm.nn.Conv2d(3, 4, 3)
    with pytest.raises(lm.ShapeError) as error:
        conv(lm.zeros((1, 2, 8, 8)))
    assert whole(error) == (
        "conv2d: the image and the filters do not fit\n"
        "  x: f32[1,2,8,8]\n"
        "  weight: f32[4,3,3,3]\n"
        "  groups: 1\n"
        "  help: x is [N, C, H, W] and weight [O, C / groups, KH, KW]\n"
        "  at test_convolution_of_other_channels: conv(lm.zeros((1, 2, 8, 8)))"
    )
