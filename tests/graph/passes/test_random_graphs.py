"""Random graphs: every pass keeps their meaning, and their text reads back."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import arrays, graphs

from lamina.graph.ir import Graph
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import parse
from lamina.graph.ir.verify import verify
from lamina.graph.passes import (
    Pass,
    absorb_permutes,
    drop_dead,
    fold_constants,
    legalize,
    merge_equal,
    narrow_contractions,
    simplify,
    split_reductions,
)

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PASSES = (
    simplify,
    absorb_permutes,
    narrow_contractions,
    merge_equal,
    drop_dead,
    fold_constants,
    legalize,
    split_reductions,
)


def assert_same(before: Graph, after: Graph, seed: int) -> None:
    inputs = arrays(seed)
    for a, b in zip(evaluate(before, *inputs), evaluate(after, *inputs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


@pytest.mark.parametrize("graph_pass", PASSES, ids=lambda p: p.name)
@QUICK
@given(graph=graphs(), seed=st.integers(0, 1000))
def test_a_pass_keeps_the_meaning(graph_pass: Pass, graph: Graph, seed: int) -> None:
    after = graph_pass.run(graph, check=True)
    assert_same(graph, after, seed)


@QUICK
@given(graph=graphs(max_nodes=25), seed=st.integers(0, 1000))
def test_passes_in_sequence_keep_the_meaning(graph: Graph, seed: int) -> None:
    after = graph
    for graph_pass in (*PASSES, simplify, merge_equal):
        after = graph_pass.run(after, check=True)
    assert_same(graph, after, seed)


@QUICK
@given(graph=graphs())
def test_text_reads_back(graph: Graph) -> None:
    verify(graph)
    text = str(graph)
    assert parse(text) == graph
    assert str(parse(text)) == text


@QUICK
@given(graph=graphs())
def test_passes_have_nothing_left_to_do(graph: Graph) -> None:
    for graph_pass in (merge_equal, drop_dead, legalize, split_reductions, simplify):
        once = graph_pass(graph)
        assert graph_pass(once) == once
