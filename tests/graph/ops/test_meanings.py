"""Corners of single ops: known answers, edges of domains, numbers in formulas, messages."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lamina.base.dtypes import bool_, float32, float64, int8, int32, int64, uint8, uint32
from lamina.base.errors import BoundsError, DTypeError, LaminaError, ShapeError, UsageError
from lamina.base.spans import at
from lamina.graph import ops
from lamina.graph.ir import TensorType, Value, placeholder, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ops.contract import Axes
from lamina.graph.ops.random import threefry
from lamina.graph.transforms import jvp, vjp


def message(f, *args) -> str:
    with at(None), pytest.raises(LaminaError) as caught:
        f(*args)
    return f"{type(caught.value).__name__}: {caught.value}".split("\n  at ")[0]


def value(*shape: int, dtype=float32) -> Value:
    return placeholder(TensorType(dtype, shape))


def slope(f, *points: float) -> list[float]:
    """The partial derivatives of a scalar function."""
    graph = vjp(trace(f, *(TensorType(float64) for _ in points)))
    return [float(g) for g in evaluate(graph, *map(np.float64, points), np.float64(1.0))[1:]]


# ------------------------------------------------------------------ random


@pytest.mark.parametrize(
    "key, counter, answer",
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_known_answers(key, counter, answer) -> None:
    """The vectors of Random123's kat_vectors for threefry2x32, 20 rounds."""
    words = lambda pair: tuple(np.array([w], np.uint32) for w in pair)
    first, second = threefry(words(key), words(counter))
    assert (int(first[0]), int(second[0])) == answer


def test_bits_do_not_depend_on_the_shape() -> None:
    key = np.array([1, 2], np.uint32)
    bits = lambda *s: evaluate(
        trace(lambda k: ops.random_bits(k, s), TensorType(uint32, (2,))), key
    )[0]
    np.testing.assert_array_equal(bits(12), bits(3, 4).ravel())
    np.testing.assert_array_equal(bits(12)[:5], bits(5))
    many = bits(4096)
    assert abs(np.unpackbits(many.view(np.uint8)).mean() - 0.5) < 0.01
    assert len(np.unique(many)) > 4090


# ------------------------------------------------------------------ constants and operators


def test_constants_are_equal_when_their_bits_are() -> None:
    of = lambda v, d=float64: ops.Constant(v, d, ())
    assert of(0.0) != of(-0.0)
    assert of(float("nan")) == of(float("nan"))
    assert hash(of(float("nan"))) == hash(of(float("nan")))
    assert len({of(True, bool_), of(1, int32), of(1.0)}) == 3
    assert ops.Literal.of(np.arange(3)) == ops.Literal.of(np.arange(3))
    assert ops.Literal.of(np.arange(3)) != ops.Literal.of(np.arange(3.0))


def test_splat_value() -> None:
    assert ops.splat_value(ops.constant(2.5, float32, (3,))) == 2.5
    assert ops.splat_value(ops.constant(np.array([[7]]), int32)) == 7
    assert ops.splat_value(ops.constant(np.arange(3), int64)) is None
    assert ops.splat_value(value(3)) is None


