"""`lm.counters`: what kernels do, and what changed between two variants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend.targets import select
from lamina.backend.targets.select import described
from lamina.backend.targets.units import units_of
from lamina.base.errors import UsageError


def product(x: Any, y: Any) -> Any:
    return x @ y


X, Y = lm.ones((96, 96)), lm.zeros((96, 96))


def test_a_product_is_counted() -> None:
    found = lm.counters(product, X, Y, target="generic")
    assert found.totals["multiply-adds"] + found.totals["operations"] >= 96**3
    assert found.totals["parameter bytes"] == 3 * 4 * 96 * 96
    assert found.totals["flops a byte of parameters"] >= 96 / 6
    assert "unit" in str(found)


def test_a_report_says_which_counter_changed() -> None:
    """AC-8: a product without tiles loads more for each multiply-add, and keeps no registers."""
    tiled, plain = (lm.counters(product, X, Y, candidate=name) for name in ("tiled", "plain"))
    change = tiled.against(plain)
    assert change.factor("loads") > 3
    assert change.factor("registers") == 0
    assert change.factor("flops a byte moved") < 0.3
    assert change.factor("parameter bytes") == 1.0
    assert "parameter bytes" not in str(change)
    text = str(change)
    assert "registers" in text and "gone" in text
    assert tiled.against(tiled).changed == {}
    assert str(tiled.against(tiled)) == "no counter changed"
    assert tiled.against(tiled).largest == ""


def test_machine_instructions_change_with_the_target() -> None:
    """AC-8: wider vectors, fewer instructions for the same sum."""
    if not {"avx512f", "fma"} <= select().features:
        pytest.skip("a processor with AVX-512")
    narrow, wide = (lm.counters(product, X, Y, target=name) for name in ("avx2", "avx512"))
    assert narrow.totals["code: multiply-adds"] > 0
    assert narrow.against(wide).changed


def test_gathers_are_seen() -> None:
    """AC-8: reading rows in an order from data is a load for each; reading along is not."""
    index = lm.asarray(np.arange(96)[::-1].copy())
    along = lm.counters(lambda x: x * 2.0, X)
    across = lm.counters(lambda x, i: x[:, i] * 2.0, X, index)
    assert along.totals["code: gathers"] == 0
    assert across.totals["loads"] > along.totals["loads"]


def test_all_steps_of_a_kernel_count() -> None:
    def twice(x: Any) -> Any:
        return lm.tanh(x @ x) @ x

    one, two = lm.counters(product, X, Y), lm.counters(twice, X)
    assert two.totals["multiply-adds"] == 2 * one.totals["multiply-adds"]
    assert repr(two).startswith("<Counters of")


def test_unknown_candidates_are_refused() -> None:
    with pytest.raises(UsageError, match="candidate 'spiral'"):
        lm.counters(product, X, Y, candidate="spiral")


def test_operations_are_mapped_to_units() -> None:
    """AC-2: elementwise work and products to the vector unit; products of bytes to the matrix
    unit where the target has one; what has one element to the scalar unit."""
    bytes = lm.asarray(np.ones((64, 64), np.int8))
    i32 = lm.int32
    of_bytes = lambda x, y: x.astype(i32) @ y.astype(i32)
    assert [k.unit for k in lm.counters(lambda x: lm.exp(x) + 1.0, X).kernels] == ["vector"]
    assert {k.unit for k in lm.counters(product, X, Y).kernels} == {"vector"}
    assert [k.unit for k in lm.counters(lambda x: x + 1.0, lm.asarray(2.0)).kernels] == ["scalar"]
    counted = lm.counters(of_bytes, bytes, bytes)
    if select().dots_bytes:
        assert "matrix" in {k.unit for k in counted.kernels}
        assert counted.totals["code: dot products"] > 0
    narrow = lm.counters(of_bytes, bytes, bytes, target="generic")
    assert {k.unit for k in narrow.kernels} == {"vector"}


def test_targets_say_which_units_they_have() -> None:
    """AC-2"""
    assert [u.kind for u in units_of(described("avx2"))] == ["scalar", "vector"]
    assert units_of(described("avx2"))[1].lanes == 8
    with_dots = described("avx512")
    assert [u.kind for u in units_of(with_dots)] == ["scalar", "vector"]
    matrix = [u for u in units_of(select()) if u.kind == "matrix"]
    assert bool(matrix) == select().dots_bytes
    assert all("4 products a lane" in str(u) for u in matrix)


def test_explain_names_the_unit(capsys: pytest.CaptureFixture[str]) -> None:
    """AC-2"""
    lm.explain(product, X, Y)
    (kernels,) = [p for p in capsys.readouterr().out.split("── ") if p.startswith("kernels")]
    assert "unit" in kernels
    assert "vector" in kernels


def test_kernels_are_those_that_run() -> None:
    """With a frozen matrix the packing is a kernel of its own, and no candidate changes that."""
    w, x = lm.random.normal((512, 512)).block(), lm.ones((128, 512))
    product = lambda w, x: x @ w
    frozen = lm.jit(product, frozen="w")
    program = frozen.lower(w, x).program
    names = [task.nest.name for step in program.record.lowered.steps for task in step.tasks]
    assert [k.name for k in lm.counters(frozen, w, x).kernels] == names
    with pytest.raises(UsageError, match="no kernel has a candidate"):
        lm.counters(frozen, w, x, candidate="plain")
