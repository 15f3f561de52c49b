"""Runs a nest on arrays with guards around them, and compares with what the interpreter does."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

from lamina.backend.codegen import compile_kernels
from lamina.backend.nest.interpret import interpret
from lamina.backend.nest.nodes import Nest
from lamina.backend.nest.parser import parse
from lamina.backend.nest.verify import verify
from lamina.backend.schedule.schedule import Task
from lamina.backend.targets.select import select
from lamina.base.dtypes import dtype
from lamina.base.errors import LaminaError

GUARD = 64  # elements around each buffer that nobody may touch
INTERPRETED = 700  # elements; larger kernels are compared with NumPy only


def machines() -> list[str]:
    found = []
    for name in ("avx512", "avx2", "generic"):
        try:
            select(name)
            found.append(name)
        except LaminaError:
            pass
    return found


def run(
    nest: Nest | str, target, *arrays: np.ndarray, tasks: int = 1, status=None, lifted: bool = False
) -> str:
    """Calls the kernel on guarded copies of `arrays`, a task at a time, and copies back.

    What it leaves in small arrays is compared with what the interpreter does. With `lifted`, the
    kernel leaves its sizes open. Returns the key of the kernel.
    """
    nest = verify(parse(nest) if isinstance(nest, str) else nest)
    task = Task(nest).lifted() if lifted else Task(nest)
    (kernel,) = compile_kernels([verify(task.nest)], target)
    expected = {p.name: a.ravel().copy() for p, a in zip(nest.params, arrays)}
    small = sum(a.size for a in arrays) <= INTERPRETED
    if small:
        interpret(nest, expected)
    function = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
    )(kernel.address)
    guarded = [np.full(a.size + 2 * GUARD, 99).astype(a.dtype) for a in arrays]
    for g, a in zip(guarded, arrays):
        g[GUARD : GUARD + a.size] = a.ravel()
    pointers = [g.ctypes.data + GUARD * g.itemsize for g in guarded]
    sizes = np.array(task.sizes, np.int64)
    if task.sizes:
        pointers.append(sizes.ctypes.data)
    if nest.checks:
        pointers.append(status.ctypes.data)
    args = (ctypes.c_void_p * len(pointers))(*pointers)
    room = np.zeros(kernel.scratch_bytes + task.open_scratch_bytes + 64, np.uint8)
    scratch = room.ctypes.data + (-room.ctypes.data) % 64
    for task in range(tasks):
        function(ctypes.addressof(args), task, task + 1, scratch)
    for g, a in zip(guarded, arrays):
        a[...] = g[GUARD : GUARD + a.size].reshape(a.shape)
        outside = np.concatenate([g[:GUARD], g[GUARD + a.size :]])
        assert (outside == np.asarray(99).astype(a.dtype)).all(), "wrote outside a buffer"
    for p, a in zip(nest.params, arrays):
        if small and p.dtype in ("f32", "f64"):
            tolerance = 1e-4 if p.dtype == "f32" else 1e-12
            np.testing.assert_allclose(a.ravel(), expected[p.name], tolerance, tolerance, p.name)
        elif small:
            np.testing.assert_array_equal(a.ravel(), expected[p.name], p.name)
    return kernel.key


def sample(name: str, size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    kind = dtype(name)
    if kind.kind == "bool":
        return rng.random(size) < 0.5
    if kind.is_float:
        return rng.standard_normal(size).astype(kind.numpy)
    low = -50 if kind.kind == "int" else 0
    return rng.integers(low, 100, size).astype(kind.numpy)


class Fenced:
    """An array with pages that nobody may touch right before its element `low` and right after its
    element `high`; one of the two distances is a part of a page.

    Args:
        low, high: the only elements that may be read or written, both inclusive.
        at_end: whether `high` ends at the fence; else `low` begins at it.
    """

    def __init__(self, values: np.ndarray, low: int, high: int, at_end: bool):
        self.values, self.low, self.high = values, low, high
        item, page = values.itemsize, mmap.PAGESIZE
        count = (high - low + 1) * item
        inner = -(-max(count, 1) // page) * page
        self.memory = mmap.mmap(-1, inner + 2 * page)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        libc = ctypes.CDLL(None, use_errno=True)
        for fence in (base, base + page + inner):
            assert libc.mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(page), 0) == 0
        first = page + (inner - count if at_end else 0)
        self.inside = np.frombuffer(self.memory, values.dtype, high - low + 1, first)
        self.inside[...] = values.ravel()[low : high + 1]
        self.address = base + first - low * item  # of element 0, which may lie in the fence

    def result(self) -> np.ndarray:
        """The array with what the kernel has written."""
        found = self.values.ravel().copy()
        found[self.low : self.high + 1] = self.inside
        return found


def run_fenced(
    text: str, target, arrays: list[np.ndarray], touched: list[tuple[int, int]], tasks: int = 1
) -> list[np.ndarray]:
    """What a kernel leaves in `arrays`; it dies where it touches anything beyond `touched`."""
    nest = verify(parse(text))
    (kernel,) = compile_kernels([nest], target)
    function = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
    )(kernel.address)
    results: list[list[np.ndarray]] = []
    for at_end in (False, True):
        fenced = [Fenced(a, *span, at_end) for a, span in zip(arrays, touched)]
        pointers = (ctypes.c_void_p * len(fenced))(*(f.address for f in fenced))
        function(ctypes.addressof(pointers), 0, tasks, None)
        results.append([f.result() for f in fenced])
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)
    return results[0]
