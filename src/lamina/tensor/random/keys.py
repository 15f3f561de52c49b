"""Keys: two uint32 words from which numbers and other keys follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import DTypeError
from lamina.graph.ir import emit
from lamina.graph.ops import RandomBits
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.namespace.manipulation import reshape, stack
from lamina.tensor.tensor import Tensor, from_numpy

Shape = int | Sequence[int]

_SPLIT = 0x9E3779B9  # keeps the words of `split` apart from those of `bits`
_FOLD = 0x85EBCA6B


def key(seed: int) -> Tensor:
    """The key of a seed: its 64 bits as two uint32 words.

    Shapes: `-> u32[2]`

    Example:
        >>> key(7)
        Tensor([7, 0], shape=(2,), dtype=uint32)

    Source: Salmon et al. 2011.
    """
    words = [seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]
    return from_numpy(np.array(words, np.uint32))


def bits(key: Tensor, shape: Shape) -> Tensor:
    """Uniform 32-bit words.

    Shapes: `key: u32[2] -> u32[*shape]`

    Source: Salmon et al. 2011.
    """
    require_key(key)
    return emit(RandomBits(sizes_of(shape)), key)


def split(key: Tensor, count: int = 2) -> Tensor:
    """`count` keys that are independent of each other and of `key`'s own numbers.

    Shapes: `key: u32[2] -> u32[count, 2]`
    """
    require_key(key)
    return reshape(emit(RandomBits((2 * count,)), key ^ _SPLIT), (count, 2))


def fold_in(key: Tensor, data: Any) -> Tensor:
    """The key for `data`, an integer or a uint32 tensor of rank 0: another for each.

    Shapes: `key: u32[2] -> u32[2]`
    """
    require_key(key)
    word = cast(asarray(data), dtypes.uint32)
    mixed = key ^ stack([word, word ^ _FOLD])
    return emit(RandomBits((2,)), mixed)


def require_key(key: Tensor) -> None:
    """DTypeError unless `key` is one."""
    if not isinstance(key, Tensor) or key.dtype is not dtypes.uint32 or key.shape[-1:] != (2,):
        raise DTypeError(
            "random: this is not a key",
            [f"given: {key.type if isinstance(key, Tensor) else type(key).__name__}"],
            "make one with lm.random.key(seed)",
        )
