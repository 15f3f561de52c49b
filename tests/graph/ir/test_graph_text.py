"""Printing and parsing of graphs: a round trip without loss, and errors that show the line."""

import math

import numpy as np
import pytest

from lamina.base import dtypes
from lamina.base.dtypes import bfloat16, float16, float32, float64, int32
from lamina.base.errors import ParseError
from lamina.base.spans import Span, at
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, placeholder, trace
from lamina.graph.ir.parser import before_after, parse, snippet

PERCEPTRON = """\
graph(%a: f32[8,784], %b: f32[784,256]) {
  %0: f32[8,256] = contract("ik,kj->ij") %a, %b    # model.py:41 in MLP.__call__
  %1: f32[8,256] = constant(0.5, f32, (8, 256))
  %2: f32[256] = sum((-2,)) %0    # train.py:7
  return %0, %1, %2
}"""

FUSION = """\
graph(%a: f32[8]) {
  %0: (f32[8], f32[]) = fusion(graph(%a: f32[8]) {
    %0: f32[8] = exp %a    # model.py:3 in f
    %1: f32[] = sum((-1,)) %0
    return %0, %1
  }) %a    # model.py:3 in f
  %1: f32[] = item(1) %0
  return %1
}"""


@pytest.mark.parametrize("text", [PERCEPTRON, FUSION, "graph() {\n  return\n}"])
def test_text_round_trip(text: str) -> None:
    graph = parse(text)
    assert str(graph) == text
    assert parse(str(graph)) == graph


def test_spans_are_read_back() -> None:
    graph = parse(PERCEPTRON)
    spans = [v.span for v in graph.nodes]
    assert spans == [Span("model.py", 41, "MLP.__call__"), None, Span("train.py", 7, "")]


def test_span_prints_the_base_name() -> None:
    with at(Span("/home/user/my model.py", 12, "f.<locals>.<lambda>")):
        graph = trace(ops.exp, TensorType(float32, (2,)))
    assert "# my model.py:12 in f.<locals>.<lambda>" in str(graph)
    assert parse(str(graph)).nodes[0].span == Span("my model.py", 12, "f.<locals>.<lambda>")


SPLATS = [0.0, -0.0, 0.1, 1e-310, 1.5e300, math.inf, -math.inf, math.nan, 5e-324, 1 / 3]


@pytest.mark.parametrize("value", SPLATS)
def test_float_parameters_are_exact(value: float) -> None:
    graph = Graph((), (ops.constant(value, float64, (2,)),))
    again = parse(str(graph))
    assert again == graph
    assert math.copysign(1.0, again.outputs[0].op.value) == math.copysign(1.0, value)


