"""Optimisers of large models: against PyTorch where it has them, else against their papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import UsageError

from .walks import TOLERANCES, Two, assert_same, by_formula, gradients, values, walk

BOTH = {"w": (4, 6), "b": (5,)}
Formula = Callable[[np.ndarray, list[np.ndarray]], list[np.ndarray]]


# ------------------------------------------------------------------ formulas of the papers


def lion(lr: float, b1: float, b2: float, decay: float) -> Formula:
    def formula(p: np.ndarray, gs: list[np.ndarray]) -> list[np.ndarray]:
        m, path = np.zeros_like(p), []
        for g in gs:
            c = b1 * m + (1 - b1) * g
            p = p - lr * (np.sign(c) + decay * p)
            m = b2 * m + (1 - b2) * g
            path.append(p)
        return path

    return formula


def lamb(lr: float, b1: float, b2: float, eps: float, decay: float) -> Formula:
    def formula(p: np.ndarray, gs: list[np.ndarray]) -> list[np.ndarray]:
        m, v, path = np.zeros_like(p), np.zeros_like(p), []
        for t, g in enumerate(gs, 1):
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            u = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) + decay * p
            p = p - lr * np.linalg.norm(p) / np.linalg.norm(u) * u
            path.append(p)
        return path

    return formula


def adafactor(lr: float, momentum: float, decay: float) -> Formula:
    """Algorithm 5 with the first moment of algorithm 6 as an average of the steps."""

    def formula(p: np.ndarray, gs: list[np.ndarray]) -> list[np.ndarray]:
        eps = np.finfo(np.float64).eps
        r, c, v, m = 0.0, 0.0, 0.0, np.zeros_like(p)
        path = []
        for t, g in enumerate(gs, 1):
            b2 = 1 - t**-0.8
            size = max(1e-3, np.sqrt(np.mean(p**2))) * min(lr, 1 / np.sqrt(t))
            if p.ndim == 2:
                r = b2 * r + (1 - b2) * np.mean(g**2, axis=1)
                c = b2 * c + (1 - b2) * np.mean(g**2, axis=0)
                v = np.outer(r, c) / max(np.mean(r), eps)
            else:
                v = b2 * v + (1 - b2) * g**2
            u = g / np.sqrt(np.maximum(v, eps**2))
            u = u / max(1.0, np.sqrt(np.mean(u**2)))
            m = momentum * m + (1 - momentum) * u
            p = p * (1 - lr * decay) - size * m
            path.append(p)
        return path

    return formula


def soap(lr: float, b1: float, b2: float, eps: float, decay: float, every: int) -> Formula:
    """Algorithm 3 with Adam's corrections; the first gradient only finds the bases."""

    def formula(p: np.ndarray, gs: list[np.ndarray]) -> list[np.ndarray]:
        m, v, path = np.zeros_like(p), np.zeros_like(p), []
        if p.ndim < 2:
            for t, g in enumerate(gs, 1):
                m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
                p = p * (1 - lr * decay)
                p = p - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
                path.append(p)
            return path
        g = gs[0]
        left, right = (1 - b2) * g @ g.T, (1 - b2) * g.T @ g
        ql, qr = np.linalg.eigh(left)[1], np.linalg.eigh(right)[1]
        path.append(p * (1 - lr * decay))
        p = path[0]
        for t, g in enumerate(gs[1:], 1):
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * (ql.T @ g @ qr) ** 2
            n = (ql.T @ m @ qr / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
            p = p * (1 - lr * decay) - lr * ql @ n @ qr.T
            left, right = b2 * left + (1 - b2) * g @ g.T, b2 * right + (1 - b2) * g.T @ g
            if (t + 1) % every == 0:
                ql, qr = np.linalg.qr(left @ ql)[0], np.linalg.qr(right @ qr)[0]
            path.append(p)
        return path

    return formula


PAPERS: list[tuple[str, dict[str, tuple[int, ...]], Callable[[Any], Any], Formula]] = [
    (
        "lion",
        BOTH,
        lambda m: optim.Lion(m, lr=0.01, betas=(0.8, 0.95), weight_decay=0.3),
        lion(0.01, 0.8, 0.95, 0.3),
    ),
    (
        "lamb",
        BOTH,
        lambda m: optim.LAMB(m, lr=0.02, betas=(0.8, 0.95), weight_decay=0.3),
        lamb(0.02, 0.8, 0.95, 1e-6, 0.3),
    ),
    (
        "adafactor with momentum",
        BOTH,
        lambda m: optim.Adafactor(m, lr=0.05, momentum=0.9, weight_decay=0.1),
        adafactor(0.05, 0.9, 0.1),
    ),
    (
        "soap",
        {"w": (4, 4), "b": (5,)},
        lambda m: optim.SOAP(m, lr=0.02, betas=(0.9, 0.95), every=3, weight_decay=0.1),
        soap(0.02, 0.9, 0.95, 1e-8, 0.1, 3),
    ),
]


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
@pytest.mark.parametrize(
    "shapes, make, formula", [p[1:] for p in PAPERS], ids=[p[0] for p in PAPERS]
)
def test_papers(
    shapes: dict[str, tuple[int, ...]], make: Callable[[Any], Any], formula: Formula, jitted: bool
) -> None:
    assert_same(walk(make, shapes, jitted=jitted), by_formula(formula, shapes), 1e-10)


@pytest.mark.parametrize(
    "make, formula", [p[2:] for p in PAPERS[:3]], ids=[p[0] for p in PAPERS[:3]]
)
def test_papers_in_float32(make: Callable[[Any], Any], formula: Formula) -> None:
    assert_same(walk(make, BOTH, "float32"), by_formula(formula, BOTH), 1e-5)


# ------------------------------------------------------------------ PyTorch's


def torchs(
    torch: Any, make: Callable[[Any], Any], shapes: dict[str, tuple[int, ...]], dtype: str
) -> list[dict[str, np.ndarray]]:
    start = values(Two(shapes, dtype))
    parameters = {n: torch.nn.Parameter(torch.tensor(p)) for n, p in start.items()}
    optimizer = make(list(parameters.values()))
    found = []
    for grads in gradients(shapes, dtype):
        for name, p in parameters.items():
            p.grad = torch.tensor(grads[name])
        optimizer.step()
        found.append({n: p.detach().numpy().copy() for n, p in parameters.items()})
    return found


ADAFACTOR: list[dict[str, Any]] = [
    {"lr": 0.05},
    {"lr": 0.3, "beta2_decay": -0.5, "eps": (1e-4, 0.5), "d": 1.5, "weight_decay": 0.1},
]
MUON: list[dict[str, Any]] = [
    {"lr": 0.02},
    {"lr": 0.02, "nesterov": False, "momentum": 0.8, "weight_decay": 0.0, "ns_steps": 3},
]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("options", ADAFACTOR)
def test_adafactor_is_that_of_torch(options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    shapes = BOTH | {"k": (2, 3, 4)}
    expected = torchs(torch, lambda p: torch.optim.Adafactor(p, **options), shapes, dtype)
    found = walk(lambda m: optim.Adafactor(m, **options), shapes, dtype)
    assert_same(found, expected, TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("options", MUON)
def test_muon_is_that_of_torch(
    options: dict[str, Any], adjust: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch iterates in bfloat16; kept from it, it agrees."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    shapes = {"wide": (4, 6), "tall": (7, 3)}
    make = lambda p: torch.optim.Muon(p, adjust_lr_fn=adjust, **options)
    expected = torchs(torch, make, shapes, dtype)
    found = walk(lambda m: optim.Muon(m, adjust_lr=adjust, **options), shapes, dtype)
    assert_same(found, expected, TOLERANCES[dtype])


def test_muon_stays_near_torch_in_bfloat16() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    shapes = {"wide": (4, 6), "tall": (7, 3)}
    make = lambda p: torch.optim.Muon(p, lr=0.02)
    expected = torchs(torch, make, shapes, "float32")
    assert_same(walk(lambda m: optim.Muon(m, lr=0.02), shapes, "float32"), expected, 0.02)


def test_muon_makes_singular_values_equal() -> None:
    """Between 0.7 and 1.2, where the iteration swings; kernels of convolutions are flattened."""
    moved = walk(lambda m: optim.Muon(m, lr=1.0, weight_decay=0.0), {"k": (4, 3, 2, 2)})
    start = values(Two({"k": (4, 3, 2, 2)}, "float64"))["k"]
    sizes = np.linalg.svd((moved[0]["k"] - start).reshape(4, 12), compute_uv=False)
    assert (sizes > 0.6).all() and (sizes < 1.3).all()


# ------------------------------------------------------------------ facts of their own


def test_lamb_of_a_parameter_that_is_zero() -> None:
    """The quotient of norms is 1: Adam's step, which is as long as the rate."""
    model = nn.Linear(3, 1, bias=False).double()
    model.load_state_dict({"weight": np.zeros((1, 3))})
    optim.LAMB(model, lr=0.5, eps=0.0).update(model, {"weight": lm.asarray([[2.0, -3.0, 4.0]])})
    np.testing.assert_allclose(model.weight.numpy(), [[-0.5, 0.5, -0.5]], rtol=1e-6)


def test_adafactor_keeps_a_row_and_a_column() -> None:
    optimizer = optim.Adafactor(nn.Linear(100, 50))
    sizes = {n: t.shape for n, t in optimizer.state["weight"].items()}
    assert sizes == {"row_var": (50, 1), "col_var": (1, 100)}


def test_soap_without_rotations_is_adam_from_the_second_gradient_on() -> None:
    shapes = {"w": (4, 4)}
    make = lambda m: optim.SOAP(m, lr=0.02, betas=(0.9, 0.95), largest=3, weight_decay=0.0)
    adam = soap(0.02, 0.9, 0.95, 1e-8, 0.0, 10)  # of a vector
    start = values(Two(shapes, "float64"))["w"].ravel()
    expected = [start, *adam(start, [g["w"].ravel() for g in gradients(shapes, "float64")[1:]])]
    for found, vector in zip(walk(make, shapes), expected, strict=True):
        np.testing.assert_allclose(found["w"].ravel(), vector, rtol=0, atol=1e-10)


def test_soap_finds_the_axes_of_a_valley() -> None:
    """A quadratic that is steep along a turned axis: less is left than of Adam's."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    steep = lm.asarray(turn @ np.diag([100.0, 10.0, 1.0, 0.1]) @ turn.T)

    def left(make: Callable[[Any], optim.Optimizer]) -> float:
        model = Two({"w": (4, 4)}, "float64")
        optimizer = make(model)

        @lm.jit
        def step(model: Any, optimizer: Any) -> Any:
            loss = lambda model: 0.5 * lm.sum(model.w * lm.matmul(steep, model.w))
            value, grads = lm.value_and_grad(loss)(model)
            optimizer.update(model, grads)
            return value

        return min(float(step(model, optimizer)) for _ in range(120))

    soap_left = left(lambda m: optim.SOAP(m, lr=0.05, weight_decay=0.0, every=5))
    adam_left = left(lambda m: optim.Adam(m, lr=0.05, betas=(0.95, 0.95)))
    assert soap_left < 0.5 * adam_left


def test_muon_is_for_matrices() -> None:
    with pytest.raises(UsageError, match="Muon: parameters that are no matrices"):
        optim.Muon(nn.Linear(2, 2))
    optim.Muon(nn.Linear(2, 2), groups=[optim.Group("bias", frozen=True)])


@pytest.mark.parametrize("make", [p[2] for p in PAPERS], ids=[p[0] for p in PAPERS])
def test_resuming_is_exact(make: Callable[[Any], Any]) -> None:
    shapes = {"w": (4, 4), "b": (5,)}
    model, again = Two(shapes, "float32"), Two(shapes, "float32")
    optimizer, restored = make(model), make(again)
    for t, grads in enumerate(gradients(shapes, "float32")[:6]):
        if t == 3:
            again.load_state_dict(model.state_dict())
            restored.load_state_dict({n: a.numpy() for n, a in optimizer.state_dict().items()})
        given = {n: lm.asarray(g) for n, g in grads.items()}
        optimizer.update(model, given)
        if t >= 3:
            restored.update(again, given)
    for name, array in values(model).items():
        np.testing.assert_array_equal(values(again)[name], array)
