"""A stencil skewed by edits, as machine code on several threads (BE-29)."""

from __future__ import annotations

import numpy as np
import pytest
from nest_kernel import run

from lamina.backend.codegen import compile_kernels
from lamina.backend.nest import edit
from lamina.backend.nest.parser import parse
from lamina.backend.nest.verify import verify
from lamina.runtime import Argument, Buffer, Launch, Program, Slot, num_threads, set_num_threads

SWEEP = """
kernel sweep(x: f32[{size}] in, y: f32[{size}] inout) {{
  for i in 1..{rows} {{
    for j in 1..{columns} {{
      y[i*{columns} + j] = (y[i*{columns} + j - {columns}] + y[i*{columns} + j - 1])*0.5 \
+ x[i*{columns} + j]
    }}
  }}
}}
"""
SHAPES = [(1, 1), (2, 2), (2, 9), (9, 2), (3, 40), (40, 3), (17, 23), (64, 65)]


def swept(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """One sweep of Gauss and Seidel from the corner, element by element."""
    y = y.copy()
    for i in range(1, len(y)):
        for j in range(1, y.shape[1]):
            y[i, j] = (y[i - 1, j] + y[i, j - 1]) * np.float32(0.5) + x[i, j]
    return y


def arrays(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Small multiples of 1/4: the first steps are exact, the others round alike."""
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-8, 8, shape).astype(np.float32) / 4 for _ in range(2))
    return x, y


def sweep(shape: tuple[int, int]):
    rows, columns = shape
    return parse(SWEEP.format(rows=rows, columns=columns, size=rows * columns))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_diagonals_run_as_lanes(target, shape) -> None:
    nest = edit.wavefront(sweep(shape), "i", "j")
    nest = edit.vectorize(nest, "i")
    x, y = arrays(shape)
    expected = swept(x, y)
    run(nest, target, x.ravel(), flat := y.ravel())
    np.testing.assert_array_equal(flat.reshape(shape), expected)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_of_a_diagonal_run_on_threads(target, shape, threads: int) -> None:
    """One kernel, a launch for each diagonal of tiles; the tiles are shared among the threads."""
    nest = edit.split(edit.split(sweep(shape), "i", 4), "j", 8)
    nest = edit.reorder(nest, "i_inner", "j_outer")
    nest = edit.wavefront(nest, "i_outer", "j_outer")
    outermost = edit.loops(nest)[0]
    nest, sizes = edit.launches(nest, outermost)
    nest = verify(edit.parallelize(nest, "i_outer"))
    kernel = compile_kernels([nest], target)[0]
    extent = -(-(shape[0] - 1) // 4)
    constants = [Buffer.wrap(np.array([n], np.int64)) for n in sizes]
    launches = [
        Launch(
            "sweep",
            kernel.address,
            (Argument(Slot.INPUT, 0), Argument(Slot.INPUT, 1), Argument(Slot.CONSTANT, k)),
            extent,
            scratch_bytes=kernel.scratch_bytes,
            dependencies=(k - 1,) if k else (),
        )
        for k in range(len(sizes))
    ]
    program = Program(launches, [], constants=constants, num_inputs=2, keep=kernel)
    x, y = arrays(shape)
    expected = swept(x, y)
    before = num_threads()
    set_num_threads(threads)
    try:
        for mode in ("threads", "serial", "graph"):
            program.mode = mode
            out = y.copy()
            program.run([Buffer.wrap(x), Buffer.wrap(out)])
            np.testing.assert_array_equal(out, expected)
    finally:
        set_num_threads(before)
