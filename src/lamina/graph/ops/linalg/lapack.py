"""How NumPy and SciPy are called: halves in single precision, what is not finite as NaN, one error.

A library call here gets arrays whose last axes are matrices and any leading axes, as the ops do.
SciPy is imported where it is first needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.base.dtypes import dtype
from lamina.base.errors import LinAlgError
from lamina.graph.ir import TensorType
from lamina.graph.ops.elementwise import HALVES
from lamina.graph.ops.opaque import Opaque


class Factorization(Opaque, abstract=True):
    """What is computed for each matrix of a batch alone, so that threads can share the batch.

    Not for ops that fail for some matrices: their errors say which one of the batch it is.
    """

    def independent(self, *types: TensorType) -> int:
        return types[0].rank - 2


def widened(x: np.ndarray) -> np.ndarray:
    """`x` in a dtype that LAPACK has: f16 and bf16 as f32."""
    return x.astype(np.float32) if x.dtype in HALVES else x


def rounded(result: Any, like: np.ndarray) -> Any:
    """Floating results, those of a tuple too, in the precision of `like` if that is a half."""
    if isinstance(result, tuple):
        return tuple(rounded(r, like) for r in result)
    half = like.dtype in HALVES and result.dtype == np.float32
    return result.astype(like.dtype) if half else result


def computed(name: str, problem: str, help: str, f: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """`f(*arrays)`; where LAPACK gives up, a LinAlgError that names the matrix.

    Args:
        name: of the op.
        problem: what is the matter with a matrix for which `f` fails, "is singular".
        help: a way out.
        f: gives an array or a tuple of arrays.
        arrays: the first holds the matrices.

    Raises:
        LinAlgError: the result does not exist.
    """
    wide = [widened(a) for a in arrays]
    try:
        with np.errstate(all="ignore"):
            return rounded(f(*wide), arrays[0])
    except np.linalg.LinAlgError:
        where = _culprit(f, wide)
    raise LinAlgError(
        f"{name}: {'a matrix' if where else 'the matrix'} {problem}",
        [
            f"x: {_typed(arrays[0])}",
            *([f"matrix: x[{', '.join(map(str, where))}]"] if where else []),
        ],
        help,
    )


def _culprit(f: Callable[..., Any], arrays: list[np.ndarray]) -> tuple[int, ...]:
    """Where the first matrix is that `f` fails for; () if there is only one."""
    for place in np.ndindex(arrays[0].shape[:-2]):
        try:
            with np.errstate(all="ignore"):
                f(*(a[place] for a in arrays))
        except np.linalg.LinAlgError:
            return place
    return ()


def _typed(x: np.ndarray) -> TensorType:
    return TensorType(dtype(x.dtype), x.shape)


def where_finite(f: Callable[..., Any], x: np.ndarray, *others: np.ndarray) -> Any:
    """`f(x, *others)` with NaN in every result that belongs to a matrix with NaN or infinity in it.

    The iterations inside LAPACK need not end on such a matrix, or end the process.
    """
    if all(np.isfinite(a).all() for a in (x, *others)):
        return f(x, *others)
    finite = np.asarray(np.isfinite(x).all((-2, -1)))
    for other in others:
        finite = finite & np.isfinite(other).all((-2, -1))
    cleared = [np.where(finite[..., None, None], a, np.eye(*a.shape[-2:], dtype=a.dtype))
               for a in (x, *others)]  # fmt: skip
    result = f(*cleared)
    for part in result if isinstance(result, tuple) else (result,):
        if part.dtype.kind in "fc":
            part[~finite] = np.nan
    return result


def each(f: Callable[..., Any], count: int, *arrays: np.ndarray) -> Any:
    """`f` on one matrix after the other, for libraries without leading axes.

    Args:
        f: gives a tuple of `count` arrays.
        count: number of results.
        arrays: all with the same leading axes.
    """
    lead = arrays[0].shape[:-2]
    flat = [a.reshape(math.prod(lead), *a.shape[-2:]) for a in arrays]
    rows = [f(*(a[i] for a in flat)) for i in range(flat[0].shape[0])]
    if not rows:  # an empty batch: one matrix of ones says what a result looks like
        rows = [f(*(np.ones(a.shape[-2:], a.dtype) for a in arrays))]
        return tuple(np.zeros((*lead, *r.shape), r.dtype) for r in rows[0])
    return tuple(np.stack([r[k] for r in rows]).reshape(*lead, *rows[0][k].shape)
                 for k in range(count))  # fmt: skip
