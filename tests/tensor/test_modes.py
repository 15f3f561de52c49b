"""`lm.debug.compare_modes`: the compiled step needs no more memory than the ops one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn, optim


def loss_of(model: nn.Module, x: lm.Tensor, y: lm.Tensor) -> lm.Tensor:
    return functional.cross_entropy(model(x), y)


def step(model: nn.Module, optimizer: Any, x: lm.Tensor, y: lm.Tensor) -> lm.Tensor:
    loss, gradients = lm.value_and_grad(loss_of)(model, x, y)
    optimizer.update(model, gradients)
    return loss


def mlp() -> tuple[nn.Module, lm.Tensor]:
    layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.GELU(), nn.Linear(128, 10)]
    return nn.Sequential(*layers), lm.random.normal((64, 64))


def cnn() -> tuple[nn.Module, lm.Tensor]:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    return model, lm.random.normal((16, 1, 8, 8))


@pytest.mark.parametrize("made", [mlp, cnn])
def test_a_compiled_step_needs_no_more_memory(made: Any) -> None:
    lm.random.seed(0)
    model, x = made()
    optimizer = optim.SGD(model, lr=0.1, momentum=0.9)
    before = {name: p.numpy().copy() for name, p in model.named_parameters()}
    found = lm.debug.compare_modes(step, model, optimizer, x, lm.arange(x.shape[0]) % 10, repeat=2)
    state = sum(2 * p.nbytes for p in before.values())
    assert state <= found.static.peak_bytes <= found.dynamic.peak_bytes
    assert found.static.kernels < found.dynamic.kernels
    assert found.difference < 1e-4
    assert int(optimizer.steps) == 0
    for name, p in model.named_parameters():
        np.testing.assert_array_equal(p.numpy(), before[name])


def test_memory_is_that_of_the_arrays() -> None:
    x = lm.asarray(np.zeros(4096, np.float32))
    # op by op: exp(x) and its square at once; as one program the result alone
    found = lm.debug.compare_modes(lambda x: lm.exp(x) * lm.exp(-x), x, repeat=1)
    assert found.static.peak_bytes == 4096 * 4
    assert found.dynamic.peak_bytes == 3 * 4096 * 4
    assert found.dynamic.kernels == 4
    assert found.static.kernels == 1
    assert found.difference == 0.0


def test_ops_of_several_results_and_loops() -> None:
    x = lm.asarray(np.random.default_rng(0).normal(size=(5, 5)))

    def f(x: Any, again: bool = True) -> Any:
        q, r = lm.linalg.qr(x)
        last, sums = lm.scan(lambda c, row: (c + row, c), lm.zeros_like(x[0]), x)
        return {"q": q, "r": r, "last": last, "sums": sums, "n": lm.sum(x > 0) if again else None}

    for g in (f, lm.jit(f)):
        assert lm.debug.compare_modes(g, x, repeat=1).difference < 1e-12


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2)])
def test_small_shapes(shape: tuple[int, ...]) -> None:
    found = lm.debug.compare_modes(lambda x: (lm.log(x) * 2.0, x), lm.zeros(shape), repeat=1)
    assert found.difference == 0.0  # -inf in both


def test_it_prints_a_table() -> None:
    found = lm.debug.compare_modes(lambda x: x * 2.0 + 1.0, lm.ones((8,)), repeat=1)
    head, dynamic, static, last = str(found).splitlines()
    assert head.split() == ["first", "call", "step", "peak", "memory", "kernels"]
    assert dynamic.split()[0] == "dynamic"
    assert static.endswith("1")
    assert last == "largest difference of results: 0"
    with pytest.raises(lm.UsageError, match="at least one step"):
        lm.debug.compare_modes(lambda x: x, lm.ones(3), repeat=0)
