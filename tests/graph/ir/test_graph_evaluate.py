"""The reference evaluator."""

from dataclasses import dataclass

import numpy as np
import pytest

from lamina.base.dtypes import float32, int32
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.base.spans import Span
from lamina.graph import ops
from lamina.graph.ir import REGISTRY, Graph, Op, TensorType, Value, placeholder, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import parse

ROW = TensorType(float32, (3,))
X = np.array([1.0, 0.0, -1.0], np.float32)


def test_evaluates_in_order_without_warnings() -> None:
    graph = trace(lambda x: (1.0 / x, x / x, x), ROW)
    quotient, ones, same = evaluate(graph, X)
    np.testing.assert_array_equal(quotient, [1.0, np.inf, -1.0])
    np.testing.assert_array_equal(ones, [1.0, np.nan, 1.0])
    assert same.dtype == np.float32


def test_tuples() -> None:
    body = trace(lambda v: (ops.negative(v), ops.sum(v, -1)), ROW)
    x = placeholder(ROW)
    pair = ops.fusion(body, x)
    total, turned = evaluate(Graph((x,), (ops.item(pair, 1), ops.item(pair, 0))), X)
    assert total == 0.0
    np.testing.assert_array_equal(turned, -X)


def test_inputs_are_checked() -> None:
    graph = trace(ops.exp, ROW)
    with pytest.raises(UsageError, match="another number of inputs"):
        evaluate(graph)
    with pytest.raises(ShapeError, match=r"input 0: another shape"):
        evaluate(graph, X[:2])
    with pytest.raises(DTypeError, match=r"input 0: another dtype"):
        evaluate(graph, X.astype(np.float64))


@pytest.fixture
def wrong_op():  # type: ignore[no-untyped-def]
    @dataclass(frozen=True)
    class WrongReference(Op):
        answer: str

        def infer(self, *types: TensorType) -> TensorType:
            return types[0]

        def reference(self, *arrays: np.ndarray) -> np.ndarray:
            answers = {"shape": X[:2], "kind": X.astype(np.int32), "width": X.astype(np.float64)}
            return answers[self.answer]

    yield WrongReference
    del REGISTRY["wrong_reference"]


@pytest.mark.parametrize(("answer", "error"), [("shape", ShapeError), ("kind", DTypeError)])
def test_results_are_checked_and_the_line_is_named(wrong_op, answer, error) -> None:  # type: ignore[no-untyped-def]
    x = placeholder(ROW)
    node = Value(ROW, wrong_op(answer), (x,), Span("model.py", 5, "f"))
    with pytest.raises(error, match=r'wrong_reference\("(.|\n)*at model.py:5, in f'):
        evaluate(Graph((x,), (node,)), X)


def test_another_width_is_cast(wrong_op) -> None:  # type: ignore[no-untyped-def]
    x = placeholder(ROW)
    (result,) = evaluate(Graph((x,), (Value(ROW, wrong_op("width"), (x,)),)), X)
    assert result.dtype == np.float32


def test_parsed_graph_evaluates() -> None:
    graph = parse("graph(%x: i32[2,3]) { %0 = sum((-1,)) %x; return %0 }")
    (total,) = evaluate(graph, np.arange(6, dtype=np.int32).reshape(2, 3))
    assert total.tolist() == [3, 12]
    assert graph.outputs[0].dtype is int32
