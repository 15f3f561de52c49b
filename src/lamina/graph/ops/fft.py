"""Fourier transforms: of complex numbers, and of real ones to and from half spectra.

All are linear. The transform of several axes is symmetric, so it is its own transpose; those of
real numbers transpose to each other up to weights, since a half spectrum stands for the whole one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit
from lamina.graph.ops.complex import conj
from lamina.graph.ops.constant import constant
from lamina.graph.ops.opaque import Opaque
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.shape import check_axes

NORMS = ("backward", "ortho", "forward")
"""Which transform divides by the number of elements n: the inverse, both by sqrt(n), the other."""


def _check(op: Op, axes: tuple[int, ...], norm: str, x: TensorType) -> None:
    check_axes(op, axes, x)
    if norm not in NORMS:
        raise UsageError(f"{op.name}: no norm {norm!r}", [f"norms: {', '.join(NORMS)}"])
    if any(x.shape[a] == 0 for a in axes):
        raise ShapeError(
            f"{op.name}: an axis to transform has no elements",
            [f"x: {x}", f"axes: {axes}"],
            "give it at least one, or pad it",
        )


def _library() -> Any:
    """SciPy's transforms, which keep single precision in all versions; imported when first used."""
    from scipy import fft

    return fft


def _roots(n: int, count: int, inverse: bool, dtype: np.dtype) -> np.ndarray:
    """exp(-+2 pi i j k / n) for k < count; j k is reduced to a turn before it is rounded."""
    turns = np.outer(np.arange(n), np.arange(count)) % n / n
    return np.exp((2j if inverse else -2j) * np.pi * turns).astype(dtype)


def _factor(n: int, inverse: bool, norm: str) -> float:
    """What the plain sum is multiplied with."""
    if norm == "ortho":
        return 1 / math.sqrt(n)
    return 1 / n if inverse == (norm == "backward") else 1.0


@frozen
class Fourier(Opaque):
    """y[k] = sum over j of x[j] exp(-2 pi i j k / n), along each of `axes`.  Inputs: complex.

    `axes` are negative and ascending. `inverse`: with + in the exponent. `norm` says which of the
    two divides by n. Symmetric: its own transpose.
    Source: Cooley & Tukey 1965; computed by pocketfft (Reinecke), for primes by Bluestein 1970.
    """

    axes: tuple[int, ...]
    inverse: bool = False
    norm: str = "backward"

    def infer(self, *types: TensorType) -> TensorType:
        self.require("complex", *types)
        _check(self, self.axes, self.norm, types[0])
        return types[0]

    def reference(self, *arrays: Any) -> np.ndarray:
        y = np.asarray(arrays[0], np.complex128)
        for axis in self.axes:
            n = y.shape[axis]
            w = _roots(n, n, self.inverse, y.dtype) * _factor(n, self.inverse, self.norm)
            y = np.moveaxis(np.moveaxis(y, axis, -1) @ w, -1, axis)
        return y.astype(arrays[0].dtype)

    def independent(self, *types: TensorType) -> int:
        return types[0].rank + self.axes[0]

    def call(self, *arrays: Any) -> np.ndarray:
        f = _library().ifftn if self.inverse else _library().fftn
        return f(arrays[0], axes=self.axes, norm=self.norm)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return emit(self, bar)


def fourier(x: Any, axes: Sequence[int], inverse: bool = False, norm: str = "backward") -> Any:
    """The Fourier transform of complex x along `axes` (negative)."""
    axes = tuple(sorted(axes))
    return emit(Fourier(axes, inverse, norm), x) if axes else x


