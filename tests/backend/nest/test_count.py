"""Counting what a nest does, without running it, against numbers by hand and by the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamina.backend.nest import interpret as interpreting
from lamina.backend.nest.count import Counts, count
from lamina.backend.nest.dependence import statements
from lamina.backend.nest.nodes import Alloc, Load, Nest
from lamina.backend.nest.parser import parse
from lamina.backend.nest.units import unit_of
from lamina.backend.schedule.policies import schedule
from lamina.backend.targets import select
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import TensorType, trace

DOT = """
kernel dot(x: f32[64] in, y: f32[64] in, z: f32[8] out) {
  parallel for i in 0..8 {
    acc s: f32 = add 0.0
    for j in 0..8 {
      s <- x[i*8 + j]*y[i*8 + j]
    }
    z[i] = sqrt(s)/2.0
  }
}
"""
LANES = """
kernel scale(x: f32[8] in, y: f64[256] in, z: f64[256] out) {
  parallel for i in 0..8 {
    vector for j in 0..32 {
      z[i*32 + j] = y[i*32 + j]*cast<f64>(x[i])
    }
  }
}
"""
TRIANGLE = """
kernel triangle(x: f32[100] in, z: f32[100] out) {
  for i in 0..10 {
    for j in 0..i {
      if j < 3 {
        z[i*10 + j] = x[i*10 + j]
      }
    }
  }
}
"""
ROOMS = """
kernel rooms(x: f32[32] in, z: f32[32] out) {
  alloc a: f64[10] scratch
  alloc c: f32[16] register
  vector for j in 0..16 {
    c[j] = multiply_add(x[j], x[j + 16], c[j])
  }
  vector for j in 0..16 {
    z[j] = c[j]
  }
}
"""
OPEN = """
kernel open(x: f32[] in, z: f32[] out, n) {
  vector for i in 0..n {
    z[i] = x[i]*2.0
  }
}
"""


def test_loops_multiply() -> None:
    found = count(parse(DOT))
    assert (found.loads, found.stores) == (128, 8)
    assert (found.load_bytes, found.store_bytes) == (512, 32)
    assert found.operations == 64 + 64  # products and sums
    assert found.divisions == 16
    assert found.flops == 64 + 64 + 16


def test_what_lanes_share_counts_once() -> None:
    found = count(parse(LANES))
    assert found.loads == 8 + 256
    assert found.load_bytes == 8 * 4 + 256 * 8
    assert found.operations == 256


def test_bounds_and_conditions_are_followed() -> None:
    wanted = sum(min(i, 3) for i in range(10))
    assert count(parse(TRIANGLE)) == Counts(wanted, wanted, 4 * wanted, 4 * wanted)


def test_registers_are_free_and_rooms_are_told() -> None:
    found = count(parse(ROOMS))
    assert (found.loads, found.stores, found.multiply_adds) == (32, 16, 16)
    assert (found.scratch_bytes, found.registers) == (80, 16)


def test_open_sizes_have_values() -> None:
    assert count(parse(OPEN), (7,)).loads == 7


@pytest.mark.parametrize("sizes", [(12, 8, 128), (13, 7, 33), (1, 300, 5), (30, 1, 2)])
def test_products_count_what_the_interpreter_loads(
    sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    m, k, n = sizes
    f32 = dtypes.dtype("f32")
    types = TensorType(f32, (m, k)), TensorType(f32, (k, n))
    graph = trace(lambda x, y: ops.contract(x, y, "ik,kj->ij"), *types)
    target = select("generic").with_cores(2)
    for task in schedule(graph, target).tasks:
        found = count(task.nest)
        assert found.multiply_adds + found.operations >= m * k * n
        assert found.stores >= m * n
        assert loads_interpreted(task.nest, monkeypatch) >= found.loads  # it has no lanes


def loads_interpreted(nest: Nest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many elements the interpreter loads, for each lane and copy, but from registers."""
    seen = 0
    registers = {s.name for s in statements(nest.body) if isinstance(s, Alloc)}
    registers -= {
        s.name for s in statements(nest.body) if isinstance(s, Alloc) and s.space == "scratch"
    }
    before = interpreting._Run.compute

    def compute(self: Any, e: Any) -> Any:
        nonlocal seen
        seen += isinstance(e, Load) and e.buffer not in registers
        return before(self, e)

    monkeypatch.setattr(interpreting._Run, "compute", compute)
    buffers = {p.name: np.ones(p.size or 0, dtypes.dtype(p.dtype).numpy) for p in nest.params}
    interpreting.interpret(nest, buffers)
    monkeypatch.undo()
    return seen


def test_units() -> None:
    """AC-2: what has lanes is for the vector unit, sums of products of bytes for the matrix unit,
    the rest for the scalar unit."""
    assert unit_of(parse(DOT)) == "scalar"
    assert unit_of(parse(LANES)) == "vector"
