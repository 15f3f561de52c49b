"""Uniform numbers of [0, 1), (0, 1] and (0, 1/2), from which all distributions are made.

What a logarithm will be taken of keeps the bits that matter near 0: 2^-33 is the smallest number in
float32, so that a normal number reaches 6.7 standard deviations.
"""

from __future__ import annotations

from lamina.base import dtypes
from lamina.graph.ir import emit
from lamina.graph.ops import Bitcast, RandomBits
from lamina.tensor.conversion import cast
from lamina.tensor.namespace.elementwise import floor, log, log1p, minimum
from lamina.tensor.random.keys import bits
from lamina.tensor.tensor import Tensor

EXPONENT_OF_ONE = 0x3F800000
LAST_BELOW_ONE = 1.0 - 2.0**-24
FRACTION_BITS = {"f16": 11, "bf16": 8}


def unit(key: Tensor, shape: tuple[int, ...], dtype: dtypes.DType) -> Tensor:
    """Multiples of 2^-23 in [0, 1); of 2^-53, 2^-11, 2^-8 in float64, float16, bfloat16."""
    if dtype is dtypes.float64:
        return _unit64(key, shape)
    if dtype.bits == 16:
        count = FRACTION_BITS[dtype.name]
        return cast(bits(key, shape) >> (32 - count), dtypes.float32) * 2.0**-count
    words = (bits(key, shape) >> 9) | EXPONENT_OF_ONE
    return emit(Bitcast(dtypes.float32), words) - 1.0


def _unit64(key: Tensor, shape: tuple[int, ...]) -> Tensor:
    words = cast(emit(RandomBits((*shape, 2)), key), dtypes.float64)
    high, low = words[..., 0], words[..., 1]
    whole = floor(high / 64.0)  # 26 bits, then 27 more
    return (whole * 134217728.0 + floor(low / 32.0)) / 9007199254740992.0


def positive_unit(key: Tensor, shape: tuple[int, ...], dtype: dtypes.DType) -> Tensor:
    """Numbers of (0, 1], fine near 0."""
    if dtype is dtypes.float64:
        return 1.0 - _unit64(key, shape)
    return cast(bits(key, shape), dtypes.float32) * 2.0**-32 + 2.0**-33


def exponential_unit(key: Tensor, shape: tuple[int, ...], dtype: dtypes.DType) -> Tensor:
    """-log(u): exponential, with a fine tail."""
    return -log(positive_unit(key, shape, dtype))


def short_wait(key: Tensor, shape: tuple[int, ...], dtype: dtypes.DType) -> Tensor:
    """-log(1 - u): exponential and never 0 or infinite, fine near 0."""
    if dtype is dtypes.float64:
        return -log1p(-(_unit64(key, shape) + 2.0**-54))
    return -log1p(-minimum(positive_unit(key, shape, dtype), LAST_BELOW_ONE))


def signed_half(key: Tensor, shape: tuple[int, ...], dtype: dtypes.DType) -> tuple[Tensor, Tensor]:
    """Numbers of (0, 1/2), fine near 0, and a fair coin for each."""
    if dtype is dtypes.float64:
        u = _unit64(key, shape)
        return (u - 0.5 * cast(u >= 0.5, u.dtype)) + 2.0**-55, u >= 0.5
    words = bits(key, shape)
    return cast(words >> 1, dtypes.float32) * 2.0**-32 + 2.0**-33, (words & 1) != 0
