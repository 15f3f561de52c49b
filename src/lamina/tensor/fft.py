"""`lm.fft`: Fourier transforms, by the names of the array API standard (2024.12) and NumPy.

Any length; several axes; float32 and complex64 stay single. Real input to a complex transform
becomes complex. `norm` says which direction divides by n: "backward" (the inverse), "forward" (the
other), or "ortho" (both, by the root of n).

Source for all: Python array API 2024.12, "Fourier transform Functions"; transforms of more axes
and of two: NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.graph.ops.complex import conj
from lamina.graph.ops.fft import MIRROR, NORMS, fourier, half_fourier, real_fourier
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.linalg.operands import inexact
from lamina.tensor.namespace.manipulation import normal_axis, roll, take_range
from lamina.tensor.namespace.padding import pad
from lamina.tensor.tensor import Tensor

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

Axes = Sequence[int] | None
Sizes = Sequence[int] | None


# ------------------------------------------------------------------ operands


def _complex(name: str, x: Any) -> Tensor:
    given = inexact(name, x)
    return cast(given, given.dtype.complex)


def _real(name: str, x: Any) -> Tensor:
    given = inexact(name, x)
    if given.dtype.is_complex:
        raise DTypeError(
            f"{name}: takes real numbers",
            [f"x: {given.type}", "takes: float32, float64"],
            f"use lm.fft.{name.replace('ih', '').replace('r', '')}, or take lm.real(x)",
        )
    return cast(given, given.dtype.complex.part)


def _norm(name: str, norm: str | None) -> str:
    norm = "backward" if norm is None else norm
    if norm not in NORMS:
        raise UsageError(f"{name}: no norm {norm!r}", [f"norms: {', '.join(NORMS)}"])
    return norm


def _require_elements(name: str, x: Tensor, axis: int, n: int) -> None:
    if n < 1:
        raise ShapeError(
            f"{name}: no elements to transform",
            [f"x: {x.type}", f"axis {axis}: {n} elements"],
            "give at least one",
        )


def _resized(name: str, x: Tensor, axis: int, n: int) -> Tensor:
    """The first n elements along an axis (negative), zeros where there are not so many."""
    _require_elements(name, x, axis, n)
    size = x.shape[axis]
    if n <= size:
        return take_range(x, axis, 0, n)
    widths = [(0, n - size) if a == axis else (0, 0) for a in range(-x.ndim, 0)]
    return pad(x, widths)


def _axes_and_sizes(name: str, x: Tensor, s: Sizes, axes: Axes) -> tuple[list[int], list[int]]:
    """The axes from the end, and how many elements of each are transformed; -1 where not said."""
    if axes is None:
        count = x.ndim if s is None else len(s)
        if count > x.ndim:
            raise ShapeError(
                f"{name}: more sizes than axes",
                [f"x: {x.type}", f"s: {tuple(s or ())}"],
                "give a size for each axis that is transformed",
            )
        axes = range(-count, 0)
    places = [normal_axis(name, a, x.ndim) - x.ndim for a in axes]
    sizes = [-1] * len(places) if s is None else list(s)
    if len(sizes) != len(places) or len(set(places)) != len(places):
        raise ShapeError(
            f"{name}: sizes and axes do not fit",
            [f"s: {s}", f"axes: {tuple(axes)}"],
            "give different axes, and a size for each",
        )
    return places, sizes


def _all_resized(name: str, x: Tensor, places: list[int], sizes: list[int]) -> Tensor:
    for axis, n in zip(places, sizes, strict=True):
        x = _resized(name, x, axis, x.shape[axis] if n == -1 else n)
    return x


# ------------------------------------------------------------------ complex transforms


def _many(name: str, x: Any, s: Sizes, axes: Axes, norm: str | None, inverse: bool) -> Tensor:
    value, kind = _complex(name, x), _norm(name, norm)
    places, sizes = _axes_and_sizes(name, value, s, axes)
    return fourier(_all_resized(name, value, places, sizes), places, inverse, kind)


def fft(x: Any, /, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """y[k] = sum over j of x[j] exp(-2 pi i j k / n) along an axis.

    Args:
        x: the numbers.
        n: how many are transformed; x is cut, or filled up with zeros. All when not given.
        axis: the axis.
        norm: "backward", "ortho" or "forward".

    Raises:
        ShapeError: no such axis, or no elements.
        UsageError: no such norm.

    Example:
        >>> fft([1.0, 0.0, 0.0, 0.0])
        Tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j], shape=(4,), dtype=complex64)
    """
    return _many("fft", x, None if n is None else (n,), (axis,), norm, False)


def ifft(x: Any, /, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """The inverse of `fft`: x[j] = sum over k of y[k] exp(2 pi i j k / n) / n."""
    return _many("ifft", x, None if n is None else (n,), (axis,), norm, True)


def fftn(x: Any, /, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Tensor:
    """`fft` along several axes.

    Args:
        x: the numbers.
        s: how many are transformed along each axis; -1 for all.
        axes: the axes; when not given the last ones, as many as sizes, or all.
        norm: "backward", "ortho" or "forward".
    """
    return _many("fftn", x, s, axes, norm, False)


def ifftn(x: Any, /, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Tensor:
    """The inverse of `fftn`."""
    return _many("ifftn", x, s, axes, norm, True)


def fft2(
    x: Any, /, s: Sizes = None, axes: Sequence[int] = (-2, -1), norm: str | None = "backward"
) -> Tensor:
    """`fftn` along two axes."""
    return _many("fft2", x, s, axes, norm, False)


def ifft2(
    x: Any, /, s: Sizes = None, axes: Sequence[int] = (-2, -1), norm: str | None = "backward"
) -> Tensor:
    """The inverse of `fft2`."""
    return _many("ifft2", x, s, axes, norm, True)


# ------------------------------------------------------------------ real transforms


def _from_real(name: str, x: Any, s: Sizes, axes: Axes, norm: str | None) -> Tensor:
    value, kind = _real(name, x), _norm(name, norm)
    places, sizes = _axes_and_sizes(name, value, s, axes)
    _require_axes(name, places)
    value = _all_resized(name, value, places, sizes)
    return fourier(real_fourier(value, places[-1], kind), places[:-1], False, kind)


def _to_real(name: str, x: Any, s: Sizes, axes: Axes, norm: str | None) -> Tensor:
    value, kind = _complex(name, x), _norm(name, norm)
    places, sizes = _axes_and_sizes(name, value, s, axes)
    _require_axes(name, places)
    last = places[-1]
    n = 2 * (value.shape[last] - 1) if sizes[-1] == -1 else sizes[-1]
    _require_elements(name, value, last, n)
    value = _all_resized(name, value, places, [*sizes[:-1], n // 2 + 1])
    return half_fourier(fourier(value, places[:-1], True, kind), n, last, kind)


def _require_axes(name: str, places: list[int]) -> None:
    if not places:
        raise ShapeError(f"{name}: no axis to transform", ["axes: none"], "give at least one")


def rfft(x: Any, /, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """The first n // 2 + 1 elements of `fft` of real numbers; the others are their conjugates.

    Args:
        x: real numbers.
        n: how many are transformed; x is cut, or filled up with zeros. All when not given.
        axis: the axis.
        norm: "backward", "ortho" or "forward".

    Raises:
        DTypeError: x is complex.

    Example:
        >>> rfft([1.0, 0.0, 0.0])
        Tensor([1.+0.j, 1.+0.j], shape=(2,), dtype=complex64)
    """
    return _from_real("rfft", x, None if n is None else (n,), (axis,), norm)


def irfft(x: Any, /, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """The inverse of `rfft`: n real numbers, 2 (m - 1) where m are given and n is not."""
    return _to_real("irfft", x, None if n is None else (n,), (axis,), norm)


def rfftn(x: Any, /, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Tensor:
    """`fftn` of real numbers, half of it along the last of the axes. Arguments as for `fftn`."""
    return _from_real("rfftn", x, s, axes, norm)


def irfftn(x: Any, /, s: Sizes = None, axes: Axes = None, norm: str | None = "backward") -> Tensor:
    """The inverse of `rfftn`; the last size is 2 (m - 1) where m are given and it is not."""
    return _to_real("irfftn", x, s, axes, norm)


def rfft2(
    x: Any, /, s: Sizes = None, axes: Sequence[int] = (-2, -1), norm: str | None = "backward"
) -> Tensor:
    """`rfftn` along two axes."""
    return _from_real("rfft2", x, s, axes, norm)


def irfft2(
    x: Any, /, s: Sizes = None, axes: Sequence[int] = (-2, -1), norm: str | None = "backward"
) -> Tensor:
    """The inverse of `rfft2`."""
    return _to_real("irfft2", x, s, axes, norm)


def hfft(x: Any, /, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """`fft` of numbers of which the second half are conjugates: n real numbers from n // 2 + 1.

    Args:
        x: the first half; the imaginary part of the first number is not read.
        n: how many numbers result; 2 (m - 1) where m are given and n is not.
        axis: the axis.
        norm: "backward", "ortho" or "forward".
    """
    value, kind = _complex("hfft", x), MIRROR[_norm("hfft", norm)]
    return _to_real("hfft", conj(value), None if n is None else (n,), (axis,), kind)


def ihfft(x: Any, /, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """The inverse of `hfft`: n // 2 + 1 complex numbers from n real ones."""
    kind = MIRROR[_norm("ihfft", norm)]
    return conj(_from_real("ihfft", x, None if n is None else (n,), (axis,), kind))


