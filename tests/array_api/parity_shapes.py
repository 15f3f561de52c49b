"""Parity cases of manipulation, creation, products, and sequences in one dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import lamina as lm
from tests.array_api.parity import ALL, INTEGERS, Case, Source, kind_of

MOST = ("bool", "int8", "uint16", "int64", "bfloat16", "float32", "float64")
Call = Callable[[Any], Callable[..., Any]]

# Each is written once: `n` is NumPy or Lamina.
OF_ONE: list[tuple[str, Call]] = [
    ("broadcast_to", lambda n: lambda x: n.broadcast_to(x, (2, *x.shape))),
    ("expand_dims", lambda n: lambda x: [n.expand_dims(x, axis=a) for a in (0, -1)]),
    ("flip", lambda n: lambda x: [n.flip(x, axis=a) for a in (None, 0, -1)]),
    ("flip all", lambda n: lambda x: n.flip(x, axis=tuple(range(x.ndim)))),
    ("moveaxis", lambda n: lambda x: n.moveaxis(x, 0, -1)),
    ("repeat", lambda n: lambda x: [n.repeat(x, k, axis=a) for k in (0, 1, 3) for a in (None, 0)]),
    ("repeat counts", lambda n: lambda x: n.repeat(x, np.arange(x.shape[0]), axis=0)),
    ("reshape", lambda n: lambda x: [n.reshape(x, (-1,)), n.reshape(x, (1, x.size, 1))]),
    ("roll", lambda n: lambda x: [n.roll(x, k, axis=a) for k in (-7, 1, 2) for a in (None, 0, -1)]),
    ("roll all", lambda n: lambda x: n.roll(x, (1,) * x.ndim, axis=tuple(range(x.ndim)))),
    ("squeeze", lambda n: lambda x: n.squeeze(n.expand_dims(x, axis=0), axis=0)),
    ("swapaxes", lambda n: lambda x: n.swapaxes(x, 0, -1)),
    ("tile", lambda n: lambda x: [n.tile(x, t) for t in ((2,), (1, 2), (2, 1, 3), (0,))]),
    ("array_split", lambda n: lambda x: [n.array_split(x, k) for k in (1, 2, 3)]),
    ("atleast_1d", lambda n: lambda x: n.atleast_1d(x)),
    ("atleast_2d", lambda n: lambda x: n.atleast_2d(x)),
    ("atleast_3d", lambda n: lambda x: n.atleast_3d(x)),
    ("concat", lambda n: lambda x: [n.concat([x, x, x], axis=a) for a in (0, -1, None)]),
    ("stack", lambda n: lambda x: [n.stack([x, x], axis=a) for a in (0, -1)]),
    ("hstack", lambda n: lambda x: n.hstack([x, x])),
    ("vstack", lambda n: lambda x: n.vstack([x, x])),
    ("dstack", lambda n: lambda x: n.dstack([x, x])),
    ("unstack", lambda n: lambda x: n.unstack(x)),
    ("split", lambda n: lambda x: n.split(x, [1, 2])),
    ("zeros_like", lambda n: lambda x: n.zeros_like(x)),
    ("ones_like", lambda n: lambda x: n.ones_like(x)),
    ("full_like", lambda n: lambda x: n.full_like(x, 1)),
    ("broadcast_arrays", lambda n: lambda x: n.broadcast_arrays(x, x[:1])),
    ("meshgrid", lambda n: lambda x: [n.meshgrid(x.reshape(-1), x[:1].reshape(-1), indexing=k)
                                      for k in ("xy", "ij")]),
    ("array_equal", lambda n: lambda x: [n.array_equal(x, x), n.array_equal(x, x[:0])]),
]  # fmt: skip

OF_MATRICES: list[tuple[str, Call]] = [
    ("matrix_transpose", lambda n: lambda x: n.matrix_transpose(x)),
    ("permute_dims", lambda n: lambda x: n.permute_dims(x, tuple(range(x.ndim))[::-1])),
    ("transpose", lambda n: lambda x: n.transpose(x)),
    ("tril", lambda n: lambda x: [n.tril(x, k=k) for k in (-2, 0, 1, 99)]),
    ("triu", lambda n: lambda x: [n.triu(x, k=k) for k in (-2, 0, 1, 99)]),
    ("rot90", lambda n: lambda x: [n.rot90(x, k=k) for k in (-1, 0, 1, 2, 3)]),
    ("column_stack", lambda n: lambda x: n.column_stack([x, x])),
    ("pad", lambda n: lambda x: [n.pad(x, w) for w in (1, (2, 1))]),
    ("apply_along_axis", lambda n: lambda x: [n.apply_along_axis(lambda v: v[::-1], a, x)
                                              for a in (0, 1)]),
]  # fmt: skip

PAD_MODES = ("edge", "reflect", "symmetric", "wrap", "maximum", "minimum")

OF_NUMBERS: list[tuple[str, Call]] = [
    ("matmul", lambda n: lambda x, y: n.matmul(x, y)),
    ("tensordot", lambda n: lambda x, y: n.tensordot(x, y, axes=1)),
    ("vecdot", lambda n: lambda x, y: n.vecdot(x, n.moveaxis(y, 0, -1))),
    ("outer", lambda n: lambda x, y: n.outer(x.reshape(-1), y.reshape(-1))),
    ("einsum", lambda n: lambda x, y: n.einsum("ij,jk->ki", x, y)),
]

CREATION: list[tuple[str, Call]] = [
    *[(f"arange {a}", lambda n, a=a: lambda: n.arange(*a))
      for a in [(0,), (5,), (2, 9), (2, 9, 3), (9, 2, -2), (0, 1, 0.25), (3, 3), (5, 2),
                (-2.5, 2)]],
    *[(f"linspace {a} {e}", lambda n, a=a, e=e: lambda: n.linspace(*a, endpoint=e))
      for a in [(0, 1, 5), (1.5, -2, 7), (3, 3, 4), (0, 1, 1), (0, 1, 0), (0.1, 0.7, 33)]
      for e in (True, False)],
    *[(f"eye {a} {k}", lambda n, a=a, k=k: lambda: n.eye(*a, k=k))
      for a in [(3,), (2, 5), (5, 2), (0,), (1, 0)] for k in (-1, 0, 2, 10**9)],
    *[(f"tri {a} {k}", lambda n, a=a, k=k: lambda: n.tri(*a, k=k))
      for a in [(3,), (2, 5), (0,)] for k in (-1, 0, 2)],
    *[(f"full {s}", lambda n, s=s: lambda: n.full(s, 7)) for s in [(), 3, (2, 0), (2, 3)]],
    *[(f"zeros {s}", lambda n, s=s: lambda: n.zeros(s)) for s in [(), 3, (2, 0), (2, 3)]],
    *[(f"ones {s}", lambda n, s=s: lambda: n.ones(s)) for s in [(), 3, (2, 0), (2, 3)]],
    ("identity", lambda n: lambda: n.identity(4)),
    *[(f"logspace {a}", lambda n, a=a: lambda: n.logspace(*a)) for a in [(0, 2, 5), (1, -1, 3)]],
    *[(f"geomspace {a}", lambda n, a=a: lambda: n.geomspace(*a))
      for a in [(1, 1000, 4), (-8, -1, 4), (2.0, 0.25, 5)]],
]  # fmt: skip

SEQUENCES: list[tuple[str, Call]] = [
    *[(f"convolve {m}", lambda n, m=m: lambda x, y: [n.convolve(x, y, m), n.convolve(y, x, m)])
      for m in ("full", "same", "valid")],
    *[(f"correlate {m}", lambda n, m=m: lambda x, y: [n.correlate(x, y, m), n.correlate(y, x, m)])
      for m in ("full", "same", "valid")],
]  # fmt: skip


def cases() -> Iterator[Case]:
    """All of them."""
    for name, call in OF_ONE:
        for dtype in MOST:
            source = Source(13)
            for x in (
                source.draw(dtype, (4,), -9, 9),
                source.draw(dtype, (3, 5), -9, 9),
                source.draw(dtype, (2, 3, 4), -9, 9).transpose(1, 2, 0),
                source.draw(dtype, (6, 0), -9, 9)[::2],
            ):
                yield _moved(f"{name} {x.shape}", call, x)
    for name, call in OF_MATRICES:
        for dtype in MOST:
            source = Source(14)
            for shape in ((3, 5), (1, 1), (33, 2)):
                yield _moved(f"{name} {shape}", call, source.draw(dtype, shape, -9, 9))
    for dtype in ("int32", "float32", "bfloat16"):
        for mode in PAD_MODES:
            x = Source(15).draw(dtype, (4, 3), -9, 9)
            for widths in (1, [(2, 0), (1, 3)], [(9, 5), (0, 7)]):
                yield _moved(f"pad {mode} {widths}", _padded(widths, mode), x)
    yield from _products()
    for dtype in ("int64", "float32", "float64"):
        for name, call in CREATION:
            fraction = "." in name or "geomspace" in name  # which NumPy cuts off step by step
            if dtype != "int64" or not fraction:
                yield _made(name, call, dtype)
    for dtype in ("int32", "float32", "float64"):
        for long, short in ((9, 4), (7, 7), (5, 1), (40, 3)):
            source = Source(17)
            x, y = source.draw(dtype, (long,), -4, 4), source.draw(dtype, (short,), -4, 4)
            for name, call in SEQUENCES:
                yield Case(f"{name} {long} {short}", (x, y), call(lm), call(np), scale=16.0)
    yield from _read_off()


def _padded(widths: Any, mode: str) -> Call:
    return lambda n: lambda x: n.pad(x, widths, mode)


def _moved(name: str, call: Call, x: np.ndarray) -> Case:
    return Case(name, (x,), call(lm), call(np), exact=True)


def _products() -> Iterator[Case]:
    for name, call in OF_NUMBERS:
        for dtype in (*INTEGERS, "float16", "bfloat16", "float32", "float64"):
            for m, k, n in ((3, 4, 5), (1, 1, 1), (0, 3, 2), (2, 0, 3), (17, 33, 9)):
                if name == "vecdot" and m != n:
                    n = m
                source = Source(16)
                x, y = source.draw(dtype, (m, k), -2, 3), source.draw(dtype, (k, n), -2, 3)
                yield Case(f"{name} {m} {k} {n}", (x, y), call(lm), call(np), scale=64.0)


def _made(name: str, call: Call, dtype: str) -> Case:
    """A sequence or matrix, as `dtype` from the start."""

    class Typed:
        def __init__(self, room: Any, kind: Any):
            self.room, self.kind = room, kind

        def __getattr__(self, what: str) -> Any:
            return lambda *a, **k: getattr(self.room, what)(*a, dtype=self.kind, **k)

    return Case(
        name, (np.zeros((), kind_of(dtype)),), lambda _: call(Typed(lm, dtype))(),
        lambda _: call(Typed(np, kind_of(dtype)))(),
    )  # fmt: skip


def _read_off() -> Iterator[Case]:
    for dtype in ("float32", "float64"):
        source = Source(18)
        at = np.sort(source.draw(dtype, (6,), 0.0, 4.0))
        values, x = source.draw(dtype, (6,), -4.0, 4.0), source.draw(dtype, (3, 7), -1.0, 5.0)
        yield Case("interp inside", (x, at, values), lm.interp, np.interp, scale=32.0)
        yield Case("interp ends", (at, at, values), lm.interp, np.interp, scale=32.0)
        yield Case("interp beyond", (x, at, values),
                   lambda *a: lm.interp(*a, left=-1.0, right=2.0),
                   lambda *a: np.interp(*a, left=-1.0, right=2.0), scale=32.0)  # fmt: skip
    for dtype in ("int64", "float32", "float64"):
        x = Source(19).draw(dtype, (5,), -3, 4)
        for count in (None, 0, 1, 3):
            for rising in (False, True):
                yield Case(f"vander {count} {rising}", (x,),
                           lambda x, c=count, r=rising: lm.vander(x, c, increasing=r),
                           lambda x, c=count, r=rising: np.vander(x, c, increasing=r))  # fmt: skip
    for dtype in ALL:
        x = Source(20).draw(dtype, (3, 4), -9, 9)
        for wanted in ALL:
            if dtype in ("float16", "bfloat16", "float32", "float64") and wanted.startswith("u"):
                continue  # a negative float has no unsigned integer
            yield Case(f"astype {wanted}", (x,), lambda x, w=wanted: lm.astype(x, w),
                       lambda x, w=wanted: np.astype(x, kind_of(w)))  # fmt: skip
        yield Case("allclose", (x, x), lm.allclose, np.allclose)
