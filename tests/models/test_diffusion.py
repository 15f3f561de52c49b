"""Diffusion: schedules, noising, the loss, and both samplers beside NumPy with the same noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import models, nn
from tests.models.peers import falls
from tests.nn.test_errors import message

RNG = np.random.default_rng(0)
STEPS = 40


class Bent(nn.Module):
    """A network that is easily written in NumPy: a x + b sin(x + t)."""

    def __init__(self, dtype: Any = lm.float64) -> None:
        super().__init__()
        self.a = lm.asarray(0.7, dtype=dtype)
        self.b = lm.asarray(0.2, dtype=dtype)

    def forward(self, x: Any, steps: Any) -> Any:
        return self.a * x + self.b * lm.sin(x + steps.reshape((-1, 1)))


def numpy_bent(x: np.ndarray, step: int) -> np.ndarray:
    return 0.7 * x + 0.2 * np.sin(x + step)


def test_schedules() -> None:
    linear = models.noise_schedule("linear")
    np.testing.assert_allclose(linear, np.linspace(1e-4, 0.02, 1000), rtol=1e-12)
    few = np.cumprod(1 - models.noise_schedule("linear", 100))
    assert np.log(few[-1]) == pytest.approx(np.log(np.prod(1 - linear)), rel=0.1)  # as noisy
    cosine = models.noise_schedule("cosine", 50)
    kept = lambda t: np.cos((t / 50 + 0.008) / 1.008 * np.pi / 2) ** 2
    left = np.cumprod(1 - cosine)
    np.testing.assert_allclose(left[:-1], kept(np.arange(1, 50)) / kept(0), rtol=1e-9)
    assert cosine[-1] == 0.999 and (np.diff(cosine) > 0).all()


def test_noising_step_by_step_is_noising_at_once() -> None:
    """Mean and variance after t steps of x √(1 - β) + √β ε."""
    model = models.Diffusion(Bent(), STEPS)
    kept, variance = 1.0, 0.0
    beta = models.noise_schedule("linear", STEPS)
    for t in range(STEPS):
        kept, variance = kept * np.sqrt(1 - beta[t]), variance * (1 - beta[t]) + beta[t]
        x = np.ones((1, 3))
        found = model.noised(x, np.array([t]), np.full((1, 3), 2.0)).numpy()
        np.testing.assert_allclose(found, kept + 2 * np.sqrt(variance), rtol=1e-12)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_the_loss(compiled: bool) -> None:
    model = models.Diffusion(Bent(), STEPS)
    x, noise = RNG.standard_normal((2, 5, 3))
    steps = RNG.integers(0, STEPS, 5)
    left = np.cumprod(1 - models.noise_schedule("linear", STEPS))[steps][:, None]
    seen = np.sqrt(left) * x + np.sqrt(1 - left) * noise
    gap = 0.7 * seen + 0.2 * np.sin(seen + steps[:, None]) - noise
    f = lm.value_and_grad(lambda model: model.loss(x, steps=steps, noise=noise))
    loss, gradients = (lm.jit(f) if compiled else f)(model)
    np.testing.assert_allclose(float(loss), (gap**2).mean(), rtol=1e-12)
    expected = 2 * (gap * seen).mean()
    np.testing.assert_allclose(float(gradients.network.a), expected, rtol=1e-12)


def test_what_the_loss_draws() -> None:
    """Steps are drawn evenly, and a key makes the loss repeatable."""
    model = models.Diffusion(Bent(), 25)
    x = np.zeros((20_000, 1))
    assert float(model.loss(x, key=lm.random.key(1))) == float(model.loss(x, key=lm.random.key(1)))
    assert float(model.loss(x, key=lm.random.key(1))) != float(model.loss(x, key=lm.random.key(2)))
    left = np.cumprod(1 - models.noise_schedule("linear", 25))
    lm.random.seed(0)
    found = float(model.loss(x))
    noise = RNG.standard_normal((40_000, 25))
    seen = np.sqrt(1 - left) * noise
    gap = 0.7 * seen + 0.2 * np.sin(seen + np.arange(25)) - noise
    assert found == pytest.approx((gap**2).mean(), rel=0.1)


def ddpm(x: np.ndarray, noise: np.ndarray, clip: float | None) -> np.ndarray:
    """Algorithm 2 of Ho et al. with the posterior's mean and variance (equations 6 and 7)."""
    beta = models.noise_schedule("cosine", STEPS)
    left = np.cumprod(1 - beta)
    for i, t in enumerate(reversed(range(STEPS))):
        before = left[t - 1] if t else 1.0
        clean = (x - np.sqrt(1 - left[t]) * numpy_bent(x, t)) / np.sqrt(left[t])
        if clip is not None:
            clean = np.clip(clean, -clip, clip)
        mean = np.sqrt(before) * beta[t] / (1 - left[t]) * clean
        mean = mean + np.sqrt(1 - beta[t]) * (1 - before) / (1 - left[t]) * x
        x = mean + np.sqrt(beta[t] * (1 - before) / (1 - left[t])) * noise[i]
    return x


