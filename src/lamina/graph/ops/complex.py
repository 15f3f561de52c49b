"""Complex numbers from two real ones, and the parts of complex numbers.

A cotangent meets a tangent as Re(bar * dot), so each op here transposes without a conjugate; see
"Complex numbers" in the guide to gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import DTypeError
from lamina.graph.ir import TensorType, emit, same_dtype
from lamina.graph.ops.constant import zeros_like
from lamina.graph.ops.elementwise import Elementwise, same_shape
from lamina.graph.ops.pairs import Parts


class Part(Elementwise, abstract=True):
    """A real number from a complex one."""

    kinds = "complex"

    def infer(self, *types: TensorType) -> TensorType:
        self.require(self.kinds, *types)
        return types[0].with_dtype(types[0].dtype.part)


class Real(Part):
    """y = Re x.  Inputs: complex.  Source: array API 2024.12.  Transposes to (bar, 0)."""

    cost = 0
    formula = staticmethod(np.real)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return make_complex(bar, zeros_like(bar))

    def split(self, x: Parts) -> Any:
        return x.re


def real(x: Any) -> Any:
    """The real part of x; x itself if it is not complex."""
    return emit(Real(), x) if x.dtype.is_complex else x


class Imag(Part):
    """y = Im x.  Inputs: complex.  Source: array API 2024.12.  Transposes to (0, -bar)."""

    cost = 0
    formula = staticmethod(np.imag)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return make_complex(zeros_like(bar), -bar)

    def split(self, x: Parts) -> Any:
        return x.im


def imag(x: Any) -> Any:
    """The imaginary part of x; zeros if it is not complex."""
    return emit(Imag(), x) if x.dtype.is_complex else zeros_like(x)


class Conjugate(Elementwise):
    """y = Re x - i Im x.  Inputs: complex.  Source: array API 2024.12.  Its own mirror."""

    kinds = "complex"
    formula = staticmethod(np.conj)

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        return conj(bar)

    def split(self, x: Parts) -> Parts:
        return Parts(x.re, -x.im)


def conj(x: Any) -> Any:
    """The complex conjugate of x; x itself if it is not complex."""
    return emit(Conjugate(), x) if x.dtype.is_complex else x


class MakeComplex(Elementwise):
    """z = x + i y, the parts taken as they are.  Inputs: two f32 or two f64.  Source: ours.

    Linear in x and y together.
    """

    arity = 2
    jointly = True
    cost = 0

    def infer(self, *types: TensorType) -> TensorType:
        self.require(self.kinds, *types)
        part = same_dtype(self, types)
        same_shape(self, types)
        if part.complex.part is not part:
            raise DTypeError(
                f"{self.name}: no complex dtype has parts of {part.long_name}",
                [f"x: {types[0]}", f"y: {types[1]}"],
                "cast both to float32",
            )
        return types[0].with_dtype(part.complex)

    def reference(self, *arrays: Any) -> np.ndarray:
        x, y = (np.asarray(a) for a in arrays)
        z = np.empty(x.shape, np.result_type(x.dtype, np.complex64))
        z.real, z.imag = x, y
        return z

    def transpose(self, i: int, bar: Any, x: Any, y: Any) -> Any:
        return real(bar) if i == 0 else -imag(bar)

    def split(self, x: Any, y: Any) -> Parts:
        return Parts(x, y)


def make_complex(x: Any, y: Any) -> Any:
    """x + i y from two real numbers; no arithmetic touches the parts."""
    return emit(MakeComplex(), x, y)
