"""Dialects of users: names, what their operators require, rules between them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend.compile import compile_graph
from lamina.base.errors import VerifyError
from lamina.graph.ir import REGISTRY, Graph
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import before_after, parse
from lamina.graph.ir.verify import verify
from lamina.graph.passes import inline_calls, lower_custom_ops

X = np.random.default_rng(8).uniform(0.5, 1.5, (4, 3))


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def affine() -> lm.Dialect:
    """x by, x + by, and both at once, made of the base dialect; a rule from the two to that."""
    made = lm.Dialect("affine")

    @made.op
    def scale(x, *, by):
        return x

    @made.op
    def shift(x, *, by):
        return x

    @made.op
    def scale_and_shift(x, *, by, then):
        return x

    @made.verify
    def _(name, types, attributes):
        if not all(t.dtype.is_float for t in types):
            raise lm.DTypeError(f"{name}: takes floats", [f"given: {types[0]}"])

    scale.deflower(lambda x, by: x * by)
    shift.deflower(lambda x, by: x + by)
    scale_and_shift.deflower(lambda x, by, then: x * by + then)

    @made.rule(lambda x, a, b: shift(scale(x, by=a), by=b))
    def together(x, a, b):
        return scale_and_shift(x, by=a, then=b)

    assert together.holds(lm.ones(2), 2.0, 3.0)
    return made


def operators(graph: Graph) -> list[str]:
    """The names of operators of users, after the rules, before they are written out."""
    seen: list[str] = []
    for name in ("scale", "shift", "scale_and_shift"):
        seen += [name] * sum(v.op.name == f"affine.{name}" for v in graph.nodes)
    return seen


def after_rules(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the pass made of a graph before it wrote operators out."""
    module = sys.modules["lamina.graph.passes.lower_custom_ops"]
    with monkeypatch.context() as patched:
        patched.setattr(module, "_body", lambda v, portable: None)
        return operators(lower_custom_ops(inline_calls(graph)))


# ------------------------------------------------------------------ names


def test_an_operator_of_a_dialect_lowers_to_the_base_dialect() -> None:
    """FE-9: by the pattern that its lowering is."""
    d = affine()
    graph = lm.jit(lambda x: d.ops["scale"](x, by=2.0)).graph(lm.asarray(X))
    assert "affine.scale" in {v.op.name for v in graph.nodes}
    lowered = lower_custom_ops(graph)
    assert [v.op.name for v in lowered.nodes] == ["constant", "multiply"]
    verify(lowered)
    np.testing.assert_array_equal(evaluate(lowered, X)[0], 2.0 * X)


def test_names_are_printed_read_and_verified() -> None:
    d = affine()
    f = lambda x: d.ops["shift"](d.ops["scale"](x, by=2.0), by=1.0)
    graph = lm.jit(f).graph(lm.asarray(X))
    text = str(graph)
    assert 'affine.scale((("by", 2.0),), 0, ()) %a' in text
    assert parse(text) == graph
    verify(graph)
    np.testing.assert_allclose(evaluate(parse(text), X)[0], 2.0 * X + 1.0)
    assert repr(d) == "<dialect affine: scale, shift, scale_and_shift>"


def test_two_dialects_and_the_base_may_share_a_name() -> None:
    values = []
    for name, by in (("one", 2.0), ("two", 3.0)):
        d = lm.Dialect(name)

        @d.op
        def exp(x):
            return x

        exp.deflower(lambda x, by=by: x * by)
        values.append(exp)
    got = lm.jit(lambda x: (values[0](x), values[1](x), lm.exp(x)))(lm.zeros(1) + 1.0)
    np.testing.assert_allclose(np.ravel([t.numpy() for t in got]), [2.0, 3.0, np.e], 1e-6)


def test_the_pass_docstring() -> None:
    affine()
    before, after = before_after(lower_custom_ops.docstring) or pytest.fail("no example")
    got = lower_custom_ops.run(before, check=True)
    assert str(got) == str(after)


# ------------------------------------------------------------------ requirements


@pytest.mark.parametrize("name", ["scale", "shift"])
def test_what_a_dialect_requires_is_required_of_each_operator(name: str) -> None:
    op = affine().ops[name]
    for f in (
        op,
        lm.jit(op, static_argnames="by"),
        lambda x, by: lm.vmap(lambda r: op(r, by=by))(x),
    ):
        with pytest.raises(lm.DTypeError, match=f"affine.{name}: takes floats"):
            f(lm.ones((2, 3), dtype="int32"), by=2.0)


def test_the_verifier_of_graphs_asks_the_dialect() -> None:
    d = affine()
    graph = lm.jit(lambda x: d.ops["scale"](x, by=2.0)).graph(lm.ones(3))
    d.verify(lambda name, types, attributes: 1 / (attributes["by"] - 2.0))
    with pytest.raises(VerifyError, match=r"affine\.scale refuses its operands"):
        verify(graph)


