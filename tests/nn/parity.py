"""Layers of several inputs and outputs beside PyTorch's: values, gradients, names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import lamina as lm

TOLERANCES = {"float64": 1e-10, "float32": 1e-5}


@dataclass(frozen=True)
class Parity:
    """A layer and how it is called.

    Attributes:
        name: what is special about it.
        make: the layer, given `lamina.nn` or `torch.nn`.
        inputs: shapes of floating inputs, and arrays that are given as they are.
        call: the outputs, a tree of tensors, given the layer and the inputs.
        dtypes: in which the layer is tried.
    """

    name: str
    make: Callable[[Any], Any]
    inputs: tuple[Any, ...]
    call: Callable[..., Any] = lambda layer, *inputs: layer(*inputs)
    dtypes: tuple[str, ...] = ("float64",)

    def arrays(self, dtype: str) -> list[np.ndarray]:
        """The inputs, the same at every call."""
        rng = np.random.default_rng(7)
        return [
            rng.standard_normal(x).astype(dtype) if isinstance(x, tuple) else np.asarray(x)
            for x in self.inputs
        ]


def flat(tree: Any) -> list[Any]:
    """The tensors of nested tuples, without None."""
    if isinstance(tree, tuple | list):
        return [t for part in tree for t in flat(part)]
    return [] if tree is None else [tree]


def close(ours: Any, theirs: Any, dtype: str, what: str) -> None:
    """Same shape, and equal up to the rounding of the largest element."""
    ours, theirs = np.asarray(ours.numpy()), theirs.detach().numpy()
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), what
    tolerance = TOLERANCES[dtype] * max(1.0, np.abs(theirs).max(initial=0.0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg=what)


def check(case: Parity, dtype: str) -> None:
    """Outputs, the gradients of inputs and parameters, and the names agree with PyTorch's."""
    import torch

    torch.manual_seed(3)
    theirs = case.make(torch.nn).to(getattr(torch, dtype))
    ours = case.make(lm.nn).astype(dtype)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())

    arrays = case.arrays(dtype)
    floating = [a.dtype.kind == "f" for a in arrays]
    given = [torch.tensor(a, requires_grad=f) for a, f in zip(arrays, floating)]
    outputs = flat(case.call(theirs, *given))
    rng = np.random.default_rng(8)
    weights = [rng.standard_normal(y.shape).astype(dtype) for y in outputs]
    sum((y * torch.tensor(w)).sum() for y, w in zip(outputs, weights)).backward()

    def loss(layer: Any, some: list[Any], others: list[Any]) -> tuple[Any, Any]:
        left, right = iter(some), iter(others)
        found = flat(case.call(layer, *[next(left if f else right) for f in floating]))
        return sum(lm.sum(y * w) for y, w in zip(found, weights)), found

    some = [lm.asarray(a) for a, f in zip(arrays, floating) if f]
    others = [lm.asarray(a) for a, f in zip(arrays, floating) if not f]
    differentiate = lm.jit(lm.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (_, found), (grads, bars) = differentiate(ours, some, others)

    assert len(found) == len(outputs)
    for i, (a, b) in enumerate(zip(found, outputs)):
        close(a, b, dtype, f"output {i}")
    for i, (bar, x) in enumerate(zip(bars, [x for x, f in zip(given, floating) if f])):
        close(bar, torch.zeros_like(x) if x.grad is None else x.grad, dtype, f"input {i}")
    parameters = dict(theirs.named_parameters())
    assert [name for name, _ in grads.named_parameters()] == list(parameters)
    for name, bar in grads.named_parameters():
        expected = parameters[name].grad
        close(
            bar, torch.zeros_like(parameters[name]) if expected is None else expected, dtype, name
        )
    for name, tensor in ours.state_dict().items():
        close(tensor, theirs.state_dict()[name], dtype, name)
