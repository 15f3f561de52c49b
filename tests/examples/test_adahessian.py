"""`examples/adahessian.py`: its estimate of curvature, its update, and a short run."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim

EXAMPLE = Path(__file__).parents[2] / "examples" / "adahessian.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_adahessian", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_short_run(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert example.main(["--epochs", "3"]) == 0
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    losses = [float(re.search(r"loss (\S+),", line)[1]) for line in lines[:-1]]  # type: ignore[index]
    assert losses == sorted(losses, reverse=True)
    found = re.fullmatch(r"adahessian: test accuracy (\d+\.\d\d) %, \d+\.\d s", lines[-1])
    assert found is not None
    assert float(found[1]) > 88.0


def test_a_diagonal_hessian_is_found_in_one_draw(example: ModuleType) -> None:
    h = lm.asarray([1.0, 5.0, 0.25])
    loss, gradient, diagonal = example.curvature(
        lambda p: 0.5 * lm.sum(h * p["x"] ** 2), {"x": lm.asarray([1.0, 2.0, 3.0])}
    )
    assert float(loss) == pytest.approx(11.625)
    np.testing.assert_allclose(gradient["x"].numpy(), [1.0, 10.0, 0.75])
    np.testing.assert_allclose(diagonal["x"].numpy(), h.numpy())


def test_the_mean_of_many_draws_is_the_diagonal(example: ModuleType) -> None:
    a = np.random.default_rng(0).standard_normal((4, 4))
    h = lm.asarray((a @ a.T).astype(np.float32))
    product = lm.jit(lambda z: z * (h @ z))
    lm.random.seed(0)
    draws = [product(example.signs(h[0])).numpy() for _ in range(600)]
    scale = np.abs(h.numpy()).sum()
    np.testing.assert_allclose(np.mean(draws, axis=0), np.diag(h.numpy()), atol=0.04 * scale)


def test_the_elements_of_a_kernel_share_their_curvature(example: ModuleType) -> None:
    model = nn.Conv2d(2, 3, 3)
    x = lm.asarray(np.random.default_rng(0).standard_normal((4, 2, 5, 5)).astype(np.float32))
    _, _, diagonal = example.curvature(lambda m: lm.mean(lm.tanh(m(x)) ** 2), model)
    weight = diagonal.weight.numpy()
    assert weight.shape == (3, 2, 3, 3)
    np.testing.assert_array_equal(weight, np.broadcast_to(weight[:, :, :1, :1], weight.shape))
    assert len(np.unique(weight)) == 6


def test_with_the_gradient_for_curvature_it_is_adam(example: ModuleType) -> None:
    model = nn.Linear(3, 2)
    x = lm.asarray(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32))
    loss_of = lambda m: lm.mean(lm.tanh(m(x)) ** 2)
    ours, moments = model, example.initial(model)
    theirs = lm.tree.map(lambda p: p, model)
    adam = optim.Adam(theirs, lr=0.01, eps=1e-4)
    for _ in range(4):
        gradient = lm.grad(loss_of)(ours)
        ours, moments = example.update(ours, moments, gradient, gradient, 0.01)
        adam.update(theirs, lm.grad(loss_of)(theirs))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-4, 1e-6)
