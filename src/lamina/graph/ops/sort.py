"""Order along the last axis, by NumPy's sorts: Sort, ArgSort, TopK, SearchSorted, Nonzero.

NaN counts as the largest number. Equal elements keep their order, -0.0 and 0.0 among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.dtypes import bool_, int64
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir import TensorType, TupleType, emit
from lamina.graph.ops.index import gather
from lamina.graph.ops.item import item, items
from lamina.graph.ops.opaque import Opaque

KEY_BITS = 32  # elements of so many bits are sorted together with their places, as 64-bit keys


def _along_last(op: Opaque, x: TensorType) -> None:
    if x.rank == 0:
        raise ShapeError(
            f"{op.name}: no axis to order", [f"x: {x}"], "give it one, as in lm.expand_dims(x, 0)"
        )


@frozen
class Sort(Opaque):
    """The elements along the last axis in order.  Inputs: any.  Source: ours, by NumPy."""

    descending: bool = False

    def infer(self, *types: TensorType) -> TensorType:
        _along_last(self, types[0])
        return types[0]

    def independent(self, *types: TensorType) -> int:
        return types[0].rank - 1

    def reference(self, *arrays: Any) -> np.ndarray:
        x = arrays[0]
        return np.take_along_axis(x, _order(x, self.descending), -1)

    def call(self, *arrays: Any) -> np.ndarray:
        out = np.empty_like(arrays[0])
        self.write(out, *arrays)
        return out

    def write(self, out: np.ndarray, *arrays: Any) -> None:  # type: ignore[override]
        """Sorts in place: without memory for a copy, and without copying back."""
        x = arrays[0]
        known = _comparable(x)
        if known is x:
            np.copyto(out, x)
            out.sort(axis=-1)
        else:
            out[...] = np.sort(known, axis=-1)
        if self.descending:
            out[...] = out[..., ::-1]
        for row in np.argwhere(_rows_with_both_zeros(known)):
            at = (*row, ...)  # which of them comes first was not kept
            np.place(out[at], out[at] == 0, x[at][known[at] == 0])

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        return gather(dots[0], argsort(operands[0], self.descending), 0, 1)


def sort(x: Any, descending: bool = False) -> Any:
    """The elements along the last axis in order, the largest first if `descending`."""
    return emit(Sort(descending), x)


@frozen
class ArgSort(Opaque):
    """Where the elements in order along the last axis come from.  Inputs: any.

    Without `stable` equal elements come in any order.  Source: ours, by NumPy.
    """

    constant = True
    descending: bool = False
    stable: bool = True

    def infer(self, *types: TensorType) -> TensorType:
        _along_last(self, types[0])
        return types[0].with_dtype(int64)

    def independent(self, *types: TensorType) -> int:
        return types[0].rank - 1

    def reference(self, *arrays: Any) -> np.ndarray:
        return _order(arrays[0], self.descending)

    def call(self, *arrays: Any) -> np.ndarray:
        x = _comparable(arrays[0])
        keys = _keys(x, self.descending)
        if keys is not None:
            keys.sort(axis=-1)
            return _places(keys)
        if self.descending or x.dtype.kind == "c":
            return _order(x, self.descending)
        found = np.argsort(x, axis=-1)
        if self.stable and _has_equal_neighbours(np.take_along_axis(x, found, -1)):
            return np.argsort(x, axis=-1, kind="stable")
        return found


def argsort(x: Any, descending: bool = False, stable: bool = True) -> Any:
    """The indices that put the last axis in order."""
    return emit(ArgSort(descending, stable), x)


@frozen
class TopK(Opaque):
    """The k largest (or smallest) elements along the last axis, in order, and their places.

    Of equal ones the first are taken.  Inputs: any.  Source: ours, by NumPy.
    """

    k: int
    largest: bool = True

    def infer(self, *types: TensorType) -> TupleType:
        (x,) = types
        _along_last(self, x)
        if not 0 <= self.k <= x.shape[-1]:
            raise ShapeError(
                f"top_k: no {self.k} elements to take",
                [f"x: {x}", f"k: {self.k}"],
                f"k goes from 0 to {x.shape[-1]}, the size of the axis",
            )
        found = x.with_shape((*x.shape[:-1], self.k))
        return TupleType((found, found.with_dtype(int64)))

    def independent(self, *types: TensorType) -> int:
        return types[0].rank - 1

    def reference(self, *arrays: Any) -> tuple[np.ndarray, np.ndarray]:
        found = _order(arrays[0], self.largest)[..., : self.k]
        return np.take_along_axis(arrays[0], found, -1), found

    def call(self, *arrays: Any) -> tuple[np.ndarray, np.ndarray]:
        (x,) = arrays
        keys = _keys(_comparable(x), self.largest)
        if keys is None or not 0 < self.k < x.shape[-1]:
            return self.reference(x)
        keys.partition(self.k - 1, axis=-1)
        keys = keys[..., : self.k]
        keys.sort(axis=-1)
        found = _places(keys)
        return np.take_along_axis(x, found, -1), found

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> tuple[Any, Any]:
        return gather(dots[0], item(out, 1), 0, 1), None


def top_k(x: Any, k: int, largest: bool = True) -> tuple[Any, Any]:
    """(values, indices) of the `k` largest elements along the last axis, the largest first."""
    values, indices = items(emit(TopK(k, largest), x))
    return values, indices


@frozen
class SearchSorted(Opaque):
    """How many elements of a sorted row are less than each value (or not greater: `right`).

    rows: [*lead, N], values: [*lead, *V] -> i64 [*lead, *V]; `value_rank` counts the axes of V.
    Inputs: two of one dtype.  Source: ours, by NumPy.
    """

    arity = 2
    constant = True
    right: bool
    value_rank: int

    def infer(self, *types: TensorType) -> TensorType:
        rows, values = types
        _along_last(self, rows)
        lead = values.rank - self.value_rank
        if lead < 0 or rows.shape[:-1] != values.shape[:lead]:
            raise ShapeError(
                "search_sorted: the leading axes differ", [f"rows: {rows}", f"values: {values}"]
            )
        if rows.dtype is not values.dtype:
            raise DTypeError(
                "search_sorted: the dtypes differ", [f"rows: {rows}", f"values: {values}"]
            )
        return values.with_dtype(int64)

    def independent(self, *types: TensorType) -> int:
        return types[0].rank - 1

    def reference(self, *arrays: Any) -> np.ndarray:
        rows, values = (_comparable(a) for a in arrays)
        side = "right" if self.right else "left"
        if rows.ndim == 1:
            return np.asarray(np.searchsorted(rows, values, side), np.int64)
        found = np.empty(values.shape, np.int64)
        for at in np.ndindex(rows.shape[:-1]):
            found[at] = np.searchsorted(rows[at], values[at], side)
        return found

    def batch(self, size: int, operands: tuple[Any, ...], is_batched: tuple[bool, ...]) -> Any:
        """Many values in one row: the batch is one more axis of the values."""
        rows, values = operands
        if is_batched == (False, True) and rows.rank == 1:
            return search_sorted(rows, values, self.right, self.value_rank + 1)
        return None


def search_sorted(
    rows: Any, values: Any, right: bool = False, value_rank: int | None = None
) -> Any:
    """Where the values go in sorted rows; before equal elements, or behind them if `right`."""
    rank = values.type.rank if value_rank is None else value_rank
    return emit(SearchSorted(right, rank), rows, values)


@frozen
class Nonzero(Opaque):
    """Where a row is true, in order, cut or filled up to `size`; and how often it is.

    x: bool [*lead, N] -> i64 [*lead, size], i64 [*lead].  Inputs: bool.  Source: ours, by NumPy.
    """

    constant = True
    size: int
    fill: int = 0

    def infer(self, *types: TensorType) -> TupleType:
        (x,) = types
        _along_last(self, x)
        self.require("bool", x)
        if self.size < 0:
            raise UsageError("nonzero: the size is negative", [f"size: {self.size}"])
        lead = x.shape[:-1]
        return TupleType((TensorType(int64, (*lead, self.size)), TensorType(int64, lead)))

    def independent(self, *types: TensorType) -> int:
        return types[0].rank - 1

    def reference(self, *arrays: Any) -> tuple[np.ndarray, np.ndarray]:
        (x,) = arrays
        found = np.full((*x.shape[:-1], self.size), self.fill, np.int64)
        count = np.zeros(x.shape[:-1], np.int64)
        for at in np.ndindex(x.shape[:-1]):
            places = np.flatnonzero(x[at])
            count[at] = places.size
            found[at][: places.size] = places[: self.size]
        return found, count


def nonzero(x: Any, size: int, fill: int = 0) -> tuple[Any, Any]:
    """(indices, count): the first `size` places along the last axis where `x` is true.

    The indices are filled up with `fill`; the count is that of all places.
    """
    if x.type.dtype is not bool_:
        raise DTypeError("nonzero: takes booleans", [f"x: {x.type}"], "compare it: x != 0")
    indices, count = items(emit(Nonzero(size, fill), x))
    return indices, count


# ------------------------------------------------------------------ by NumPy


def _comparable(x: np.ndarray) -> np.ndarray:
    """`x` in a dtype whose order NumPy knows and sorts fast."""
    if x.dtype.kind == "V" or (x.dtype.kind == "f" and x.dtype.itemsize < 4):
        return x.astype(np.float32)
    return x


def _order(x: np.ndarray, descending: bool) -> np.ndarray:
    """The stable permutation along the last axis."""
    x = _comparable(x)
    if not descending:
        return np.argsort(x, axis=-1, kind="stable")
    backwards = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    return x.shape[-1] - 1 - backwards


def _keys(x: np.ndarray, descending: bool) -> np.ndarray | None:
    """64-bit keys in the order of the elements, with their places in the lower half.

    None where the dtype is too wide. Sorting keys is stable, and several times as fast as NumPy's
    stable argsort.
    """
    if x.dtype.itemsize * 8 > KEY_BITS or x.shape[-1] >= 2**32:
        return None
    if x.dtype.kind == "f":
        keys = _ranks(x).astype(np.int64)
    else:
        keys = x.astype(np.int64)
    if x.dtype.kind == "u":
        keys -= 2 ** (KEY_BITS - 1)
    if descending:
        np.invert(keys, out=keys)
    keys <<= 32
    keys |= np.arange(x.shape[-1], dtype=np.int64)
    return keys


def _ranks(x: np.ndarray) -> np.ndarray:
    """Integers in the order of the float32 elements, with one zero and one NaN."""
    same = x + np.float32(0)
    if x.size and np.isnan(np.max(x)):
        same[np.isnan(x)] = np.nan
    ranks = same.view(np.int32)
    low = ranks >> 31
    low &= np.int32(0x7FFFFFFF)
    ranks ^= low
    return ranks


def _places(keys: np.ndarray) -> np.ndarray:
    return keys & np.int64(0xFFFFFFFF)


def _has_equal_neighbours(x: np.ndarray) -> bool:
    before, after = x[..., :-1], x[..., 1:]
    nan = (before != before) & (after != after) if x.dtype.kind == "f" else False
    return bool(((before == after) | nan).any())


def _rows_with_both_zeros(x: np.ndarray) -> np.ndarray:
    """Which rows hold 0.0 and -0.0."""
    if x.dtype.kind != "f" or not x.size:
        return np.zeros(x.shape[:-1], bool)
    bits = x.view(f"i{x.itemsize}")
    if bits.min() != np.iinfo(bits.dtype).min:  # the bits of -0.0
        return np.zeros(x.shape[:-1], bool)
    zero = x == 0
    negative = zero & np.signbit(x)
    return np.asarray(negative.any(-1) & (zero & ~negative).any(-1))
