"""Walks along given gradients, by an optimiser and by a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lamina as lm
from lamina import nn

STEPS = 20
TOLERANCES = {"float64": 1e-10, "float32": 1e-5}

Arrays = dict[str, np.ndarray]


class Two(nn.Module):
    """A matrix and a vector."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], dtype: str):
        super().__init__()
        rng = np.random.default_rng(7)
        for name, shape in shapes.items():
            setattr(self, name, lm.asarray(rng.standard_normal(shape).astype(dtype)))


def gradients(shapes: dict[str, tuple[int, ...]], dtype: str) -> list[Arrays]:
    rng = np.random.default_rng(0)
    return [{n: rng.standard_normal(s).astype(dtype) for n, s in shapes.items()}] + [
        {n: 0.7 * rng.standard_normal(s).astype(dtype) for n, s in shapes.items()}
        for _ in range(STEPS - 1)
    ]


def values(model: Any) -> Arrays:
    return {name: p.numpy() for name, p in model.named_parameters()}


def walk(
    make: Callable[[Any], Any],
    shapes: dict[str, tuple[int, ...]],
    dtype: str = "float64",
    jitted: bool = True,
) -> list[Arrays]:
    """The parameters after each step."""
    model = Two(shapes, dtype)
    optimizer = make(model)

    def update(model: Any, optimizer: Any, grads: Any) -> None:
        optimizer.update(model, grads)

    move = lm.jit(update) if jitted else update
    found = []
    for grads in gradients(shapes, dtype):
        move(model, optimizer, {name: lm.asarray(g) for name, g in grads.items()})
        found.append(values(model))
    if jitted:
        assert move.signatures == 1
    return found


def by_formula(
    formula: Callable[[np.ndarray, list[np.ndarray]], list[np.ndarray]],
    shapes: dict[str, tuple[int, ...]],
) -> list[Arrays]:
    """The same by a function of first values and gradients of one parameter."""
    start = values(Two(shapes, "float64"))
    grads = gradients(shapes, "float64")
    walks = {n: formula(p, [g[n] for g in grads]) for n, p in start.items()}
    return [{n: w[t] for n, w in walks.items()} for t in range(STEPS)]


def assert_same(found: list[Arrays], expected: list[Arrays], tolerance: float) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        for name, array in theirs.items():
            np.testing.assert_allclose(ours[name], array, rtol=0, atol=tolerance)