# ------------------------------------------------------------------ rules


def test_a_rule_replaces_a_subgraph(monkeypatch: pytest.MonkeyPatch) -> None:
    d = affine()
    scale, shift = d.ops["scale"], d.ops["shift"]
    f = lambda x: shift(scale(lm.exp(x), by=2.0), by=1.0) + shift(x, by=3.0)
    x = lm.asarray(X)
    wanted = np.exp(X) * 2.0 + 1.0 + X + 3.0
    np.testing.assert_allclose(lm.jit(f)(x).numpy(), wanted)
    np.testing.assert_allclose(f(x).numpy(), wanted)
    compiled = compile_graph(lm.jit(f).graph(x))
    assert len(compiled.record.kernels) == 1
    assert after_rules(lm.jit(f).graph(x), monkeypatch) == ["shift", "scale_and_shift"]


def test_rules_hold_through_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    d = affine()
    f = lambda x: d.ops["shift"](d.ops["scale"](x, by=2.0), by=1.0)
    x = lm.asarray(X)
    for g, wanted in (
        (lm.vmap(f), 2.0 * X + 1.0),
        (lm.vmap(lm.vmap(f)), 2.0 * X + 1.0),
        (lm.grad(lambda x: lm.sum(f(x) ** 2)), 4.0 * (2.0 * X + 1.0)),
    ):
        np.testing.assert_allclose(lm.jit(g)(x).numpy(), wanted)
    graphs = [lm.jit(g).graph(x) for g in (f, lm.vmap(f), lm.vmap(lm.vmap(f)))]
    for graph in graphs:
        assert after_rules(graph, monkeypatch) == ["scale_and_shift"]


def weighted() -> tuple[lm.Dialect, Any, Any]:
    """Two operands, one of which examples may share; a rule that reads both twice."""
    d = lm.Dialect("weighted")

    @d.op
    def times(x, w):
        return x

    @d.op
    def twice(x, w, v):
        return x

    times.deflower(lambda x, w: x * w)
    twice.deflower(lambda x, w, v: x * (w * v))

    @d.rule(lambda x, w, v: times(times(x, w), v))
    def merged(x, w, v):
        return twice(x, w, v)

    return d, times, merged


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_a_rule_under_vmap_where_examples_share_operands(axes: Any) -> None:
    _, times, merged = weighted()
    args = [lm.asarray(X) if axis == 0 else lm.asarray(X[1]) for axis in axes]
    f = lm.vmap(lambda x, w: times(times(x, w), w), axes)
    wanted = lm.vmap(lambda x, w: x * w * w, axes)(*args)
    np.testing.assert_allclose(lm.jit(f)(*args).numpy(), wanted.numpy())
    assert merged.holds(*[lm.asarray(X)] * 3)


def test_a_wildcard_means_one_value_each_time_and_a_number_itself() -> None:
    d = affine()
    scale = d.ops["scale"]
    seen: list[float] = []

    @d.rule(lambda x, a: scale(scale(x, by=a), by=a))
    def squared(x, a):
        seen.append(a)
        return scale(x, by=a * a)

    @d.rule(lambda x: scale(x, by=1.0))
    def by_one(x):
        return x

    x = lm.asarray(X)
    f = lambda a, b: lm.jit(lambda x: scale(scale(x, by=a), by=b))(x).numpy()
    np.testing.assert_allclose(f(2.0, 3.0), 6.0 * X)
    assert seen == []
    np.testing.assert_allclose(f(3.0, 3.0), 9.0 * X)
    assert seen == [3.0]
    assert by_one.holds(x)
    explained = lm.explain(lambda x: scale(x, by=1.0), x, file=io.StringIO())
    assert not explained.program.record.kernels


def test_a_rule_may_decline_and_rules_meet_through_derivatives_of_their_own() -> None:
    d = affine()
    scale = d.ops["scale"]
    scale.defjvp(lambda p, t, by: (scale(*p, by=by), by * t[0]))
    tried: list[tuple[float, float]] = []

    @d.rule(lambda x, a, b: scale(scale(x, by=a), by=b))
    def small(x, a, b):
        tried.append((a, b))
        return scale(x, by=a * b) if abs(a * b) < 10.0 else None

    x = lm.asarray(X)
    for a, b in ((2.0, 3.0), (7.0, 5.0)):
        f = lambda x, a=a, b=b: lm.sum(scale(scale(x, by=a), by=b))
        np.testing.assert_allclose(lm.jit(lm.grad(f))(x).numpy(), np.full_like(X, a * b))
        np.testing.assert_allclose(lm.jit(f)(x).numpy(), a * b * X.sum())
    assert tried == [(2.0, 3.0), (7.0, 5.0)]


