"""Each pass on its own: its docstring, and the cases that matter."""

import numpy as np
import pytest

from lamina.base.dtypes import float16, float32, int64
from lamina.base.errors import VerifyError
from lamina.base.spans import Span, at
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, Value, placeholder, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import before_after, snippet
from lamina.graph.ir.pattern import example_arrays
from lamina.graph.passes import (
    Pass,
    Record,
    absorb_permutes,
    drop_dead,
    fold_constants,
    graph_pass,
    inline_calls,
    legalize,
    merge_equal,
    merge_loops,
    narrow_contractions,
    save_less,
    simplify,
    split_reductions,
    trim_loops,
    winograd,
)

PASSES = (
    inline_calls,
    merge_loops,
    trim_loops,
    simplify,
    absorb_permutes,
    narrow_contractions,
    merge_equal,
    drop_dead,
    fold_constants,
    legalize,
    split_reductions,
    winograd,
    save_less,
)
ROW = TensorType(float32, (8,))


@pytest.mark.parametrize("tried", PASSES, ids=lambda p: p.name)
def test_pass_docstrings(tried: Pass) -> None:
    graphs = before_after(tried.docstring)
    assert graphs is not None
    before, after = graphs
    got = tried.run(before, check=True)
    assert str(got) == str(after)
    for arrays in example_arrays(before):
        for a, b in zip(evaluate(before, *arrays), evaluate(got, *arrays)):
            np.testing.assert_allclose(a, b, 1e-4, 1e-4)


def test_a_pass_keeps_a_record() -> None:
    records: list[Record] = []
    simplify.run(trace(lambda x: ops.negative(-x), ROW), records)
    (record,) = records
    assert (record.name, record.nodes_before, record.nodes_after) == ("simplify", 2, 0)
    assert record.time_s > 0.0


def test_a_broken_pass_is_named() -> None:
    @graph_pass
    def shrink(graph: Graph) -> Graph:
        x = graph.inputs[0]
        return Graph((x,), (Value(TensorType(float32, (7,)), ops.Exp(), (x,)),))

    @graph_pass
    def forget(graph: Graph) -> Graph:
        return Graph(graph.inputs, ())

    graph = trace(ops.exp, ROW)
    with pytest.raises(VerifyError, match="verify after shrink: exp gives another type"):
        shrink.run(graph, check=True)
    with pytest.raises(VerifyError, match="verify after forget: the outputs have other types"):
        forget.run(graph, check=True)
    assert forget.run(graph).outputs == ()


@pytest.mark.parametrize("tried", PASSES, ids=lambda p: p.name)
def test_new_nodes_carry_the_line_of_the_old(tried: Pass) -> None:
    before, _ = before_after(tried.docstring) or pytest.fail("no example")
    span = Span("model.py", 7, "f")
    with at(span):
        before = Graph(before.inputs, [_copied(v, before) for v in before.outputs])
    assert {v.span for v in tried(before).nodes} == {span}


def _copied(output: Value, graph: Graph) -> Value:
    new: dict[int, Value] = {v.id: v for v in graph.inputs}
    for v in graph.nodes:
        new[v.id] = ops_apply(v, [new[o.id] for o in v.operands])
    return new[output.id]


def ops_apply(v: Value, operands: list[Value]) -> Value:
    return Value(v.type, v.op, tuple(operands), Span("model.py", 7, "f"))


# ---------------------------------------------------------------------- simplify, merge, drop


def test_simplify_reaches_a_fixed_point_through_new_nodes() -> None:
    graph = trace(lambda x, y: ops.negative(-x - (-y)) * 1.0 + (-0.0), ROW, ROW)
    once = simplify(graph)
    assert simplify(once) == once
    assert len(once.nodes) < len(graph.nodes)


def test_simplify_of_a_long_chain() -> None:
    x = placeholder(ROW)
    v = x
    for _ in range(3000):
        v = ops.negative(-(v * 1.0))
    assert simplify(Graph((x,), (v,))).outputs == (x,)


def test_outputs_may_be_inputs_and_repeat() -> None:
    graph = trace(lambda x: (x * 1.0, x, ops.exp(x), ops.exp(x)), ROW)
    after = merge_equal(simplify(graph))
    x = graph.inputs[0]
    assert after.outputs[:2] == (x, x)
    assert after.outputs[2] is after.outputs[3]


def test_merge_tells_constants_apart_by_bits() -> None:
    parts = [0.0, -0.0, 0.0, float("nan"), float("nan")]
    graph = Graph((), [ops.constant(c, float32, (2,)) for c in parts])
    assert len(merge_equal(graph).nodes) == 3


