"""Tensors, modules, optimisers, trees and files, used in ways that they do not allow."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

import lamina as lm
from lamina.data import read_idx
from tests.errors.messages import whole


def test_writing_into_a_tensor() -> None:
    x = lm.zeros((5,)).freeze()
    with pytest.raises(lm.ImmutableError) as error:
        x[0] = 1
    assert whole(error) == (
        "x[...] = value: the tensor is frozen\n"
        "  tensor: f32[5]\n"
        "  help: make another: x.at[...].set(value), or assign into a copy, x[...]\n"
        "  at test_writing_into_a_tensor: x[0] = 1"
    )
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 1
    assert x.tolist() == [0.0] * 5


def test_tensor_by_its_class() -> None:
    with pytest.raises(lm.UsageError) as error:
        lm.Tensor([1.0, 2.0])
    assert whole(error) == (
        "Tensor: not made by its class\n"
        "  help: lm.asarray(data) makes one\n"
        "  at test_tensor_by_its_class: lm.Tensor([1.0, 2.0])"
    )


def test_number_of_many_elements() -> None:
    x = lm.zeros((2,))
    with pytest.raises(lm.UsageError) as error:
        float(x)
    assert whole(error) == (
        "float(): only a tensor with one element is a number\n"
        "  tensor: f32[2]\n"
        "  help: index or reduce it first, or use numpy()\n"
        "  at test_number_of_many_elements: float(x)"
    )


def test_mask_as_index() -> None:
    x = lm.asarray([1.0, 2.0])
    f = lm.jit(lambda x: x[x > 1])
    with pytest.raises(lm.TraceError) as error:
        f(x)
    assert whole(error) == (
        "index: the shape of the result depends on values, which do not exist yet inside jit\n"
        "  x: bool[2]\n"
        "  help: keep the shape with lm.where(mask, x, value), or give lm.nonzero and lm.compress "
        "the size of the result\n"
        "  at test_mask_as_index.<locals>.<lambda>: f = lm.jit(lambda x: x[x > 1])"
    )


def test_device_that_is_not_there() -> None:
    x = lm.zeros((2,))
    with pytest.raises(lm.UsageError) as error:
        x.to_device("gpu")
    assert whole(error) == (
        "to_device: no device 'gpu'\n"
        "  devices: cpu\n"
        '  at test_device_that_is_not_there: x.to_device("gpu")'
    )


# ------------------------------------------------------------------ modules and optimisers


class Pair(lm.nn.Module):
    """A layer inside a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = lm.nn.Linear(2, 2)

    def forward(self, x: lm.Tensor) -> lm.Tensor:
        return self.inner(x)


class Forgetful(lm.nn.Module):
    """Does not call the constructor of its base."""

    def __init__(self) -> None:
        self.scale = lm.ones((2,))


def test_optimizer_of_another_model() -> None:
    optimizer = lm.optim.SGD(lm.nn.Linear(2, 2), lr=0.1)
    model = Pair()
    grads = lm.grad(lambda m: m(lm.ones((1, 2))).sum())(model)
    with pytest.raises(lm.UsageError) as error:
        optimizer.update(model, grads)
    assert whole(error) == (
        "SGD.update: parameters that it was not made for\n"
        "  unknown: inner.weight, inner.bias\n"
        "  known:   weight, bias\n"
        "  help: make the optimizer from this model\n"
        "  at test_optimizer_of_another_model: optimizer.update(model, grads)"
    )


def test_negative_learning_rate() -> None:
    model = lm.nn.Linear(2, 2)
    with pytest.raises(lm.UsageError) as error:
        lm.optim.SGD(model, lr=-1.0)
    assert whole(error) == (
        "SGD: a negative learning rate\n"
        "  lr: -1.0\n"
        "  at test_negative_learning_rate: lm.optim.SGD(model, lr=-1.0)"
    )


def test_option_that_an_optimizer_lacks() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'learning_rate'"):
        lm.optim.Adam(lm.nn.Linear(2, 2), learning_rate=0.1)  # type: ignore[call-arg]


def test_constructor_of_the_base_not_called() -> None:
    with pytest.raises(lm.UsageError) as error:
        list(Forgetful().parameters())
    assert whole(error) == (
        "Forgetful: used before Module.__init__ ran\n"
        "  attribute: _buffer_names\n"
        "  help: call super().__init__() first in __init__\n"
        "  at test_constructor_of_the_base_not_called: list(Forgetful().parameters())"
    )


def test_state_of_another_model() -> None:
    model = lm.nn.Linear(2, 2)
    before = model.weight
    with pytest.raises(lm.UsageError) as error:
        model.load_state_dict({"weight": np.zeros((2, 2)), "gain": np.zeros(2)})
    assert whole(error) == (
        "load_state_dict: the names differ from those of Linear\n"
        "  missing: bias\n"
        "  unknown: gain\n"
        "  help: check the model's sizes and layers, or pass strict=False\n"
        '  at test_state_of_another_model: model.load_state_dict({"weight": np.zeros((2, 2)), '
        '"gain": np.zeros(2)})'
    )
    with pytest.raises(lm.ShapeError) as error:
        model.load_state_dict({"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(2)})
    assert whole(error) == (
        "load_state_dict: weight has another shape\n"
        "  module: f32[2,2]\n"
        "  state:  f32[2,3]\n"
        "  help: check the model's sizes\n"
        "  at test_state_of_another_model: model.load_state_dict("
        '{"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(2)})'
    )
    assert model.weight is before


# ------------------------------------------------------------------ trees


def test_trees_of_another_structure() -> None:
    with pytest.raises(lm.UsageError) as error:
        lm.tree.map(lambda a, b: a, {"a": 1}, {"b": 1})
    assert whole(error) == (
        "tree map: the trees differ in structure\n"
        "  first:  dict(a: *)\n"
        "  other:  dict(b: *)\n"
        "  help: pass trees with the same keys in the same order\n"
        "  at test_trees_of_another_structure: "
        'lm.tree.map(lambda a, b: a, {"a": 1}, {"b": 1})'
    )


# ------------------------------------------------------------------ files


def test_file_that_is_not_idx(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(b"hello")
    with pytest.raises(lm.UsageError) as error:
        read_idx(path)
    assert whole(error) == (
        "read_idx: labels is not an idx file\n"
        "  first bytes: 68 65 6c 6c\n"
        "  expected:    00 00 type rank\n"
        "  at test_file_that_is_not_idx: read_idx(path)"
    )


def test_idx_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 10) + bytes(7))
    with pytest.raises(lm.UsageError) as error:
        read_idx(path)
    assert whole(error) == (
        "read_idx: labels has another length than its header says\n"
        "  header: (10,) = 10 bytes\n"
        "  file:   7 bytes\n"
        "  at test_idx_file_cut_short: read_idx(path)"
    )


def test_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(struct.pack(">BBBBI", 0, 0, 8, 1, 10) + bytes(range(10)))[:-9])
    with pytest.raises(lm.UsageError) as error:
        read_idx(path)
    assert whole(error) == (
        "read_idx: labels.gz is damaged\n"
        "  gzip: Compressed file ended before the end-of-stream marker was reached\n"
        "  at test_damaged_gzip: read_idx(path)"
    )
