"""Sequences in one dimension: convolution, correlation, interpolation."""

from __future__ import annotations

from typing import Any

from lamina.base import dtypes
from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ops import window
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.complex_numbers import conj
from lamina.tensor.namespace.elementwise import clip, where
from lamina.tensor.namespace.indexing import take
from lamina.tensor.namespace.linear_algebra import matmul
from lamina.tensor.namespace.manipulation import flip, take_range
from lamina.tensor.namespace.padding import pad
from lamina.tensor.namespace.reductions import sum
from lamina.tensor.promotion import common_dtype
from lamina.tensor.tensor import Tensor

_MODES = ("full", "same", "valid")


def convolve(x: Any, y: Any, /, mode: str = "full") -> Tensor:
    """sum over k of x[k] * y[n - k].

    Args:
        x: a sequence.
        y: another; the longer one is the signal.
        mode: "full" with every overlap, "same" as long as the signal, "valid" with whole overlaps.

    Raises:
        ShapeError: an operand is no vector, or empty.
        UsageError: there is no such mode.

    Example:
        >>> convolve(asarray([1, 2, 3]), asarray([0, 1]))
        Tensor([0, 1, 2, 3], shape=(4,), dtype=int64)

    Source: NumPy, `convolve`.
    """
    signal, kernel = _sequences("convolve", x, y, mode)
    if kernel.size > signal.size:
        signal, kernel = kernel, signal
    return _slid(signal, flip(kernel), mode)


def correlate(x: Any, y: Any, /, mode: str = "valid") -> Tensor:
    """sum over n of x[n + k] * conj(y[n]), for each shift k.

    Args:
        x: a sequence.
        y: another.
        mode: as for `convolve`.

    Source: NumPy, `correlate`.
    """
    first, second = _sequences("correlate", x, y, mode)
    if second.size > first.size:
        return flip(_slid(conj(second), first, mode))
    return _slid(first, conj(second), mode)


def _sequences(name: str, x: Any, y: Any, mode: str) -> tuple[Tensor, Tensor]:
    if mode not in _MODES:
        raise UsageError(f"{name}: no mode {mode!r}", [f"there are: {', '.join(_MODES)}"])
    a, b = asarray(x), asarray(y)
    if a.ndim != 1 or b.ndim != 1 or not a.size or not b.size:
        raise ShapeError(
            f"{name}: both are vectors with elements", [f"x: {a.type}", f"y: {b.type}"]
        )
    dtype = common_dtype(name, (a, b))
    return cast(a, dtype), cast(b, dtype)


def _slid(signal: Tensor, kernel: Tensor, mode: str) -> Tensor:
    """The products of `kernel` with each stretch of `signal`, summed."""
    width = kernel.size
    before = {"full": width - 1, "same": width // 2, "valid": 0}[mode]
    behind = {"full": width - 1, "same": (width - 1) // 2, "valid": 0}[mode]
    padded = pad(signal, [(before, behind)])
    return matmul(window(padded, (width,)), kernel)


def interp(x: Any, xp: Any, fp: Any, /, *, left: Any = None, right: Any = None) -> Tensor:
    """The line through points (xp[i], fp[i]), read at x.

    Args:
        x: where to read it.
        xp: ascending positions.
        fp: the values there.
        left: the value before xp[0]; fp[0] if not given.
        right: the value behind xp[-1]; fp[-1] if not given.

    Raises:
        ShapeError: xp and fp are no vectors of one length.

    Example:
        >>> interp(asarray([0.5, 3.0]), asarray([0.0, 1.0]), asarray([10.0, 20.0]))
        Tensor([15., 20.], shape=(2,), dtype=float32)

    Source: NumPy, `interp`.
    """
    a, b, c = asarray(x), asarray(xp), asarray(fp)
    if b.ndim != 1 or b.shape != c.shape or not b.size:
        raise ShapeError(
            "interp: xp and fp are vectors of one length", [f"xp: {b.type}", f"fp: {c.type}"]
        )
    dtype = common_dtype("interp", (a, b, c))
    dtype = dtype if dtype.is_inexact else dtypes.float32
    a, b, c = (cast(v, dtype) for v in (a, b, c))
    column = a[..., None]  # type: ignore[index]
    place = clip(sum(cast(column >= b, dtypes.int64), axis=-1) - 1, 0, max(b.size - 2, 0))
    after = clip(place + 1, 0, b.size - 1)
    low, high, start, stop = take(b, place), take(b, after), take(c, place), take(c, after)
    width = where(high > low, high - low, 1.0)
    inside = start + (a - low) * ((stop - start) / width)
    first, last = take_range(b, 0, 0, 1), take_range(b, 0, b.size - 1, b.size)
    below = take_range(c, 0, 0, 1) if left is None else left
    above = take_range(c, 0, c.size - 1, c.size) if right is None else right
    found = where(a == last, take_range(c, 0, c.size - 1, c.size), inside)
    return where(a < first, below, where(a > last, above, found))
