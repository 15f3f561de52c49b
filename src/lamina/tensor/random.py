"""Random numbers: counter-based, so one stream eager, jitted, batched and sharded.

A key is two uint32 words. A `Generator` holds a key and counts its draws; each draw folds the
count into the key. The default generator serves every function that is given no key; inside `jit`
its state is an input of the program, inside `vmap` each example has a key of its own.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Threefry-2x32-20).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import DTypeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Bitcast, RandomBits
from lamina.tensor.containers import register_node
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.exclusive import exclusive
from lamina.tensor.namespace.creation import arange
from lamina.tensor.namespace.elementwise import cos, log, sin, sqrt
from lamina.tensor.namespace.manipulation import concat, reshape, stack
from lamina.tensor.promotion import broadcast_to
from lamina.tensor.tensor import Tensor, from_numpy

Shape = int | Sequence[int]


def key(seed: int) -> Tensor:
    """The key of a seed: its 64 bits as two uint32 words.

    Shapes: -> u32[2]
    """
    words = [seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]
    return from_numpy(np.array(words, np.uint32))


def bits(key: Tensor, shape: Shape) -> Tensor:
    """Uniform 32-bit words.

    Shapes: `key: u32[2] -> u32[*shape]`
    """
    _require_key(key)
    return emit(RandomBits(sizes_of(shape)), key)


def split(key: Tensor, count: int = 2) -> Tensor:
    """`count` keys that are independent of each other and of `key`'s own numbers.

    Shapes: `key: u32[2] -> u32[count, 2]`
    """
    _require_key(key)
    return reshape(emit(RandomBits((2 * count,)), key ^ _SPLIT), (count, 2))


def fold_in(key: Tensor, data: Any) -> Tensor:
    """The key for `data`, an integer or a uint32 tensor of rank 0: another for each.

    Shapes: `key: u32[2] -> u32[2]`
    """
    _require_key(key)
    word = cast(asarray(data), dtypes.uint32)
    mixed = key ^ stack([word, word ^ _FOLD])
    return emit(RandomBits((2,)), mixed)


_SPLIT = 0x9E3779B9  # keeps the words of `split` apart from those of `bits`
_FOLD = 0x85EBCA6B


def _require_key(key: Tensor) -> None:
    if not isinstance(key, Tensor) or key.dtype is not dtypes.uint32 or key.shape[-1:] != (2,):
        raise DTypeError(
            "random: this is not a key",
            [f"given: {key.type if isinstance(key, Tensor) else type(key).__name__}"],
            "make one with lm.random.key(seed)",
        )


class Generator:
    """A key and the number of draws so far; both are tensors, so `jit` carries them along.

    Args:
        seed: where the stream starts.
    """

    def __init__(self, seed: int = 0):
        self.key = key(seed)
        self.counter = from_numpy(np.array(0, np.uint32))

    def next_key(self) -> Tensor:
        """The key of the next draw."""
        drawn = fold_in(self.key, self.counter)
        self.counter = self.counter + 1
        return drawn

    def seed(self, seed: int) -> None:
        """Start again from `seed`."""
        self.key = key(seed)
        self.counter = from_numpy(np.array(0, np.uint32))


register_node(Generator)

default = Generator()
"""The generator of every function that is given no key."""


def seed(seed: int) -> None:
    """Start the default generator again from `seed`."""
    with exclusive:
        default.seed(seed)


def next_key(key: Tensor | Generator | None = None) -> Tensor:
    """`key` itself, or the next key of a generator; of the default one when None."""
    if key is None:
        with exclusive:  # another thread may have put its placeholders there
            return default.next_key()
    return key.next_key() if isinstance(key, Generator) else key


def _unit(words: Tensor, dtype: dtypes.DType) -> Tensor:
    """Words as uniform floats of [0, 1): 23 or 16 + 32 bits below the point."""
    exponent_of_one = 0x3F800000
    fraction = emit(Bitcast(dtypes.float32), (words >> 9) | exponent_of_one) - 1.0
    return cast(fraction, dtype)


def _unit64(key: Tensor, shape: tuple[int, ...]) -> Tensor:
    words = cast(emit(RandomBits((*shape, 2)), key), dtypes.float64)
    high, low = words[..., 0], words[..., 1]
    whole = _floor(high / 64.0)  # 26 bits, then 27 more
    return (whole * 134217728.0 + _floor(low / 32.0)) / 9007199254740992.0


def _floor(x: Tensor) -> Tensor:
    return x // 1.0


def uniform(
    shape: Shape = (),
    low: Any = 0.0,
    high: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Tensor | Generator | None = None,
) -> Tensor:
    """Numbers uniform in [low, high).

    Args:
        shape: of the result.
        low: smallest number.
        high: bound above.
        dtype: floating.
        key: where they come from; the default generator when None.

    Example:
        >>> uniform((2,), key=globals()["key"](0)).shape
        (2,)
    """
    chosen, sizes = _floating(dtype), sizes_of(shape)
    drawn = next_key(key)
    if chosen is dtypes.float64:
        unit = _unit64(drawn, sizes)
    else:
        unit = _unit(bits(drawn, sizes), dtypes.float32)
    if not (isinstance(low, int | float) and low == 0.0):
        unit = unit * (high - low) + low
    elif not (isinstance(high, int | float) and high == 1.0):
        unit = unit * high
    return cast(unit, chosen)


def _floating(dtype: Any) -> dtypes.DType:
    chosen = dtypes.dtype(dtype)
    if not chosen.is_float:
        raise DTypeError(f"random: {chosen.long_name} is not floating")
    return chosen


def normal(
    shape: Shape = (),
    mean: Any = 0.0,
    std: Any = 1.0,
    *,
    dtype: Any = dtypes.float32,
    key: Tensor | Generator | None = None,
) -> Tensor:
    """Numbers of the normal distribution, by sqrt(-2 log u) * (cos, sin)(2 pi v).

    Source: Box and Muller 1958, "A note on the generation of random normal deviates".
    """
    chosen, sizes = _floating(dtype), sizes_of(shape)
    count = math.prod(sizes)
    half = (count + 1) // 2
    wide = dtypes.float64 if chosen is dtypes.float64 else dtypes.float32
    drawn = next_key(key)
    unit = (
        _unit64(drawn, (2, half)) if wide is dtypes.float64 else _unit(bits(drawn, (2, half)), wide)
    )
    radius = sqrt(-2.0 * log(1.0 - unit[0]))
    angle = unit[1] * (2.0 * math.pi)
    both = concat([radius * cos(angle), radius * sin(angle)])
    found = reshape(both[:count], sizes)
    if not (isinstance(std, int | float) and std == 1.0):
        found = found * std
    if not (isinstance(mean, int | float) and mean == 0.0):
        found = found + mean
    return cast(found, chosen)


def bernoulli(p: Any = 0.5, shape: Shape | None = None, *, key: Any = None) -> Tensor:
    """True with probability `p`; a number, or a tensor that broadcasts to `shape`."""
    sizes = sizes_of(shape) if shape is not None else asarray(p).shape
    return uniform(sizes, key=key) < p


def randint(
    low: int, high: int, shape: Shape = (), *, dtype: Any = dtypes.int64, key: Any = None
) -> Tensor:
    """Integers uniform in low, ..., high - 1.

    64 random bits are reduced to the range, so the bias is below (high - low) / 2**64.
    """
    span = high - low
    if not 0 < span <= 2**32:
        raise UsageError("randint: the range is empty or wider than 2**32", [f"[{low}, {high})"])
    sizes = sizes_of(shape)
    words = cast(emit(RandomBits((*sizes, 2)), next_key(key)), dtypes.uint64)
    wide_high, wide_low = words[..., 0], words[..., 1]
    # (high * 2**32 + low) mod span without leaving 64 bits
    reduced = ((wide_high % span) * (2**32 % span) + wide_low % span) % span
    return cast(cast(reduced, dtypes.int64) + low, dtypes.dtype(dtype))


def permutation(n: int, *, key: Any = None) -> Tensor:
    """0, ..., n - 1 in random order; the order is found on the host, so not inside `jit`."""
    words = bits(next_key(key), (2, n)).numpy().astype(np.uint64)
    order = np.argsort(words[0] << np.uint64(32) | words[1], kind="stable")
    return from_numpy(order.astype(np.int64))


def categorical(logits: Any, shape: Shape | None = None, *, key: Any = None) -> Tensor:
    """Indices along the last axis with probabilities softmax(logits), by the Gumbel maximum.

    Shapes: `logits: [*B, N] -> [*B]`, or `shape`, to which [*B] broadcasts.
    """
    given = asarray(logits)
    lead = given.shape[:-1] if shape is None else sizes_of(shape)
    spread = broadcast_to(given, (*lead, given.shape[-1]))
    noise = uniform(spread.shape, key=key)
    tiny = 1.1754944e-38
    return (spread - log(-log(noise + tiny) + tiny)).argmax(axis=-1)  # type: ignore[attr-defined]


__all__ = [
    "Generator", "arange", "bernoulli", "bits", "categorical", "default", "fold_in", "key",
    "next_key", "normal", "permutation", "randint", "seed", "split", "uniform",
]  # fmt: skip