def test_patterns_with_arithmetic_and_with_one_of_several_results() -> None:
    d = lm.Dialect("statistics")

    @d.op(outputs=("mean", "spread"))
    def moments(x):
        return x.with_shape(()), x.with_shape(())

    @d.op
    def mean(x):
        return x.with_shape(())

    moments.deflower(lambda x: (lm.mean(x), lm.std(x)))
    mean.deflower(lm.mean)

    @d.rule(lambda x: moments(-x).mean)
    def mean_of_negative(x):
        return -mean(x)

    assert mean_of_negative.holds(lm.asarray(X))
    got = lm.jit(lambda x: moments(-x))(lm.asarray(X))
    np.testing.assert_allclose([float(got.mean), float(got.spread)], [-X.mean(), X.std()])
    rows = lm.jit(lm.vmap(lambda x: moments(-x).mean))(lm.asarray(X))
    np.testing.assert_allclose(rows.numpy(), -X.mean(1))


def test_a_dialect_lowers_to_another_whose_rules_follow() -> None:
    d, high = affine(), lm.Dialect("high")
    ran: list[float] = []
    scale, shift = d.ops["scale"], d.ops["shift"]

    @high.op
    def normalised(x):
        return x

    normalised.deflower(lambda x: shift(scale(x, by=0.5), by=-1.0))

    @d.rule(lambda x, a: d.ops["scale_and_shift"](x, by=a, then=-1.0))
    def noted(x, a):
        ran.append(a)
        return None

    np.testing.assert_allclose(lm.jit(normalised)(lm.asarray(X)).numpy(), 0.5 * X - 1.0)
    assert ran == [0.5]


# ------------------------------------------------------------------ rules that are wrong


def test_a_wrong_rule_is_found_out() -> None:
    d = affine()
    scale = d.ops["scale"]

    @d.rule(lambda x, a, b: scale(scale(x, by=a), by=b))
    def wrong(x, a, b):
        return scale(x, by=a + b)

    assert wrong.holds(lm.asarray(X), 2.0, 2.0)
    with pytest.raises(AssertionError, match=r"affine\.wrong"):
        wrong.holds(lm.asarray(X), 2.0, 3.0)


def test_a_rule_that_changes_the_type_is_an_error() -> None:
    d = affine()
    scale = d.ops["scale"]

    @d.rule(lambda x, a: scale(x, by=a))
    def summed(x, a):
        return lm.sum(x) * a

    with pytest.raises(lm.ShapeError, match=r"affine\.summed: the rule changes the type"):
        lm.jit(lm.vmap(lambda x: scale(x, by=2.0)))(lm.asarray(X))


def test_rules_that_do_not_end() -> None:
    d = affine()
    scale = d.ops["scale"]

    @d.rule(lambda x, a: scale(x, by=a))
    def grows(x, a):
        return scale(x, by=a + 1.0) + scale(x, by=a + 2.0)

    with pytest.raises(lm.UsageError, match=r"affine\.scale: its rules do not come to an end"):
        lm.jit(lambda x: scale(x, by=2.0))(lm.asarray(X))


def test_definitions_that_make_no_sense() -> None:
    d = affine()
    scale, shift = d.ops["scale"], d.ops["shift"]
    with pytest.raises(lm.UsageError, match="the name is no identifier"):
        lm.Dialect("a.b")
    for pattern in (lambda x: x, lambda x: -scale(x, by=1.0), lambda x: 3):
        with pytest.raises(lm.UsageError, match="is no result of an operator of affine"):
            d.rule(pattern)
    with pytest.raises(lm.UsageError, match="leaves wildcards out"):
        d.rule(lambda x, y: scale(x, by=1.0))
    with pytest.raises(lm.UsageError, match="is no result of an operator of other"):
        lm.Dialect("other").rule(lambda x: scale(x, by=1.0))
    with pytest.raises(lm.UsageError, match="the pattern cannot be read"):
        d.rule(lambda x: scale(lm.exp(x), by=1.0))
    kept = d.rule(lambda x, a: shift(x, by=a))(lambda x, a: None)
    with pytest.raises(lm.UsageError, match="takes 2 arguments, got 1"):
        kept.holds(lm.ones(3))
    with pytest.raises(AssertionError, match="does not apply"):
        kept.holds(lm.ones(3), 1.0)
    with pytest.raises(lm.UsageError, match=r"affine\.scale: missing a required argument"):
        scale(lm.ones(3))
    assert shift.kernels == {}


def test_a_number_of_the_graph_matches_a_number_of_the_pattern() -> None:
    d, times, _ = weighted()

    @d.rule(lambda x: times(x, 1.0))
    def units(x):
        return x

    assert units.holds(lm.ones(2))
    explained = lm.explain(lambda x: times(x, lm.ones(2)), lm.ones(2), file=io.StringIO())
    assert not explained.program.record.kernels
