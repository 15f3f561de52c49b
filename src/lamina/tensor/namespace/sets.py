"""Tensors as sets: distinct elements, membership, unions and differences.

Elements are put in order; equal neighbours are one. NaN equals nothing, so each is there by itself.
How many there are depends on the elements, so `jit` and `vmap` need a `size` (see `searching`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina.graph import ops
from lamina.graph.ir import emit
from lamina.tensor.conversion import asarray, full_of
from lamina.tensor.namespace.creation import ones
from lamina.tensor.namespace.cumulative import cumsum
from lamina.tensor.namespace.elementwise import (
    isnan,
    logical_and,
    logical_not,
    logical_xor,
    minimum,
    not_equal,
    where,
)
from lamina.tensor.namespace.manipulation import concat, reshape
from lamina.tensor.namespace.searching import places, selected, size_of
from lamina.tensor.namespace.sorting import argsort, sort
from lamina.tensor.promotion import common_dtype, is_number
from lamina.tensor.tensor import Tensor


class UniqueAll(NamedTuple):
    """Distinct elements: in order, where each is first, which of them each element is, how many."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """Distinct elements in order, and how often each is there."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """Distinct elements in order, and which of them each element is."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Any, /, *, size: int | None = None, fill_value: Any = 0) -> UniqueAll:
    """The distinct elements of `x` in order, with where and how often they are.

    Args:
        x: any tensor; it is flattened.
        size: how many elements to give, in `jit` and `vmap`; all distinct ones when not given.
        fill_value: in place of values that are missing then; their indices and counts are 0.

    Returns:
        (values, indices, inverse_indices, counts): `x.flatten()[indices]` is `values`, and
        `values[inverse_indices]` is `x`.

    Raises:
        TraceError: inside `jit` or `vmap`, without `size`.

    Example:
        >>> import lamina as lm
        >>> found = unique_all(lm.asarray([3, 1, 3]))
        >>> found.values.tolist(), found.indices.tolist()
        ([1, 3], [1, 0])
        >>> found.inverse_indices.tolist(), found.counts.tolist()
        ([1, 0, 1], [1, 2])

    Source: Python array API 2024.12, `unique_all`; `size` after JAX.
    """
    x = asarray(x)
    groups = _Groups("unique_all", x, size, fill_value)
    return UniqueAll(groups.values(), groups.indices(), groups.inverse(x.shape), groups.counts())


def unique_counts(x: Any, /, *, size: int | None = None, fill_value: Any = 0) -> UniqueCounts:
    """The distinct elements of `x` in order, and how often each is there; see `unique_all`.

    Example:
        >>> import lamina as lm
        >>> unique_counts(lm.asarray([3, 1, 3])).counts
        Tensor([1, 2], shape=(2,), dtype=int64)

    Source: Python array API 2024.12, `unique_counts`; `size` after JAX.
    """
    groups = _Groups("unique_counts", asarray(x), size, fill_value)
    return UniqueCounts(groups.values(), groups.counts())


def unique_inverse(x: Any, /, *, size: int | None = None, fill_value: Any = 0) -> UniqueInverse:
    """The distinct elements of `x` in order, and which of them each element is; see `unique_all`.

    Example:
        >>> import lamina as lm
        >>> unique_inverse(lm.asarray([3, 1, 3])).inverse_indices
        Tensor([1, 0, 1], shape=(3,), dtype=int64)

    Source: Python array API 2024.12, `unique_inverse`; `size` after JAX.
    """
    x = asarray(x)
    groups = _Groups("unique_inverse", x, size, fill_value)
    return UniqueInverse(groups.values(), groups.inverse(x.shape))


def unique_values(x: Any, /, *, size: int | None = None, fill_value: Any = 0) -> Tensor:
    """The distinct elements of `x` in order; see `unique_all`.

    Example:
        >>> import lamina as lm
        >>> unique_values(lm.asarray([3, 1, 3]))
        Tensor([1, 3], shape=(2,), dtype=int64)

    Source: Python array API 2024.12, `unique_values`; `size` after JAX.
    """
    ordered = sort(reshape(asarray(x), (-1,)))
    return selected("unique_values", ordered, _begins(ordered), size, fill_value)


def unique(
    x: Any,
    /,
    *,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    equal_nan: bool = True,
    size: int | None = None,
    fill_value: Any = 0,
) -> Any:
    """The distinct elements of `x` in order, and what else is asked for; NaN is one of them.

    Source: NumPy, `unique`; `size` after JAX. See `unique_all`.
    """
    x = asarray(x)
    groups = _Groups("unique", x, size, fill_value, equal_nan)
    found = [groups.values()]
    found += [groups.indices()] if return_index else []
    found += [groups.inverse(x.shape)] if return_inverse else []
    found += [groups.counts()] if return_counts else []
    return found[0] if len(found) == 1 else tuple(found)


