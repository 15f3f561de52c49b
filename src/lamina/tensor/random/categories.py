"""Choices: coins, categories, elements of a tensor."""

from __future__ import annotations

import math
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import ShapeError, UsageError
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.namespace.creation import arange
from lamina.tensor.namespace.elementwise import log
from lamina.tensor.namespace.indexing import take
from lamina.tensor.namespace.manipulation import normal_axis, reshape
from lamina.tensor.namespace.reductions import argmax
from lamina.tensor.namespace.sorting import top_k
from lamina.tensor.promotion import broadcast_to
from lamina.tensor.random.generator import next_key
from lamina.tensor.random.integers import permutation, randint
from lamina.tensor.random.inverse import Key, standard_gumbel
from lamina.tensor.random.keys import Shape
from lamina.tensor.random.parameters import plan, require, wide_of
from lamina.tensor.random.units import unit
from lamina.tensor.tensor import Tensor


def bernoulli(p: Any = 0.5, shape: Shape | None = None, *, key: Key = None) -> Tensor:
    """True with probability `p`.

    Args:
        p: a number, or a tensor that broadcasts to `shape`.
        shape: of the result; that of `p` when None.
        key: where they come from; the default generator when None.

    Example:
        >>> bernoulli(0.5, (2,)).dtype
        lamina.bool

    Source: Bernoulli 1713.
    """
    require("bernoulli", "p", p, 0, 1)
    chosen = plan("bernoulli", shape, dtypes.float32, p)
    return unit(next_key(key), chosen.shape, dtypes.float32) < chosen.parameters[0]


def categorical(logits: Any, shape: Shape | None = None, *, key: Key = None) -> Tensor:
    """Indices along the last axis with probabilities softmax(logits), by the Gumbel maximum.

    Args:
        logits: logarithms of probabilities, up to a constant; -inf for what never comes.
        shape: of the result, to which [*B] broadcasts; [*B] when None.
        key: where they come from; the default generator when None.

    Shapes: `logits: [*B, N] -> [*B]`, or `shape`, to which [*B] broadcasts.

    Raises:
        ShapeError: there is no axis of categories.

    Example:
        >>> categorical([0.0, float("-inf")]).item()
        0

    Source: Maddison, Tarlow and Minka 2014, "A* sampling".
    """
    given = asarray(logits)
    if not given.ndim or not given.shape[-1]:
        raise ShapeError(
            "categorical: there are no categories",
            [f"logits: {given.type}"],
            "the last axis holds one logit for each category",
        )
    wide = wide_of(given.dtype)
    lead = given.shape[:-1] if shape is None else sizes_of(shape)
    spread = broadcast_to(cast(given, wide), (*lead, given.shape[-1]))
    return argmax(spread + standard_gumbel(next_key(key), spread.shape, wide), axis=-1)


def choice(
    a: Any,
    shape: Shape = (),
    *,
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    key: Key = None,
) -> Tensor:
    """Slices of `a` along `axis` at random positions; positions themselves if `a` is an integer.

    Without replacement the positions are those of the largest random keys: bits where all are
    equally likely, else log(p) plus Gumbel numbers.

    Args:
        a: an integer or a tensor.
        shape: how many, in place of the axis.
        replace: whether one may come again.
        p: weights along the axis, not necessarily of sum 1; equal ones when None.
        axis: along which.
        key: where they come from; the default generator when None.

    Shapes: `a: [*A, N, *C] -> [*A, *shape, *C]`

    Raises:
        UsageError: nothing to choose from, or more than there are without replacement.
        ShapeError: the weights do not fit the axis.

    Example:
        >>> sorted(choice(3, (3,), replace=False).tolist())
        [0, 1, 2]

    Source: Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir".
    """
    given = None if isinstance(a, int) else asarray(a)
    place = 0 if given is None else normal_axis("choice", axis, given.ndim)
    size = sizes_of(a)[0] if given is None else given.shape[place]
    sizes = sizes_of(shape)
    count = math.prod(sizes)
    if (not size and count) or (not replace and count > size):
        raise UsageError(
            "choice: there are not so many to choose from",
            [f"wanted: {count}", f"there: {size}", f"replace: {replace}"],
            "choose fewer, or with replacement",
        )
    places = _places(size, sizes, count, replace, p, next_key(key))
    return places if given is None else take(given, places, axis=place)


def _places(
    size: int, sizes: tuple[int, ...], count: int, replace: bool, p: Any, key: Tensor
) -> Tensor:
    if p is None:
        if not count:
            return reshape(arange(0), sizes)
        if replace:
            return randint(0, size, sizes, key=key)
        return reshape(permutation(size, key=key)[:count], sizes)
    weights = asarray(p)
    if weights.shape != (size,):
        raise ShapeError(
            "choice: the weights do not fit",
            [f"p: {weights.type}", f"there: {size}"],
            "give one weight for each position along the axis",
        )
    wide = wide_of(weights.dtype)
    logits = log(cast(weights, wide))
    if replace:
        return categorical(logits, sizes, key=key)
    _, found = top_k(logits + standard_gumbel(key, (size,), wide), count)
    return reshape(found, sizes)
