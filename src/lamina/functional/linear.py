"""Linear maps: dense and convolutional."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Contract, Window
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, pad, reshape, result_type
from lamina.tensor.conversion import cast
from lamina.tensor.promotion import broadcast_shapes

Pair = int | tuple[int, int]


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


def pair(value: Pair) -> tuple[int, int]:
    """One number for both spatial axes, or the two of them."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def windows(x: Tensor, kernel: Pair, stride: Pair, dilation: Pair = 1) -> Tensor:
    """Every place of a sliding window over the last two axes.

    Shapes: `x: [*A, H, W] -> [*A, Y, X, KH, KW]`

    Raises:
        ShapeError: the window is larger than the image.
    """
    sizes, steps, dilations = pair(kernel), pair(stride), pair(dilation)
    reach = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
    if x.ndim < 2 or any(n < r for n, r in zip(x.shape[-2:], reach, strict=True)):
        raise ShapeError(
            "windows: the window is larger than the image",
            [f"image: {x.type}", f"window: {tuple(reach)}"],
            "pad the image, or take a smaller kernel",
        )
    return emit(Window(sizes, steps, dilations), x)


def spatial_padding(
    padding: Pair | str, kernel: tuple[int, int], stride: Pair = 1, dilation: Pair = 1
) -> list[tuple[int, int]]:
    """(before, after) for each spatial axis; "same" keeps the size, "valid" pads nothing."""
    if padding == "valid":
        return [(0, 0), (0, 0)]
    if padding == "same":
        if pair(stride) != (1, 1):
            raise UsageError('conv2d: padding "same" needs stride 1', [f"stride: {stride}"])
        reach = [(k - 1) * d for k, d in zip(kernel, pair(dilation), strict=True)]
        return [(r // 2, r - r // 2) for r in reach]
    if isinstance(padding, str):
        raise UsageError(f'conv2d: no padding "{padding}"', ['there are "same" and "valid"'])
    return [(p, p) for p in pair(padding)]


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """y[n,o,i,j] = bias[o] + sum over c, h, w of weight[o,c,h,w] * x[n, c, i s + h d, j s + w d].

    Args:
        x: images, zero-padded by `padding`.
        weight: filters.
        bias: one number for each filter.
        stride: step s of the window.
        padding: zeros around the image; "same" or "valid".
        dilation: distance d between elements of the window.
        groups: channels are split into so many groups that do not mix.

    Shapes: `x: [N, C, H, W], weight: [O, C / groups, KH, KW], bias: [O] -> [N, O, Y, X]`

    Raises:
        ShapeError: channels do not fit the weight and the groups.

    Source: PyTorch, `nn.functional.conv2d`.
    """
    x, weight = asarray(x), asarray(weight)
    dtype = result_type(x, weight)
    x, weight = cast(x, dtype), cast(weight, dtype)
    if x.ndim == 3:
        one = conv2d(reshape(x, (1, *x.shape)), weight, bias, stride, padding, dilation, groups)
        return reshape(one, one.shape[1:])
    _require_channels(x, weight, groups)
    around = spatial_padding(padding, weight.shape[2:], stride, dilation)  # type: ignore[arg-type]
    padded = pad(x, [(0, 0), (0, 0), *around])
    seen = windows(padded, weight.shape[2:], stride, dilation)  # type: ignore[arg-type]
    if groups == 1:
        y = emit(Contract("ncyxhw,ochw->noyx"), seen, weight)
    else:
        count, channels = x.shape[0], x.shape[1]
        filters = weight.shape[0]
        seen = reshape(seen, (count, groups, channels // groups, *seen.shape[2:]))
        split = reshape(weight, (groups, filters // groups, *weight.shape[1:]))
        y = emit(Contract("ngcyxhw,gochw->ngoyx"), seen, split)
        y = reshape(y, (count, filters, *y.shape[3:]))
    return y if bias is None else y + reshape(asarray(bias), (-1, 1, 1))


def _require_channels(x: Tensor, weight: Tensor, groups: int) -> None:
    fits = (
        x.ndim == 4
        and weight.ndim == 4
        and x.shape[1] == weight.shape[1] * groups
        and weight.shape[0] % groups == 0
    )
    if not fits:
        raise ShapeError(
            "conv2d: the image and the filters do not fit",
            [f"x: {x.type}", f"weight: {weight.type}", f"groups: {groups}"],
            "x is [N, C, H, W] and weight [O, C / groups, KH, KW]",
        )
