"""Every loss against PyTorch: values and gradients, all reductions, eager and compiled."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional
from tests.functional.losses.cases import LOSSES, Loss

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
F = torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
TOLERANCES = {"float64": 1e-10, "float32": 1e-5}


def theirs(case: Loss, dtype: str, reduction: str, bar: np.ndarray | None) -> list[np.ndarray]:
    """PyTorch's loss and gradients, by `bar` where the loss has axes."""
    inputs = [torch.tensor(a) for a in case.arrays(dtype)]
    trained = [inputs[i].requires_grad_() for i in case.trained()]
    found = case.call(F, *inputs, reduction=reduction)
    (found if bar is None else (found * torch.tensor(bar)).sum()).backward()
    return [t.detach().numpy() for t in (found, *[t.grad for t in trained])]


def ours(case: Loss, dtype: str, reduction: str, bar: np.ndarray | None, jitted: bool) -> list[Any]:
    arrays = case.arrays(dtype)

    def scalar(*inputs: Any) -> tuple[Any, Any]:
        found = case.call(functional, *inputs, reduction=reduction)
        return (found if bar is None else lm.sum(found * bar)), found

    differentiate = lm.value_and_grad(scalar, argnums=tuple(case.trained()), has_aux=True)
    run = lm.jit(differentiate) if jitted else differentiate
    (_, found), bars = run(*[lm.asarray(a) for a in arrays])
    return [np.asarray(t.numpy()) for t in (found, *bars)]


@functools.cache
def bar_of(name: str, dtype: str) -> np.ndarray:
    case = next(c for c in LOSSES if c.name == name)
    shape = case.call(functional, *map(lm.asarray, case.arrays(dtype)), reduction="none").shape
    return np.random.default_rng(8).uniform(0.5, 1.5, shape).astype(dtype)


def agree(case: Loss, dtype: str, reduction: str, jitted: bool) -> None:
    bar = bar_of(case.name, dtype) if reduction == "none" else None
    wanted = theirs(case, dtype, reduction, bar)
    found = ours(case, dtype, reduction, bar, jitted)
    for mine, other in zip(found, wanted, strict=True):
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
        tolerance = TOLERANCES[dtype] * max(1.0, np.abs(other).max(initial=0.0))
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
def test_eager(case: Loss, dtype: str) -> None:
    for reduction in case.reductions:
        agree(case, dtype, reduction, jitted=False)


@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
def test_compiled(case: Loss) -> None:
    agree(case, "float32", case.reductions[0], jitted=True)


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, float("inf")])
def test_cdist(p: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 4, 3)), rng.standard_normal((1, 5, 3))
    tx, ty = torch.tensor(x, requires_grad=True), torch.tensor(y, requires_grad=True)
    wanted = torch.cdist(tx, ty, p=p)
    bar = rng.standard_normal(wanted.shape)
    (wanted * torch.tensor(bar)).sum().backward()
    found, pull = lm.vjp(lambda x, y: functional.cdist(x, y, p), lm.asarray(x), lm.asarray(y))
    np.testing.assert_allclose(found.numpy(), wanted.detach().numpy(), rtol=1e-12)
    for mine, other in zip(pull(lm.asarray(bar)), (tx.grad, ty.grad)):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-10, atol=1e-12)
