"""Callback: a Python function called by a program."""

from __future__ import annotations

from collections.abc import Callable as Function
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir import TensorType, TupleType
from lamina.graph.ops.opaque import Opaque


class Host:
    """A Python function as a parameter of an op: equal only to itself.

    Attributes:
        printed: its name in the text of a graph.
    """

    def __init__(self, function: Function[..., Any]):
        self.function = function
        self.printed = getattr(function, "__name__", type(function).__name__)


@frozen
class Callback(Opaque):
    """The results of a Python function of arrays, on each example by itself.

    takes, gives: the types of operands and results for one example; leading axes of the operands
    are examples. With `effect` it runs once for each time the program runs, and the last result,
    a u8[] that is 0, stands for its having run.  Inputs: any.  Source: ours.
    """

    arity = None
    host: Host
    takes: tuple[TensorType, ...]
    gives: tuple[TensorType, ...]
    effect: bool
    cost: ClassVar[int] = 100

    @property
    def pure(self) -> bool:  # type: ignore[override]
        """Whether it may be merged with equal ones, and left out."""
        return not self.effect

    def infer(self, *types: TensorType) -> TupleType:
        lead = self._lead(types)
        return TupleType(tuple(t.with_shape((*lead, *t.shape)) for t in self.gives))

    def _lead(self, types: tuple[TensorType, ...]) -> tuple[int, ...]:
        count = types[0].rank - self.takes[0].rank if len(types) == len(self.takes) else -1
        lead = types[0].shape[: max(count, 0)]
        wanted = [t.with_shape((*lead, *t.shape)) for t in self.takes]
        if count < 0 or list(types) != wanted:
            raise ShapeError(
                "callback: the operands are not what the function takes",
                [
                    f"operands: {', '.join(map(str, types))}",
                    f"takes:    {', '.join(map(str, self.takes))}",
                ],
                "leading axes are examples, the same for all operands",
            )
        return lead

    def reference(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        lead = np.shape(arrays[0])[: np.ndim(arrays[0]) - self.takes[0].rank]
        found = [np.zeros((*lead, *t.shape), t.dtype.numpy) for t in self.gives]
        for example in np.ndindex(*lead):
            results = self._one([np.asarray(a)[example] for a in arrays])
            for place, result in zip(found, results, strict=True):
                place[example] = result
        return tuple(found)

    def _one(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """The results for one example, of the declared types."""
        given = arrays[:-1] if self.effect else arrays  # without what it comes after
        result = self.host.function(*given)
        wanted = self.gives[:-1] if self.effect else self.gives
        results = list(result) if isinstance(result, tuple | list) else [result]
        if len(results) != len(wanted):
            raise ShapeError(
                f"callback {self.host.printed}: another number of results than declared",
                [f"declared: {len(wanted)}", f"returned: {len(results)}"],
                "return one array for each declared type, in a tuple",
            )
        found = [_checked(self.host.printed, r, t) for r, t in zip(results, wanted)]
        return [*found, np.zeros((), np.uint8)] if self.effect else found

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        called = "io_callback" if self.effect else "pure_callback"
        raise UsageError(
            f"{called} {self.host.printed}: has no derivative",
            [f"operands: {', '.join(str(t) for t in self._differentiated(dots))}"],
            "give it one by lm.custom_jvp or lm.custom_vjp, or take lm.stop_gradient of its "
            "operands or results",
        )

    def _differentiated(self, dots: Sequence[Any]) -> list[TensorType]:
        return [t for t, dot in zip(self.takes, dots) if dot is not None]


def _checked(name: str, result: Any, type: TensorType) -> np.ndarray:
    array = np.asarray(result)
    facts = [f"declared: {type}", f"returned: {array.dtype}{list(array.shape)}"]
    if array.shape != type.shape:
        raise ShapeError(f"callback {name}: a result of another shape than declared", facts)
    if not np.can_cast(array.dtype, type.dtype.numpy, "same_kind"):
        raise DTypeError(f"callback {name}: a result of another dtype than declared", facts)
    return array.astype(type.dtype.numpy, copy=False)
