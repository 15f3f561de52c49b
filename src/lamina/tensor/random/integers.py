"""Integers and orders."""

from __future__ import annotations

from typing import Any

from lamina.base import dtypes
from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import RandomBits
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.namespace.indexing import take, take_along_axis
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis
from lamina.tensor.namespace.sorting import argsort
from lamina.tensor.random.generator import next_key
from lamina.tensor.random.inverse import Key
from lamina.tensor.random.keys import Shape, bits
from lamina.tensor.random.parameters import integral
from lamina.tensor.tensor import Tensor


def randint(
    low: int,
    high: int | None = None,
    shape: Shape = (),
    *,
    dtype: Any = dtypes.int64,
    key: Key = None,
) -> Tensor:
    """Integers uniform in low, ..., high - 1; in 0, ..., low - 1 if `high` is None.

    64 random bits are reduced to the range, so the bias is below (high - low) / 2^64.

    Args:
        low: smallest number.
        high: bound above.
        shape: of the result.
        dtype: an integer type that holds them.
        key: where they come from; the default generator when None.

    Raises:
        UsageError: the range is empty, wider than 2^32, or beyond the dtype.

    Example:
        >>> randint(0, 10, (3,)).dtype
        lamina.int64

    Source: ours.
    """
    if high is None:
        low, high = 0, low
    chosen = integral("randint", dtype)
    span = high - low
    if not 0 < span <= 2**32:
        raise UsageError(
            "randint: the range is empty or wider than 2^32",
            [f"low: {low}", f"high: {high}"],
            "low is the smallest number and high one past the largest",
        )
    least = 0 if chosen.kind == "uint" else -(2 ** (chosen.bits - 1))
    if low < least or high - 1 > least + 2**chosen.bits - 1:
        raise UsageError(
            f"randint: {chosen.long_name} does not hold the range",
            [f"low: {low}", f"high: {high}"],
            "take a wider dtype",
        )
    words = cast(emit(RandomBits((*sizes_of(shape), 2)), next_key(key)), dtypes.uint64)
    wide_high, wide_low = words[..., 0], words[..., 1]
    # (high * 2**32 + low) mod span without leaving 64 bits
    reduced = ((wide_high % span) * (2**32 % span) + wide_low % span) % span
    return cast(cast(reduced, dtypes.int64) + low, chosen)


def permutation(x: Any, *, axis: int = 0, independent: bool = False, key: Key = None) -> Tensor:
    """The slices of `x` along `axis` in random order; of 0, ..., x - 1 if `x` is an integer.

    Each slice has 64 random bits, and these are sorted.

    Args:
        x: an integer or a tensor.
        axis: along which.
        independent: another order for each line along the axis.
        key: where the order comes from; the default generator when None.

    Shapes: `x: [*A] -> [*A]`

    Raises:
        ShapeError: the tensor has no axes.

    Example:
        >>> sorted(permutation(4).tolist())
        [0, 1, 2, 3]

    Source: Rao 1961, "Generation of random permutations of given number of elements".
    """
    if isinstance(x, int):
        return _order(next_key(key), (sizes_of(x)[0],))
    given = asarray(x)
    if not given.ndim:
        raise ShapeError(
            "permutation: a tensor without axes has no order",
            [f"tensor: {given.type}"],
            "give a Python integer n for the order of 0, ..., n - 1",
        )
    place = normal_axis("permutation", axis, given.ndim)
    if not independent:
        return take(given, _order(next_key(key), (given.shape[place],)), axis=place)
    last = moveaxis(given, place, -1)
    return moveaxis(take_along_axis(last, _order(next_key(key), last.shape), axis=-1), -1, place)


def shuffle(x: Any, *, axis: int = 0, key: Key = None) -> Tensor:
    """A shuffled copy of `x`: another name for `permutation`, as tensors do not change."""
    return permutation(asarray(x), axis=axis, key=key)


def _order(key: Tensor, shape: tuple[int, ...]) -> Tensor:
    words = cast(bits(key, (2, *shape)), dtypes.uint64)
    return argsort((words[0] << 32) | words[1], axis=-1)
