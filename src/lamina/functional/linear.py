"""Linear and bilinear maps."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, einsum
from lamina.tensor.promotion import broadcast_shapes


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """y = x @ weight.T + bias.

    Shapes: `x: [*B, I], weight: [O, I], bias: [O] -> [*B, O]`

    Raises:
        ShapeError: the last axis of x is not I.

    Source: PyTorch, `nn.functional.linear`.
    """
    x, weight = asarray(x), asarray(weight)
    if x.shape[-1:] != weight.shape[-1:]:
        raise ShapeError(
            "linear: the input has another number of features than the weight takes",
            [f"x: {x.type}", f"weight: {weight.type}"],
            "check the layer sizes",
        )
    y = x @ weight.mT  # type: ignore[operator, attr-defined]
    return y if bias is None else y + bias


def addmm(c: Any, a: Any, b: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """y = beta c + alpha (a @ b); with beta = 0, c is not read, so a NaN in it does no harm.

    Shapes: `c: broadcasts to [M, N], a: [M, K], b: [K, N] -> [M, N]`

    Source: BLAS, `gemm`; the name is PyTorch's.
    """
    product = asarray(a) @ asarray(b)  # type: ignore[operator]
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        broadcast_shapes("addmm", [product.shape, asarray(c).shape])
        return scaled
    return scaled + (c if beta == 1 else asarray(c) * beta)  # type: ignore[operator]


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> Tensor:
    """y_k = x1ᵀ A_k x2 + b_k, with one matrix for each output.

    Args:
        x1: left vectors.
        x2: right vectors, as many.
        weight: the matrices.
        bias: added; nothing when None.

    Shapes: `x1: [*B, I], x2: [*B, J], weight: [O, I, J], bias: [O] -> [*B, O]`

    Raises:
        ShapeError: the vectors do not fit the matrices.

    Example:
        >>> from lamina.tensor.api import asarray
        >>> bilinear(asarray([1.0, 2.0]), asarray([3.0]), asarray([[[1.0], [1.0]]]))
        Tensor([9.], shape=(1,), dtype=float32)

    Source: PyTorch, `nn.functional.bilinear`.
    """
    x1, x2, weight = asarray(x1), asarray(x2), asarray(weight)
    fits = weight.ndim == 3 and x1.ndim and x1.shape[:-1] == x2.shape[:-1]
    if not fits or (x1.shape[-1], x2.shape[-1]) != weight.shape[1:]:
        raise ShapeError(
            "bilinear: the vectors do not fit the matrices",
            [f"x1: {x1.type}, x2: {x2.type}", f"weight: {weight.type}"],
            "weight is [O, I, J] for x1 [*B, I] and x2 [*B, J]",
        )
    y: Any = einsum("...i,kij,...j->...k", x1, weight, x2)
    return y if bias is None else y + bias