ARRAYS = [
    np.array([[1.0, -0.0], [np.inf, np.nan]], np.float32),
    -np.array([np.nan, 0.1]),
    np.arange(24, dtype=np.int8).reshape(2, 3, 4) - 12,
    np.array([2**64 - 1, 0], np.uint64),
    np.array([[True], [False]]),
    np.array([0.1, 65504], np.float16),
    np.array([0.1, 3e38], bfloat16.numpy),
    np.zeros((2, 0, 3), np.int32),
    np.zeros((0, 3), np.float32),
    np.array([0x7FC00001, 0xFF800002], np.uint32).view(np.float32),
    np.random.default_rng(0).standard_normal(100).astype(np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{list(a.shape)}")
def test_literals_are_exact(array: np.ndarray) -> None:
    value = ops.constant(array, dtypes.dtype(array.dtype))
    graph = Graph((), (value,))
    again = parse(str(graph))
    assert again == graph
    assert again.outputs[0].op.value.bytes == array.tobytes()


def test_literal_text() -> None:
    graph = Graph((), (ops.constant(np.array([[1.0, 2.0]], np.float32), float32),))
    assert "constant(literal([[1.0, 2.0]], f32), f32, (1, 2))" in str(graph)


def test_many_inputs_have_distinct_names() -> None:
    inputs = [placeholder(TensorType(float16, ())) for _ in range(800)]
    graph = Graph(inputs, inputs[-1:])
    assert "%z: f16[], %aa: f16[], %ab" in str(graph)
    assert parse(str(graph)) == graph


def test_types_may_be_left_out() -> None:
    graph = parse("graph(%x: f32[4]) { %y = exp %x; %z = sum((-1,)) %y; return %z }")
    assert [str(v.type) for v in graph.nodes] == ["f32[4]", "f32[]"]


def test_snippet_makes_inputs_of_free_names() -> None:
    graph = snippet("%i: i32[2];  %0 = exp %x;  %1 = add %0, %y")
    assert [str(v.type) for v in graph.inputs] == ["i32[2]", "f32[8]", "f32[8]"]
    assert graph.outputs[0].op == ops.Add()


def test_before_after() -> None:
    read = before_after("Title.\n\n    Before:  %0 = exp %x\n    After:   return %x\n\n    More.\n")
    assert read is not None
    assert (len(read[0].nodes), len(read[1].nodes)) == (1, 0)
    assert before_after("no example") is None


WRONG = [
    ("", "expected 'graph'"),
    ("graph(%a: f32[2]) {", "expected a statement"),
    ("graph() { return %a }", "not defined above"),
    ("graph(%a: f32[2]) { %a: f32[2] = exp %a; return %a }", "defined twice"),
    ("graph(%a: f32[2]) { %0: f32[2] = nonsense %a; return %0 }", "no op of this name"),
    (
        "graph(%a: f32[2]) { %0: f32[3] = exp %a; return %0 }",
        "declared f32[3], but exp gives f32[2]",
    ),
    ("graph(%a: f32[2]) { %0: f32[2] = exp(1) %a; return %0 }", "takes no parameters, got 1"),
    ("graph(%a: f32[2]) { %0: f32[2] = exp %a, %a; return %0 }", "takes 1 operands, got 2"),
    ("graph(%a: q8[2]) { return %a }", "no element type of this name"),
    ("graph(%a: f32[-2]) { return %a }", "cannot have this size"),
    ("graph(%a: f32[99999999999999999999]) { return %a }", "cannot have this size"),
    ("graph(%a: f32[2]) { return %a } extra", "expected the end of the text"),
    ("graph(%a: f32[2]) { return %a, }", "expected an operand"),
    ("graph(%a: f32[2]) { %0 = permute(__import__) %a; return %0 }", "expected a parameter"),
    ("graph() { %0 = constant(literal([[1], [1, 2]], i8), i8, (2, 2)); return %0 }", "different"),
    ("graph() { %0 = constant(literal([1.5], i8), i8, (1,)); return %0 }", "no i8 array"),
    ("graph() { %0 = constant(literal([300], i8), i8, (1,)); return %0 }", "no i8 array"),
    ("graph() { %0 = constant(" + "(" * 100 + ", f32, ()); return %0 }", "levels inside"),
    ("graph() { %0 = constant(literal(" + "[" * 99 + ", f32), f32, ()); return %0 }", "levels"),
    ("graph() { @ }", "no part of a graph"),
    ('graph() { %0 = contract("\\q") ; return }', "cannot be read"),
]


@pytest.mark.parametrize(("text", "problem"), WRONG, ids=[w[1] for w in WRONG])
def test_wrong_text_is_a_parse_error(text: str, problem: str) -> None:
    with pytest.raises(ParseError) as error:
        parse(text)
    assert problem in str(error.value)
    assert "line 1:" in str(error.value)
    assert "help: " in str(error.value)


def test_error_names_the_line_and_the_text() -> None:
    with pytest.raises(ParseError) as error:
        parse("graph(%a: i32[2]) {\n  %0: i32[2] = negative %a\n  %1: i32[2] = add %0, %b\n")
    assert str(error.value).splitlines()[:3] == [
        "parse: a name is used that is not defined above",
        "  line 3:  '%b'",
        "  help: define it first",
    ]


@pytest.mark.parametrize("seed", range(40))
def test_damaged_text_never_does_worse_than_a_parse_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for text in (PERCEPTRON, FUSION):
        for _ in range(15):
            characters = list(text)
            for at_ in rng.integers(0, len(characters), rng.integers(1, 6)):
                characters[at_] = str(rng.choice(list('%(){}[],:=#;"0-9af \n')))
            try:
                parse("".join(characters))
            except ParseError:
                pass


def test_dtype_parameters() -> None:
    graph = trace(lambda x: ops.cast(x, int32), TensorType(float32, (2,)))
    assert "cast(i32) %a" in str(graph)
    assert parse(str(graph)) == graph
