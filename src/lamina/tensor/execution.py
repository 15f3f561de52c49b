"""The one place that knows how a graph is run: compiled for this machine, or by the NumPy reference.

`LAMINA_TARGET=reference` (or `lm.config` through the environment) chooses the reference. A back end
gives `compile(graph) -> Program`; a program runs on buffers, whose elements `array` shows to NumPy
without copying.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from lamina.base import config
from lamina.base.dtypes import DType
from lamina.graph.ir import Graph, TensorType
from lamina.graph.ir.evaluate import evaluate


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
        """The outputs of the graph as new arrays."""
        return [np.ascontiguousarray(a) for a in evaluate(self.graph, *buffers)]


def uses_reference() -> bool:
    """Whether programs run by the NumPy reference."""
    return config.target() == "reference"


def compile(graph: Graph) -> Program:
    """The program of `graph` by the back end in force."""
    if uses_reference():
        return ReferenceProgram(graph)
    from lamina.backend.compile import compile_graph  # imports LLVM: on first use only

    return compile_graph(graph)


def buffer(array: np.ndarray) -> Any:
    """A buffer over the elements of a C-contiguous array, without copying."""
    if uses_reference():
        return array
    from lamina.runtime import Buffer

    return Buffer.wrap(array)


def scalar(value: bool | int | float, dtype: DType) -> Any:
    """A buffer with one element."""
    return buffer(np.array(value, dtype.numpy))


def array(buffer: Any, type: TensorType) -> np.ndarray:
    """The elements as a read-only NumPy array over the same memory."""
    if isinstance(buffer, np.ndarray):
        view = buffer.view()
    else:
        view = np.frombuffer(buffer, type.dtype.numpy, type.size) if type.size else np.empty(0)
        view = view.astype(type.dtype.numpy, copy=False).reshape(type.shape)
    view.flags.writeable = False
    return view
