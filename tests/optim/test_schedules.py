"""Schedules: against PyTorch's over a hundred steps, at their ends, in programs, and misused."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import LaminaError
from lamina.base.spans import at
from lamina.optim import schedules

STEPS = 100

# Ours, and PyTorch's of an optimiser whose rate is 0.5.
PAIRS: list[tuple[str, schedules.Schedule, Callable[[Any, Any], Any]]] = [
    ("constant", schedules.Constant(0.5, 0.3, 7), lambda s, o: s.ConstantLR(o, 0.3, 7)),
    ("step", schedules.Step(0.5, 7, 0.7), lambda s, o: s.StepLR(o, 7, 0.7)),
    (
        "multistep",
        schedules.MultiStep(0.5, (3, 30, 31, 80), 0.4),
        lambda s, o: s.MultiStepLR(o, [3, 30, 31, 80], 0.4),
    ),
    ("exponential", schedules.Exponential(0.5, 0.95), lambda s, o: s.ExponentialLR(o, 0.95)),
    ("linear", schedules.Linear(0.5, 0.1, 0.9, 33), lambda s, o: s.LinearLR(o, 0.1, 0.9, 33)),
    ("linear, defaults", schedules.Linear(0.5), lambda s, o: s.LinearLR(o)),
    ("polynomial", schedules.Polynomial(0.5, 60, 2.0), lambda s, o: s.PolynomialLR(o, 60, 2.0)),
    (
        "cosine",
        schedules.Cosine(0.5, STEPS, end=0.01),
        lambda s, o: s.CosineAnnealingLR(o, STEPS, 0.01),
    ),
    (
        "cosine with warm-up",
        schedules.Cosine(0.5, STEPS, warmup=10, start=0.2, end=0.01),
        lambda s, o: s.SequentialLR(
            o,
            [s.LinearLR(o, 0.2, 1.0, 10), s.CosineAnnealingLR(o, STEPS - 10, 0.01)],
            [10],
        ),
    ),
    (
        "restarts",
        schedules.WarmRestarts(0.5, 13, end=0.01),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 13, 1, 0.01),
    ),
    (
        "longer restarts",
        schedules.WarmRestarts(0.5, 3, 2),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
    ),
    (
        "restarts thrice as long",
        schedules.WarmRestarts(0.5, 1, 3, end=0.1),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, 3, 0.1),
    ),
    (
        "one cycle",
        schedules.OneCycle(0.5, STEPS),
        lambda s, o: s.OneCycleLR(o, 0.5, STEPS, cycle_momentum=False),
    ),
    (
        "one cycle, linear",
        schedules.OneCycle(0.5, STEPS, 0.4, "linear", 10.0, 100.0),
        lambda s, o: s.OneCycleLR(
            o,
            0.5,
            STEPS,
            pct_start=0.4,
            anneal_strategy="linear",
            div_factor=10.0,
            final_div_factor=100.0,
            cycle_momentum=False,
        ),
    ),
    (
        "one cycle in three phases",
        schedules.OneCycle(0.5, STEPS, 0.3, three_phase=True),
        lambda s, o: s.OneCycleLR(o, 0.5, STEPS, three_phase=True, cycle_momentum=False),
    ),
    (
        "cyclic",
        schedules.Cyclic(0.01, 0.5, 8),
        lambda s, o: s.CyclicLR(o, 0.01, 0.5, 8, cycle_momentum=False),
    ),
    (
        "cyclic, halved",
        schedules.Cyclic(0.01, 0.5, 8, 5, "triangular2"),
        lambda s, o: s.CyclicLR(o, 0.01, 0.5, 8, 5, "triangular2", cycle_momentum=False),
    ),
    (
        "cyclic, shrinking",
        schedules.Cyclic(0.01, 0.5, 8, 5, "exp_range", 0.98),
        lambda s, o: s.CyclicLR(o, 0.01, 0.5, 8, 5, "exp_range", 0.98, cycle_momentum=False),
    ),
    (
        "lambda",
        schedules.Lambda(0.5, lambda t: 0.9 ** (t / 3)),
        lambda s, o: s.LambdaLR(o, lambda t: 0.9 ** (t / 3)),
    ),
    (
        "sequential",
        schedules.Sequential(
            (
                schedules.Constant(0.5, 0.1, 20),
                schedules.Exponential(0.5, 0.9),
                schedules.Step(0.5, 5, 0.5),
            ),
            (20, 50),
        ),
        lambda s, o: s.SequentialLR(
            o,
            [s.ConstantLR(o, 0.1, 20), s.ExponentialLR(o, 0.9), s.StepLR(o, 5, 0.5)],
            [20, 50],
        ),
    ),
    (
        "chained",
        schedules.Chained((schedules.Linear(0.5, 0.2, 1.0, 30), schedules.Exponential(1.0, 0.97))),
        lambda s, o: s.ChainedScheduler(
            [s.LinearLR(o, 0.2, 1.0, 30), s.ExponentialLR(o, 0.97)], optimizer=o
        ),
    ),
]


def torchs(make: Callable[[Any, Any], Any], torch: Any) -> np.ndarray:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def rates(schedule: schedules.Schedule, steps: int = STEPS) -> np.ndarray:
    """All of them by one program."""
    return lm.jit(lm.vmap(schedule))(lm.arange(steps)).numpy()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("ours, make", [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS])
def test_rates_are_those_of_torch(
    ours: schedules.Schedule, make: Callable[[Any, Any], Any]
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    np.testing.assert_allclose(rates(ours), torchs(make, torch), rtol=1e-10, atol=1e-12)


def test_warmup_stable_decay() -> None:
    found = rates(schedules.WSD(2.0, steps=40, warmup=4, decay=10, end=0.5), 50)
    expected = [2.0 * (t + 1) / 4 for t in range(4)] + [2.0] * 26
    expected += [2.0 - 1.5 * k / 10 for k in range(10)] + [0.5] * 10
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    root = rates(schedules.WSD(2.0, steps=40, warmup=0, decay=16, shape="sqrt"), 41)
    np.testing.assert_allclose(root[24:], [2.0 * (1 - math.sqrt(k / 16)) for k in range(17)])
    cosine = rates(schedules.WSD(2.0, steps=40, warmup=0, decay=16, shape="cosine"), 41)
    np.testing.assert_allclose(
        cosine[24:], [1 + math.cos(math.pi * k / 16) for k in range(17)], atol=1e-15
    )


def test_inverse_square_root() -> None:
    found = rates(schedules.InverseSquareRoot(3.0, warmup=10))
    expected = [3.0 * min((t + 1) / 10, math.sqrt(10 / (t + 1))) for t in range(STEPS)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_schedules_stay_where_they_end() -> None:
    assert rates(schedules.Cosine(1.0, steps=10, end=0.25), 30)[10:].tolist() == [0.25] * 20
    last = rates(schedules.OneCycle(1.0, steps=10), 30)[9:]
    np.testing.assert_allclose(last, np.full(21, 1 / 25 / 1e4), rtol=1e-12)


# ------------------------------------------------------------------ plateau


@pytest.mark.parametrize(
    "options",
    [
        {"factor": 0.5, "patience": 2},
        {"factor": 0.5, "patience": 0, "cooldown": 3, "threshold": 0.1},
        {"mode": "max", "factor": 0.3, "patience": 1, "min_lr": 0.01},
        {"mode": "max", "factor": 0.9, "patience": 0, "threshold": 0.2, "threshold_mode": "abs"},
        {"factor": 0.1, "patience": 0, "threshold": 0.05, "threshold_mode": "abs", "eps": 1e-3},
    ],
)
@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_plateau_is_that_of_torch(options: dict[str, Any], jitted: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    plateau = schedules.Plateau(0.5, **options)

    def observe(plateau: schedules.Plateau, measure: Any) -> None:
        plateau.observe(measure)

    see = lm.jit(observe) if jitted else observe
    found, expected = [], []
    for measure in np.random.default_rng(0).uniform(0.5, 1.0, 60):
        see(plateau, float(measure))
        scheduler.step(measure)
        found.append(float(plateau(0)))
        expected.append(theirs.param_groups[0]["lr"])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(set(found)) > 2


# ------------------------------------------------------------------ as the rate of an optimiser


def loss_of(model: Any, x: Any) -> lm.Tensor:
    return lm.sum(model(x))


def train(model: Any, optimizer: optim.Optimizer, x: Any) -> lm.Tensor:
    rate = optimizer.rate
    optimizer.update(model, lm.grad(loss_of)(model, x))
    return rate


def linear(**options: Any) -> tuple[Any, optim.Optimizer]:
    model = nn.Linear(2, 1).double()
    model.load_state_dict({"weight": np.zeros((1, 2)), "bias": np.zeros(1)})
    return model, optim.SGD(model, **options)


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_a_schedule_as_the_rate(jitted: bool) -> None:
    """The gradient of the bias is 1, so it is less the sum of the rates."""
    schedule = schedules.Cosine(0.5, steps=20, warmup=5, start=0.1)
    model, optimizer = linear(lr=schedule)
    move = lm.jit(train) if jitted else train
    found = [float(move(model, optimizer, np.ones((1, 2)))) for _ in range(20)]
    np.testing.assert_allclose(found, rates(schedule, 20), rtol=1e-12)
    assert float(model.bias[0]) == pytest.approx(-sum(found), rel=1e-12)
    assert optimizer.schedule == schedule and optimizer.lr == float(schedule(20))
    if jitted:
        assert move.signatures == 1


def test_an_equal_schedule_is_no_other_program() -> None:
    move = lm.jit(train)
    for lr in (0.1, 0.1, 0.2):
        model, optimizer = linear(lr=schedules.Exponential(lr, 0.5))
        move(model, optimizer, np.ones((1, 2)))
    assert move.signatures == 2


def test_a_plain_function_is_a_schedule() -> None:
    model, optimizer = linear(lr=lambda steps: 0.5**steps)
    for _ in range(3):
        train(model, optimizer, np.ones((1, 2)))
    assert float(model.bias[0]) == pytest.approx(-1.75)


def test_a_plateau_lowers_the_rate_without_another_program() -> None:
    model, optimizer = linear(lr=schedules.Plateau(0.5, patience=0))
    move = lm.jit(train)
    for measure in (1.0, 1.0, 1.0):
        move(model, optimizer, np.ones((1, 2)))
        optimizer.schedule.observe(measure)
    assert move.signatures == 1
    assert float(model.bias[0]) == pytest.approx(-1.05)
    assert optimizer.lr == pytest.approx(0.005)


def test_schedules_are_saved() -> None:
    schedule = schedules.Sequential((schedules.Constant(0.5), schedules.Step(0.1, 3)), (4,))
    assert pickle.loads(pickle.dumps(schedule)) == schedule


# ------------------------------------------------------------------ what users get wrong


@pytest.mark.parametrize(
    "f, expected",
    [
        (
            lambda: schedules.Step(0.1, 0),
            "UsageError: Step: every is at least 1\n  every: 0",
        ),
        (
            lambda: schedules.Cosine(0.1, steps=5, warmup=5),
            "UsageError: Cosine: steps is at least 6\n  steps: 5",
        ),
        (
            lambda: schedules.MultiStep(0.1, [3]),  # type: ignore[arg-type]
            "UsageError: MultiStep: milestones are a tuple of steps\n  milestones: [3]",
        ),
        (
            lambda: schedules.OneCycle(0.1, steps=3, warm=0.3),
            "UsageError: OneCycle: the rate does not rise and fall\n"
            "  steps: 3\n  warm:  0.3\n  help: both slopes need a step",
        ),
        (
            lambda: schedules.OneCycle(0.1, steps=30, anneal="cosine"),
            "UsageError: OneCycle: no anneal 'cosine'\n  there are: 'cos', 'linear'",
        ),
        (
            lambda: schedules.Sequential((schedules.Constant(0.1),), (4,)),
            "UsageError: Sequential: a milestone stands between two schedules\n"
            "  schedules:  1\n  milestones: (4,)",
        ),
        (
            lambda: schedules.Chained((schedules.Plateau(0.1), schedules.Constant(1.0))),
            "UsageError: Chained: takes a tuple of schedules without state of their own\n"
            "  given: tuple of Plateau, Constant",
        ),
        (
            lambda: schedules.Plateau(0.1, factor=1.0),
            "UsageError: Plateau: factor lies in 0..1\n  factor: 1.0",
        ),
    ],
)
def test_message(f: Callable[[], Any], expected: str) -> None:
    with at(None), pytest.raises(LaminaError) as caught:
        f()
    assert f"{type(caught.value).__name__}: {caught.value}".split("\n  at ")[0] == expected
