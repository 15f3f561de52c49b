"""Gated units: one half of the features lets through the other."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError
from lamina.functional.activations import gelu, sigmoid, silu
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, split


def glu(x: Any, axis: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the halves of x along `axis`.

    Shapes: `x: [*A, 2 N, *B] -> [*A, N, *B]`

    Raises:
        ShapeError: the axis has no halves.

    Source: Dauphin et al. 2016, "Language modeling with gated convolutional networks".
    """
    a, b = _halves("glu", x, axis)
    return a * sigmoid(b)


def swiglu(x: Any, gate: Any = None, axis: int = -1) -> Tensor:
    """a * silu(b), where a and b are the halves of x along `axis`, or x and `gate`.

    Shapes: `x: [*A, 2 N] -> [*A, N]`, or `x: [*A], gate: [*A] -> [*A]`

    Raises:
        ShapeError: the axis has no halves.

    Source: Shazeer 2020, "GLU variants improve transformer".
    """
    a, b = _halves("swiglu", x, axis) if gate is None else (asarray(x), asarray(gate))
    return a * silu(b)


def geglu(x: Any, gate: Any = None, axis: int = -1, approximate: str = "none") -> Tensor:
    """a * gelu(b), where a and b are the halves of x along `axis`, or x and `gate`.

    Shapes: `x: [*A, 2 N] -> [*A, N]`, or `x: [*A], gate: [*A] -> [*A]`

    Raises:
        ShapeError: the axis has no halves.

    Source: Shazeer 2020, "GLU variants improve transformer".
    """
    a, b = _halves("geglu", x, axis) if gate is None else (asarray(x), asarray(gate))
    return a * gelu(b, approximate)


def _halves(name: str, x: Any, axis: int) -> Any:
    x = asarray(x)
    if not -x.ndim <= axis < x.ndim or x.shape[axis] % 2:
        raise ShapeError(f"{name}: axis {axis} has no two halves", [f"x: {x.type}"])
    return split(x, 2, axis=axis)
