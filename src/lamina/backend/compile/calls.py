"""Steps that a library computes: views of the program's memory, the call, its results put back."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.backend.compile.foreign import foreign_call
from lamina.base.errors import CallError, DTypeError, LaminaError, ShapeError
from lamina.base.spans import Span, at
from lamina.graph.ir import TensorType, TupleType, Value
from lamina.graph.ir.evaluate import call_error
from lamina.graph.ops import Opaque
from lamina.runtime.call import Call
from lamina.runtime.foreign import KernelFailure

CHUNK_ELEMENTS = 1 << 15  # of a row or several that are worth a call


@dataclass(frozen=True)
class Rows:
    """The parallel loop of a call: over rows that do not meet, or just once."""

    extent: int
    grain: int
    lead: int | None  # leading axes that are rows; None for a call on everything at once


def rows_of(node: Value) -> Rows:
    """How the call of `node` is split."""
    foreign = foreign_call(node)
    if foreign is not None:
        return Rows(foreign.parts, 1, None)
    op: Any = node.op
    types = [o.type for o in node.operands]
    lead = op.independent(*types) if types and isinstance(op, Opaque) else 0
    if not lead:
        return Rows(1, 1, None)
    extent = math.prod(types[0].shape[:lead])
    elements = max(math.prod(t.shape[lead:]) for t in types)
    return Rows(extent, max(1, math.ceil(CHUNK_ELEMENTS / max(1, elements))), lead)


def call_of(node: Value, wanted: Sequence[int]) -> Call:
    """The kernel that computes `node`.

    Args:
        node: an op with `call`, on the types that it is compiled for.
        wanted: the parts of its result that somebody reads, in order.

    Returns:
        A kernel whose arguments are the operands, then the wanted parts.
    """
    op: Any = node.op
    inputs = [o.type for o in node.operands]
    parts = parts_of(node)
    outputs = [parts[i] for i in wanted]
    rows = rows_of(node)

    reads = [_View(t, rows) for t in inputs]
    writes = [_View(t, rows) for t in outputs]

    def run(addresses: list[int], begin: int, end: int) -> None:
        arrays = [view.at(a, begin, end) for view, a in zip(reads, addresses)]
        for array in arrays:
            array.flags.writeable = False
        with at(node.span), np.errstate(all="ignore"):
            if isinstance(op, Opaque) and op.write is not None:
                return op.write(writes[0].at(addresses[-1], begin, end), *arrays)
            result = op.call(*arrays)
            results = result if isinstance(node.type, TupleType) else (result,)
            if len(results) != len(parts):
                raise _otherwise(node, f"{len(results)} results")
            for view, address, i in zip(writes, addresses[len(inputs) :], wanted):
                _put(view.at(address, begin, end), results[i], node, i)

    return Call(run, len(inputs) + len(outputs))


def parts_of(node: Value) -> tuple[TensorType, ...]:
    """The types of the results of a call."""
    return node.type.items if isinstance(node.type, TupleType) else (node.type,)


class _View:
    """An array in the memory of a program, of which a call sees some rows."""

    def __init__(self, type: TensorType, rows: Rows):
        self.cut = rows.lead is not None
        self.shape = (rows.extent, *type.shape[rows.lead :]) if self.cut else type.shape
        self.dtype = type.dtype.numpy
        self.memory: Any = ctypes.c_char * type.size_bytes

    def at(self, address: int, begin: int, end: int) -> np.ndarray:
        """The rows from `begin` to `end` of the array at an address."""
        memory = self.memory.from_address(address) if self.memory._length_ else None
        whole = np.ndarray(self.shape, self.dtype, memory)
        return whole[begin:end] if self.cut else whole


def _put(place: np.ndarray, result: Any, node: Value, i: int) -> None:
    array = np.asarray(result)
    if array.shape != place.shape or array.dtype != place.dtype:
        kind = ShapeError if array.shape != place.shape else DTypeError
        raise _otherwise(node, f"{array.dtype}{list(array.shape)} as result {i}", kind)
    np.copyto(place, array)


def _otherwise(node: Value, given: str, kind: type[LaminaError] = ShapeError) -> LaminaError:
    return kind(
        f"{node.op.name}: the call gave something else than declared",
        [f"declared: {node.type}", f"given:    {given}"],
        "make the type rule and the function agree",
    )


def surfaced(error: BaseException | None, node: Value, line: Span | None) -> BaseException:
    """What the user gets for the error of a call.

    Args:
        error: what the call raised.
        node: the op as it was compiled.
        line: the line that it has in the graph that ran.
    """
    if error is None:
        return call_error(node.op.name, RuntimeError("its error was lost"), line)
    if not isinstance(error, Exception):
        return error  # an interrupt, an exit
    if isinstance(error, KernelFailure):
        return kernel_error(node, error, line)
    if not isinstance(error, LaminaError):
        made = call_error(node.op.name, error, line)
        made.__cause__ = error
        return made
    error.__suppress_context__ = True
    if error.span is not node.span or line is node.span:
        return error
    made = type(error)(error.summary, error.facts, error.help, line)
    made.__cause__ = error.__cause__
    return made


def kernel_error(node: Value, failure: KernelFailure, line: Span | None) -> CallError:
    """What the user gets where machine code from outside says that it failed."""
    foreign = foreign_call(node)
    symbol = foreign.kernel.symbol if foreign is not None else "the kernel"
    facts = [f"{symbol} returned {failure.code}"]
    if failure.message:
        facts.append(failure.message)
    return CallError(f"{node.op.name}: its kernel failed", facts, "", line)