def test_operators() -> None:
    x, y = 3.0, 2.0
    f = lambda a, b: (a + b, a - 1, 2 * a, 1 / b, a // b, a % b, a**2, -a, abs(a), 2**b, 7 - a)
    graph = trace(f, TensorType(float64), TensorType(float64))
    got = [float(v) for v in evaluate(graph, np.float64(x), np.float64(y))]
    assert got == [5.0, 2.0, 6.0, 0.5, 1.0, 1.0, 9.0, -3.0, 3.0, 4.0, 4.0]
    g = lambda a, b: (a < b, a <= 3, a > b, a >= 4, (a < b) | ~(a > b), (a < 9) & (b < 9))
    graph = trace(g, TensorType(float64), TensorType(float64))
    got = [bool(v) for v in evaluate(graph, np.float64(x), np.float64(y))]
    assert got == [False, True, True, False, False, True]
    h = lambda a: (a << 1, a >> 1, a ^ 1, a & 6, a | 8, 1 << a)
    graph = trace(h, TensorType(int32))
    assert [int(v) for v in evaluate(graph, np.int32(5))] == [10, 2, 4, 4, 13, 32]
    assert value(2) is not value(2)
    with pytest.raises(TypeError):
        value(2) + "text"


# ------------------------------------------------------------------ edges


@pytest.mark.parametrize(
    "f, points, wanted",
    [
        (ops.sqrt, (0.0,), [np.inf]),
        (ops.log, (0.0,), [np.inf]),
        (ops.abs, (0.0,), [0.0]),
        (ops.maximum, (1.0, 1.0), [0.5, 0.5]),
        (ops.minimum, (1.0, 1.0), [0.5, 0.5]),
        (ops.power, (0.0, 0.0), [0.0, 0.0]),
        (ops.power, (0.0, 2.0), [0.0, 0.0]),
        (ops.power, (-2.0, 3.0), [12.0, np.nan]),
        (lambda x: x**2, (0.0,), [0.0]),
        (lambda x: x**3, (-2.0,), [12.0]),
        (lambda x: x**0, (0.0,), [0.0]),
        (ops.stop_gradient, (3.0,), [0.0]),
        (ops.floor, (1.5,), [0.0]),
        (lambda x: ops.select(x > 0, ops.log(x), x), (-1.0,), [1.0]),
    ],
)
def test_derivative_at_the_edge(f, points, wanted) -> None:
    np.testing.assert_array_equal(slope(f, *points), wanted)


def test_second_derivative_of_a_square_at_zero() -> None:
    graph = vjp(trace(lambda x, y: x**y, TensorType(float64), TensorType(float64)), wrt=(0,))
    zero, one = np.float64(0), np.float64(1)
    assert evaluate(jvp(graph), zero, np.float64(2), one, one, zero, zero)[-1] == 2.0


def test_product_with_zeros() -> None:
    """The derivative of a product does not divide: it holds with one zero and with two."""
    graph = vjp(trace(lambda x: ops.product(x, -1), TensorType(float64, (3,))))
    one = np.float64(1)
    np.testing.assert_array_equal(evaluate(graph, np.array([0.0, 2, 3]), one)[1], [6, 0, 0])
    np.testing.assert_array_equal(evaluate(graph, np.array([0.0, 0, 3]), one)[1], [0, 0, 0])


def test_ties_share_the_derivative_of_max() -> None:
    graph = vjp(trace(lambda x: ops.max(x, -1), TensorType(float64, (4,))))
    got = evaluate(graph, np.array([1.0, 5, 5, 0]), np.float64(1))[1]
    np.testing.assert_array_equal(got, [0, 0.5, 0.5, 0])


def test_integer_arithmetic() -> None:
    pairs = np.array([[7, -7, 7, 1, -1, -128], [2, 2, 0, -1, -3, -1]], np.int8)
    graph = trace(lambda x, y: (x // y, x % y, x**y), *[TensorType(int8, (6,))] * 2)
    quotient, rest, power = evaluate(graph, *pairs)
    assert quotient.tolist() == [3, -4, 0, -1, 0, -128]
    assert rest.tolist() == [1, 1, 0, 0, -1, 0]
    assert power.tolist() == [49, 49, 1, 1, -1, 0]


def test_casts_to_integers_saturate() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 300.7, -1.9, 2.9, 1e30])
    graph = trace(lambda v: (ops.cast(v, uint8), ops.cast(v, int64)), TensorType(float64, (7,)))
    small, large = evaluate(graph, x)
    assert small.tolist() == [0, 255, 0, 255, 0, 2, 255]
    assert large.tolist() == [0, 2**63 - 1, -(2**63), 300, -1, 2, 2**63 - 1]


def test_half_precision_sums_are_rounded_once() -> None:
    """Adding ones in f16 would stop at 2048."""
    assert ops.Sum((-1,)).reference(np.ones(4096, np.float16)) == 4096


def test_reduction_identities() -> None:
    assert ops.Max((-1,)).identity(float32) == -np.inf
    assert ops.Min((-1,)).identity(int8) == 127
    assert ops.Sum((-1,)).identity(int8) == 0
    assert ops.Product((-1,)).identity(float32) == 1.0


def test_axes_of_a_contraction() -> None:
    axes = Axes.parse("bikx,bkjy->bij")
    assert (axes.batch, axes.m, axes.n, axes.k) == ("b", "i", "j", "k")
    assert (axes.left_only, axes.right_only) == ("x", "y")


def test_batched_contraction_does_not_expand() -> None:
    spec = ops.Contract("ik,kj->ij").batch(3, (value(3, 2, 4), value(4, 5)), (True, False)).op.spec
    left, right, out = Axes.parse(spec)
    assert (len(left), len(right), len(out)) == (3, 2, 3)


# ------------------------------------------------------------------ messages


def test_contraction_of_two_sizes() -> None:
    assert message(ops.contract, value(8, 784), value(512, 128), "ik,kj->ij") == (
        'ShapeError: contract "ik,kj->ij": axis k has two sizes\n'
        "  x: f32[8,784]    k = 784\n"
        "  y: f32[512,128]  k = 512\n"
        "  help: check the layer sizes, or transpose one operand"
    )


def test_operands_of_two_shapes() -> None:
    assert message(ops.add, value(2, 3), value(3)) == (
        "ShapeError: add: operands differ in shape\n"
        "  x: f32[2,3]\n"
        "  y: f32[3]\n"
        "  help: expand one of them to the shape of the other; ops do not broadcast by themselves"
    )


@pytest.mark.parametrize(
    "f, kind, words",
    [
        (lambda: ops.add(value(2), value(2, dtype=int32)), DTypeError, "operands differ in dtype"),
        (lambda: ops.exp(value(2, dtype=int32)), DTypeError, "no meaning for int32"),
        (lambda: ops.select(value(2), value(2), value(2)), DTypeError, "not boolean"),
        (lambda: ops.bitcast(value(2), int64), DTypeError, "differ in width"),
        (lambda: value(2, dtype=int32) + 0.5, DTypeError, "does not hold 0.5"),
        (lambda: ops.sum(value(2), -2), ShapeError, "axes (-2,) do not fit"),
        (lambda: ops.permute(value(2, 3), (-1, -1)), ShapeError, "order"),
        (lambda: ops.reshape(value(6), (6,), (4,)), ShapeError, "another number of elements"),
        (lambda: ops.reshape(value(6), (5,), (5, 1)), ShapeError, "source"),
        (lambda: ops.slice_(value(3), (2,), (4,)), ShapeError, "start <= stop <= size"),
        (lambda: ops.pad(value(3), (-1,), (0,)), ShapeError, ">= 0"),
        (lambda: ops.expand(value(3), (-1,), ()), ShapeError, "as many sizes as axes"),
        (lambda: ops.concatenate([value(2, 3), value(3, 3)], -1), ShapeError, "differ beside axis"),
        (lambda: ops.window(value(2), (3,)), ShapeError, "does not fit"),
        (lambda: ops.fold(value(2, 2), (9,), (2,), (1,), (1,)), ShapeError, "not the windows"),
        (lambda: ops.contract(value(2), value(2), "i,i"), ShapeError, "not a contraction"),
        (lambda: ops.contract(value(2, 2), value(2), "ii,i->i"), ShapeError, "stands twice"),
        (lambda: ops.contract(value(2), value(2), "i,i->j"), ShapeError, "no operand has"),
        (lambda: ops.contract(value(2, 3), value(3, 3), "i,i->"), ShapeError, "leading axes"),
        (lambda: ops.gather(value(2), value(2)), DTypeError, "positions are integers"),
        (lambda: ops.argmax(value(0), -1), ShapeError, "nothing to choose"),
        (lambda: ops.random_bits(value(2), (3,)), DTypeError, "two uint32 words"),
        (lambda: ops.iota(3, bool_), DTypeError, "counts in numbers"),
    ],
)
def test_mistakes_are_explained(f, kind, words) -> None:
    with pytest.raises(kind) as caught:
        f()
    assert words in str(caught.value)
    assert caught.value.facts and caught.value.help
    assert "test_meanings.py" in str(caught.value)


@pytest.mark.parametrize("index", [-1, 3])
def test_index_outside(index: int) -> None:
    graph = trace(ops.gather, TensorType(float32, (3,)), TensorType(int64, (1,)))
    with pytest.raises(BoundsError, match=f"index {index} is outside"):
        evaluate(graph, np.zeros(3, np.float32), np.array([index]))


def test_a_fused_graph_is_not_differentiated() -> None:
    body = trace(ops.exp, TensorType(float64))
    with pytest.raises(UsageError, match="differentiate the graph first"):
        vjp(trace(lambda x: ops.fusion(body, x), TensorType(float64)))


def test_import_is_light() -> None:
    """Importing the ops loads nothing heavier than NumPy."""
    code = "import sys, lamina.graph.ops; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"llvmlite", "torch", "jax", "scipy"} & set(loaded.stdout.split())
