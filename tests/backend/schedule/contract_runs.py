"""Running the schedules of contractions, interpreted and compiled, and what they should give."""

import ctypes
import math

import ml_dtypes
import numpy as np

from lamina.backend.codegen import compile_kernels
from lamina.backend.nest.interpret import interpret
from lamina.backend.nest.verify import verify
from lamina.backend.schedule.schedule import Schedule
from lamina.backend.targets import Target
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace

F = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
TOLERANCE = {"f16": 2e-3, "bf16": 1.6e-2, "f32": 2e-6, "f64": 1e-14}
TINY_CACHES = {"l1d_bytes": 1 << 10, "l2_bytes": 1 << 11, "l3_bytes": 1 << 12}


def aligned(shape: tuple[int, ...], dtype: np.dtype, fill: float = np.nan) -> np.ndarray:
    """An array at an address that is a multiple of 64."""
    size_bytes = max(math.prod(shape), 1) * dtype.itemsize
    raw = np.zeros(size_bytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    array = raw[start : start + size_bytes].view(dtype)[: math.prod(shape)].reshape(shape)
    array[...] = fill if dtypes.dtype(dtype).is_float else 77
    return array


def buffers_of(made: Schedule, arrays: list[np.ndarray], outs: list[np.ndarray]) -> dict:
    found = {f"in{i}": a.reshape(-1) for i, a in enumerate(arrays)}
    found |= {f"out{i}": a.reshape(-1) for i, a in enumerate(outs)}
    for task in made.tasks:
        for p in task.nest.params:
            if p.name.startswith("tmp") and p.name not in found:
                number = int(p.name[3:])
                dtype = dtypes.dtype(p.dtype).numpy
                assert made.temporaries_bytes[number] >= p.size * dtype.itemsize
                found[p.name] = aligned((p.size,), dtype)
    return found


def outputs_of(graph: Graph) -> list[np.ndarray]:
    return [aligned(v.shape, v.dtype.numpy) for v in graph.outputs]


def run_interpreted(graph: Graph, made: Schedule, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs by the interpreter, parallel and vector iterations in reverse order."""
    outs = outputs_of(graph)
    buffers = buffers_of(made, arrays, outs)
    for task in made.tasks:
        verify(task.nest)
        named = {p.name: buffers[p.name] for p in task.nest.params}
        assert not interpret(task.nest, named, order=lambda iterations: iterations[::-1])
    return outs


def run_compiled(
    graph: Graph, made: Schedule, arrays: list[np.ndarray], target: Target
) -> list[np.ndarray]:
    """The outputs by machine code, tasks in two uneven chunks."""
    outs = outputs_of(graph)
    copies = [aligned(a.shape, a.dtype) for a in arrays]
    for copy, array in zip(copies, arrays, strict=True):
        copy[...] = array
    buffers = buffers_of(made, copies, outs)
    kernels = compile_kernels([verify(task.nest) for task in made.tasks], target)
    status = np.zeros(4, np.int64)
    for task, kernel in zip(made.tasks, kernels, strict=True):
        places = [buffers[p.name].ctypes.data for p in task.nest.params]
        args = (ctypes.c_void_p * (len(places) + 1))(*places, status.ctypes.data)
        scratch = aligned((kernel.scratch_bytes + 1,), np.dtype(np.uint8))
        middle = task.extent // 3
        for begin, end in ((middle, task.extent), (0, middle)):
            F(kernel.address)(ctypes.addressof(args), begin, end, scratch.ctypes.data)
    assert not status.any(), f"status {status}"
    return outs


def product(spec: str, xs: tuple[int, ...], ys: tuple[int, ...], dtype: str = "f32") -> Graph:
    element = dtypes.dtype(dtype)
    types = TensorType(element, xs), TensorType(element, ys)
    return trace(lambda x, y: ops.contract(x, y, spec), *types)


def samples(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    found = []
    for v in graph.inputs:
        if v.dtype.is_float:
            found.append(rng.standard_normal(v.shape).astype(v.dtype.numpy))
        else:
            found.append(rng.integers(0, 9, v.shape).astype(v.dtype.numpy))
    return found


def assert_product(spec: str, arrays: list[np.ndarray], out: np.ndarray) -> None:
    """The result is einsum's, relative to the sum of magnitudes; or to the last subnormal bit."""
    terms, result = spec.split("->")
    lifted = ",".join(f"...{t}" for t in terms.split(",")) + f"->...{result}"
    name = str(dtypes.dtype(out.dtype))
    if name not in TOLERANCE:
        np.testing.assert_array_equal(out, np.einsum(lifted, *arrays))
        return
    exact = [a.astype(np.float64) for a in arrays]
    smallest = float(ml_dtypes.finfo(out.dtype).smallest_subnormal)
    scale = np.einsum(lifted, *[abs(a) for a in exact]) + smallest / TOLERANCE[name]
    error = np.abs(out.astype(np.float64) - np.einsum(lifted, *exact)) / scale
    assert np.all(error <= TOLERANCE[name]), f"{spec}: error {np.nanmax(error)}"
