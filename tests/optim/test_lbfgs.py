"""L-BFGS: against PyTorch's, on functions that are hard, in programs, saved, misused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import UsageError
from lamina.optim import line_search

START = [-1.2, 1.0, -0.5, 0.8]


class Point(nn.Module):
    """Somewhere in a landscape."""

    def __init__(self, start: Any = START):
        super().__init__()
        self.p = lm.asarray(np.array(start))


def rosenbrock(p: Any) -> Any:
    """Of a Lamina or a PyTorch vector."""
    return (100.0 * (p[1:] - p[:-1] ** 2) ** 2 + (1.0 - p[:-1]) ** 2).sum()


def valley(model: Point) -> lm.Tensor:
    return rosenbrock(model.p)


def torchs(torch: Any, start: Any, loss_of: Callable[[Any], Any], **options: Any) -> Any:
    """PyTorch's point, and its step, which gives the loss before."""
    p = torch.nn.Parameter(torch.tensor(np.array(start)))
    options = {"history_size": 10, "max_eval": 10_000} | options
    optimizer = torch.optim.LBFGS([p], line_search_fn="strong_wolfe", **options)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = loss_of(p)
        loss.backward()
        return loss

    return p, lambda: optimizer.step(closure).item()


@pytest.mark.parametrize(
    "options, calls",
    [
        ({"max_iter": 1}, 40),
        ({"max_iter": 1, "lr": 0.1, "history_size": 3}, 30),
        ({"max_iter": 8}, 4),
        ({"max_iter": 100, "tolerance_change": 1e-4}, 2),
    ],
)
def test_iterates_are_those_of_torch(options: dict[str, Any], calls: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    theirs, their_step = torchs(torch, START, rosenbrock, **options)
    ours = Point()
    optimizer = optim.LBFGS(ours, **options)
    step = lm.jit(lambda model, optimizer: optimizer.update(model, valley))
    for _ in range(calls):
        loss, their_loss = float(step(ours, optimizer)), their_step()
        assert loss == pytest.approx(their_loss, rel=1e-8)
        np.testing.assert_allclose(ours.p.numpy(), theirs.detach().numpy(), rtol=0, atol=1e-10)
    assert step.signatures == 1


def test_a_network_beside_torch() -> None:
    """Twenty iterations of a small network, with a frozen layer."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2))
    theirs.double()
    ours = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    ours.load_state_dict(theirs.state_dict())
    theirs[0].bias.requires_grad_(False)
    ours[0].freeze(names="bias")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 3)), rng.standard_normal((30, 2))
    their_optimizer = torch.optim.LBFGS(
        theirs.parameters(),
        max_iter=20,
        max_eval=1000,
        history_size=5,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Any:
        their_optimizer.zero_grad()
        loss = ((theirs(torch.tensor(x)) - torch.tensor(y)) ** 2).mean()
        loss.backward()
        return loss

    their_optimizer.step(closure)
    optimizer = optim.LBFGS(ours, max_iter=20, history_size=5)
    optimizer.update(ours, lambda model, x, y: lm.mean((model(x) - y) ** 2), x, y)
    assert int(optimizer.steps) == 20
    expected = theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        np.testing.assert_allclose(tensor.numpy(), expected[name].numpy(), rtol=0, atol=1e-8)


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_the_end_of_the_valley(jitted: bool) -> None:
    model = Point(np.linspace(-1.5, 1.5, 10))
    optimizer = optim.LBFGS(model, max_iter=200)
    step: Any = lambda model, optimizer: optimizer.update(model, valley)
    (lm.jit(step) if jitted else step)(model, optimizer)
    np.testing.assert_allclose(model.p.numpy(), np.ones(10), atol=1e-4)
    assert int(optimizer.steps) < 200


def test_a_quadratic_needs_as_many_steps_as_it_has_axes() -> None:
    """Nearly: the line search is not exact."""
    model = Point([3.0, -2.0, 1.0, 5.0])
    slopes = lm.asarray(np.array([1.0, 10.0, 100.0, 1000.0]))
    optimizer = optim.LBFGS(model, max_iter=25, tolerance_change=1e-14)
    optimizer.update(model, lambda model: lm.sum(slopes * model.p**2))
    assert abs(model.p.numpy()).max() < 1e-6


def test_a_loss_that_is_not_defined_everywhere() -> None:
    """The search comes back from where the loss is NaN or infinite."""
    model = Point([0.9, 0.1])
    barrier: Any = lambda model: lm.sum(model.p - 0.3 * lm.log(model.p)) - lm.log(lm.sum(model.p))
    optimizer = optim.LBFGS(model, lr=50.0, max_iter=50, tolerance_change=1e-13)
    optimizer.update(model, barrier)
    gradient = lm.grad(barrier)(model).p.numpy()
    assert abs(gradient).max() < 1e-5


def test_the_conditions_hold_at_the_point_that_is_found() -> None:
    f: Any = lm.value_and_grad(rosenbrock)
    x = lm.asarray(np.array(START))
    loss, gradient = f(x)
    d = -gradient
    slope = lm.sum(gradient * d)
    start = line_search.Point(lm.zeros_like(slope), loss, gradient, slope)
    for first in (1e-6, 1e-3, 1.0, 100.0):
        t = lm.asarray(np.array(first))
        end = line_search.strong_wolfe(f, x, d, start, t, 50, 1e-12)
        assert float(end.loss) <= float(loss + 1e-4 * end.t * slope)
        assert abs(float(end.slope)) <= -0.9 * float(slope)
        assert float(end.loss) == pytest.approx(float(rosenbrock(x + end.t * d)), rel=1e-12)


def test_single_precision() -> None:
    model = Point().float()
    optimizer = optim.LBFGS(model, max_iter=80)
    optimizer.update(model, valley)
    assert model.p.dtype is lm.float32
    np.testing.assert_allclose(model.p.numpy(), np.ones(4), atol=1e-2)


def test_a_restored_optimizer_goes_on_to_the_bit() -> None:
    model, again = Point(), Point()
    optimizer, restored = (optim.LBFGS(m, max_iter=3) for m in (model, again))
    step = lm.jit(lambda model, optimizer: optimizer.update(model, valley))
    step(model, optimizer)
    again.load_state_dict(model.state_dict())
    restored.load_state_dict({n: t.numpy() for n, t in optimizer.state_dict().items()})
    step(model, optimizer)
    step(again, restored)
    np.testing.assert_array_equal(again.p.numpy(), model.p.numpy())
    assert int(restored.steps) == 6


def test_what_the_loss_assigns_is_lost() -> None:
    """Running statistics of the points that a search tries are no statistics."""
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)).double()
    before = model[0].running_mean.numpy()
    x = np.random.default_rng(0).standard_normal((8, 3))
    optim.LBFGS(model, max_iter=2).update(model, lambda model: lm.mean(model(x) ** 2))
    np.testing.assert_array_equal(model[0].running_mean.numpy(), before)


@pytest.mark.parametrize(
    "f, problem",
    [
        (lambda m: optim.LBFGS(m, max_iter=0), "max_iter, history_size and max_tries"),
        (lambda m: optim.LBFGS(nn.ReLU()), "parameters of one dtype are needed"),
        (lambda m: optim.LBFGS(m).update(m, lm.ones(2)), "takes the function that gives the loss"),
        (lambda m: optim.LBFGS(m).update(Point([1.0]), valley), "that it was not made for"),
        (lambda m: optim.LBFGS(m, lr=-1.0), "LBFGS: a negative learning rate"),
    ],
)
def test_wrong_calls(f: Callable[[Any], Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        f(Point())
