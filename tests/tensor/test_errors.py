"""Whole messages of the mistakes users make."""

import numpy as np
import pytest

import lamina as lm


def message(error):
    return str(error.value).split("\n  at ")[0]


def test_reshape():
    with pytest.raises(lm.ShapeError) as error:
        lm.zeros((3, 4)).reshape((5, 3))
    assert message(error) == (
        "reshape: 12 elements do not fill (5, 3)\n"
        "  tensor: f32[3,4]\n"
        "  wanted: (5, 3)\n"
        "  help: the sizes must multiply to the number of elements; -1 stands for the one that fits"
    )
    assert "test_errors.py" in str(error.value)


def test_index_out_of_range():
    with pytest.raises(lm.BoundsError) as error:
        lm.zeros((5,))[10]
    assert message(error) == (
        "index 10 is out of range for axis 0 with size 5\n  help: indices run from -5 to 4"
    )


def test_index_list_out_of_range():
    with pytest.raises(lm.BoundsError, match="index 7 is out of range for axis 1 with size 5"):
        lm.zeros((2, 5))[:, [0, 7]]


def test_assignment():
    x = lm.zeros((5,)).freeze()
    with pytest.raises(lm.ImmutableError) as error:
        x[0] = 1
    assert message(error) == (
        "x[...] = value: the tensor is frozen\n"
        "  tensor: f32[5]\n"
        "  help: make another: x.at[...].set(value), or assign into a copy, x[...]"
    )


def test_mask():
    x = lm.asarray([1.0, 2.0])
    assert x[x > 1].tolist() == [2.0]
    with pytest.raises(lm.TraceError, match=r"index: the shape of the result depends on values"):
        lm.jit(lambda x: x[x > 1])(x)


def test_broadcast():
    with pytest.raises(lm.ShapeError) as error:
        lm.zeros((3, 4)) + lm.zeros((3,))
    assert message(error) == (
        "add: shapes do not broadcast\n"
        "  operand 0: (3, 4)\n"
        "  operand 1: (3,)\n"
        "  help: axis -1 must have one size, or size 1 in all operands but one"
    )


def test_matmul():
    with pytest.raises(lm.ShapeError, match="matmul: the inner sizes differ"):
        lm.zeros((3, 4)) @ lm.zeros((3, 4))


def test_look_inside_jit():
    @lm.jit
    def f(x):
        if x.sum() > 0:
            return x
        return -x

    with pytest.raises(lm.TraceError) as error:
        f(lm.ones((2,)))
    first, *_ = str(error.value).split("\n  made at")
    assert first == "bool(): the tensor has no value yet inside jit\n  tensor: bool[]"
    assert (
        "  help: choose between values with lm.where(condition, x, y), or look outside jit; "
        'lm.jit(f, control_flow="convert") turns if and while into lm.cond and lm.while_loop\n'
    ) in str(error.value)
    assert str(error.value).endswith("in test_look_inside_jit.<locals>.f:  if x.sum() > 0:")


@pytest.mark.parametrize(
    "look", [float, lambda t: t.numpy(), lambda t: t.item(), lambda t: t.tolist(), np.asarray]
)
def test_every_look_inside_jit(look):
    with pytest.raises(lm.TraceError, match="the tensor has no value yet inside jit"):
        lm.jit(lambda x: look(x.sum()))(lm.ones((2,)))


def test_number_that_steers():
    with pytest.raises(lm.TraceError, match="goes into static_argnames"):
        lm.jit(lambda x, n: x.reshape((n, -1)))(lm.ones((4,)), 2)


def test_look_inside_vmap():
    with pytest.raises(lm.TraceError, match=r"float\(\): the tensor has no value yet inside vmap"):
        lm.vmap(lambda r: float(r.sum()))(lm.ones((2, 3)))


def test_loss_must_be_one_number():
    with pytest.raises(lm.ShapeError, match="grad: the loss is not one number"):
        lm.grad(lambda x: x)(lm.ones((2,)))
    with pytest.raises(lm.DTypeError, match="grad: the loss is not floating"):
        lm.grad(lambda x: (x > 0).sum())(lm.ones((2,)))
    with pytest.raises(lm.UsageError, match="grad: the function did not return a tensor"):
        lm.grad(lambda x: 1.0)(lm.ones((2,)))


def test_number_of_many_elements():
    with pytest.raises(lm.UsageError, match="only a tensor with one element is a number"):
        float(lm.ones((2,)))
