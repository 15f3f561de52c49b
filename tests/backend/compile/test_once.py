"""Which launches of a program run once, and what is kept of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backend.compile import compile_graph
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace
from lamina.runtime import Buffer


def f32(*shape: int) -> TensorType:
    return TensorType(dtypes.float32, shape)


def onces(graph: Graph, *frozen: int) -> tuple[list[str], list[str]]:
    """The names of the kernels that run once, and of the others."""
    tasks = compile_graph(graph, frozen=frozen).program.tasks()
    return [t.name for t in tasks if t.once], [t.name for t in tasks if not t.once]


def product(x: Any, w: Any) -> Any:
    return ops.contract(x, w, "ik,jk->ij")


def test_nothing_is_kept_where_nothing_is_frozen() -> None:
    graph = trace(product, f32(64, 48), f32(40, 48))
    assert onces(graph)[0] == []
    assert compile_graph(graph).program.kept_bytes == 0


def test_packed_columns_are_kept() -> None:
    graph = trace(product, f32(64, 48), f32(40, 48))
    once, always = onces(graph, 1)
    assert [n.startswith("contract_pack") for n in (*once, *always)] == [True, False]
    compiled = compile_graph(graph, frozen=(1,))
    assert compiled.program.kept_bytes >= 4 * 40 * 48
    assert compiled.program.native.arena_bytes == 0


def test_what_only_kept_values_are_made_of_is_not_kept() -> None:
    """The product of the frozen ones lives in the arena of the run that packs it."""
    graph = trace(lambda x, w, v: product(x, product(w, v)), f32(64, 48), f32(40, 30), f32(48, 30))
    once, always = onces(graph, 1, 2)
    assert len(once) >= 2 and len(always) == 1
    compiled = compile_graph(graph, frozen=(1, 2))
    assert compiled.program.native.arena_bytes >= 4 * 40 * 48
    x, w, v = (np.random.default_rng(0).standard_normal(s).astype(np.float32)
               for s in ((64, 48), (40, 30), (48, 30)))  # fmt: skip
    for _ in range(2):
        (out,) = compiled.run([Buffer.wrap(a) for a in (x, w, v)])
        got = np.frombuffer(out, np.float32).reshape(64, 40)
        np.testing.assert_allclose(got, x @ (w @ v.T).T, rtol=1e-4, atol=1e-4)


def test_one_frozen_operand_does_not_freeze_a_sum() -> None:
    graph = trace(lambda x, w: ops.exp(ops.add(x, w)), f32(8, 8), f32(8, 8))
    assert onces(graph, 1)[0] == []


def test_scale_and_shift_are_made_once() -> None:
    """What costs anything and is no larger than what it is made of."""

    def normalized(x: Any, variance: Any) -> Any:
        return ops.multiply(x, ops.expand(ops.rsqrt(variance), (-2,), (100,)))

    once, always = onces(trace(normalized, f32(100, 16), f32(16)), 1)
    assert once == ["map_rsqrt"] and len(always) == 1


def test_a_wider_copy_is_not_kept() -> None:
    """Reading it would take longer than widening does."""
    halves = TensorType(dtypes.bfloat16, (100, 100))
    graph = trace(lambda x, w: ops.add(x, ops.cast(w, dtypes.float32)), f32(100, 100), halves)
    assert onces(graph, 1)[0] == []


def test_outputs_are_made_by_every_call() -> None:
    graph = trace(lambda x, w: (ops.exp(w), ops.add(x, ops.exp(w))), f32(8, 8), f32(8, 8))
    assert onces(graph, 1)[0] == []


def test_a_row_reads_its_matrix_as_it_lies() -> None:
    """One row of a product reads each weight once: a copy would gain nothing."""
    for letters, shape in (("ik,jk->ij", (400, 300)), ("ik,kj->ij", (300, 400))):
        graph = trace(lambda x, w, s=letters: ops.contract(x, w, s), f32(1, 300), f32(*shape))
        assert onces(graph, 1)[0] == []


def test_programs_of_one_graph_have_memory_of_their_own() -> None:
    graph = trace(product, f32(64, 48), f32(40, 48))
    first, second = (compile_graph(graph, frozen=(1,)) for _ in range(2))
    assert first.program is not second.program
    assert compile_graph(graph).program is compile_graph(graph).program
