"""The parts of a value that has several: what ops with several results give is taken apart here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, TupleType, emit


@frozen
class Item(Op):
    """Part `index` of a tuple.  Inputs: a tuple.  Source: ours."""

    cost = 0
    index: int

    def infer(self, *types: Any) -> TensorType:
        whole = types[0]
        if not isinstance(whole, TupleType) or not 0 <= self.index < len(whole.items):
            raise ShapeError(
                f"item: there is no part {self.index}",
                [f"x: {whole}", f"index: {self.index}"],
                "parts count from 0",
            )
        return whole.items[self.index]

    def reference(self, *arrays: Any) -> np.ndarray:
        return arrays[0][self.index]

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        return dots[0][self.index]

    def vjp(self, bars: Sequence[Any], operands: Sequence[Any], out: Any) -> tuple[Any, ...]:
        parts: list[Any] = [None] * len(operands[0].type.items)
        parts[self.index] = bars[0]
        return (tuple(parts),)


def item(x: Any, index: int) -> Any:
    """Part `index` of a tuple value."""
    return emit(Item(index), x)


def items(x: Any) -> tuple[Any, ...]:
    """Every part of a tuple value."""
    return tuple(item(x, i) for i in range(len(x.type.items)))
