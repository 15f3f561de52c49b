"""`infer` of every op on symbolic sizes: sizes put in later give the types that they give now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cases import CASES, Case

from lamina.base.dims import Dim
from lamina.base.dtypes import float32, int64
from lamina.base.errors import LaminaError, ParseError, ShapeError, TraceError
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, emit, graph_at, placeholder
from lamina.graph.ir.parser import parse

B: Any = Dim("B")
T: Any = Dim("T", min=2)
WITHOUT = {
    "constant": "takes no operands",
    "iota": "takes no operands",
    "while": "its state is numbers here",
    "fusion": "made for given sizes by the compiler",
    "on_pairs": "made for given sizes by the compiler",
}
BY_OP = {op: [case for case in CASES if case.op == op] for op in sorted({c.op for c in CASES})}


def symbolic(case: Case) -> Iterator[tuple[int, list[TensorType]]]:
    """Types of the operands with B for a size, wherever that size is, and for one axis alone."""
    shapes = [o.shape for o in case.operands]
    for n in sorted({n for s in shapes for n in s if n > 1}, reverse=True):
        choices = [[tuple(B if m == n else m for m in s) for s in shapes]]
        for i, shape in enumerate(shapes):
            for a, m in enumerate(shape):
                if m == n:
                    one: Any = (*shape[:a], B, *shape[a + 1 :])
                    choices.append([*shapes[:i], one, *shapes[i + 1 :]])
        for chosen in choices:
            yield n, [TensorType(o.type.dtype, s) for o, s in zip(case.operands, chosen)]


def graph_of(case: Case, types: list[TensorType]) -> Graph:
    inputs = [placeholder(t) for t in types]
    out = case.build(*inputs)
    return Graph(inputs, out if isinstance(out, tuple) else (out,))


@pytest.mark.parametrize("op", BY_OP)
def test_sizes_put_in_for_symbols_give_the_graph_for_those_sizes(op: str) -> None:
    """A size that the parameters of an op name itself cannot be a symbol: that is a clear error."""
    served = 0
    for case in BY_OP[op]:
        concrete = case.graph
        for n, types in symbolic(case):
            try:
                graph = graph_of(case, types)
            except LaminaError:
                continue
            served += 1
            assert graph_at(graph, {"B": n}) == concrete, [str(t) for t in types]
            assert parse(str(graph)) == graph
    assert bool(served) != (op in WITHOUT)


def test_parameters_become_sizes_too() -> None:
    """Those of ops without operands, and those inside of bodies."""
    rows = emit(ops.Iota(2 * B, int64))
    half = ops.constant(B, float32, (B, 3))
    assert [str(rows.type), str(half.type)] == ["i64[2*B]", "f32[B,3]"]
    graph = graph_at(Graph([], (rows, half)), {"B": 4})
    assert graph == Graph([], (ops.iota(8, int64), ops.constant(4.0, float32, (4, 3))))


def test_sizes_that_do_not_fit_are_an_error_with_the_symbols() -> None:
    x = placeholder(TensorType(float32, (B - 2, 3)))
    y = ops.exp(ops.pad(x, (1, 0), (0, 0)))
    assert str(y.type) == "f32[B-1,3]"
    with pytest.raises(ShapeError, match=r"no tensor has the shape \(-1, 3\)"):
        graph_at(Graph([x], (y,)), {"B": 1})


def test_errors_speak_in_symbols() -> None:
    x, y = (placeholder(TensorType(float32, (n, 3))) for n in (B, T))
    with pytest.raises(ShapeError) as caught:
        ops.add(x, y)
    assert "f32[B,3]" in str(caught.value)
    assert "f32[T,3]" in str(caught.value)
    with pytest.raises(TraceError, match=r"lm\.Dim\('B', min=5\)"):
        ops.slice_(x, (0, 0), (5, 3))


SIZES = [B, T, -B + 9 * T, B // 2, (2 * B + 1) // 3 * T, 4 * B * B - 3, B * T // 4 + T // 2 - 1,
         (B // 2 + 1) // 3, -(B // 2) + B]  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes_are_read_as_they_are_printed(size: Any) -> None:
    """In types, in parameters of ops, and as numbers."""
    x = placeholder(TensorType(float32, (B, T)))
    y = ops.expand(x, (-4, -3), (size, 3))
    z = ops.expand(ops.constant(size, float32, ()), (-1,), (size,))
    graph = Graph([x], [y, z])
    found = parse(str(graph))
    assert found == graph
    assert found.outputs[0].shape[0] == size
    assert found.outputs[0].type.shape[0].symbols == size.symbols


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("graph(%a: f32[B]) { return %a }", "the size of an axis"),
        ("graph[B >= 1](%a: f32[B,T]) { return %a }", "the size of an axis"),
        ("graph[B >= 1](%a: f32[B+T]) { return %a }", "a symbol is used that is not declared"),
        ("graph[B >= -1](%a: f32[B]) { return %a }", "this is no symbol"),
        ("graph[f32 >= 1](%a: f32[f32]) { return %a }", "this is no symbol"),
        ("graph[B >= 1](%a: f32[(B//0)]) { return %a }", "this is no size"),
        ("graph[B >= 1](%a: f32[(B*B//B]) { return %a }", "a divisor"),
        ("graph[B >= 1](%a: f32[" + "(" * 99 + "B//2" + ")" * 99 + "]) { return %a }", "levels"),
    ],
)
def test_sizes_that_cannot_be_read(text: str, problem: str) -> None:
    with pytest.raises(ParseError, match=problem):
        parse(text)
