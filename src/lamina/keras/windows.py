"""How windows lie over images with the channels last: sizes, and padding as Keras counts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.tensor import Tensor

Sizes = tuple[int, ...]
Ends = list[tuple[int, int]]


def sizes(value: Any, axes: int) -> Sizes:
    """One number for each axis."""
    return (int(value),) * axes if isinstance(value, int) else tuple(int(n) for n in value)


def padding_of(name: str, padding: str, known: Sequence[str] = ("valid", "same")) -> str:
    """The kind of padding in small letters.

    Raises:
        UsageError: there is no such kind.
    """
    if padding.lower() not in known:
        raise UsageError(f"{name}: no padding {padding!r}", [f"there are: {', '.join(known)}"])
    return padding.lower()


def ends(
    padding: str, shape: Sequence[int], kernel: Sizes, strides: Sizes, dilation: Sizes
) -> Ends:
    """(before, after) for each axis; "same" gives ceil(size / stride) windows, the odd one behind.

    Args:
        padding: "valid", "same", or "causal", which is all before.
        shape: the sizes of the axes.
        kernel, strides, dilation: of the windows.
    """
    found = []
    for n, k, s, d in zip(shape, kernel, strides, dilation, strict=True):
        total = 0
        if padding == "same":
            total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        if padding == "causal":
            found.append(((k - 1) * d, 0))
        else:
            found.append((total // 2, total - total // 2))
    return found


def padded(x: Tensor, around: Ends, value: float = 0.0) -> Tensor:
    """`x: [B, *S, C]` with more elements around its spatial axes."""
    if not any(map(any, around)):
        return x
    return lm.pad(x, [(0, 0), *around, (0, 0)], value=value)


def channels_first(x: Tensor) -> Tensor:
    """`[B, *S, C] -> [B, C, *S]`, the order of `lamina.functional`."""
    return lm.moveaxis(x, -1, 1)


def channels_behind(x: Tensor) -> Tensor:
    """`[B, C, *S] -> [B, *S, C]`."""
    return lm.moveaxis(x, 1, -1)
