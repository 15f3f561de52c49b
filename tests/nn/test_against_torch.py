"""Every layer against PyTorch: outputs, buffers, and the gradients of input and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from tests.nn.cases import CASES, Case

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")

TOLERANCES = {"float64": 1e-10, "float32": 1e-5}


def assert_close(ours: Any, theirs: Any, dtype: str) -> None:
    """Same shape and dtype, and equal up to the rounding of the largest element."""
    ours, theirs = ours.numpy(), theirs.detach().numpy()
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    tolerance = TOLERANCES[dtype] * max(1.0, abs(theirs).max(initial=0.0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def twins(case: Case, dtype: str) -> tuple[Any, Any]:
    """The layer of both systems, with PyTorch's initial weights."""
    torch.manual_seed(3)
    theirs = case.make(torch.nn).to(getattr(torch, dtype))
    ours = case.make(lm.nn).astype(dtype)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def weighted(layer: Any, x: Any, weights: Any) -> tuple[Any, Any]:
    y = layer(x)
    return lm.sum(y * weights), y


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layer(case: Case, dtype: str, jitted: bool) -> None:
    ours, theirs = twins(case, dtype)
    x = case.input(dtype)
    their_x = torch.tensor(x, requires_grad=True)
    their_y = theirs(their_x)
    weights = np.random.default_rng(8).standard_normal(their_y.shape).astype(dtype)
    (their_y * torch.tensor(weights)).sum().backward()

    differentiate = lm.value_and_grad(weighted, argnums=(0, 1), has_aux=True)
    if jitted:
        differentiate = lm.jit(differentiate)
    (_, y), (grads, x_bar) = differentiate(ours, lm.asarray(x), weights)

    assert_close(y, their_y, dtype)
    if not case.ties:
        assert_close(x_bar, their_x.grad, dtype)
    parameters = dict(theirs.named_parameters())
    assert [name for name, _ in grads.named_parameters()] == list(parameters)
    for name, bar in grads.named_parameters():
        assert_close(bar, parameters[name].grad, dtype)
    buffers = dict(theirs.named_buffers())
    assert [name for name, _ in ours.named_buffers()] == list(buffers)
    for name, buffer in ours.named_buffers():
        assert_close(buffer, buffers[name], dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_state_goes_both_ways(case: Case) -> None:
    ours, theirs = twins(case, "float32")
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    arrays = {name: torch.tensor(tensor.numpy()) for name, tensor in state.items()}
    theirs.load_state_dict({name: array + 1 for name, array in arrays.items()})
    for name, array in arrays.items():
        assert_close(state[name], array, "float32")  # loading copied: it shares no memory
    ours.load_state_dict(theirs.state_dict())
    for name, tensor in ours.state_dict().items():
        assert_close(tensor, arrays[name] + 1, "float32")


def test_batch_norm_over_several_batches() -> None:
    """Running statistics move while training, and serve in evaluation."""
    torch.manual_seed(0)
    ours, theirs = lm.nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    step = lm.jit(lambda layer, x: layer(x))
    rng = np.random.default_rng(0)
    for count in (4, 2, 4, 7):
        x = (3.0 + 2.0 * rng.standard_normal((count, 3, 2, 3))).astype(np.float32)
        assert_close(step(ours, x), theirs(torch.tensor(x)), "float32")
    for name, buffer in theirs.named_buffers():
        assert_close(dict(ours.named_buffers())[name], buffer, "float32")
    ours.eval()
    theirs.eval()
    x = rng.standard_normal((1, 3, 1, 1)).astype(np.float32)
    assert_close(step(ours, x), theirs(torch.tensor(x)), "float32")
    assert int(ours.num_batches_tracked) == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.Linear(4, 3, bias=False),
        lambda nn: nn.Conv2d(3, 4, 3),
        lambda nn: nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=2, groups=2),
        lambda nn: nn.Conv2d(4, 4, 3, bias=False),
        lambda nn: nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(), nn.Tanh())),
        lambda nn: nn.GELU(approximate="tanh"),
        lambda nn: nn.Flatten(0, -2),
        lambda nn: nn.Dropout(0.25),
    ],
)
def test_the_same_description(make: Any) -> None:
    dropped = ", inplace=False"
    assert repr(make(lm.nn)) == repr(make(torch.nn)).replace(dropped, "")
