"""Every optimiser against PyTorch: twenty steps of a small network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lamina as lm

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")

STEPS = 20
TOLERANCES = {"float64": 1e-10, "float32": 1e-5}

# The names of `lamina.optim` and their arguments are those of `torch.optim`.
OPTIMIZERS: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("sgd", lambda optim, p: optim.SGD(p, lr=0.05)),
    ("momentum", lambda optim, p: optim.SGD(p, lr=0.05, momentum=0.9)),
    ("nesterov", lambda optim, p: optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True)),
    ("dampening", lambda optim, p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.4)),
    ("sgd decay", lambda optim, p: optim.SGD(p, lr=0.05, weight_decay=0.1)),
    (
        "nesterov decay",
        lambda optim, p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    ("adam", lambda optim, p: optim.Adam(p, lr=0.01)),
    (
        "adam, other betas",
        lambda optim, p: optim.Adam(p, lr=0.02, betas=(0.5, 0.9), eps=1e-3),
    ),
    ("adam without memory", lambda optim, p: optim.Adam(p, lr=0.01, betas=(0.0, 0.0))),
    ("adam decay", lambda optim, p: optim.Adam(p, lr=0.01, weight_decay=0.1)),
    ("adamw", lambda optim, p: optim.AdamW(p, lr=0.01)),
    ("adamw decay", lambda optim, p: optim.AdamW(p, lr=0.01, weight_decay=0.3)),
    ("amsgrad", lambda optim, p: optim.Adam(p, lr=0.05, betas=(0.6, 0.7), amsgrad=True)),
    ("nadam", lambda optim, p: optim.NAdam(p, lr=0.01, weight_decay=0.1)),
    (
        "nadam decoupled",
        lambda optim, p: optim.NAdam(
            p, lr=0.01, weight_decay=0.1, decoupled_weight_decay=True, momentum_decay=0.1
        ),
    ),
    ("radam", lambda optim, p: optim.RAdam(p, lr=0.01, weight_decay=0.1)),
    (
        "radam decoupled",
        lambda optim, p: optim.RAdam(
            p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.1, decoupled_weight_decay=True
        ),
    ),
    ("adamax", lambda optim, p: optim.Adamax(p, lr=0.01, weight_decay=0.1)),
    ("adagrad", lambda optim, p: optim.Adagrad(p, lr=0.05)),
    (
        "adagrad, falling",
        lambda optim, p: optim.Adagrad(
            p, lr=0.05, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.2
        ),
    ),
    ("adadelta", lambda optim, p: optim.Adadelta(p, lr=0.5, weight_decay=0.1)),
    ("rmsprop", lambda optim, p: optim.RMSprop(p, lr=0.01)),
    (
        "rmsprop, centered",
        lambda optim, p: optim.RMSprop(
            p, lr=0.01, alpha=0.9, momentum=0.8, centered=True, weight_decay=0.1, eps=1e-4
        ),
    ),
    ("rprop", lambda optim, p: optim.Rprop(p, lr=0.01)),
]


@pytest.fixture
def exact() -> Iterator[None]:
    """PyTorch keeps some numbers of its optimisers in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


EAGER = (  # one of each class; each is jitted in both dtypes
    "dampening",
    "amsgrad",
    "adamw",
    "nadam",
    "radam decoupled",
    "adamax",
    "adagrad, falling",
    "adadelta",
    "rmsprop, centered",
    "rprop",
)
RUNS = [
    pytest.param(make, dtype, jitted, id=f"{name}-{dtype}-{'jitted' if jitted else 'eager'}")
    for name, make in OPTIMIZERS
    for dtype, jitted in (("float64", True), ("float32", True), ("float64", False))
    if jitted or name in EAGER
]


def make_net(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3, bias=False))


def loss_of(net: Any, x: Any, y: Any) -> lm.Tensor:
    return lm.mean((net(x) - y) ** 2)