@pytest.mark.parametrize("clip", [None, 1.0])
def test_ddpm(clip: float | None) -> None:
    model = models.Diffusion(Bent(), STEPS, "cosine", clip)
    start, noise = RNG.standard_normal((2, 3)), RNG.standard_normal((STEPS, 2, 3))
    found = model.sample((2, 3), start=start, noise=noise).numpy()
    np.testing.assert_allclose(found, ddpm(start, noise, clip), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("count", [STEPS, 7, 1])
def test_ddim(count: int) -> None:
    """Equation 12 of Song et al. without noise, over a part of the steps."""
    model = models.Diffusion(Bent(), STEPS, clip=None)
    left = np.append(np.cumprod(1 - models.noise_schedule("linear", STEPS)), 1.0)
    x = start = RNG.standard_normal((2, 3))
    places = [i * STEPS // count for i in range(count)]
    for t, before in zip(places[::-1], [*places[:-1][::-1], -1], strict=True):
        told = numpy_bent(x, t)
        clean = (x - np.sqrt(1 - left[t]) * told) / np.sqrt(left[t])
        x = np.sqrt(left[before]) * clean + np.sqrt(1 - left[before]) * told
    found = model.sample((2, 3), start=start, count=count, eta=0.0, key=lm.random.key(0))
    again = model.sample((2, 3), start=start, count=count, eta=0.0, key=lm.random.key(9))
    np.testing.assert_allclose(found.numpy(), x, rtol=1e-9)
    np.testing.assert_array_equal(found.numpy(), again.numpy())


def test_one_program_serves_all_steps() -> None:
    from lamina.models import diffusion

    model = models.Diffusion(Bent(), STEPS)
    diffusion._step_back.clear()
    made = list(model.stream((2, 3), count=9, key=lm.random.key(0)))
    assert len(made) == 9 and diffusion._step_back.signatures == 1
    model.sample((2, 3), eta=0.0)
    assert diffusion._step_back.signatures == 1
    one = model.sample((2, 3), count=9, key=lm.random.key(0))
    np.testing.assert_array_equal(one.numpy(), made[-1].numpy())


def test_the_way_back_finds_the_distribution() -> None:
    """For x_0 ~ N(m, s²) the best network is known, and samples have that mean and variance."""
    m, s = 0.5, 0.3
    shell = models.Diffusion(Bent(), 200, clip=None)

    class Best(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = lm.asarray(m, dtype=lm.float64)
            self.register_buffer("left", shell.left)

        def forward(self, x: Any, steps: Any) -> Any:
            left = lm.take(self.left, steps, axis=0).reshape((-1, 1))
            spread = lm.sqrt(1 - left)
            return spread * (x - lm.sqrt(left) * self.shift) / (left * s**2 + 1 - left)

    model = models.Diffusion(Best(), 200, clip=None)
    for eta, count in ((1.0, 200), (0.0, 50)):
        drawn = model.sample((4000, 1), count=count, eta=eta, key=lm.random.key(3)).numpy()
        assert drawn.mean() == pytest.approx(m, abs=0.02)
        assert 0.88 * s < drawn.std() < 1.05 * s  # the variance of the posterior is a lower bound


def test_a_step_of_training() -> None:
    lm.random.seed(0)
    config = models.DiffusionUNetConfig(1, 1, (4,), (True,), 1, norm_num_groups=2)
    model = models.Diffusion(models.DiffusionUNet(config), STEPS)
    images = RNG.standard_normal((2, 1, 4, 4)).astype(np.float32)
    key = lm.random.key(0)
    falls(model, lambda model: model.loss(images, key=key), steps=6)
    assert list(model.state_dict()) == [f"network.{n}" for n in model.network.state_dict()]


MESSAGES = [
    (
        lambda: models.noise_schedule("square"),
        'UsageError: noise_schedule: no schedule \'square\'\n  there are: "linear", "cosine"',
    ),
    (
        lambda: models.noise_schedule("linear", 20),
        "UsageError: noise_schedule: too few steps\n  steps: 20",
    ),
    (
        lambda: models.Diffusion(Bent(), STEPS).sample((1, 3), count=41),
        "UsageError: Diffusion: more steps back than forth, or none\n  count: 41\n  steps: 40",
    ),
    (
        lambda: models.Diffusion(Bent(), STEPS).sample((1, 3), noise=np.ones((3, 1, 3))),
        "ShapeError: Diffusion: there is not one noise for each step\n"
        "  noise: (3, 1, 3)\n  steps: (40, 1, 3)",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=["name", "few", "count", "noise"])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
