"""Saving and restoring optimisers, and groups of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import LaminaError
from lamina.base.spans import at
from lamina.optim import schedules


def net() -> Any:
    lm.random.seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def train(model: Any, optimizer: Any, x: Any) -> lm.Tensor:
    loss, grads = lm.value_and_grad(lambda model: lm.mean(model(x) ** 2))(model)
    optimizer.update(model, grads)
    return loss


def batch(i: int) -> np.ndarray:
    return np.random.default_rng(i).standard_normal((5, 3)).astype(np.float32)


EVERY: list[Callable[[Any], optim.Optimizer]] = [
    lambda m: optim.SGD(m, momentum=0.9),
    lambda m: optim.Adam(m, lr=0.01, amsgrad=True),
    lambda m: optim.AdamW(m, lr=schedules.Cosine(0.01, 20, warmup=3)),
    lambda m: optim.NAdam(m, lr=schedules.Plateau(0.01, patience=0)),
    lambda m: optim.RAdam(m, groups=[optim.no_decay(), optim.Group("0.*", lr=0.5)]),
    lambda m: optim.Adamax(m),
    lambda m: optim.Adagrad(m),
    lambda m: optim.Adadelta(m),
    lambda m: optim.RMSprop(m, momentum=0.5, centered=True),
    lambda m: optim.ASGD(m, t0=2),
    lambda m: optim.Rprop(m),
]


@pytest.mark.parametrize("make", EVERY, ids=lambda make: type(make(net())).__name__)
def test_a_restored_optimizer_goes_on_to_the_bit(make: Callable[[Any], optim.Optimizer]) -> None:
    model = net()
    optimizer = make(model)
    step = lm.jit(train)
    for i in range(3):
        step(model, optimizer, batch(i))
    optimizer.groups[-1].lr = None if optimizer.schedule else 0.03
    weights = {name: t.numpy() for name, t in model.state_dict().items()}
    state = {name: t.numpy() for name, t in optimizer.state_dict().items()}
    for i in range(3, 6):
        step(model, optimizer, batch(i))

    again = net()
    again.load_state_dict(weights)
    restored = make(again)
    restored.groups[-1].lr = None if restored.schedule else 1.0
    restored.load_state_dict(state)
    assert int(restored.steps) == 3
    for i in range(3, 6):
        step(again, restored, batch(i))
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name].numpy(), tensor.numpy())
    for name, tensor in optimizer.state_dict().items():
        np.testing.assert_array_equal(restored.state_dict()[name].numpy(), tensor.numpy())


def test_names_of_the_state() -> None:
    optimizer = optim.AdamW(
        nn.Linear(2, 1), lr=schedules.Plateau(0.1), groups=[optim.Group("bias", lr=0.5)]
    )
    assert list(optimizer.state_dict()) == [
        "lr.rate",
        "lr.best",
        "lr.bad",
        "lr.cooling",
        "steps",
        "groups.0.lr",
        "state.bias.exp_avg",
        "state.bias.exp_avg_sq",
        "state.weight.exp_avg",
        "state.weight.exp_avg_sq",
    ]


# ------------------------------------------------------------------ groups


def test_groups_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    model = net()
    theirs.double()
    model.double()
    theirs.load_state_dict({n: torch.tensor(t.numpy()) for n, t in model.state_dict().items()})
    their_optimizer = torch.optim.AdamW(
        [
            {"params": [theirs[0].weight], "lr": 0.02},
            {"params": [theirs[0].bias, theirs[2].bias], "weight_decay": 0.0},
            {"params": [theirs[2].weight], "lr": 0.005},
        ],
        lr=0.01,
        weight_decay=0.3,
    )
    optimizer = optim.AdamW(
        model,
        lr=0.01,
        weight_decay=0.3,
        groups=[
            optim.Group("0.weight", lr=schedules.Constant(0.02)),
            optim.no_decay(),
            optim.Group(lambda name, p: p.shape == (2, 4), lr_scale=0.5),
        ],
    )
    step = lm.jit(train)
    for i in range(10):
        x = batch(i).astype(np.float64)
        step(model, optimizer, x)
        their_optimizer.zero_grad()
        (theirs(torch.tensor(x)) ** 2).mean().backward()
        their_optimizer.step()
    assert step.signatures == 1
    for name, parameter in theirs.named_parameters():
        found = dict(model.named_parameters())[name].numpy()
        np.testing.assert_allclose(found, parameter.detach().numpy(), rtol=0, atol=1e-10)


def test_a_frozen_group_stays_and_has_no_state() -> None:
    model = net()
    before = {name: t.numpy() for name, t in model.state_dict().items()}
    optimizer = optim.AdamW(model, lr=0.1, groups=[optim.Group(["0.*", "*.bias"], frozen=True)])
    assert list(optimizer.state) == ["2.weight"]
    lm.jit(train)(model, optimizer, batch(0))
    stays = {n: bool((t.numpy() == before[n]).all()) for n, t in model.state_dict().items()}
    assert stays == {"0.weight": True, "0.bias": True, "2.weight": False, "2.bias": True}


def test_the_rate_of_a_group_is_no_other_program() -> None:
    model = net()
    optimizer = optim.SGD(model, lr=0.1, groups=[optim.Group("0.*", lr=0.1)])
    step = lm.jit(train)
    step(model, optimizer, batch(0))
    before = model[0].weight.numpy()
    optimizer.groups[0].lr = 0.0
    step(model, optimizer, batch(1))
    np.testing.assert_array_equal(model[0].weight.numpy(), before)
    assert (step.signatures, optimizer.groups[0].lr) == (1, 0.0)


def test_gradients_by_name() -> None:
    model = nn.Linear(2, 1).double()
    before = model.bias.numpy()
    optim.SGD(model, lr=0.5).update(model, {"bias": lm.ones(1, dtype=lm.float64)})
    np.testing.assert_allclose(model.bias.numpy(), before - 0.5)


def test_gradients_of_another_dtype_leave_the_parameters_theirs() -> None:
    model = nn.Linear(2, 1).half()
    grads = {"bias": lm.ones(1, dtype=lm.float32), "weight": lm.ones((1, 2), dtype=lm.float32)}
    optim.Adam(model).update(model, grads)
    assert {p.dtype for p in model.parameters()} == {lm.float16}


# ------------------------------------------------------------------ what users get wrong


def load(change: Callable[[dict[str, Any]], Any]) -> None:
    optimizer = optim.SGD(nn.Linear(2, 1), momentum=0.9)
    state = dict(optimizer.state_dict())
    change(state)
    optimizer.load_state_dict(state)


@pytest.mark.parametrize(
    "f, expected",
    [
        (
            lambda: optim.SGD(net()).update(net(), None),  # type: ignore[arg-type]
            "UsageError: SGD.update: takes the gradients of the model\n"
            "  given: NoneType\n"
            "  help: pass what lm.grad or lm.value_and_grad returned for the model",
        ),
        (
            lambda: optim.SGD(net()).update(None, net()),  # type: ignore[arg-type]
            "UsageError: SGD: update takes the model and its gradients\n"
            "  given: NoneType\n"
            "  help: pass the module itself, not its parameters()",
        ),
        (
            lambda: optim.SGD(net()).update(net(), [lm.ones(3)]),  # type: ignore[arg-type]
            "UsageError: SGD.update: takes the gradients of the model\n"
            "  given: list\n"
            "  help: pass what lm.grad or lm.value_and_grad returned for the model",
        ),
        (
            lambda: optim.SGD(net()).update(net(), nn.Linear(3, 4)),
            "UsageError: SGD.update: no gradient of any parameter\n"
            "  gradients:  weight, bias\n"
            "  parameters: 0.weight, 0.bias, 2.weight, 2.bias\n"
            "  help: pass what lm.grad returned for this model; not all of it can be frozen",
        ),
        (
            lambda: optim.SGD(nn.Linear(3, 4)).update(nn.Linear(3, 4), nn.Linear(4, 3)),
            "ShapeError: SGD.update: the gradient of weight has another shape\n"
            "  parameter: f32[4,3]\n"
            "  gradient:  f32[3,4]\n"
            "  help: pass what lm.grad returned for this model",
        ),
        (
            lambda: optim.SGD(nn.Linear(3, 4)).update(
                nn.Linear(3, 4), {"bias": lm.ones(4), "wieght": lm.ones((4, 3))}
            ),
            "UsageError: SGD.update: gradients of parameters that the model does not have\n"
            "  unknown:    wieght\n"
            "  parameters: weight, bias\n"
            "  help: pass what lm.grad returned for this model",
        ),
        (
            lambda: optim.SGD(net(), groups=[optim.Group("1.*")]),
            "UsageError: SGD: a group without parameters\n"
            "  group: 1.*\n"
            "  known: 0.weight, 0.bias, 2.weight, 2.bias\n"
            "  help: groups come in the order in which they take parameters",
        ),
        (
            lambda: load(lambda state: state.pop("lr")),
            "UsageError: load_state_dict: the names differ from those of SGD\n"
            "  missing: lr\n"
            "  unknown: none\n"
            "  help: make it from a model of the same structure, with the same options",
        ),
        (
            lambda: load(lambda s: s.update({"state.bias.momentum_buffer": np.ones(2)})),
            "ShapeError: load_state_dict: state.bias.momentum_buffer has another shape\n"
            "  here:  f32[1]\n"
            "  state: f64[2]\n"
            "  help: make it from a model with the same sizes",
        ),
        (
            lambda: load(lambda s: s.update({"state.bias.momentum_buffer": np.ones(1)})),
            "DTypeError: load_state_dict: state.bias.momentum_buffer has another dtype\n"
            "  here:  f32[1]\n"
            "  state: f64[1]\n"
            "  help: convert the model before the optimizer is made from it",
        ),
    ],
)
def test_message(f: Callable[[], Any], expected: str) -> None:
    with at(None), pytest.raises(LaminaError) as caught:
        f()
    assert f"{type(caught.value).__name__}: {caught.value}".split("\n  at ")[0] == expected
