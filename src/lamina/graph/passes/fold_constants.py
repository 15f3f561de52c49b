"""Arithmetic on constants, done once by the compiler."""

from __future__ import annotations

import math

import numpy as np

from lamina.base.errors import BoundsError
from lamina.graph.ir.graph import Graph, rebuild
from lamina.graph.ir.types import TensorType
from lamina.graph.ir.value import Value
from lamina.graph.ops.constant import Constant, constant, splat_value
from lamina.graph.ops.elementwise import Elementwise
from lamina.graph.passes.pass_ import graph_pass

MAX_RESULT_ELEMENTS = 4096  # a larger result would only make the program bigger
MAX_OPERAND_ELEMENTS = 65536


@graph_pass
def fold_constants(graph: Graph) -> Graph:
    """Evaluate nodes whose operands are constants, by the reference of their op.

    An elementwise op on numbers that are the same everywhere gives such a number, of any shape.
    Library calls wait for the program: what they cost or raise belongs there.

    Before:  %0 = constant(2.0, f32, (8,));  %1 = multiply %0, %0;  %2 = add %x, %1
    After:   %0 = constant(4.0, f32, (8,));  %1 = add %x, %0
    """
    return rebuild(graph, _fold)


def _fold(v: Value, operands: tuple[Value, ...]) -> Value | None:
    if not operands or not all(isinstance(o.op, Constant) for o in operands):
        return None
    if not isinstance(v.type, TensorType) or v.op.call is not None:
        return None
    splats = [splat_value(o) for o in operands]
    if isinstance(v.op, Elementwise) and None not in splats:
        scalars = [np.asarray(s, o.dtype.numpy) for s, o in zip(splats, operands)]
        return _constant(v, np.asarray(v.op.reference(*scalars)))
    read_elements = sum(o.type.size for o in operands)
    if v.type.size > MAX_RESULT_ELEMENTS or read_elements > MAX_OPERAND_ELEMENTS:
        return None
    try:
        with np.errstate(all="ignore"):
            return _constant(v, np.asarray(v.op.reference(*[o.op.reference() for o in operands])))
    except BoundsError:
        return None  # the program raises when it runs, if it gets there


def _constant(v: Value, array: np.ndarray) -> Value:
    """The constant of the type of `v`: a number if all elements are the same."""
    array = array.astype(v.dtype.numpy, copy=False)
    if array.size == 0:
        return constant(array.reshape(v.shape), v.dtype)
    first = array.reshape(-1)[:1]
    if array.tobytes() != first.tobytes() * array.size:
        return constant(array, v.dtype)
    value = first[0]
    return constant(math.nan if value != value else value, v.dtype, v.shape)
