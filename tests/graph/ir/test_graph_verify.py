"""The verifier: every rule, and what the message shows."""

import pytest

from lamina.base.dtypes import float32, int32
from lamina.base.errors import VerifyError
from lamina.base.spans import Span
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, TupleType, Value, placeholder, trace
from lamina.graph.ir.verify import verify

ROW = TensorType(float32, (8,))


def test_a_good_graph_passes() -> None:
    verify(trace(lambda x, y: (ops.exp(x) + y, x), ROW, ROW), after="nothing")


def test_wrong_type_names_pass_node_neighbours_and_line() -> None:
    x = placeholder(ROW)
    y = Value(ROW, ops.Negative(), (x,))
    wrong = Value(TensorType(float32, (9,)), ops.Exp(), (y,), Span("model.py", 41, "MLP.__call__"))
    user = Value(wrong.type, ops.Abs(), (wrong,))
    with pytest.raises(VerifyError) as error:
        verify(Graph((x,), (user,)), after="merge_equal")
    assert str(error.value) == "\n".join(
        [
            "verify after merge_equal: exp gives another type than declared",
            "  node:      %1: f32[9] = exp %0",
            "  gives:     f32[8]",
            "  operand:   %0: f32[8] = negative %a",
            "  user:      %2: f32[9] = abs %1",
            "  help: this is a defect of the pass, not of your program; please report it with the"
            " graph",
            "  at model.py:41, in MLP.__call__",
        ]
    )


def test_untyped_node_is_refused() -> None:
    x = placeholder(ROW)
    with pytest.raises(VerifyError, match="no type"):
        verify(Graph((x,), (Value(None, ops.Exp(), (x,)),)))


def test_operands_that_do_not_fit() -> None:
    x, y = placeholder(ROW), placeholder(TensorType(int32, (8,)))
    with pytest.raises(VerifyError, match=r"add refuses its operands(.|\n)*dtype"):
        verify(Graph((x, y), (Value(ROW, ops.Add(), (x, y)),)))


def test_undefined_value() -> None:
    x, free = placeholder(ROW), placeholder(ROW)
    with pytest.raises(VerifyError, match="placeholder is used that is not an input"):
        verify(Graph((x,), (ops.exp(x) + free,)))


def test_inputs_are_distinct_placeholders() -> None:
    x = placeholder(ROW)
    with pytest.raises(VerifyError, match="input 1 is there twice"):
        verify(Graph((x, x), (x,)))
    y = ops.exp(x)
    with pytest.raises(VerifyError, match="input 0 is not a placeholder"):
        verify(Graph((y,), (y,)))


def test_ids_are_unique() -> None:
    x = placeholder(ROW)
    y, z = ops.exp(x), ops.sin(x)
    z.id = y.id
    with pytest.raises(VerifyError, match="two values have the id"):
        verify(Graph((x,), (y + z,)))


def test_tuples_are_only_taken_apart() -> None:
    x = placeholder(ROW)
    pair = ops.fusion(trace(lambda v: (ops.exp(v), ops.sin(v)), ROW), x)
    assert isinstance(pair.type, TupleType)
    verify(Graph((x,), (ops.item(pair, 0), ops.item(pair, 1))))
    with pytest.raises(VerifyError, match="exp takes no tuple"):
        verify(Graph((x,), (Value(ROW, ops.Exp(), (pair,)),)))


def test_bodies_are_verified() -> None:
    x, v = placeholder(ROW), placeholder(ROW)
    body = Graph((v,), (Value(ROW, ops.Sum((-1,)), (v,)),))
    with pytest.raises(VerifyError, match="verify after fuse, inside fusion: sum gives another"):
        verify(Graph((x,), (Value(ROW, ops.Fusion(body), (x,)),)), after="fuse")


def test_cycle_is_refused() -> None:
    x = placeholder(ROW)
    y = ops.exp(x)
    z = ops.sin(y)
    y.operands = (z,)
    with pytest.raises(VerifyError, match=r"verify after fuse: (.|\n)*cycle(.|\n)*sin"):
        verify(Graph((x,), (z,)), after="fuse")
