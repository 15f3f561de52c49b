"""Indices of regular places: one-hot rows, grids, triangles, and places in a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.tensor.conversion import asarray, cast, sizes_of
from lamina.tensor.namespace.elementwise import clip, where
from lamina.tensor.namespace.manipulation import reshape
from lamina.tensor.namespace.searching import nonzero
from lamina.tensor.promotion import broadcast_to
from lamina.tensor.tensor import Tensor


def one_hot(indices: Any, classes: int, *, dtype: Any = None) -> Tensor:
    """1 at the index and 0 elsewhere, along a new last axis; an index outside gives zeros.

    Shapes: `indices: [*I] -> [*I, classes]`

    Source: PyTorch, `nn.functional.one_hot`.
    """
    places = asarray(indices)
    if places.dtype.is_integer and places.dtype.bits < 32:  # classes beyond its range would wrap
        places = cast(places, dtypes.int32)
    counted = asarray(np.arange(classes, dtype=places.dtype.numpy))
    same: Any = counted == reshape(places, (*places.shape, 1))
    return cast(same, dtypes.float32 if dtype is None else dtypes.dtype(dtype))


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate tensors of a grid.

    Args:
        arrays: the coordinates along each axis, of rank 0 or 1.
        indexing: "ij" for one axis after the other, "xy" with the first two exchanged.

    Source: Python array API 2024.12, `meshgrid`.
    """
    given = [asarray(a) for a in arrays]
    if indexing not in ("xy", "ij"):
        raise UsageError(f"meshgrid: no indexing {indexing!r}", ["there are: xy, ij"])
    shapes: Sequence[int] = [a.size for a in given]
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[0], order[1] = 1, 0
    grid = tuple(shapes[i] for i in order)
    found = []
    for i, a in enumerate(given):
        sizes = [1] * len(given)
        sizes[order.index(i)] = a.size
        found.append(broadcast_to(reshape(a, sizes), grid))
    return found


def ix_(*sequences: Any) -> tuple[Tensor, ...]:
    """Indices for a grid of rows, columns, ...: each along an axis of its own; masks too.

    Example:
        >>> import lamina as lm
        >>> x = lm.arange(12).reshape(3, 4)
        >>> x[lm.ix_([0, 2], [1, 3])]
        Tensor([[ 1,  3],
                [ 9, 11]], shape=(2, 2), dtype=int64)

    Source: NumPy, `ix_`.
    """
    found = []
    for i, sequence in enumerate(sequences):
        x = asarray(sequence)
        if x.ndim != 1:
            raise ShapeError(
                "ix_: takes sequences with one axis", [f"argument {i}: {x.type}"], "flatten it"
            )
        if x.dtype is dtypes.bool_:
            (x,) = nonzero(x)
        elif not x.size:
            x = cast(x, dtypes.int64)
        sizes = [1] * len(sequences)
        sizes[i] = x.size
        found.append(reshape(x, sizes))
    return tuple(found)


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Tensor, Tensor]:
    """Rows and columns of the lower triangle of a matrix [n, m], up to diagonal k.

    Source: NumPy, `tril_indices`.
    """
    rows, columns = np.nonzero(np.tri(n, n if m is None else m, k, dtype=bool))
    return asarray(rows), asarray(columns)


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Tensor, Tensor]:
    """Rows and columns of the upper triangle of a matrix [n, m], from diagonal k on.

    Source: NumPy, `triu_indices`.
    """
    rows, columns = np.nonzero(~np.tri(n, n if m is None else m, k - 1, dtype=bool))
    return asarray(rows), asarray(columns)


def diag_indices(n: int, ndim: int = 2) -> tuple[Tensor, ...]:
    """The indices of the main diagonal of a tensor of `ndim` axes of size n. Source: NumPy."""
    return tuple(asarray(np.arange(n)) for _ in range(ndim))


def _integers(name: str, x: Any) -> Tensor:
    found = asarray(x)
    if not found.dtype.is_integer:
        raise DTypeError(
            f"{name}: {found.dtype.long_name} is not an integer type", [f"given: {found.type}"]
        )
    return cast(found, dtypes.int64)


def unravel_index(indices: Any, shape: int | Sequence[int], /) -> tuple[Tensor, ...]:
    """Places in a row as indices of the axes of a tensor of a shape, in row-major order.

    A place outside is moved to the nearest one, as in JAX.

    Example:
        >>> import lamina as lm
        >>> lm.unravel_index(5, (2, 3))
        (Tensor(1, shape=(), dtype=int64), Tensor(2, shape=(), dtype=int64))

    Source: NumPy, `unravel_index`.
    """
    sizes = sizes_of(shape)
    total = math.prod(sizes)
    place: Any = _integers("unravel_index", indices)
    place = clip(where(place < 0, place + total, place), 0, max(total - 1, 0))
    found = []
    for n in reversed(sizes):
        found.append(place % n if n else place)
        place = place // n if n else place
    return tuple(reversed(found))


def ravel_multi_index(
    indices: Sequence[Any], shape: int | Sequence[int], /, *, mode: str = "clip"
) -> Tensor:
    """Indices of the axes of a tensor of a shape as places in a row, in row-major order.

    Args:
        indices: one for each axis.
        shape: of the tensor.
        mode: what is done with an index outside its axis: "clip" or "wrap".

    Example:
        >>> import lamina as lm
        >>> lm.ravel_multi_index((1, 2), (2, 3))
        Tensor(5, shape=(), dtype=int64)

    Source: NumPy, `ravel_multi_index`.
    """
    sizes = sizes_of(shape)
    if len(indices) != len(sizes):
        raise ShapeError(
            "ravel_multi_index: as many indices as axes",
            [f"indices: {len(indices)}", f"shape: {sizes}"],
        )
    if mode not in ("clip", "wrap"):
        raise UsageError(f"ravel_multi_index: no mode {mode!r}", ["modes: clip, wrap"])
    total: Any = asarray(0)
    for given, n in zip(indices, sizes, strict=True):
        place: Any = _integers("ravel_multi_index", given)
        inside = place % n if mode == "wrap" and n else clip(place, 0, max(n - 1, 0))
        total = total * n + inside
    return total
