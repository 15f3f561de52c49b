"""What stands around optimisers: averages of weights, lookahead, accumulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import UsageError
from lamina.optim import schedules

from .walks import STEPS, Two, assert_same, gradients, values, walk

SHAPES = {"w": (3, 4), "b": (4,)}


def torch_or_skip() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")


# ------------------------------------------------------------------ averages


@pytest.mark.parametrize("kind", ["ema", "swa"])
@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_averages_are_those_of_torch(kind: str, jitted: bool) -> None:
    torch = torch_or_skip()
    theirs = torch.nn.Linear(3, 4).double()
    ours = nn.Linear(3, 4).double()
    swa = torch.optim.swa_utils
    average = swa.get_ema_multi_avg_fn(0.9) if kind == "ema" else swa.get_swa_multi_avg_fn()
    their_average = swa.AveragedModel(theirs, multi_avg_fn=average)
    our_average: Any = optim.EMA(ours, 0.9) if kind == "ema" else optim.SWA(ours)

    def update(average: Any, model: Any) -> None:
        average.update(model)

    move = lm.jit(update) if jitted else update
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        state = {"weight": rng.standard_normal((4, 3)), "bias": rng.standard_normal(4)}
        ours.load_state_dict(state)
        theirs.load_state_dict({n: torch.tensor(a) for n, a in state.items()})
        move(our_average, ours)
        their_average.update_parameters(theirs)
    found = our_average.averaged(ours)
    for name, parameter in their_average.module.named_parameters():
        expected = parameter.detach().numpy()
        tolerance = 1e-12 if kind == "ema" else 1e-7  # PyTorch counts models in float32
        np.testing.assert_allclose(values(found)[name], expected, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(ours.weight.numpy(), state["weight"])


def test_warmup_of_the_average() -> None:
    model = nn.Linear(1, 1, bias=False)
    ema = optim.EMA(model, decay=0.5, warmup=True)
    expected = 0.0
    for t, value in enumerate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]):
        model.weight = lm.asarray([[value]])
        ema.update(model)
        decay = min(0.5, (1 + t) / (10 + t)) if t else 0.0
        expected = decay * expected + (1 - decay) * value
    assert float(ema.averaged(model).weight[0, 0]) == pytest.approx(expected, rel=1e-6)


def test_the_average_of_short_floats_is_kept_in_float32() -> None:
    model = nn.Linear(1, 1, bias=False).bfloat16()
    ema = optim.EMA(model, decay=0.999)
    for _ in range(3):
        model.weight = lm.ones((1, 1), dtype=lm.bfloat16)
        ema.update(model)
    assert ema.average["weight"].dtype is lm.float32
    assert ema.averaged(model).weight.dtype is lm.bfloat16


def test_buffers_come_from_the_model() -> None:
    model = nn.BatchNorm1d(2)
    ema = optim.EMA(model)
    ema.update(model)
    model(lm.ones((4, 2)) * 3.0)
    found = ema.averaged(model)
    np.testing.assert_array_equal(found.running_mean.numpy(), model.running_mean.numpy())
    assert float(found.running_mean[0]) > 0


def test_an_average_is_saved() -> None:
    model = nn.Linear(2, 1)
    ema, again = optim.EMA(model), optim.EMA(model)
    for _ in range(2):
        ema.update(model)
    again.load_state_dict({n: t.numpy() for n, t in ema.state_dict().items()})
    assert list(ema.state_dict()) == ["steps", "average.weight", "average.bias"]
    assert int(again.steps) == 2


# ------------------------------------------------------------------ lookahead


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_lookahead_by_hand(jitted: bool) -> None:
    make = lambda m: optim.Lookahead(optim.SGD(m, lr=0.1), m, every=3, alpha=0.4)
    expected = []
    fast = slow = values(Two(SHAPES, "float64"))
    for t, grads in enumerate(gradients(SHAPES, "float64"), 1):
        fast = {n: p - 0.1 * grads[n] for n, p in fast.items()}
        if t % 3 == 0:
            fast = slow = {n: slow[n] + 0.4 * (fast[n] - slow[n]) for n in slow}
        expected.append(fast)
    assert_same(walk(make, SHAPES, jitted=jitted), expected, 1e-12)


# ------------------------------------------------------------------ accumulation


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_accumulated_gradients_are_their_mean(jitted: bool) -> None:
    make = lambda m: optim.Accumulation(optim.Adam(m, lr=0.1), m, every=4)
    found = walk(make, SHAPES, jitted=jitted)
    model = Two(SHAPES, "float64")
    optimizer = optim.Adam(model, lr=0.1)
    expected = []
    grads = gradients(SHAPES, "float64")
    for t in range(STEPS):
        if t % 4 == 3:
            four = grads[t - 3 : t + 1]
            mean = {n: lm.asarray(sum(g[n] for g in four) / 4) for n in SHAPES}
            optimizer.update(model, mean)
        expected.append(values(model))
    assert_same(found, expected, 1e-12)


def test_a_batch_in_parts_is_the_whole_batch() -> None:
    """Through a model, with a frozen part, in one program, and saved on the way."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))

    def net() -> Any:
        lm.random.seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        model[0].freeze(names="bias")
        return model

    def step(model: Any, optimizer: Any, x: Any, y: Any) -> None:
        grads = lm.grad(lambda model: lm.mean((model(x) - y) ** 2))(model)
        optimizer.update(model, grads)

    parts, whole = net(), net()
    schedule = schedules.Exponential(0.05, 0.9)
    accumulation = optim.Accumulation(optim.AdamW(parts, lr=schedule), parts, every=3)
    optimizer = optim.AdamW(whole, lr=schedule)
    move = lm.jit(step)
    for _ in range(3):
        step(whole, optimizer, x, y)
        for i in range(3):
            move(parts, accumulation, x[4 * i : 4 * i + 4], y[4 * i : 4 * i + 4])
            if i == 1:
                saved = {n: t.numpy() for n, t in accumulation.state_dict().items()}
                accumulation = optim.Accumulation(optim.AdamW(parts, lr=schedule), parts, 3)
                accumulation.load_state_dict(saved)
    assert move.signatures == 1
    assert (int(accumulation.steps), accumulation.lr) == (3, optimizer.lr)
    for name, array in values(whole).items():
        np.testing.assert_allclose(values(parts)[name], array, rtol=0, atol=1e-12)


