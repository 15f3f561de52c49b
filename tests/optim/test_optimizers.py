"""Optimisers by themselves: formulas by hand, rates, programs, saving, and what users get wrong."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import LaminaError, UsageError
from lamina.base.spans import at

STEPS = 20


class Point(nn.Module):
    """One parameter in the landscape sum(slope · p²) / 2."""

    def __init__(self, dtype: Any = lm.float64):
        super().__init__()
        self.p = lm.asarray([1.0, -2.0, 0.5], dtype=dtype)
        self.register_buffer("slope", lm.asarray([1.0, 0.3, 2.0], dtype=dtype))

    def forward(self) -> lm.Tensor:
        return 0.5 * lm.sum(self.slope * self.p**2)


def step(model: nn.Module, optimizer: optim.Optimizer, *data: Any) -> lm.Tensor:
    loss, grads = lm.value_and_grad(lambda model: lm.sum(model(*data)))(model)
    optimizer.update(model, grads)
    return loss


# ------------------------------------------------------------------ formulas by hand


def sgd(lr: float, momentum: float, decay: float, nesterov: bool, dampening: float) -> Any:
    def walk(p: np.ndarray, slope: np.ndarray) -> np.ndarray:
        v = np.zeros_like(p)
        for t in range(STEPS):
            g = slope * p + decay * p
            v = g if t == 0 else momentum * v + (1 - dampening) * g
            p = p - lr * (g + momentum * v if nesterov else v)
        return p

    return walk


def adam(lr: float, b1: float, b2: float, eps: float, decay: float, decoupled: bool) -> Any:
    def walk(p: np.ndarray, slope: np.ndarray) -> np.ndarray:
        m, v = np.zeros_like(p), np.zeros_like(p)
        for t in range(1, STEPS + 1):
            g = slope * p
            if decoupled:
                p = p - lr * decay * p
            else:
                g = g + decay * p
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            p = p - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        return p

    return walk


def adagrad(p: np.ndarray, slope: np.ndarray) -> np.ndarray:
    total = np.zeros_like(p)
    for _ in range(STEPS):
        g = slope * p
        total = total + g**2
        p = p - 0.1 * g / (np.sqrt(total) + 1e-10)
    return p


def adadelta(p: np.ndarray, slope: np.ndarray) -> np.ndarray:
    square, moved = np.zeros_like(p), np.zeros_like(p)
    for _ in range(STEPS):
        g = slope * p
        square = 0.8 * square + 0.2 * g**2
        delta = np.sqrt((moved + 1e-6) / (square + 1e-6)) * g
        moved = 0.8 * moved + 0.2 * delta**2
        p = p - delta
    return p


def rmsprop(p: np.ndarray, slope: np.ndarray) -> np.ndarray:
    square = np.zeros_like(p)
    for _ in range(STEPS):
        g = slope * p
        square = 0.9 * square + 0.1 * g**2
        p = p - 0.01 * g / (np.sqrt(square) + 1e-8)
    return p


BY_HAND: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("sgd", lambda m: optim.SGD(m, lr=0.1), sgd(0.1, 0.0, 0.0, False, 0.0)),
    (
        "momentum",
        lambda m: optim.SGD(m, lr=0.1, momentum=0.9, weight_decay=0.05),
        sgd(0.1, 0.9, 0.05, False, 0.0),
    ),
    (
        "nesterov",
        lambda m: optim.SGD(m, lr=0.1, momentum=0.9, nesterov=True),
        sgd(0.1, 0.9, 0.0, True, 0.0),
    ),
    (
        "dampening",
        lambda m: optim.SGD(m, lr=0.1, momentum=0.9, dampening=0.5),
        sgd(0.1, 0.9, 0.0, False, 0.5),
    ),
    ("adam", lambda m: optim.Adam(m, lr=0.1), adam(0.1, 0.9, 0.999, 1e-8, 0.0, False)),
    (
        "adam decay",
        lambda m: optim.Adam(m, lr=0.1, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.2),
        adam(0.1, 0.8, 0.95, 1e-4, 0.2, False),
    ),
    (
        "adamw",
        lambda m: optim.AdamW(m, lr=0.1, weight_decay=0.2),
        adam(0.1, 0.9, 0.999, 1e-8, 0.2, True),
    ),
    ("adagrad", lambda m: optim.Adagrad(m, lr=0.1), adagrad),
    ("adadelta", lambda m: optim.Adadelta(m, rho=0.8), adadelta),
    ("rmsprop", lambda m: optim.RMSprop(m, alpha=0.9), rmsprop),
]


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
@pytest.mark.parametrize("make, walk", [c[1:] for c in BY_HAND], ids=[c[0] for c in BY_HAND])
def test_by_hand(make: Callable[[Any], Any], walk: Any, jitted: bool) -> None:
    model = Point()
    optimizer = make(model)
    expected = walk(model.p.numpy(), model.slope.numpy())
    move = lm.jit(step) if jitted else step
    for _ in range(STEPS):
        move(model, optimizer)
    np.testing.assert_allclose(model.p.numpy(), expected, rtol=1e-12)
    assert int(optimizer.steps) == STEPS
    assert (model.slope.numpy() == [1.0, 0.3, 2.0]).all()


# ------------------------------------------------------------------ rates and programs


def test_another_rate_is_no_other_program() -> None:
    model = Point()
    optimizer = optim.SGD(model, lr=0.5)
    move = lm.jit(step)
    move(model, optimizer)
    before = model.p.numpy()
    optimizer.lr = 0.0
    move(model, optimizer)
    np.testing.assert_array_equal(model.p.numpy(), before)
    assert (optimizer.lr, move.signatures) == (0.0, 1)


def test_a_rate_that_follows_the_steps_inside_the_program() -> None:
    model = Point()
    optimizer = optim.SGD(model, lr=1.0)

    @lm.jit
    def move(model: Point, optimizer: optim.SGD) -> None:
        optimizer.lr = 0.5 ** lm.astype(optimizer.steps, lm.float64)
        step(model, optimizer)

    for _ in range(4):
        move(model, optimizer)
    assert optimizer.lr == 0.125
    assert move.signatures == 1


def test_programs_follow_shapes() -> None:
    lm.random.seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    twin = copy.deepcopy(model)
    optimizer, other = optim.Adam(model), optim.Adam(twin)
    move = lm.jit(step)
    rng = np.random.default_rng(0)
    for count in (1, 2, 1, 7, 2, 1):
        x = rng.standard_normal((count, 3)).astype(np.float32)
        np.testing.assert_allclose(
            float(move(model, optimizer, x)), float(step(twin, other, x)), rtol=1e-5
        )
    assert move.signatures == 3
    move(model, optimizer, np.ones((1, 3)))  # float64
    assert move.signatures == 4
    assert all(p.dtype is lm.float32 for p in model.parameters())


def test_a_model_made_and_trained_inside_a_function() -> None:
    @lm.jit
    def fitted(x: lm.Tensor) -> lm.Tensor:
        model = Point(lm.float32)
        optimizer = optim.SGD(model, lr=0.1)
        for _ in range(3):
            step(model, optimizer)
        return model.p + x

    plain = Point(lm.float32)
    optimizer = optim.SGD(plain, lr=0.1)
    for _ in range(3):
        step(plain, optimizer)
    np.testing.assert_allclose(fitted(lm.zeros((3,))).numpy(), plain.p.numpy(), rtol=1e-6)


def test_the_gradient_of_a_training_step() -> None:
    """Differentiate through an update: the best rate for one step of steepest descent."""

    def after(lr: lm.Tensor) -> lm.Tensor:
        model = Point()
        optimizer = optim.SGD(model)
        optimizer.lr = lr
        step(model, optimizer)
        return model()

    p, slope, lr = np.array([1.0, -2.0, 0.5]), np.array([1.0, 0.3, 2.0]), 0.1
    expected = -np.sum(slope**2 * p**2 * (1 - lr * slope))
    assert float(lm.grad(after)(lm.asarray(lr, dtype=lm.float64))) == pytest.approx(expected)


# ------------------------------------------------------------------ saving and copying


@pytest.mark.parametrize("make", [c[1] for c in BY_HAND], ids=[c[0] for c in BY_HAND])
def test_resuming_is_exact(make: Callable[[Any], Any]) -> None:
    model = Point(lm.float32)
    optimizer = make(model)
    move = lm.jit(step)
    for _ in range(3):
        move(model, optimizer)
    saved = pickle.dumps((model, optimizer))
    for _ in range(3):
        move(model, optimizer)
    model_again, optimizer_again = pickle.loads(saved)
    for _ in range(3):
        move(model_again, optimizer_again)
    np.testing.assert_array_equal(model_again.p.numpy(), model.p.numpy())
    assert optimizer_again.lr == optimizer.lr


def test_an_optimizer_serves_a_copy_of_its_model() -> None:
    model = Point()
    twin = copy.deepcopy(model)
    optimizer = optim.SGD(model, lr=0.1)
    step(twin, optimizer)
    assert (model.p.numpy() == [1.0, -2.0, 0.5]).all()
    assert (twin.p.numpy() != model.p.numpy()).all()


# ------------------------------------------------------------------ what users get wrong


def message(f: Callable[[], Any]) -> str:
    with at(None), pytest.raises(LaminaError) as caught:
        f()
    return f"{type(caught.value).__name__}: {caught.value}".split("\n  at ")[0]


@pytest.mark.parametrize(
    "f, expected",
    [
        (
            lambda: optim.SGD(Point(), lr=-0.1),
            "UsageError: SGD: a negative learning rate\n  lr: -0.1",
        ),
        (
            lambda: optim.SGD(Point(), nesterov=True),
            "UsageError: SGD: Nesterov momentum needs a momentum and no dampening\n"
            "  momentum:  0.0\n"
            "  dampening: 0.0",
        ),
        (
            lambda: optim.SGD(Point(), momentum=0.9, dampening=0.1, nesterov=True),
            "UsageError: SGD: Nesterov momentum needs a momentum and no dampening\n"
            "  momentum:  0.9\n"
            "  dampening: 0.1",
        ),
        (
            lambda: optim.Adam(Point().parameters()),
            "UsageError: Adam: takes the model whose parameters it updates\n"
            "  given: generator\n"
            "  help: pass the module itself, not its parameters()",
        ),
        (
            lambda: optim.AdamW(Point(), betas=(0.9, 1.0)),
            "UsageError: AdamW: betas lie in 0..1\n  betas: (0.9, 1.0)",
        ),
        (
            lambda: step(nn.Linear(2, 1), optim.SGD(Point()), lm.ones((1, 2))),
            "UsageError: SGD.update: parameters that it was not made for\n"
            "  unknown: weight, bias\n"
            "  known:   p\n"
            "  help: make the optimizer from this model",
        ),
    ],
)
def test_message(f: Callable[[], Any], expected: str) -> None:
    assert message(f) == expected


def test_a_negative_rate_later() -> None:
    optimizer = optim.Adam(Point())
    with pytest.raises(UsageError, match="Adam: a negative learning rate"):
        optimizer.lr = -1.0
    assert optimizer.lr == 0.001
