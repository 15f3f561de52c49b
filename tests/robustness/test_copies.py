"""Copies and pickles of everything that users hold."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.base.dtypes import ALL, DType

Copy = Callable[[Any], Any]
COPIES: list[Copy] = [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]


@pytest.mark.parametrize("make", COPIES)
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_a_dtype_is_one_object(dtype: DType, make: Copy) -> None:
    """`x.dtype is lm.float32` is how dtypes are compared."""
    assert make(dtype) is dtype
    x = make(lm.ones((2,), dtype=dtype))
    assert x.dtype is dtype
    assert make(x.type) is x.type


@pytest.mark.parametrize("make", COPIES)
def test_tensors(make: Copy) -> None:
    for x in (lm.arange(5), lm.arange(5) + 1, lm.zeros((0, 2)), lm.asarray(1.5, dtype=lm.bfloat16)):
        y = make(x)
        assert y.type is x.type
        assert y.tolist() == x.tolist()


@pytest.mark.parametrize("make", COPIES[1:])
def test_a_copied_model_learns_alike(make: Copy) -> None:
    model = lm.nn.Sequential(lm.nn.Linear(3, 4), lm.nn.LayerNorm(4), lm.nn.Linear(4, 1))
    optimizer = lm.optim.Adam(model, lr=0.1)

    @lm.jit
    def step(model: Any, optimizer: Any, x: lm.Tensor) -> lm.Tensor:
        loss, grads = lm.value_and_grad(lambda m: (m(x) ** 2).mean())(model)
        optimizer.update(model, grads)
        return loss

    x = lm.asarray(np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32))
    step(model, optimizer, x)
    other, its_optimizer = make((model, optimizer))
    losses = [float(step(model, optimizer, x)) for _ in range(3)]
    assert [float(step(other, its_optimizer, x)) for _ in range(3)] == losses
    assert step.signatures == 1
