"""Parity cases of reductions, over axes and with and without the reduced ones kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import lamina as lm
from tests.array_api.parity import ALL, FLOATS, REALS, THOROUGH, Case, Source, laid_out

FEW = ("int8", "uint16", "int32", "int64", *FLOATS)
DOUBLED = ("float32", "float64")

# Name, NumPy's function, dtypes, range of the operand, whether an empty axis has a result.
REDUCTIONS: list[tuple[str, Callable[..., Any], tuple[str, ...], tuple[float, float], bool]] = [
    ("all", np.all, ALL, (-1, 2), True),
    ("any", np.any, ALL, (-1, 2), True),
    ("count_nonzero", np.count_nonzero, ALL, (-1, 2), True),
    ("max", np.max, ALL, (-9, 9), False),
    ("mean", np.mean, FLOATS, (-4.0, 4.0), False),
    ("min", np.min, ALL, (-9, 9), False),
    ("nanmax", np.nanmax, DOUBLED, (-4.0, 4.0), False),
    ("nanmean", np.nanmean, FLOATS, (-4.0, 4.0), False),
    ("nanmin", np.nanmin, DOUBLED, (-4.0, 4.0), False),
    ("nanprod", np.nanprod, DOUBLED, (0.5, 1.5), True),
    ("nanstd", np.nanstd, DOUBLED, (-4.0, 4.0), False),
    ("nansum", np.nansum, FLOATS, (-4.0, 4.0), True),
    ("nanvar", np.nanvar, DOUBLED, (-4.0, 4.0), False),
    ("prod", np.prod, REALS, (0.75, 1.25), True),
    ("ptp", np.ptp, REALS, (-9, 9), False),
    ("std", np.std, FLOATS, (-4.0, 4.0), False),
    ("sum", np.sum, REALS, (-9, 9), True),
    ("var", np.var, FLOATS, (-4.0, 4.0), False),
]

PLACES: list[tuple[str, Callable[..., Any], tuple[str, ...]]] = [
    ("argmax", np.argmax, ALL),
    ("argmin", np.argmin, ALL),
    ("nanargmax", np.nanargmax, DOUBLED),
    ("nanargmin", np.nanargmin, DOUBLED),
]


def _axes(rank: int) -> list[Any]:
    found: list[Any] = [None, *range(rank)]
    return [*found, (0, -1)] if rank > 1 else found


def cases() -> Iterator[Case]:
    """All of them."""
    for name, wanted, dtypes, limits, empty in REDUCTIONS:
        for dtype in dtypes:
            yield from _over_axes(name, wanted, dtype, limits, empty)
    for name, wanted, dtypes in PLACES:
        for dtype in dtypes:
            for form, x in laid_out(Source(8), dtype, -9, 9):
                for axis in [None, *range(x.ndim)] if x.size else []:
                    for kept in (False, True):
                        yield _reduction(name, wanted, form, x, axis=axis, keepdims=kept)
    yield from _with_nan()
    yield from _corrected()
    yield from _weighted()


def _over_axes(
    name: str, wanted: Callable[..., Any], dtype: str, limits: tuple[float, float], empty: bool
) -> Iterator[Case]:
    for form, x in laid_out(Source(7), dtype, *limits):
        for i, axis in enumerate(_axes(x.ndim)):
            reduced = x.shape if axis is None else [x.shape[a] for a in np.atleast_1d(axis)]
            if 0 in reduced and not empty:
                continue
            for kept in (False, True) if dtype in THOROUGH else (i % 2 == 1,):
                yield _reduction(name, wanted, form, x, axis=axis, keepdims=kept)


def _reduction(
    name: str, wanted: Callable[..., Any], form: str, x: np.ndarray, **options: Any
) -> Case:
    found = getattr(lm, name)
    return Case(
        f"{name} {form} {options}",
        (x,),
        lambda x: found(x, **options),
        lambda x: wanted(x, **options),
        scale=max(1.0, x.size / 8) if name in ("sum", "nansum") else 4.0,
    )


def _with_nan() -> Iterator[Case]:
    """NaN wins, or is passed over; infinities of both signs make one."""
    for dtype in FLOATS:
        x = Source(9).draw(dtype, (5, 7), -4.0, 4.0)
        x[1, 2], x[3, 3], x[4, 1] = np.nan, np.inf, -np.inf
        for name in ("max", "min", "sum", "prod", "mean", "any", "all", "argmax", "argmin",
                     "count_nonzero", "nansum", "nanmax", "nanmin"):  # fmt: skip
            for axis in (None, 0, 1):
                yield _reduction(name, getattr(np, name), "nan", x, axis=axis)
        y = np.where(np.isfinite(x), x, np.nan).astype(x.dtype)
        for name in ("nanmean", "nanvar", "nanstd", "nanargmax", "nanargmin", "nanprod"):
            for axis in (None, 0, 1):
                yield _reduction(name, getattr(np, name), "some nan", y, axis=axis)


def _corrected() -> Iterator[Case]:
    for dtype in ("float32", "float64"):
        x = Source(10).draw(dtype, (4, 6), -4.0, 4.0)
        for name in ("var", "std", "nanvar", "nanstd"):
            f, wanted = getattr(lm, name), getattr(np, name)
            for freedom in (0, 1, 2.5):
                for axis in (None, 0, 1):
                    yield Case(
                        f"{name} corrected {freedom} {axis}", (x,),
                        lambda x, f=f, c=freedom, a=axis: f(x, axis=a, correction=c),
                        lambda x, f=wanted, c=freedom, a=axis: f(x, axis=a, ddof=c), scale=4.0,
                    )  # fmt: skip


def _weighted() -> Iterator[Case]:
    for dtype in ("float32", "float64"):
        source = Source(11)
        x, weights = source.draw(dtype, (4, 6), -4.0, 4.0), source.draw(dtype, (4, 6), 0.5, 2.0)
        for axis in (None, 0, 1):
            yield Case(f"average {axis}", (x, weights),
                       lambda x, w, a=axis: lm.average(x, axis=a, weights=w),
                       lambda x, w, a=axis: np.average(x, axis=a, weights=w))  # fmt: skip
        yield Case("average vector", (x, weights[0]),
                   lambda x, w: lm.average(x, axis=1, weights=w, keepdims=True),
                   lambda x, w: np.average(x, axis=1, weights=w, keepdims=True))  # fmt: skip
        yield Case("average plain", (x,), lambda x: lm.average(x, axis=0),
                   lambda x: np.average(x, axis=0))  # fmt: skip
        for rowvar in (True, False):
            for name in ("cov", "corrcoef"):
                f, wanted = getattr(lm, name), getattr(np, name)
                yield Case(f"{name} {rowvar}", (x,), lambda x, f=f, r=rowvar: f(x, rowvar=r),
                           lambda x, f=wanted, r=rowvar: f(x, rowvar=r), scale=8.0)  # fmt: skip
        yield Case("cov two", (x[0], x[1]), lm.cov, np.cov, scale=8.0)
        yield Case("cov one", (x[0],), lm.cov, np.cov, scale=8.0)
        yield Case("corrcoef two", (x[0], x[1]), lm.corrcoef, np.corrcoef, scale=8.0)
        for axis in (0, 1):
            yield Case(f"logsumexp {axis}", (x * 100,), lambda x, a=axis: lm.logsumexp(x, axis=a),
                       lambda x, a=axis: np.logaddexp.reduce(x, axis=a), scale=8.0)  # fmt: skip
        for n in (0, 1, 2):
            for axis in (0, 1):
                yield Case(f"diff {n} {axis}", (x,), lambda x, n=n, a=axis: lm.diff(x, n=n, axis=a),
                           lambda x, n=n, a=axis: np.diff(x, n=n, axis=a), scale=8.0)  # fmt: skip
        yield Case("diff ends", (x,), lambda x: lm.diff(x, prepend=0.0, append=x),
                   lambda x: np.diff(x, prepend=0.0, append=x))  # fmt: skip
        yield Case("ediff1d plain", (x,), lm.ediff1d, np.ediff1d)
        yield Case("ediff1d ends", (x,), lambda x: lm.ediff1d(x, to_begin=x[0], to_end=x[1]),
                   lambda x: np.ediff1d(x, to_begin=x[0], to_end=x[1]))  # fmt: skip
        for axis in (0, 1):
            yield Case(f"trapezoid {axis}", (x,), lambda x, a=axis: lm.trapezoid(x, dx=0.5, axis=a),
                       lambda x, a=axis: np.trapezoid(x, dx=0.5, axis=a))  # fmt: skip
        yield Case("trapezoid at", (x, weights[0]), lm.trapezoid, np.trapezoid)
        yield Case("trapezoid grid", (x, weights), lm.trapezoid, np.trapezoid)
    for dtype in ("bool", "int32", "uint8"):
        x = Source(12).draw(dtype, (3, 9), 0, 5)
        yield Case("diff whole", (x,), lm.diff, np.diff)
        yield Case("diff column", (x,), lambda x: lm.diff(x, axis=0, n=5),
                   lambda x: np.diff(x, axis=0, n=5))  # fmt: skip
