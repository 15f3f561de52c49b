"""What the factorisations return: tuples with the names that the array API gives their parts."""

from __future__ import annotations

from typing import NamedTuple

from lamina.tensor.tensor import Tensor


class EigResult(NamedTuple):
    """x V = V diag(w), complex."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EighResult(NamedTuple):
    """x = V diag(w) V^H, w real and rising."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """x = Q R."""

    Q: Tensor
    R: Tensor


class SVDResult(NamedTuple):
    """x = U diag(S) Vh, S falling."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class SlogdetResult(NamedTuple):
    """det x = sign * exp(logabsdet)."""

    sign: Tensor
    logabsdet: Tensor


class LUResult(NamedTuple):
    """x = P L U."""

    P: Tensor
    L: Tensor
    U: Tensor


class LstsqResult(NamedTuple):
    """The solution, and how good it is; see `lstsq`."""

    x: Tensor
    residuals: Tensor
    rank: Tensor
    s: Tensor
