"""Clipping: against PyTorch, on trees, in programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import UsageError

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"a": rng.standard_normal((3, 4)), "b": rng.standard_normal(5) * 10}


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
@pytest.mark.parametrize("ord", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 1e4])
def test_norms_are_those_of_torch(max_norm: float, ord: float, jitted: bool) -> None:
    parameters = [torch.nn.Parameter(torch.tensor(a)) for a in arrays().values()]
    for p in parameters:
        p.grad = p.detach().clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type=ord)
    clip: Any = lambda grads: optim.clip_by_norm(grads, max_norm, ord)
    grads = {name: lm.asarray(a) for name, a in arrays().items()}
    clipped, found = (lm.jit(clip) if jitted else clip)(grads)
    assert float(found) == pytest.approx(norm.item(), rel=1e-12)
    for ours, theirs in zip(clipped.values(), parameters, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.grad.numpy(), rtol=1e-12)


def test_values() -> None:
    clipped = optim.clip_by_value({n: lm.asarray(a) for n, a in arrays().items()}, 0.7)
    for name, array in arrays().items():
        np.testing.assert_array_equal(clipped[name].numpy(), np.clip(array, -0.7, 0.7))


def test_gradients_of_a_module_in_a_step() -> None:
    """Buffers and frozen parameters have no gradient and no part in the norm."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[2].freeze()
    optimizer = optim.SGD(model, lr=1.0)
    before = {name: p.numpy() for name, p in model.named_parameters()}

    @lm.jit
    def step(model: Any, optimizer: Any, x: Any) -> Any:
        grads = lm.grad(lambda model: lm.sum(model(x) ** 2))(model)
        clipped, norm = optim.clip_by_norm(grads, 1e-3)
        optimizer.update(model, clipped)
        return norm

    norm = step(model, optimizer, np.random.default_rng(0).standard_normal((8, 3)))
    moved = [p.numpy() - before[name] for name, p in model.named_parameters()]
    assert float(norm) > 1e-2
    length = np.sqrt(sum(np.sum(m.astype(np.float64) ** 2) for m in moved))
    assert length == pytest.approx(1e-3, rel=1e-2)


def test_the_dtype_of_each_gradient_stays() -> None:
    grads = [lm.ones(3, dtype=lm.float16), lm.ones(3, dtype=lm.float32)]
    clipped, norm = optim.clip_by_norm(grads, 1.0)
    assert [g.dtype for g in clipped] == [lm.float16, lm.float32]
    assert float(norm) == pytest.approx(np.sqrt(6), rel=1e-3)


def test_squares_of_short_floats_do_not_overflow() -> None:
    clipped, norm = optim.clip_by_norm([lm.asarray([300.0, 400.0], dtype=lm.float16)], 50.0)
    assert float(norm) == 500.0
    np.testing.assert_allclose(clipped[0].numpy(), [30.0, 40.0], rtol=1e-3)


def test_wrong_calls() -> None:
    with pytest.raises(UsageError, match="clip_by_norm: a negative norm"):
        optim.clip_by_norm([lm.ones(2)], -1.0)
    with pytest.raises(UsageError, match="clip_by_value: a negative limit"):
        optim.clip_by_value([lm.ones(2)], -1.0)
    with pytest.raises(UsageError, match="global_norm: no gradients"):
        optim.global_norm({})
