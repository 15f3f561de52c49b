"""What elementwise ops have in common, and the two that change nothing.

An elementwise op makes each element of its result from one element of each operand. It gives
`formula` (NumPy), `partials` (or `constant = True`) and `lane`. Operands have equal shape and
dtype: broadcasting is an explicit Expand, promotion an explicit Cast.

An op without parameters has no fields of its own, so it needs no decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from lamina.base.errors import ShapeError
from lamina.graph.ir import Op, TensorType, emit, same_dtype

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
OPERAND_NAMES = "xyzuvw"

# Kinds of dtypes that an op may take.
ANY = "bool int uint float complex storage"
NUMBERS = "int uint float complex"
REALS = "int uint float"
INEXACT = "float complex"


def in_single(formula: Callable[..., Any], *arrays: Any) -> np.ndarray:
    """`formula(*arrays)` without warnings; f16 and bf16 are computed in f32 and rounded once."""
    taken = [np.asarray(a) for a in arrays]
    wide = [a.astype(np.float32) if a.dtype in HALVES else a for a in taken]
    with np.errstate(all="ignore"):
        result = np.asarray(formula(*wide))
        floats = [a.dtype for a in taken if a.dtype.kind == "f" or a.dtype in HALVES]
        if floats and result.dtype.kind == "f":
            return result.astype(floats[0], copy=False)
    return result


def same_shape(op: Op, types: tuple[TensorType, ...]) -> None:
    """ShapeError unless all operands have one shape."""
    if len({t.shape for t in types}) > 1:
        raise ShapeError(
            f"{op.name}: operands differ in shape",
            [f"{OPERAND_NAMES[i]}: {t}" for i, t in enumerate(types)],
            "expand one of them to the shape of the other; ops do not broadcast by themselves",
        )


_listed = cache(str.split)


class Elementwise(Op, abstract=True):
    """One element of the result from one element of each operand: a diagonal Jacobian."""

    kinds: ClassVar[str] = "float"
    formula: ClassVar[Callable[..., Any]]

    def __hash__(self) -> int:
        return hash(type(self))

    def infer(self, *types: TensorType) -> TensorType:
        first = types[0]
        if types.count(first) == len(types):  # most calls, and eager ones wait for it
            if first.dtype.kind not in _listed(self.kinds):
                self.require(self.kinds, first)
            return first
        self.require(self.kinds, *types)
        same_dtype(self, types)
        same_shape(self, types)
        return first

    def reference(self, *arrays: Any) -> np.ndarray:
        return in_single(self.formula, *arrays)


class Identity(Elementwise):
    """y = x: another name for the same number.  Inputs: any.  Source: ours."""

    part_by_part = True
    kinds = ANY
    cost = 0
    formula = staticmethod(np.array)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0,)

    def lane(self, s: Any, x: Any) -> Any:
        return x


def identity(x: Any) -> Any:
    """x itself, as a value of its own."""
    return emit(Identity(), x)


class StopGradient(Elementwise):
    """y = x, and no derivative passes.  Inputs: any.  Source: ours."""

    part_by_part = True
    kinds = ANY
    constant = True
    cost = 0
    formula = staticmethod(np.array)

    def lane(self, s: Any, x: Any) -> Any:
        return x


def stop_gradient(x: Any) -> Any:
    """x, taken as a constant by every derivative."""
    return emit(StopGradient(), x)


class Attach(Elementwise):
    """y = x, and dy = dx + slope dt: how a number varies that was not computed from t.

    Such as a root of an equation that t is in, or a random number whose distribution has the
    parameter t. No derivative passes to the slope.  Inputs: three floating of one dtype: x, t and
    the slope.  Source: the implicit function theorem.
    """

    arity = 3
    cost = 0

    @staticmethod
    def formula(x: Any, t: Any, slope: Any) -> Any:
        return np.array(x)

    def partials(self, x: Any, t: Any, slope: Any, *, out: Any) -> tuple:
        return 1.0, slope, None

    def lane(self, s: Any, x: Any, t: Any, slope: Any) -> Any:
        return x


def attach(x: Any, t: Any, slope: Any) -> Any:
    """x, which varies with t by the slope."""
    return emit(Attach(), x, t, slope)
