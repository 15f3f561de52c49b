"""`examples/newton_cg.py`: its steps against dense algebra, its end against scikit-learn."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import lamina as lm
from lamina import data

EXAMPLE = Path(__file__).parents[2] / "examples" / "newton_cg.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_newton_cg", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_short_run(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert example.main([]) == 0
    *steps, last = capsys.readouterr().out.rstrip("\n").split("\n")
    slopes = [float(m[1]) for m in re.finditer(r"gradient (\S+),", "\n".join(steps))]
    assert len(slopes) == len(steps) <= 20
    assert slopes[-1] < 1e-10 < 1e-6 < slopes[-3]  # twice the digits with each step
    found = re.fullmatch(r"newton-cg: test accuracy (\d+\.\d\d) %, \d+\.\d s", last)
    assert found is not None
    assert float(found[1]) > 96.0


def test_a_network_gets_better(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert example.main(["--width", "8", "--steps", "12"]) == 0
    losses = [float(x) for x in re.findall(r"loss (\S+),", capsys.readouterr().out)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.5 * losses[0]


def test_inside_the_ball_it_solves(example: ModuleType) -> None:
    random = np.random.default_rng(0)
    a = random.standard_normal((6, 6))
    hessian, gradient = a @ a.T + np.eye(6), random.standard_normal(6) * 1e-6
    h = lm.asarray(hessian)
    d, left, products = example.conjugate_gradients(
        lambda t: {"x": h @ t["x"]}, {"x": lm.asarray(gradient)}, 1e3, 50
    )
    size = np.linalg.norm(gradient)
    assert np.linalg.norm(gradient + hessian @ d["x"].numpy()) <= size**1.5
    np.testing.assert_allclose(left["x"].numpy(), gradient + hessian @ d["x"].numpy(), atol=1e-18)
    np.testing.assert_allclose(
        d["x"].numpy(), -np.linalg.solve(hessian, gradient), atol=2 * size**1.5
    )
    assert 1 <= int(products) <= 8


@pytest.mark.parametrize("curvatures", [[2.0, 1.0, 3.0], [-1.0, 2.0, 0.5], [0.0, 0.0, 0.0]])
def test_the_step_ends_at_the_surface(example: ModuleType, curvatures: list[float]) -> None:
    """Where the ball is small or the curvature is not positive; the model falls all the same."""
    h, g = lm.asarray(np.array(curvatures)), np.array([1.0, -2.0, 0.5])
    d, _, _ = example.conjugate_gradients(lambda t: h * t, lm.asarray(g), 0.25, 50)
    step = d.numpy()
    assert np.linalg.norm(step) == pytest.approx(0.25)
    assert g @ step + 0.5 * step @ (np.array(curvatures) * step) < -0.1


def test_it_ends_where_scikit_learn_does(example: ModuleType) -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    digits = data.digits()
    flat = digits.train_images[:300].reshape(300, -1).astype(np.float64)
    images, labels = lm.asarray(flat), digits.train_labels[:300]
    state = example.State(example.initial(0, 1), lm.asarray(np.array(1.0)))
    for _ in range(20):
        state, report = example.step(state, images, lm.asarray(labels), 1e-2)
        if float(report.slope) < 1e-10:
            break
    theirs = linear.LogisticRegression(
        C=1 / (300 * 1e-2), fit_intercept=False, solver="newton-cg", tol=1e-9, max_iter=500
    ).fit(np.column_stack([flat, np.ones(300)]), labels)
    ours = np.vstack([state.weights["w"].numpy(), state.weights["b"].numpy()])
    np.testing.assert_allclose(ours, theirs.coef_.T, atol=1e-5)
