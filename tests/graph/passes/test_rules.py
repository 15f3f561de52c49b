"""The rules of `simplify` and the patterns they are made of."""

import itertools

import numpy as np
import pytest

from lamina.base import dtypes
from lamina.base.dtypes import DType, float32, float64, int32
from lamina.base.errors import VerifyError
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, placeholder, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.pattern import Rule, holds, rule, structural_rule
from lamina.graph.passes import simplify
from lamina.graph.passes.rules import RULES

ROW = TensorType(float32, (8,))


@pytest.mark.parametrize("stated", RULES, ids=lambda r: r.name)
def test_rule_holds(stated: Rule) -> None:
    assert holds(stated)


def test_rules_have_distinct_names() -> None:
    names = [r.name for r in RULES]
    assert len(names) == len(set(names))


UNSOUND = [
    ("x + 0 = x loses -0.0", lambda x: (x + 0.0, x)),
    ("x * 0 = 0 loses NaN", lambda x: (x * 0.0, ops.lift(0.0, x))),
    ("x - x = 0 loses inf - inf", lambda x: (x - x, ops.lift(0.0, x))),
    ("x / x = 1 loses 0 / 0", lambda x: (x / x, ops.lift(1.0, x))),
    ("0 - x = -x loses the sign of 0", lambda x: (0.0 - x, -x)),
    ("not (x < y) = y <= x loses NaN", lambda x, y: (~ops.less(x, y), ops.less_equal(y, x))),
]


@pytest.mark.parametrize("equation", [u[1] for u in UNSOUND], ids=[u[0] for u in UNSOUND])
def test_an_exact_rule_that_is_not_is_found_out(equation) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AssertionError):
        holds(rule(equation, exact=True))


def test_a_wrong_relaxed_rule_is_found_out() -> None:
    with pytest.raises(AssertionError):
        holds(rule(lambda x, y: (x * y, x + y)))


def test_a_rule_matches_the_same_value_only() -> None:
    same = rule(lambda x: (x - x, x), kinds="int")
    graph = trace(lambda x, y: (x - x, x - y), *[TensorType(int32, (2,))] * 2)
    assert same.apply(graph.outputs[0]) is graph.inputs[0]
    assert same.apply(graph.outputs[1]) is None


def test_a_rule_applies_to_its_kinds_only() -> None:
    only_int = rule(lambda x: (x + 0, x), kinds="int")
    graph = trace(lambda x, y: (x + 0, y + 0.0), TensorType(int32, ()), TensorType(float32, ()))
    assert [only_int.apply(v) is not None for v in graph.outputs] == [True, False]


def test_scalars_match_by_sign_and_by_splat_arrays_of_one() -> None:
    minus_zero = rule(lambda x: (x + (-0.0), x))
    x = placeholder(TensorType(float32, (1,)))
    assert minus_zero.apply(x + (-0.0)) is x
    assert minus_zero.apply(x + 0.0) is None
    assert minus_zero.apply(x + ops.constant(np.array([-0.0], np.float32), float32)) is x


def test_a_rule_that_changes_the_type_is_refused() -> None:
    wrong = structural_rule(ops.Sum)(lambda v: v.operands[0])
    with pytest.raises(VerifyError, match="changes the type"):
        wrong.apply(ops.sum(placeholder(ROW), -1))


def test_strict_keeps_special_numbers() -> None:
    graph = trace(lambda x: (x * 0.0, x + 0.0, x / x), ROW)
    assert simplify(graph) == graph
    relaxed = simplify(graph, strict=False)
    assert relaxed.outputs[1] is graph.inputs[0]
    assert len(relaxed.nodes) == 2


DTYPES = [d for d in dtypes.ALL if d.name != "bf16"]


def _is_real(d: DType) -> bool:
    return not d.is_complex and d.kind != "bool"