def test_one_around_another() -> None:
    """Accumulation around lookahead around an optimiser; the rate is that of the inner one."""
    model = Two(SHAPES, "float64")
    inner = optim.Lookahead(optim.SGD(model, lr=0.1), model, every=2)
    optimizer = optim.Accumulation(inner, model, every=2)
    optimizer.lr = 0.2
    for grads in gradients(SHAPES, "float64")[:4]:
        optimizer.update(model, {n: lm.asarray(g) for n, g in grads.items()})
    assert (inner.lr, int(optimizer.steps)) == (0.2, 2)
    assert "optimizer.optimizer.lr" in optimizer.state_dict()
    np.testing.assert_array_equal(model.w.numpy(), inner.slow["w"].numpy())


@pytest.mark.parametrize(
    "f, problem",
    [
        (lambda m: optim.EMA(m, decay=1.5), "EMA: decay lies in 0..1"),
        (lambda m: optim.EMA(m).update(nn.ReLU()), "EMA.update: the model lacks parameters"),
        (lambda m: optim.Lookahead(optim.SGD(m), m, every=0), "Lookahead: every is at least 1"),
        (lambda m: optim.Accumulation(optim.SGD(m), m, 0), "Accumulation: every is at least 1"),
        (
            lambda m: optim.Accumulation(optim.SGD(m), m, 2).update(m, None),
            "SGD.update: takes the gradients of the model",
        ),
    ],
)
def test_wrong_calls(f: Callable[[Any], Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        f(nn.Linear(2, 1))
