"""Complex tensors from two real ones, and the parts of complex tensors.

Source for all that the standard has: Python array API 2024.12, "Element-wise functions".
"""

from __future__ import annotations

from typing import Any

from lamina.graph import ops
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.elementwise import atan2
from lamina.tensor.promotion import meet
from lamina.tensor.tensor import Tensor, apart


def real(x: Any, /) -> Tensor:
    """The real part of each element; x itself if it is not complex."""
    return apart(ops.real(asarray(x)), x)


def imag(x: Any, /) -> Tensor:
    """The imaginary part of each element; zeros if x is not complex."""
    return ops.imag(asarray(x))


def conj(x: Any, /) -> Tensor:
    """The complex conjugate of each element; x itself if it is not complex."""
    return apart(ops.conj(asarray(x)), x)


def angle(x: Any, /) -> Tensor:
    """The angle of each element in the complex plane, in [-pi, pi].

    Example:
        >>> angle(asarray([1.0, -1.0, 1j]))
        Tensor([0.       , 3.1415927, 1.5707964], shape=(3,), dtype=float32)

    Source: NumPy, `angle`.
    """
    z = asarray(x)
    return atan2(ops.imag(z), ops.real(z))


def make_complex(x: Any, y: Any, /) -> Tensor:
    """x + i y of two real tensors; infinities and NaNs in one part leave the other alone.

    Example:
        >>> make_complex(asarray([1.0, 2.0]), 0.5)
        Tensor([1.+0.5j, 2.+0.5j], shape=(2,), dtype=complex64)

    Source: torch, `complex`.
    """
    return ops.make_complex(*meet("make_complex", x, y, floating=True))


def is_complex(x: Any, /) -> bool:
    """Whether the elements of x are complex numbers, whatever their imaginary parts.

    Source: torch, `is_complex`.
    """
    return asarray(x).dtype.is_complex