# ------------------------------------------------------------------ frequencies


def _frequencies(
    name: str, counts: np.ndarray, span: float, dtype: Any, device: str | None
) -> Tensor:
    kind = dtypes.float32 if dtype is None else dtypes.dtype(dtype)
    if not kind.is_float:
        raise DTypeError(
            f"{name}: frequencies are floating",
            [f"dtype: {kind.long_name}"],
            "give float32 or float64",
        )
    return asarray((counts / span).astype(kind.numpy), device=device)


def _positive(name: str, n: int) -> int:
    if n < 1:
        raise ShapeError(f"{name}: no elements", [f"n: {n}"], "give at least one")
    return n


def fftfreq(n: int, /, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Tensor:
    """The frequencies that the elements of `fft` stand for: 0, 1, ..., -2, -1 over n d.

    Args:
        n: number of samples.
        d: their distance.
        dtype: float32 when not given.
        device: None or "cpu".

    Units: cycles per unit of d.

    Example:
        >>> fftfreq(4)
        Tensor([ 0.  ,  0.25, -0.5 , -0.25], shape=(4,), dtype=float32)
    """
    places = np.arange(_positive("fftfreq", n))
    counts = np.where(places < (n + 1) // 2, places, places - n)
    return _frequencies("fftfreq", counts, n * d, dtype, device)


def rfftfreq(n: int, /, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Tensor:
    """The frequencies that the elements of `rfft` stand for: 0, 1, ..., n // 2 over n d.

    Example:
        >>> rfftfreq(4)
        Tensor([0.  , 0.25, 0.5 ], shape=(3,), dtype=float32)
    """
    counts = np.arange(_positive("rfftfreq", n) // 2 + 1)
    return _frequencies("rfftfreq", counts, n * d, dtype, device)


def fftshift(x: Any, /, axes: int | Axes = None) -> Tensor:
    """The elements rolled so that frequency 0 is in the middle, along `axes` or all.

    Example:
        >>> fftshift(fftfreq(4))
        Tensor([-0.5 , -0.25,  0.  ,  0.25], shape=(4,), dtype=float32)
    """
    return _shifted(x, axes, lambda n: n // 2)


def ifftshift(x: Any, /, axes: int | Axes = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shifted(x, axes, lambda n: -(n // 2))


def _shifted(x: Any, axes: int | Axes, distance: Any) -> Tensor:
    x = asarray(x)
    chosen = range(x.ndim) if axes is None else (axes,) if isinstance(axes, int) else axes
    places = [normal_axis("fftshift", a, x.ndim) for a in chosen]
    return roll(x, [distance(x.shape[a]) for a in places], axis=places)
