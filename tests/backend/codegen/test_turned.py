"""Tiles that are read across the rows they are written in: right values, and no touch beyond them.

Buffers end where memory ends, on both sides, so that a kernel that reads one element too many dies.
"""

from __future__ import annotations

import numpy as np
import pytest
from nest_kernel import run, run_fenced, sample

from lamina.backend.codegen import kernel_assembly
from lamina.backend.nest.lift import lift
from lamina.backend.nest.parser import parse

KINDS = ("bool", "u8", "bf16", "i32", "f32", "f64")
PITCH, FIRST = 23, 5


def turned(name: str, columns: int, rows: int, streaming: str = "") -> tuple[str, int]:
    """Two tiles of `columns` by `rows`, and how many elements the rows span."""
    size = FIRST + (2 * rows - 1) * PITCH + columns
    text = f"""
    kernel turned(x: {name}[{size}] in, y: {name}[{2 * columns * rows}] out) {{
      parallel for p in 0..1 {{
        for q in 0..2 {{
          unroll for u in 0..{columns} {{
            vector for w in 0..{rows} {{
              y[q*{columns * rows} + u*{rows} + w] = x[q*{rows * PITCH} + w*{PITCH} + u + {FIRST}]{streaming}
            }}
          }}
        }}
      }}
    }}
    """  # noqa: E501
    return text, size


def expected(x: np.ndarray, columns: int, rows: int) -> np.ndarray:
    places = FIRST + np.arange(2 * rows)[:, None] * PITCH + np.arange(columns)
    return x[places].reshape(2, rows, columns).swapaxes(1, 2).ravel()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("columns, rows", [(4, 4), (4, 16), (16, 16), (8, 64), (5, 16)])
def test_every_dtype_and_shape(target, name: str, columns: int, rows: int) -> None:
    text, size = turned(name, columns, rows)
    x = sample(name, size)
    wanted = expected(x, columns, rows)
    for lifted in (False, True):
        y = np.zeros(wanted.size, x.dtype)
        run(text, target, x, y, lifted=lifted)
        np.testing.assert_array_equal(y.view(np.uint8), wanted.view(np.uint8))
    touched = [(FIRST, size - 1), (0, wanted.size - 1)]
    _, y = run_fenced(text, target, [x, np.zeros(wanted.size, x.dtype)], touched)
    np.testing.assert_array_equal(y.view(np.uint8), wanted.view(np.uint8))


@pytest.mark.parametrize("columns, rows", [(4, 16), (16, 16)])
def test_stores_past_the_caches_wherever_the_buffer_begins(target, columns, rows) -> None:
    text, size = turned("f32", columns, rows, " streaming")
    x = sample("f32", size)
    wanted = expected(x, columns, rows)
    for shift in (0, 4):  # both ways through the kernel: buffers of `run` begin anywhere
        y = np.zeros(wanted.size, np.float32)
        run(text, target, x, y, lifted=bool(shift))
        np.testing.assert_array_equal(y, wanted)
    assert "movnt" in kernel_assembly(parse(text), target)


def test_an_input_that_is_overwritten_is_read_where_it_is_written(target) -> None:
    text = """
    kernel shifted(x: f32[300] inout) {
      parallel for p in 0..1 {
        unroll for u in 0..4 {
          vector for w in 0..8 { x[u + w*20 + 1] = x[u + w*20] + 1.0 }
        }
      }
    }
    """
    x = sample("f32", 300)
    wanted = x.copy()
    for u in range(4):
        for w in range(8):
            wanted[u + w * 20 + 1] = wanted[u + w * 20] + np.float32(1)
    run(text, target, x)
    np.testing.assert_array_equal(x, wanted)


def test_one_kernel_for_every_pitch_and_without_gathers(target) -> None:
    text, _ = turned("f32", 8, 16)
    nest, sizes = lift(parse(text))
    assert PITCH in sizes
    assert "gather" not in kernel_assembly(nest, target)
    assert "gather" not in kernel_assembly(parse(text), target)
