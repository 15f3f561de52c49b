"""Ops computed by calls, one of each kind, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from lamina.base.dtypes import int64
from lamina.base.errors import ShapeError
from lamina.graph import ops
from lamina.graph.ir import TupleType, emit
from lamina.graph.ops import Opaque


@dataclass(frozen=True)
class CalledCube(Opaque):
    """x^3, one result, by partials."""

    def infer(self, x: Any) -> Any:
        return x

    def reference(self, x: Any) -> np.ndarray:
        return np.asarray(x * x * x)

    def partials(self, x: Any, *, out: Any) -> tuple[Any, ...]:
        return (x * x * 3.0,)


@dataclass(frozen=True)
class CalledPolar(Opaque):
    """(x cos y, x sin y, how often x is positive along the last axis): two that vary, by jvp."""

    arity = 2

    def infer(self, x: Any, y: Any) -> Any:
        if x.shape != y.shape:
            raise ShapeError("called_polar: shapes differ", [f"x: {x}", f"y: {y}"])
        return TupleType((x, y, x.with_dtype(int64).with_shape(x.shape[:-1])))

    def reference(self, x: Any, y: Any) -> tuple[np.ndarray, ...]:
        count = (x > 0).sum(-1, dtype=np.int64)
        return np.asarray(x * np.cos(y)), np.asarray(x * np.sin(y)), np.asarray(count)

    def jvp(self, operands: Any, dots: Any, out: Any) -> tuple[Any, ...]:
        x, y = operands
        x_dot, y_dot = dots
        cos, sin = ops.cos(y), ops.sin(y)
        return x_dot * cos - x * sin * y_dot, x_dot * sin + x * cos * y_dot, None


@dataclass(frozen=True)
class CalledPolarBack(CalledPolar):
    """The same with a rule of its own for cotangents."""

    def vjp(self, bars: Any, operands: Any, out: Any) -> tuple[Any, ...]:
        _, y = operands
        u, v, _ = (ops.item(out, i) for i in range(3))
        x_bar = y_bar = None
        if bars[0] is not None:
            x_bar, y_bar = bars[0] * ops.cos(y), -(bars[0] * v)
        if bars[1] is not None:
            more = bars[1] * ops.sin(y), bars[1] * u
            x_bar = more[0] if x_bar is None else x_bar + more[0]
            y_bar = more[1] if y_bar is None else y_bar + more[1]
        assert bars[2] is None
        return x_bar, y_bar


@dataclass(frozen=True)
class CalledSplit(Opaque):
    """(2 x, x reversed along the last axis): linear, by transpose."""

    def infer(self, x: Any) -> Any:
        return TupleType((x, x))

    def reference(self, x: Any) -> tuple[np.ndarray, ...]:
        return x + x, np.ascontiguousarray(x[..., ::-1])

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        double, flipped = bar
        parts = [None if double is None else double * 2.0,
                 None if flipped is None else ops.flip(flipped, (-1,))]  # fmt: skip
        found = [p for p in parts if p is not None]
        return found[0] if len(found) == 1 else found[0] + found[1]


@dataclass(frozen=True)
class CalledFailure(Opaque):
    """Raises what `errors` has under its name."""

    constant = True
    errors: ClassVar[dict[str, BaseException]] = {}
    name_of_error: str

    def infer(self, x: Any) -> Any:
        return x

    def reference(self, x: Any) -> np.ndarray:
        raise self.errors[self.name_of_error]


@dataclass(frozen=True)
class CalledNote(Opaque):
    """x, noting it: an op with an effect."""

    pure = False
    constant = True
    notes: ClassVar[list[float]] = []

    def infer(self, x: Any) -> Any:
        return x

    def reference(self, x: Any) -> np.ndarray:
        self.notes.append(float(x.sum()))
        return np.array(x)


def cube(x: Any) -> Any:
    return emit(CalledCube(), x)


def polar(x: Any, y: Any) -> tuple[Any, ...]:
    return ops.items(emit(CalledPolar(), x, y))


def polar_back(x: Any, y: Any) -> tuple[Any, ...]:
    return ops.items(emit(CalledPolarBack(), x, y))


def split(x: Any) -> tuple[Any, ...]:
    return ops.items(emit(CalledSplit(), x))


def failure(x: Any, error: BaseException) -> Any:
    name = f"{type(error).__name__} {id(error)}"
    CalledFailure.errors[name] = error
    return emit(CalledFailure(name), x)


def note(x: Any) -> Any:
    return emit(CalledNote(), x)
