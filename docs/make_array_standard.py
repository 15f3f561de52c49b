"""Writes docs/array-standard.md: what the array namespace can do, found by trying it.

python -m docs.make_array_standard           write the page
python -m docs.make_array_standard --check   fail if it is out of date
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import lamina as lm
from lamina.base import dtypes
from lamina.base.errors import LaminaError
from lamina.tensor import api
from tests.array_api import standard

PAGE = Path(__file__).with_name("array-standard.md")

HEAD = """\
# The array standard

Made by `python -m docs.make_array_standard`, which tries every call; do not edit.

`import lamina as lm` is a namespace of the
[Python array API standard](https://data-apis.org/array-api/2024.12/), version {version}, with its
extensions `lm.linalg` and `lm.fft`. `tests/array_api/` holds the signatures, special cases and
promotion rules of the standard as data, and compares the functions with NumPy.

Each mark is the outcome of a call: *eager* computes, *jit* gives the same compiled, *grad*
differentiates a weighted sum of the result ("0": no slope, as of steps and of constants; "-":
nothing floating), *vmap* gives the same as a loop. *dtypes* names the kinds of elements that are
taken: bool, int, uint, float (float16 and bfloat16 too), complex. Where the marks are left out the
call takes no tensor, or does not give one.
"""

EXCLUSIONS = """\
## Exclusions

What differs from the text of the standard; there may be ten points at most.

1. Tensors are values. `x[key] = value` makes another value and lets `x` stand for it, so that
   what was made from `x` before keeps its elements; the standard leaves open whether it does.
2. Inside `jit` and `vmap` the results of `nonzero`, `unique_*`, boolean indexing and `repeat` with
   several counts have no shape yet: errors there name the way out. Outside they work.
3. `__dlpack__` for a consumer that does not know version 1 of DLPack copies, since it could not
   see that the memory must not be written to; with `copy=False` it shares.

More is accepted than the standard asks for: mixed kinds of dtypes (an integer with a float gives
the float), integers in functions of floating numbers (they become float32), and tensors with one
element of any rank as Python numbers.
"""

X = np.array([[0.25, 0.5], [0.75, 0.125]])
WHOLE = np.array([[1, 2], [3, 2]])
KINDS = {
    "bool": ["bool"],
    "int": ["int8", "int16", "int32", "int64"],
    "uint": ["uint8", "uint16", "uint32", "uint64"],
    "float": ["float16", "bfloat16", "float32", "float64"],
    "complex": ["complex64", "complex128"],
}

Call = Callable[[Any], Any]

# Calls that need more than one or two tensors of one shape; `x` is a matrix of 2 x 2.
CALLS: dict[str, Call] = {
    "apply_along_axis": lambda x: lm.apply_along_axis(lambda v: v[::-1], 0, x),
    "arange": lambda x: lm.arange(3, dtype=x.dtype),
    "argpartition": lambda x: lm.argpartition(x, 0),
    "array_split": lambda x: lm.array_split(x, 2),
    "astype": lambda x: lm.astype(x, x.dtype),
    "bincount": lambda x: lm.bincount(lm.reshape(x, (-1,))),
    "broadcast_to": lambda x: lm.broadcast_to(x, (3, 2, 2)),
    "column_stack": lambda x: lm.column_stack([x, x]),
    "compress": lambda x: lm.compress(lm.asarray([True, False]), x, axis=0),
    "concat": lambda x: lm.concat([x, x]),
    "convolve": lambda x: lm.convolve(x[0], x[1]),
    "correlate": lambda x: lm.correlate(x[0], x[1]),
    "cumulative_prod": lambda x: lm.cumulative_prod(x, axis=0),
    "cumulative_sum": lambda x: lm.cumulative_sum(x, axis=0),
    "digitize": lambda x: lm.digitize(x, lm.arange(2, dtype="int32")),
    "dstack": lambda x: lm.dstack([x, x]),
    "einsum": lambda x: lm.einsum("ij,jk->ik", x, x),
    "empty": lambda x: lm.empty((2, 2), dtype=x.dtype),
    "eye": lambda x: lm.eye(2, dtype=x.dtype),
    "flatten": lambda x: lm.flatten(x),
    "full": lambda x: lm.full((2, 2), 1, dtype=x.dtype),
    "full_like": lambda x: lm.full_like(x, 1),
    "hstack": lambda x: lm.hstack([x, x]),
    "identity": lambda x: lm.identity(2, dtype=x.dtype),
    "interp": lambda x: lm.interp(x, x[0], x[1]),
    "linspace": lambda x: lm.linspace(0, 1, 3, dtype=x.dtype),
    "meshgrid": lambda x: lm.meshgrid(x[0], x[1]),
    "moveaxis": lambda x: lm.moveaxis(x, 0, 1),
    "ones": lambda x: lm.ones((2, 2), dtype=x.dtype),
    "outer": lambda x: lm.outer(x[0], x[1]),
    "pad": lambda x: lm.pad(x, 1),
    "partition": lambda x: lm.partition(x, 0),
    "permute_dims": lambda x: lm.permute_dims(x, (1, 0)),
    "repeat": lambda x: lm.repeat(x, 2),
    "reshape": lambda x: lm.reshape(x, (4,)),
    "roll": lambda x: lm.roll(x, 1),
    "searchsorted": lambda x: lm.searchsorted(x[0], x[1]),
    "split": lambda x: lm.split(x, 2),
    "squeeze": lambda x: lm.squeeze(lm.expand_dims(x, axis=0), axis=0),
    "stack": lambda x: lm.stack([x, x]),
    "swapaxes": lambda x: lm.swapaxes(x, 0, 1),
    "take": lambda x: lm.take(x, lm.asarray([1, 0]), axis=0),
    "take_along_axis": lambda x: lm.take_along_axis(x, lm.asarray([[1, 0]]), axis=0),
    "tile": lambda x: lm.tile(x, (2, 1)),
    "top_k": lambda x: lm.top_k(x, 1),
    "vander": lambda x: lm.vander(x[0]),
    "vstack": lambda x: lm.vstack([x, x]),
    "where": lambda x: lm.where(lm.asarray([True, False]), x, x),
    "zeros": lambda x: lm.zeros((2, 2), dtype=x.dtype),
    "linalg.cholesky": lambda x: lm.linalg.cholesky(_positive(x)),
    "linalg.cross": lambda x: lm.linalg.cross(_three(x), lm.flip(_three(x))),
    "linalg.eigh": lambda x: lm.linalg.eigh(_positive(x)),
    "linalg.eigvalsh": lambda x: lm.linalg.eigvalsh(_positive(x)),
    "linalg.matrix_power": lambda x: lm.linalg.matrix_power(x, 2),
    "linalg.outer": lambda x: lm.linalg.outer(x[0], x[1]),
    "fft.irfft": lambda x: lm.fft.irfft(x * (1 + 0j), n=3),
    "fft.fftfreq": lambda x: lm.fft.fftfreq(4, dtype=x.dtype),
    "fft.rfftfreq": lambda x: lm.fft.rfftfreq(4, dtype=x.dtype),
}


def _positive(x: lm.Tensor) -> lm.Tensor:
    return x @ x.mT + lm.eye(2, dtype=x.dtype)


def _three(x: lm.Tensor) -> lm.Tensor:
    return lm.concat([x[0], x[1, :1]])


def page() -> str:
    """The text of docs/array-standard.md."""
    parts = [HEAD.format(version=standard.VERSION)]
    listed: set[str] = set()
    for category, text in standard.FUNCTIONS.items():
        names = list(standard.signatures(text))
        listed.update(names)
        parts.append(_section(category.capitalize(), [(n, getattr(lm, n, None)) for n in names]))
    for room, text in standard.EXTENSIONS.items():
        names = list(standard.signatures(text))
        found = getattr(lm, room, None)
        rows = [(f"{room}.{n}", getattr(found, n, None)) for n in names]
        parts.append(_section(f"Extension `lm.{room}`", rows))
    parts.append(_section("Beyond the standard", _beyond(listed)))
    return "\n".join([*parts, EXCLUSIONS])


def _beyond(listed: set[str]) -> list[tuple[str, Any]]:
    """Functions of tensors that the namespace has and the standard has not."""
    functions = {n: getattr(api, n) for n in api.__all__ if n not in listed}
    return [
        (n, f)
        for n, f in sorted(functions.items())
        if inspect.isfunction(f) and ".namespace." in f.__module__
    ]


def _section(title: str, functions: list[tuple[str, Any]]) -> str:
    head = ["function", "eager", "jit", "grad", "vmap", "dtypes"]
    rows = [head, ["---"] * len(head), *(_row(name, f) for name, f in functions)]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _row(name: str, f: Any) -> list[str]:
    label = f"`{name}`"
    call = None if f is None else CALLS.get(name) or _guessed(f)
    if call is None:
        return [label, "" if f is None else "yes", "", "", "", ""]
    x = next((lm.asarray(v, dtype=d) for d, v in _samples() if _works(call, d, v)), None)
    if x is None:
        return [label, "yes", "", "", "", ""]
    return [label, "yes", _jit(call, x), _grad(call, x), _vmap(call, x), _dtypes(call)]


def _guessed(f: Any) -> Call | None:
    """A call with one tensor or two, by the required parameters; None if it takes none."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(f).parameters.values()
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return lambda x: f(x, x)
    needed = [p for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]
    if not 1 <= len(needed) <= 2:
        return None
    return (lambda x: f(x)) if len(needed) == 1 else (lambda x: f(x, lm.flip(x, axis=0)))


def _samples() -> Iterator[tuple[str, np.ndarray]]:
    yield "float32", X
    yield "int32", WHOLE
    yield "complex64", X + 0.5j
    yield "bool", WHOLE > 1


def _values(result: Any) -> list[np.ndarray] | None:
    """The numbers of a result; None if it holds something other than tensors."""
    parts = result if isinstance(result, list | tuple) else [result]
    if not parts or not all(isinstance(p, lm.Tensor) for p in parts):
        return None
    return [np.asarray(p) for p in parts]


def _works(call: Call, dtype: str, values: np.ndarray) -> bool:
    try:
        return _values(call(lm.asarray(values, dtype=dtype))) is not None
    except (LaminaError, TypeError, ValueError, NotImplementedError, AttributeError, IndexError):
        return False


def _same(found: list[np.ndarray] | None, wanted: list[np.ndarray] | None) -> bool:
    if found is None or wanted is None or len(found) != len(wanted):
        return False
    return all(
        a.shape == b.shape
        and np.allclose(a.astype(complex), b.astype(complex), 1e-4, 1e-5, equal_nan=True)
        for a, b in zip(found, wanted, strict=True)
    )


def _jit(call: Call, x: lm.Tensor) -> str:
    try:
        return "yes" if _same(_values(lm.jit(call)(x)), _values(call(x))) else "no"
    except LaminaError:
        return "no"


def _vmap(call: Call, x: lm.Tensor) -> str:
    pair = lm.stack([x, lm.flip(x, axis=0)])
    try:
        found = _values(lm.vmap(call)(pair))
        each = [_values(call(row)) or [] for row in pair]
        wanted = [np.stack(parts) for parts in zip(*each, strict=True)]
        return "yes" if _same(found, wanted) else "no"
    except LaminaError:
        return "no"


def _grad(call: Call, x: lm.Tensor) -> str:
    def total(x: lm.Tensor) -> lm.Tensor:
        result = call(x)
        parts = result if isinstance(result, list | tuple) else [result]
        real = [lm.real(p) if p.dtype.is_complex else p for p in parts if p.dtype.is_inexact]
        return sum((lm.sum(p * _weights(p.shape)) for p in real), lm.zeros(()))

    if not x.dtype.is_inexact or not any(p.dtype.kind in "fc" for p in _values(call(x)) or []):
        return "-"
    try:
        slope = lm.grad(total)(x).numpy()
    except LaminaError:
        return "no"
    return "yes" if np.any(slope != 0) else "0"


def _weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.linspace(1, 2, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def _dtypes(call: Call) -> str:
    taken = []
    for kind, names in KINDS.items():
        sample = {"bool": WHOLE > 1, "int": WHOLE, "uint": WHOLE, "float": X}.get(kind, X + 0.5j)
        if all(_typed(call, name, sample) for name in names):
            taken.append(kind)
    return " ".join(taken)


def _typed(call: Call, dtype: str, values: np.ndarray) -> bool:
    """Whether the call accepts the dtype; types are checked when it is recorded."""
    try:
        call(lm.asarray(values.astype(dtypes.dtype(dtype).numpy)))
    except (LaminaError, TypeError, ValueError, NotImplementedError):
        return False
    return True


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    if "--check" in arguments:
        current = PAGE.read_text() if PAGE.exists() else ""
        if current != page():
            print(
                "docs/array-standard.md is out of date: run python -m docs.make_array_standard",
                file=sys.stderr,
            )
            return 1
        return 0
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