@pytest.mark.parametrize("first", DTYPES, ids=str)
def test_merged_casts_agree_on_all_kinds_of_numbers(first: DType) -> None:
    for middle, last in itertools.product(dtypes.ALL, dtypes.ALL):
        if (first.is_complex and _is_real(middle)) or (middle.is_complex and _is_real(last)):
            continue
        graph = trace(
            lambda x, m=middle, n=last: ops.cast(ops.cast(x, m), n), TensorType(first, (12,))
        )
        numbers = [0, 1, -1, 2, 127, 128, 255, 256, 1e9, -1e9, 0.5, -2.5]
        with np.errstate(all="ignore"):
            inputs = np.array(numbers).astype(np.int64).astype(first.numpy)
            if not first.is_integer:
                inputs = np.array(numbers).astype(first.numpy)
        (before,), (after,) = evaluate(graph, inputs), evaluate(simplify(graph), inputs)
        if last.numpy.isbuiltin != 1:  # NumPy does not know its NaN
            before, after = before.astype(np.float32), after.astype(np.float32)
        np.testing.assert_array_equal(before, after, f"{first} {middle} {last}")


# ---------------------------------------------------------------------- windows

SIZES = [
    # n, size, step, dilation
    (8, 3, 1, 1), (8, 3, 2, 1), (9, 3, 2, 1), (10, 3, 2, 2), (11, 2, 1, 4), (7, 7, 1, 1),
    (12, 4, 3, 1), (13, 4, 3, 1), (14, 4, 3, 1), (16, 3, 4, 2), (9, 5, 2, 2), (5, 2, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize(("n", "size", "step", "dilation"), SIZES)
def test_input_gradient_of_a_convolution(n: int, size: int, step: int, dilation: int) -> None:
    count = (n - (size - 1) * dilation - 1) // step + 1

    def gradient(bar, w):  # type: ignore[no-untyped-def]
        return ops.fold(ops.contract(bar, w, "bco,dck->bdok"), (n,), (size,), (step,), (dilation,))

    types = [TensorType(float64, (2, 5, count)), TensorType(float64, (3, 5, size))]
    _agree(trace(gradient, *types))


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("a", "b"), [(SIZES[0], SIZES[3]), (SIZES[1], SIZES[9]), (SIZES[6],) * 2])
def test_in_two_dimensions_with_groups(a, b, swapped: bool) -> None:  # type: ignore[no-untyped-def]
    shape, sizes, steps, dilations = zip(a, b)
    counts = tuple((n - (k - 1) * d - 1) // s + 1 for n, k, s, d in (a, b))

    def gradient(bar, w):  # type: ignore[no-untyped-def]
        if swapped:
            product = ops.contract(w, bar, "gdcij,opbgc->bgdopij")
        else:
            product = ops.contract(bar, w, "opbgc,gdcij->bgdopij")
        return ops.fold(product, shape, sizes, steps, dilations)

    bar = TensorType(float64, (2, *counts, 2, 3, 4))
    _agree(trace(gradient, bar, TensorType(float64, (2, 3, 2, 4, *sizes))))


def _agree(graph: Graph) -> None:
    after = simplify(graph)
    assert not any(isinstance(v.op, ops.Fold) for v in after.nodes)
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(v.shape) for v in graph.inputs]
    for left, right in zip(evaluate(graph, *inputs), evaluate(after, *inputs)):
        np.testing.assert_allclose(left, right, 1e-10, 1e-10)


def test_windows_that_do_not_overlap_stay_folded() -> None:
    graph = trace(
        lambda bar, w: ops.fold(ops.contract(bar, w, "co,cdk->dok"), (8,), (2,), (2,), (1,)),
        TensorType(float32, (5, 4)),
        TensorType(float32, (5, 3, 2)),
    )
    assert simplify(graph) == graph


@pytest.mark.parametrize(
    ("given", "taken", "step", "stays"),
    [(1, 1, 2, True), (1, 3, 2, True), (3, 1, 2, True), (1, 1, 1, False), (3, 3, 2, False)],
)
def test_groups_of_one_channel_stay_folded_where_steps_are_left_out(  # type: ignore[no-untyped-def]
    given, taken, step, stays
) -> None:
    graph = trace(
        lambda bar, w: ops.fold(
            ops.contract(bar, w, "bgox,gock->bgcxk"), (9,), (3,), (step,), (1,)
        ),
        TensorType(float64, (2, 4, given, 6 // step + 1)),
        TensorType(float64, (4, given, taken, 3)),
    )
    after = simplify(graph)
    assert any(isinstance(v.op, ops.Fold) for v in after.nodes) == stays
