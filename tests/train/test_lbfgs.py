"""A Trainer drives L-BFGS, which takes the loss rather than its gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import data, nn, optim
from lamina.train import Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
Y = np.tanh(X @ RNG.normal(size=(3, 1)))


def loss_of(model: Any, x: Any, y: Any) -> Any:
    error = model(x) - y
    return lm.mean(error**2), {"worst": lm.max(lm.abs(error))}


def made() -> tuple[nn.Module, optim.LBFGS]:
    lm.random.seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    return model, optim.LBFGS(model, max_iter=5)


def numbers(model: nn.Module) -> np.ndarray:
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


@pytest.mark.parametrize("jit", [False, True])
def test_steps_are_those_of_the_optimiser(jit: bool) -> None:
    model, optimizer = made()
    seen = []
    for _ in range(4):
        seen.append(float(optimizer.update(model, lambda *given: loss_of(*given)[0], X, Y)))
    other, search = made()
    trainer = Trainer(other, loss_of, search, log_every=1, jit=jit)
    record = trainer.fit(data.Batches(X, Y, size=24), epochs=4)
    np.testing.assert_allclose(numbers(other), numbers(model), rtol=1e-8, atol=1e-10)
    assert int(search.steps) == int(optimizer.steps) > 4
    assert record["loss"] == pytest.approx(seen[-1])
    assert record["worst"] < 1.0
    assert seen[-1] < 0.05 * seen[0]


def test_batches_together_are_their_mean() -> None:
    whole, parts = made(), made()
    Trainer(whole[0], loss_of, whole[1]).fit(data.Batches(X, Y, size=24), steps=2)
    Trainer(parts[0], loss_of, parts[1], accumulate=3).fit(data.Batches(X, Y, size=8), steps=2)
    np.testing.assert_allclose(numbers(parts[0]), numbers(whole[0]), rtol=1e-6, atol=1e-8)


def test_it_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    model, optimizer = made()
    Trainer(model, loss_of, optimizer).fit(data.Batches(X, Y, size=24), epochs=6)
    for epochs in (2, 6):
        other, search = made()
        trainer = Trainer(other, loss_of, search, checkpoints=tmp_path)
        trainer.fit(data.Batches(X, Y, size=24), epochs=epochs, resume=True)
    np.testing.assert_array_equal(numbers(other), numbers(model))


@pytest.mark.parametrize("options", [{"clip_norm": 1.0}, {"precision": "f16"}])
def test_gradients_are_its_own(options: dict[str, Any]) -> None:
    model = nn.Linear(3, 1)
    trainer = Trainer(model, loss_of, optim.LBFGS(model), **options)
    with pytest.raises(lm.UsageError, match="LBFGS takes the loss"):
        trainer.fit([(X.astype(np.float32), Y.astype(np.float32))], epochs=1)
