"""Graphs as data: dependence, order, users, ids (CG-5, CG-6)."""

import pytest

from lamina.base.dtypes import float32
from lamina.base.errors import VerifyError
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, placeholder, rebuild, topological, trace

ROW = TensorType(float32, (8,))


def test_direct_indirect_and_no_dependence() -> None:
    x, y = placeholder(ROW), placeholder(ROW)
    a = ops.exp(x)
    b = ops.sin(a)
    c = ops.cos(y)
    graph = Graph((x, y), (b + c,))
    assert graph.depends(a, x)
    assert graph.depends(b, x)
    assert graph.depends(graph.outputs[0], c)
    assert not graph.depends(x, b)
    assert graph.independent(b, c)
    assert not graph.independent(b, a)
    assert not graph.independent(x, b)


def test_independent_iff_there_is_no_path() -> None:
    graph = trace(lambda x, y: ops.exp(x) * y + ops.sin(ops.exp(x)), ROW, ROW)
    for a in graph.values:
        reachable = {v.id for v in topological([a])}
        for b in graph.values:
            path = b.id in reachable or a.id in {v.id for v in topological([b])}
            assert graph.independent(a, b) == (not path)


def test_a_cycle_raises_and_names_the_nodes() -> None:
    x = placeholder(ROW)
    a = ops.exp(x)
    b = ops.sin(a)
    a.operands = (b,)
    with pytest.raises(VerifyError) as error:
        _ = Graph((x,), (b,)).values
    assert "cycle" in str(error.value)
    assert "exp" in str(error.value)
    assert "sin" in str(error.value)


def test_unrolled_loop_gives_fresh_ids() -> None:
    def body(v):  # type: ignore[no-untyped-def]
        return ops.sin(v) * v

    x = placeholder(ROW)
    v = x
    for _ in range(3):
        v = body(v)
    graph = Graph((x,), (v,))
    ids = [v.id for v in graph.values]
    assert len(graph.nodes) == 6
    assert len(set(ids)) == len(ids)
    products = [n for n in graph.nodes if isinstance(n.op, ops.Multiply)]
    assert graph.depends(products[2], products[1])
    assert graph.depends(products[1], products[0])


def test_copies_have_fresh_ids() -> None:
    graph = trace(lambda x: ops.exp(x) + ops.sin(x), ROW)
    copy = rebuild(graph, lambda v, operands: ops.identity(v) if not operands else None)
    assert copy == graph
    again = trace(lambda x: ops.exp(x) + ops.sin(x), ROW)
    assert again == graph
    assert not {v.id for v in again.values} & {v.id for v in graph.values}


def test_order_and_users() -> None:
    graph = trace(lambda x: ops.exp(x) * ops.exp(x) + x, ROW)
    place = {v.id: i for i, v in enumerate(graph.values)}
    assert all(place[o.id] < place[v.id] for v in graph.nodes for o in v.operands)
    x = graph.inputs[0]
    assert len(graph.users[x.id]) == 3
    square = trace(lambda x: x * x, ROW)
    assert len(square.users[square.inputs[0].id]) == 1


def test_deep_graphs_do_not_recurse() -> None:
    x = placeholder(ROW)
    v = x
    for _ in range(20000):
        v = ops.negative(v)
    assert len(Graph((x,), (v,)).nodes) == 20000