def test_unused_inputs_stay() -> None:
    graph = trace(lambda x, y: ops.exp(x), ROW, ROW)
    for tried in PASSES:
        assert tried(graph).inputs == graph.inputs


# ---------------------------------------------------------------------- fold_constants


def test_folding_keeps_splats_of_any_size() -> None:
    big = ops.constant(2.0, float32, (4096, 4096))
    after = fold_constants(Graph((), (ops.exp(big * 0.0),)))
    (node,) = after.nodes
    assert node.op == ops.Constant(1.0, float32, (4096, 4096))


def test_folding_finds_equal_elements_and_keeps_others() -> None:
    row = ops.constant(np.arange(4, dtype=np.float32), float32)
    (same, other) = fold_constants(Graph((), (row - row, row + row))).outputs
    assert same.op.splat == 0.0
    assert other.op.value.array.tolist() == [0.0, 2.0, 4.0, 6.0]


def test_folding_leaves_large_results_and_inputs_alone() -> None:
    row = ops.constant(np.arange(100, dtype=np.float32), float32)
    grid = ops.expand(row, (-2,), (100,))
    assert len(fold_constants(Graph((), (grid,))).nodes) == 2
    graph = trace(lambda x: x + 1.0, ROW)
    assert fold_constants(graph) == graph


def test_folding_leaves_faults_to_the_program() -> None:
    table = ops.constant(np.arange(4, dtype=np.float32), float32)
    graph = Graph((), (ops.gather(table, ops.constant(np.array([7]), int64)),))
    assert fold_constants(graph) == graph


def test_folded_nan_is_the_plain_one() -> None:
    inf = ops.constant(float("inf"), float32, (2,))
    after = fold_constants(Graph((), (inf - inf,)))
    assert after.outputs[0].op == ops.Constant(float("nan"), float32, (2,))


# ---------------------------------------------------------------------- legalize


def test_legalize_leaves_only_ops_with_loops() -> None:
    graph = trace(lambda x: (ops.argmax(x, -2), ops.argmin(x, -1)), TensorType(float32, (5, 6)))
    after = legalize(graph)
    assert not any(isinstance(v.op, ops.ArgMax | ops.ArgMin) for v in after.nodes)
    x = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    x[2, 3] = np.nan
    for a, b in zip(evaluate(graph, x), evaluate(after, x)):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------- split_reductions

SHAPES = [
    ((40000,), (-1,)), ((100003,), (-1,)), ((32769,), (-1,)), ((3, 50001), (-1,)),
    ((128, 300), (-2, -1)), ((2, 64, 20, 40), (-3, -2, -1)), ((5, 50000), (-2, -1)),
    ((50000, 3), (-2, -1)), ((2, 1, 7, 7001), (-2, -1)),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("reduce", [ops.sum, ops.max, ops.min])
def test_long_reductions_have_two_levels(shape, axes, reduce) -> None:  # type: ignore[no-untyped-def]
    graph = trace(lambda x: reduce(x, axes), TensorType(float32, shape))
    after = split_reductions.run(graph, check=True)
    kind = type(graph.outputs[0].op)
    assert sum(isinstance(v.op, kind) for v in after.nodes) >= 2
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    (a,), (b,) = evaluate(graph, x), evaluate(after, x)
    if reduce is ops.sum:
        np.testing.assert_allclose(a, b, 1e-4, 1e-2)
    else:
        np.testing.assert_array_equal(a, b)
    assert split_reductions(after) == after


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((32768,), (-1,)), ((64, 40000), (-1,)), ((40000, 3), (-2,)), ((0, 40000), (-1,))],
)
def test_other_reductions_stay(shape, axes) -> None:  # type: ignore[no-untyped-def]
    graph = trace(lambda x: ops.sum(x, axes), TensorType(float32, shape))
    assert split_reductions(graph) == graph


def test_sums_of_halves_are_not_rounded_between_levels() -> None:
    graph = trace(lambda x: ops.sum(x, -1), TensorType(float16, (40000,)))
    after = split_reductions(graph)
    x = np.full(40000, 0.1, np.float16)
    (a,), (b,) = evaluate(graph, x), evaluate(after, x)
    assert a == b


def test_nan_survives_splitting() -> None:
    graph = trace(lambda x: ops.max(x, -1), TensorType(float32, (40000,)))
    x = np.zeros(40000, np.float32)
    x[39999] = np.nan
    assert np.isnan(evaluate(split_reductions(graph), x)[0])


def test_snippet_of_the_readme() -> None:
    graph = snippet("%0 = exp %x;  %1 = exp %x;  %2 = add %0, %1")
    assert len(merge_equal(graph).nodes) == 2