class _Groups:
    """The elements of a tensor in order, in groups of equal ones."""

    def __init__(
        self, name: str, x: Tensor, size: int | None, fill_value: Any, equal_nan: bool = False
    ):
        self._fill = fill_value
        self._flat = reshape(x, (-1,))
        self._order = argsort(self._flat)
        ordered = ops.gather(self._flat, self._order)
        self._begins = _begins(ordered, equal_nan)
        one_more = None if size is None else size_of(name, size) + 1  # where the last one ends
        starts, real = places(name, self._begins, one_more)
        end = full_of(self._flat.size, starts.dtype, (1,))
        self._bounds = concat([starts, end]) if real is None else where(real, starts, end)
        self._starts = starts[:size]
        self._real = None if real is None else real[:size]

    def values(self) -> Tensor:
        """One element of each group."""
        return self._filled(ops.gather(self._flat, self.indices()), self._fill)

    def indices(self) -> Tensor:
        """Where the first element of each group is in the flattened tensor."""
        if not self._flat.size:
            return self._starts
        return self._filled(ops.gather(self._order, self._starts), 0)

    def inverse(self, shape: tuple[int, ...]) -> Tensor:
        """The number of its group for each element."""
        rank = cumsum(self._begins) - 1
        return reshape(ops.gather(rank, argsort(self._order)), shape)

    def counts(self) -> Tensor:
        """How many elements each group has."""
        return self._bounds[1:] - self._bounds[:-1]

    def _filled(self, x: Tensor, fill: Any) -> Tensor:
        return x if self._real is None else where(self._real, x, fill)


def _begins(ordered: Tensor, equal_nan: bool = False) -> Tensor:
    """Which elements of a sorted tensor differ from the one before."""
    before, after = ordered[:-1], ordered[1:]
    differs = not_equal(before, after)
    if equal_nan and ordered.dtype.is_inexact:
        differs = logical_and(differs, logical_not(logical_and(isnan(before), isnan(after))))
    first = ones((min(1, ordered.shape[0]),), dtype=differs.dtype)
    return concat([first, differs])


# ------------------------------------------------------------------ membership


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    """Whether each element of `x1` is an element of `x2`; NaN is not.

    Example:
        >>> import lamina as lm
        >>> isin(lm.asarray([1, 2, 3]), lm.asarray([3, 1]))
        Tensor([ True, False,  True], shape=(3,), dtype=bool)

    Source: NumPy, `isin`.
    """
    x, others = _met("isin", x1, x2)
    rows = sort(reshape(others, (-1,)))
    if not rows.size:
        found = full_of(False, ones(()).dtype, x.shape) != 0
    else:
        at = minimum(ops.search_sorted(rows, x), rows.size - 1)
        found = emit(ops.Gather(0, x.ndim), rows, at) == x
    return logical_not(found) if invert else found  # type: ignore[return-value]


def _met(name: str, *xs: Any) -> tuple[Tensor, ...]:
    """The tensors in one dtype."""
    given = tuple(x if is_number(x) else asarray(x) for x in xs)
    dtype = common_dtype(name, given)
    return tuple(asarray(x, dtype=dtype) for x in given)


def union1d(x1: Any, x2: Any, /, *, size: int | None = None, fill_value: Any = 0) -> Tensor:
    """The distinct elements of two tensors in order.

    Example:
        >>> import lamina as lm
        >>> union1d(lm.asarray([3, 1]), lm.asarray([2, 3]))
        Tensor([1, 2, 3], shape=(3,), dtype=int64)

    Source: NumPy, `union1d`; `size` after JAX.
    """
    return unique_values(_joined(*_met("union1d", x1, x2)), size=size, fill_value=fill_value)


def intersect1d(x1: Any, x2: Any, /, *, size: int | None = None, fill_value: Any = 0) -> Tensor:
    """The distinct elements that are in both tensors, in order.

    Source: NumPy, `intersect1d`; `size` after JAX.
    """
    x, y = _met("intersect1d", x1, x2)
    ordered = sort(reshape(x, (-1,)))
    kept = logical_and(_begins(ordered), isin(ordered, y))
    return selected("intersect1d", ordered, kept, size, fill_value)


def setdiff1d(x1: Any, x2: Any, /, *, size: int | None = None, fill_value: Any = 0) -> Tensor:
    """The distinct elements of `x1` that are not in `x2`, in order.

    Source: NumPy, `setdiff1d`; `size` after JAX.
    """
    x, y = _met("setdiff1d", x1, x2)
    ordered = sort(reshape(x, (-1,)))
    kept = logical_and(_begins(ordered), isin(ordered, y, invert=True))
    return selected("setdiff1d", ordered, kept, size, fill_value)


def setxor1d(x1: Any, x2: Any, /, *, size: int | None = None, fill_value: Any = 0) -> Tensor:
    """The distinct elements that are in one of the tensors only, in order.

    Source: NumPy, `setxor1d`; `size` after JAX.
    """
    x, y = _met("setxor1d", x1, x2)
    ordered = sort(_joined(x, y))
    nan = not_equal(ordered, ordered)  # in the tensor that it comes from, and in no other
    alone = logical_xor(isin(ordered, x), isin(ordered, y)) | nan
    kept = logical_and(_begins(ordered), alone)
    return selected("setxor1d", ordered, kept, size, fill_value)


def _joined(x: Tensor, y: Tensor) -> Tensor:
    return concat([reshape(x, (-1,)), reshape(y, (-1,))])
