"""Ops that a library computes: the base of sorting, factorisations, transforms, callbacks.

Such an op has the type rule, reference, derivative and batching of any other; what it lacks is a
loop form. A compiled program stores its operands, each contiguous, and calls it as a step of its
own between the kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Graph, Op, TensorType, TupleType, Value
from lamina.graph.ir.types import Type


class Opaque(Op, abstract=True):
    """An op computed by a call. A subclass gives `infer` and `reference`, and says how it varies.

    It lifts over leading axes as every op does. `infer` may give a TupleType; then `reference` and
    `call` give a tuple of arrays. What `call` raises stops the program: a LaminaError as it is,
    anything else as the cause of a CallError.

    A subclass with effects says `pure = False`; equal ones are not merged, and nothing computes
    them ahead of time. A graph has no order but that of its values: calls that must come one after
    the other, or must come at all, hand a value on from one to the next and to the outputs.
    """

    write: ClassVar[Callable[..., None] | None] = None
    """`write(out, *arrays)` writes the one result where it is to lie, for ops that need no copy."""

    def independent(self, *types: TensorType) -> int:
        """How many leading axes all operands and results share whose rows do not meet.

        Where there are any, threads share the rows: each calls the op on some of them, as arrays
        with one leading axis in place of those.
        """
        return 0

    def call(self, *arrays: Any) -> Any:
        """The result, or a tuple of results, from read-only C-contiguous arrays.

        Runs inside compiled programs on views of the program's memory that end with the call. The
        results are copied into the program's memory.
        """
        return self.reference(*arrays)


def as_pairs(type: TensorType) -> TensorType:
    """The type of the same bytes where complex numbers are pairs of real ones: f32[8,2] of c64[8].

    Other types stay.
    """
    return TensorType(type.dtype.part, (*type.shape, 2)) if type.dtype.is_complex else type


@frozen
class OnPairs(Opaque):
    """An op on complex numbers that are given as pairs of real ones, as a call.

    `body` is the op alone; one without a call of its own is computed by its reference.
    Inputs: those of the body, as pairs.  Source: ours.
    """

    arity = None
    constant = True
    body: Graph

    @property
    def _op(self) -> Any:
        return self.body.outputs[0].op

    @property
    def pure(self) -> bool:  # type: ignore[override]
        """Whether the op in the body is."""
        return self._op.pure

    def independent(self, *types: TensorType) -> int:
        own = getattr(self._op, "independent", None)
        return own(*[v.type for v in self.body.inputs]) if own else 0

    def infer(self, *types: TensorType) -> Type:
        wanted = tuple(as_pairs(v.type) for v in self.body.inputs)
        if types != wanted:
            raise ShapeError(
                "on_pairs: the operands are not the inputs of the body",
                [
                    f"operands: {', '.join(map(str, types))}",
                    f"inputs: {', '.join(map(str, wanted))}",
                ],
                "this is a defect of the pass that made it",
            )
        made = self.body.outputs[0].type
        if isinstance(made, TupleType):
            return TupleType(tuple(map(as_pairs, made.items)))
        return as_pairs(made)

    def reference(self, *arrays: Any) -> Any:
        return self._called(self._op.reference, arrays)

    def call(self, *arrays: Any) -> Any:
        return self._called(self._op.call or self._op.reference, arrays)

    def _called(self, function: Callable[..., Any], arrays: tuple[Any, ...]) -> Any:
        result = function(*map(_numbers_of, arrays, self.body.inputs))
        return tuple(map(_pairs_of, result)) if isinstance(result, tuple) else _pairs_of(result)


def _numbers_of(array: np.ndarray, v: Value) -> np.ndarray:
    if not v.dtype.is_complex:
        return array
    return np.ascontiguousarray(array).view(v.dtype.numpy)[..., 0]


def _pairs_of(array: Any) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind != "c":
        return array
    part = array.real.dtype
    return np.ascontiguousarray(array).reshape(*array.shape, 1).view(part)
