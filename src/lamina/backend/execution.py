"""The one place that knows how a graph is run: compiled for this machine, or by the reference.

`LAMINA_TARGET=reference` chooses the reference; `use` chooses for this process. A back end gives
`compile(graph) -> Program`; a program runs on runtime buffers, whose elements `array` shows to
NumPy without copying.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from lamina.base import config
from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError, UsageError
from lamina.graph.ir import Graph, TensorType
from lamina.graph.ir.evaluate import evaluate
from lamina.runtime import Buffer, Mode

BackEnd = Literal["compiled", "reference"]


class Program(Protocol):
    """A graph made runnable."""

    def run(self, buffers: Sequence[Any], donated: Sequence[bool] | None = None) -> list[Any]:
        """The outputs of the graph; a donated input may be overwritten."""
        ...


class ReferenceProgram:
    """A graph evaluated op by op with NumPy."""

    def __init__(self, graph: Graph):
        self.graph = graph

    def run(self, buffers: Sequence[Any], donated: Sequence[bool] | None = None) -> list[Any]:
        """The outputs of the graph in new buffers."""
        inputs = [array(b, v.type) for b, v in zip(buffers, self.graph.inputs, strict=True)]
        return [buffer(np.asarray(a, order="C")) for a in evaluate(self.graph, *inputs)]


class _Choice:
    """The back end of this process."""

    name: str = "reference" if config.target() == "reference" else "compiled"


def use(back_end: BackEnd) -> None:
    """Run programs that are compiled from now on by `back_end`."""
    if back_end not in ("compiled", "reference"):
        raise UsageError(f"execution: no back end {back_end!r}", ["there are compiled, reference"])
    _Choice.name = back_end


def back_end() -> str:
    """The back end in force: "compiled" or "reference"."""
    return _Choice.name


def compile(
    graph: Graph,
    generic: bool = False,
    relaxed: tuple[str, ...] = (),
    frozen: Sequence[int] = (),
    mode: Mode = "threads",
) -> Program:
    """The program of `graph` by the back end in force.

    `generic` shares kernels between shapes; `relaxed` names liberties it may take; what follows
    from `frozen` inputs alone is computed once for as long as they stay the same; `mode` is the
    executor that it runs under.
    """
    if _Choice.name == "reference":
        return ReferenceProgram(graph)
    from lamina.backend.compile import compile_graph  # imports LLVM: on first use only

    return compile_graph(graph, generic=generic, relaxed=relaxed, frozen=frozen, mode=mode)


def buffer(array: np.ndarray) -> Any:
    """A buffer over the elements of a C-contiguous array, without copying."""
    if array.dtype.isbuiltin != 1 or not array.size:  # bfloat16 has no buffer protocol of its own
        array = array.reshape(-1).view(np.uint8)
    return Buffer.wrap(array)


def scalar(value: bool | int | float | complex, dtype: DType) -> Any:
    """A buffer with one element.

    Raises:
        DTypeError: an integer is out of the dtype's range.
    """
    try:
        return buffer(np.array(value, dtype.numpy))
    except OverflowError:
        raise DTypeError(f"{dtype.long_name} does not hold {value}") from None


def array(buffer: Any, type: TensorType) -> np.ndarray:
    """The elements as a read-only NumPy array over the same memory."""
    if not type.size:
        return np.empty(type.shape, type.dtype.numpy)
    view = np.ndarray(type.shape, type.dtype.numpy, buffer)
    view.flags.writeable = False
    return view