def _half_weights(n: int, like: Any, axis: int, once: float, twice: float) -> Any:
    """For each element of a half spectrum of n `once` if it stands for itself, else `twice`."""
    weights = np.full(n // 2 + 1, twice)
    weights[0] = once
    if n % 2 == 0:
        weights[-1] = once
    rank = len(like.shape)
    others = tuple(a for a in range(-rank, 0) if a != axis)
    row = constant(weights.astype(like.dtype.numpy), like.dtype)
    return expand(row, others, tuple(like.shape[a] for a in others))


@frozen
class RealFourier(Opaque):
    """The first n // 2 + 1 elements of the Fourier transform of real x along `axis`.

    The others are their conjugates.  Inputs: f32 or f64.  Transposes to HalfFourier.
    Source: Sorensen et al. 1987; computed by pocketfft (Reinecke).
    """

    axis: int
    norm: str = "backward"

    def infer(self, *types: TensorType) -> TensorType:
        self.require("float", *types)
        x = types[0]
        _check(self, (self.axis,), self.norm, x)
        if x.dtype.complex.part is not x.dtype:
            self.require("float32 float64", x)
        return x.with_dtype(x.dtype.complex).with_shape(
            _resized(x, self.axis, x.shape[self.axis] // 2 + 1)
        )

    def reference(self, *arrays: Any) -> np.ndarray:
        x = np.asarray(arrays[0])
        n = x.shape[self.axis]
        w = _roots(n, n // 2 + 1, False, np.dtype(np.complex128))
        y = np.moveaxis(x, self.axis, -1) @ (w * _factor(n, False, self.norm))
        return np.moveaxis(y, -1, self.axis).astype(np.result_type(x.dtype, np.complex64))

    def independent(self, *types: TensorType) -> int:
        return types[0].rank + self.axis

    def call(self, *arrays: Any) -> np.ndarray:
        return _library().rfft(arrays[0], axis=self.axis, norm=self.norm)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        n = x.shape[self.axis]
        return half_fourier(
            conj(bar) * _half_weights(n, bar, self.axis, 1.0, 0.5), n, self.axis, MIRROR[self.norm]
        )


def real_fourier(x: Any, axis: int, norm: str = "backward") -> Any:
    """The half spectrum of real x along `axis` (negative)."""
    return emit(RealFourier(axis, norm), x)


@frozen
class HalfFourier(Opaque):
    """The real y of `size` elements along `axis` of which x is the half spectrum.  Inputs: complex.

    The imaginary parts of x[0] and, where `size` is even, of the last element are not read.
    Transposes to RealFourier.  Source: Sorensen et al. 1987; computed by pocketfft (Reinecke).
    """

    size: int
    axis: int
    norm: str = "backward"

    def infer(self, *types: TensorType) -> TensorType:
        self.require("complex", *types)
        x = types[0]
        _check(self, (self.axis,), self.norm, x)
        if self.size < 1 or x.shape[self.axis] != self.size // 2 + 1:
            raise ShapeError(
                f"{self.name}: not the half spectrum of {self.size} elements",
                [f"x: {x}", f"axis {self.axis} must have {self.size // 2 + 1}"],
                "cut it, or fill it up with zeros",
            )
        return x.with_dtype(x.dtype.part).with_shape(_resized(x, self.axis, self.size))

    def reference(self, *arrays: Any) -> np.ndarray:
        x = np.moveaxis(np.asarray(arrays[0], np.complex128), self.axis, -1)
        n = self.size
        w = _roots(n, n // 2 + 1, True, x.dtype).T * _factor(n, True, self.norm)
        w[1 : (n + 1) // 2] *= 2
        y = np.real(x @ w)
        return np.moveaxis(y, -1, self.axis).astype(np.finfo(arrays[0].dtype).dtype)

    def independent(self, *types: TensorType) -> int:
        return types[0].rank + self.axis

    def call(self, *arrays: Any) -> np.ndarray:
        return _library().irfft(arrays[0], self.size, axis=self.axis, norm=self.norm)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        back = conj(real_fourier(bar, self.axis, MIRROR[self.norm]))
        return back * _half_weights(self.size, back, self.axis, 1.0, 2.0)


MIRROR = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The norm with which a transform of the other direction has the same factor."""


def half_fourier(x: Any, size: int, axis: int, norm: str = "backward") -> Any:
    """The real numbers of which x is the half spectrum along `axis` (negative)."""
    return emit(HalfFourier(size, axis, norm), x)


def _resized(x: TensorType, axis: int, size: int) -> list[int]:
    sizes = list(x.shape)
    sizes[axis] = size
    return sizes