def eager_step(net: Any, optimizer: Any, x: Any, y: Any) -> lm.Tensor:
    loss, grads = lm.value_and_grad(loss_of)(net, x, y)
    optimizer.update(net, grads)
    return loss


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("make, dtype, jitted", RUNS)
def test_trajectory(make: Callable[[Any, Any], Any], dtype: str, jitted: bool) -> None:
    """The learning rate changes on the way, and the batch at every step."""
    torch.manual_seed(0)
    theirs = make_net(torch.nn).to(getattr(torch, dtype))
    ours = make_net(lm.nn).astype(dtype)
    ours.load_state_dict(theirs.state_dict())
    their_optimizer = make(torch.optim, theirs.parameters())
    our_optimizer = make(lm.optim, ours)
    step = lm.jit(eager_step) if jitted else eager_step
    rng = np.random.default_rng(0)
    for i in range(STEPS):
        if i == STEPS // 2:
            our_optimizer.lr *= 0.5
            their_optimizer.param_groups[0]["lr"] *= 0.5
        x, y = rng.standard_normal((6, 5)).astype(dtype), rng.standard_normal((6, 3)).astype(dtype)
        loss = step(ours, our_optimizer, x, y)
        their_optimizer.zero_grad()
        their_loss = ((theirs(torch.tensor(x)) - torch.tensor(y)) ** 2).mean()
        their_loss.backward()
        their_optimizer.step()
        assert float(loss) == pytest.approx(their_loss.item(), rel=TOLERANCES[dtype])
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert parameter.numpy().dtype == dtype
        np.testing.assert_allclose(
            parameter.numpy(), expected[name].detach().numpy(), rtol=0, atol=TOLERANCES[dtype]
        )
    if jitted:
        assert step.signatures == 1


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", [*EAGER, "sgd decay", "adam decay"])
def test_what_is_maximised(name: str) -> None:
    """Gradients count negatively, and weight decay as ever."""
    make = dict(OPTIMIZERS)[name]
    torch.manual_seed(0)
    theirs = make_net(torch.nn).double()
    ours = make_net(lm.nn).double()
    ours.load_state_dict(theirs.state_dict())
    their_optimizer, our_optimizer = make(torch.optim, theirs.parameters()), make(lm.optim, ours)
    their_optimizer.param_groups[0]["maximize"] = True
    our_optimizer.maximize = True
    step = lm.jit(eager_step)
    x, y = np.ones((2, 5)), np.zeros((2, 3))
    for _ in range(5):
        step(ours, our_optimizer, x, y)
        their_optimizer.zero_grad()
        ((theirs(torch.tensor(x)) - torch.tensor(y)) ** 2).mean().backward()
        their_optimizer.step()
    found = dict(ours.named_parameters())
    for path, parameter in theirs.named_parameters():
        expected = parameter.detach().numpy()
        np.testing.assert_allclose(found[path].numpy(), expected, rtol=0, atol=1e-10)


@pytest.mark.usefixtures("exact")
def test_averaged_descent_and_its_average() -> None:
    """At one rate: PyTorch takes note of another one a step later."""
    torch.manual_seed(0)
    theirs = make_net(torch.nn).double()
    ours = make_net(lm.nn).double()
    ours.load_state_dict(theirs.state_dict())
    options: dict[str, Any] = {"lr": 0.05, "lambd": 0.01, "alpha": 0.6, "t0": 4.0}
    options["weight_decay"] = 0.1
    their_optimizer = torch.optim.ASGD(theirs.parameters(), **options)
    our_optimizer = lm.optim.ASGD(ours, **options)
    step = lm.jit(eager_step)
    x, y = np.ones((2, 5)), np.zeros((2, 3))
    for _ in range(STEPS):
        step(ours, our_optimizer, x, y)
        their_optimizer.zero_grad()
        ((theirs(torch.tensor(x)) - torch.tensor(y)) ** 2).mean().backward()
        their_optimizer.step()
    found = dict(ours.named_parameters())
    for name, parameter in theirs.named_parameters():
        expected = parameter.detach().numpy()
        np.testing.assert_allclose(found[name].numpy(), expected, rtol=0, atol=1e-10)
        average = their_optimizer.state[parameter]["ax"].numpy()
        found_average = our_optimizer.state[name]["ax"].numpy()
        np.testing.assert_allclose(found_average, average, rtol=0, atol=1e-10)
        assert (average != expected).any()


def test_frozen_parameters_are_left_alone() -> None:
    """As in PyTorch, weight decay and momentum do not touch them either."""
    torch.manual_seed(0)
    theirs = make_net(torch.nn)
    ours = make_net(lm.nn)
    ours.load_state_dict(theirs.state_dict())
    theirs[0].requires_grad_(False)
    ours[0].freeze()
    our_optimizer = lm.optim.SGD(ours, lr=0.1, momentum=0.9, weight_decay=0.1)
    their_optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    x, y = np.ones((2, 5), np.float32), np.zeros((2, 3), np.float32)
    for _ in range(5):
        eager_step(ours, our_optimizer, x, y)
        their_optimizer.zero_grad()
        ((theirs(torch.tensor(x)) - torch.tensor(y)) ** 2).mean().backward()
        their_optimizer.step()
    for name, parameter in theirs.named_parameters():
        found = dict(ours.named_parameters())[name].numpy()
        np.testing.assert_allclose(found, parameter.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_shared_parameter() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3))
    theirs[2].weight = theirs[0].weight
    ours = lm.nn.Sequential(lm.nn.Linear(3, 3), lm.nn.Tanh(), lm.nn.Linear(3, 3))
    ours[2].weight = ours[0].weight
    ours.load_state_dict(theirs.state_dict())
    our_optimizer = lm.optim.Adam(ours, lr=0.05)
    their_optimizer = torch.optim.Adam(theirs.parameters(), lr=0.05)
    step = lm.jit(eager_step)
    x, y = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    for _ in range(10):
        step(ours, our_optimizer, x, y)
        their_optimizer.zero_grad()
        ((theirs(torch.tensor(x)) - torch.tensor(y)) ** 2).mean().backward()
        their_optimizer.step()
    for name, array in theirs.state_dict().items():
        found = ours.state_dict()[name].numpy()
        np.testing.assert_allclose(found, array.numpy(), rtol=1e-4, atol=1e-5)
