"""Convolutions over one, two and three axes, and their transposes."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.functional.windows import Sizes, per_axis, windows
from lamina.graph.ir import emit
from lamina.graph.ops import Contract, Fold
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, pad, reshape, result_type
from lamina.tensor.conversion import cast

_PLACES, _TAPS = "xyz", "ijk"  # letters of the axes of an image and of a kernel
_AXES = ("L", "H, W", "D, H, W")


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y[n,o,x] = bias[o] + sum over c, i of weight[o,c,i] * x[n, c, x s + i d].

    The arguments are those of `conv2d`, with one number where that takes two.

    Shapes: `x: [N, C, L], weight: [O, C / groups, K], bias: [O] -> [N, O, X]`

    Raises:
        ShapeError: channels do not fit the weight and the groups.

    Example:
        >>> conv1d(asarray([[[1, 2, 4, 8]]]), asarray([[[-1, 1]]]))
        Tensor([[[1, 2, 4]]], shape=(1, 1, 3), dtype=int64)

    Source: PyTorch, `nn.functional.conv1d`.
    """
    return _convolve(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y[n,o,x,y] = bias[o] + sum over c, i, j of weight[o,c,i,j] * x[n, c, x s + i d, y s + j d].

    Args:
        x: images, zero-padded by `padding`.
        weight: filters.
        bias: one number for each filter.
        stride: step s of the window; like all sizes here one number, or one for each axis.
        padding: zeros around the image; "same" or "valid".
        dilation: distance d between elements of the window.
        groups: channels are split into so many groups that do not mix.

    Shapes: `x: [N, C, H, W], weight: [O, C / groups, KH, KW], bias: [O] -> [N, O, Y, X]`;
    one image `[C, H, W]` too.

    Raises:
        ShapeError: channels do not fit the weight and the groups.

    Source: PyTorch, `nn.functional.conv2d`.
    """
    return _convolve(2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """`conv2d` with one axis more.

    Shapes: `x: [N, C, D, H, W], weight: [O, C / groups, KD, KH, KW], bias: [O] -> [N, O, Z, Y, X]`

    Raises:
        ShapeError: channels do not fit the weight and the groups.

    Source: PyTorch, `nn.functional.conv3d`.
    """
    return _convolve(3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The transpose of `conv1d` in its input; the arguments are those of `conv_transpose2d`.

    Shapes: `x: [N, C, L], weight: [C, O / groups, K], bias: [O] -> [N, O, X]`

    Raises:
        ShapeError: channels do not fit the weight and the groups.

    Example:
        >>> conv_transpose1d(asarray([[[1, 2, 4]]]), asarray([[[1, 10]]]))
        Tensor([[[ 1, 12, 24, 40]]], shape=(1, 1, 4), dtype=int64)

    Source: PyTorch, `nn.functional.conv_transpose1d`.
    """
    return _convolve_transposed(
        1, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """y[n,o,h,w] = bias[o] + sum of weight[c,o,i,j] * x[n,c,y,x] over y s + i d = h, x s + j d = w.

    The transpose of `conv2d` in its input, and so its gradient: each element of x puts the kernel,
    scaled, into y.

    Args:
        x: images.
        weight: kernels.
        bias: one number for each channel of y.
        stride: distance s in y between neighbours of x; one number, or one for each axis.
        padding: so many elements are cut off at each side of y.
        output_padding: so many elements are put on again behind; less than stride or dilation.
        groups: channels are split into so many groups that do not mix.
        dilation: distance d between elements of the kernel.

    Shapes: `x: [N, C, Y, X], weight: [C, O / groups, KH, KW], bias: [O] -> [N, O, H, W]` with
    `H = (Y - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1`.

    Raises:
        ShapeError: channels do not fit the weight and the groups, or nothing is left of y.
        UsageError: output_padding is too large.

    Source: PyTorch, `nn.functional.conv_transpose2d`; Zeiler et al. 2010, "Deconvolutional
    networks".
    """
    return _convolve_transposed(
        2, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """`conv_transpose2d` with one axis more.

    Shapes: `x: [N, C, Z, Y, X], weight: [C, O / groups, KD, KH, KW], bias: [O] -> [N, O, D, H, W]`

    Raises:
        ShapeError: channels do not fit the weight and the groups.

    Source: PyTorch, `nn.functional.conv_transpose3d`.
    """
    return _convolve_transposed(
        3, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def spatial_padding(
    name: str,
    padding: Sizes | str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> list[tuple[int, int]]:
    """(before, after) for each spatial axis; "same" keeps the size, "valid" pads nothing."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        if set(stride) != {1}:
            raise UsageError(f'{name}: padding "same" needs stride 1', [f"stride: {stride}"])
        reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return [(r // 2, r - r // 2) for r in reach]
    if isinstance(padding, str):
        raise UsageError(f'{name}: no padding "{padding}"', ['there are "same" and "valid"'])
    return [(p, p) for p in per_axis(name, "padding", padding, len(kernel))]


def _convolve(
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    name = f"conv{axes}d"
    x, weight = _operands(x, weight)
    if x.ndim == axes + 1:
        one = reshape(x, (1, *x.shape))
        y = _convolve(axes, one, weight, bias, stride, padding, dilation, groups)
        return reshape(y, y.shape[1:])
    fits = (
        x.ndim == weight.ndim == axes + 2
        and x.shape[1] == weight.shape[1] * groups
        and weight.shape[0] % groups == 0
    )
    if not fits:
        raise _misfit(name, axes, x, weight, groups, "[O, C / groups, ")
    kernel = weight.shape[2:]
    steps = per_axis(name, "stride", stride, axes)
    dilations = per_axis(name, "dilation", dilation, axes)
    around = spatial_padding(name, padding, kernel, steps, dilations)
    image = pad(x, [(0, 0), (0, 0), *around])
    places, taps = _PLACES[:axes], _TAPS[:axes]
    if groups == 1:
        seen = windows(image, kernel, steps, dilations)
        y = emit(Contract(f"nc{places}{taps},oc{taps}->no{places}"), seen, weight)
    else:
        seen = windows(_grouped(image, groups, axis=1), kernel, steps, dilations)
        split = _grouped(weight, groups, axis=0)
        y = emit(Contract(f"ngc{places}{taps},goc{taps}->ngo{places}"), seen, split)
        y = _merged(y)
    return _with_bias(y, bias, axes)


def _convolve_transposed(
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    name = f"conv_transpose{axes}d"
    x, weight = _operands(x, weight)
    if x.ndim == axes + 1:
        one = reshape(x, (1, *x.shape))
        y = _convolve_transposed(
            axes, one, weight, bias, stride, padding, output_padding, groups, dilation
        )
        return reshape(y, y.shape[1:])
    same_channels = x.ndim == weight.ndim == axes + 2 and x.shape[1] == weight.shape[0]
    if not same_channels or x.shape[1] % groups:
        raise _misfit(name, axes, x, weight, groups, "[C, O / groups, ")
    kernel = weight.shape[2:]
    steps = per_axis(name, "stride", stride, axes)
    dilations = per_axis(name, "dilation", dilation, axes)
    cut = per_axis(name, "padding", padding, axes)
    extra = per_axis(name, "output_padding", output_padding, axes)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, dilations, strict=True)):
        raise UsageError(
            f"{name}: output_padding is less than stride or dilation",
            [f"output_padding: {extra}", f"stride: {steps}, dilation: {dilations}"],
        )
    places, taps = _PLACES[:axes], _TAPS[:axes]
    if groups == 1:
        scaled = emit(Contract(f"nc{places},co{taps}->no{places}{taps}"), x, weight)
    else:
        grouped, split = _grouped(x, groups, axis=1), _grouped(weight, groups, axis=0)
        scaled = emit(Contract(f"ngc{places},gco{taps}->ngo{places}{taps}"), grouped, split)
    full = tuple(
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(x.shape[2:], steps, kernel, dilations, strict=True)
    )
    y = emit(Fold(full, kernel, steps, dilations), scaled)
    y = y if groups == 1 else _merged(y)
    return _with_bias(_framed(name, y, full, cut, extra), bias, axes)


def _framed(
    name: str, y: Tensor, full: tuple[int, ...], cut: tuple[int, ...], extra: tuple[int, ...]
) -> Tensor:
    """`cut` elements less at each side, and `extra` more behind."""
    ends = [e - p for e, p in zip(extra, cut, strict=True)]
    if any(n - p + end <= 0 for n, p, end in zip(full, cut, ends, strict=True)):
        raise ShapeError(
            f"{name}: padding leaves nothing",
            [f"before padding: {full}", f"padding: {cut}"],
            "take a smaller padding",
        )
    inside = [slice(p, n + min(e, 0)) for n, p, e in zip(full, cut, ends, strict=True)]
    return pad(y[(..., *inside)], [(0, 0), (0, 0), *[(0, max(e, 0)) for e in ends]])


def _operands(x: Any, weight: Any) -> tuple[Tensor, Tensor]:
    x, weight = asarray(x), asarray(weight)
    dtype = result_type(x, weight)
    return cast(x, dtype), cast(weight, dtype)


def _grouped(x: Tensor, groups: int, axis: int) -> Tensor:
    """[*A, G C, *B] -> [*A, G, C, *B]."""
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    return reshape(x, (*before, groups, n // groups, *after))


def _merged(y: Tensor) -> Tensor:
    """[N, G, C, *S] -> [N, G C, *S]."""
    return reshape(y, (y.shape[0], y.shape[1] * y.shape[2], *y.shape[3:]))


def _with_bias(y: Tensor, bias: Any, axes: int) -> Tensor:
    return y if bias is None else y + reshape(asarray(bias), (-1, *[1] * axes))


def _misfit(
    name: str, axes: int, x: Tensor, weight: Tensor, groups: int, channels: str
) -> ShapeError:
    image, kernel = _AXES[axes - 1], ", ".join(f"K{a}" for a in _AXES[axes - 1].split(", "))
    return ShapeError(
        f"{name}: the image and the filters do not fit",
        [f"x: {x.type}", f"weight: {weight.type}", f"groups: {groups}"],
        f"x is [N, C, {image}] and weight {channels}{kernel}]",
    )
