"""Windows reduced to one number: maximum and mean."""

from __future__ import annotations

import math
from typing import Any

from lamina.functional.linear import Pair, pair, windows
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, max, mean, pad


def max_pool2d(x: Any, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Tensor:
    """The maximum of every window; the image is padded with -inf.

    Shapes: `x: [*A, H, W] -> [*A, Y, X]`

    Source: PyTorch, `nn.functional.max_pool2d`.
    """
    x = asarray(x)
    step = kernel_size if stride is None else stride
    seen = windows(_padded(x, padding, -math.inf), kernel_size, step)
    return max(seen, axis=(-2, -1))


def avg_pool2d(x: Any, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Tensor:
    """The mean of every window; zeros of the padding count.

    Shapes: `x: [*A, H, W] -> [*A, Y, X]`

    Source: PyTorch, `nn.functional.avg_pool2d`.
    """
    x = asarray(x)
    step = kernel_size if stride is None else stride
    seen = windows(_padded(x, padding, 0.0), kernel_size, step)
    return mean(seen, axis=(-2, -1))


def _padded(x: Tensor, padding: Pair, value: float) -> Tensor:
    rows, columns = pair(padding)
    if rows == columns == 0:
        return x
    return pad(x, [*[(0, 0)] * (x.ndim - 2), (rows, rows), (columns, columns)], value=value)
