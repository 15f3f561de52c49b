"""Ops computed by calls, and ops with several results: in graphs, transforms, passes, programs."""

from __future__ import annotations

import numpy as np
import pytest
from backends import BACKENDS

from lamina.backend.compile import compile_graph
from lamina.backend.compile.explain import report
from lamina.base.dtypes import dtype
from lamina.base.errors import CallError, VerifyError
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, emit, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import parse
from lamina.graph.ir.verify import verify
from lamina.graph.passes import fuse, merge_equal
from lamina.graph.transforms import batch, jvp, vjp
from lamina.runtime import Buffer
from tests.opaque_ops import CalledCube, CalledNote, CalledPolar, cube, failure, note, polar, split
from tests.opaque_ops import polar_back as back

SIZE = 3


def f64(*shape: int) -> TensorType:
    return TensorType(dtype("f64"), shape)


def around(x, y):
    """Calls between kernels: operands computed and permuted, some results unused or returned."""
    u, v, count = polar(ops.permute(ops.exp(x * 0.1), (-1, -2)), ops.permute(y, (-1, -2)))
    double, flipped = split(u + 1.0)
    total = ops.sum(double * flipped + cube(v), (-1,))
    return total, u, ops.cast(count, dtype("f64")) + total


def fewer(x, y):
    """One part each of calls that have more, and a call on a constant."""
    _, v, _ = polar(x, y)
    _, flipped = split(ops.permute(v, (-1, -2)))
    rows = ops.sum(flipped, (-1,))
    return rows * cube(ops.constant(2.0, dtype("f64"), rows.shape))


def cotangents_by_rule(x, y):
    u, v, _ = back(x, y)
    return u * v, ops.sum(v, (-1,))


def only_first(x, y):
    return back(x, y)[0] + split(y)[0]


FUNCTIONS = (around, fewer, cotangents_by_rule, only_first)
SHAPES = ((3, 5), (1, 1), (0, 3), (2, 0))
every = pytest.mark.parametrize("f", FUNCTIONS)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def drawn(graph: Graph, seed: int = 0, lead: tuple[int, ...] = ()) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.3, 1.7, (*lead, *v.shape)) for v in graph.inputs]


@every
@shapes
def test_text_types_and_meaning(f, shape) -> None:
    graph = trace(f, f64(*shape), f64(*shape))
    verify(graph)
    again = parse(str(graph))
    assert again == graph
    for a, b in zip(evaluate(again, *drawn(graph)), evaluate(graph, *drawn(graph))):
        np.testing.assert_array_equal(a, b)


@every
@shapes
@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_programs_call(f, shape, backend) -> None:
    graph = trace(f, f64(*shape), f64(*shape))
    arrays = drawn(graph)
    for got, wanted in zip(BACKENDS[backend](graph, *arrays), evaluate(graph, *arrays)):
        np.testing.assert_allclose(got, wanted, 1e-12)


@every
def test_derivatives(f) -> None:
    graph = trace(f, f64(3, 5), f64(3, 5))
    arrays, dots = drawn(graph), drawn(graph, 1)
    forward, backward = jvp(graph), vjp(graph)
    verify(forward)
    verify(backward)
    count = len(graph.outputs)
    tangents = evaluate(forward, *arrays, *dots)[count:]
    h = 1e-4
    ahead = evaluate(graph, *(a + h * d for a, d in zip(arrays, dots)))
    behind = evaluate(graph, *(a - h * d for a, d in zip(arrays, dots)))
    bars = [np.random.default_rng(2).standard_normal(v.shape) for v in graph.outputs]
    for t, a, b in zip(tangents, ahead, behind):
        np.testing.assert_allclose(t, (a - b) / (2 * h), 1e-6, 1e-6)
    left = sum(np.vdot(b, t) for b, t in zip(bars, tangents))
    right = sum(np.vdot(g, d) for g, d in zip(evaluate(backward, *arrays, *bars)[count:], dots))
    np.testing.assert_allclose(left, right, 1e-10)


@every
def test_second_derivatives(f) -> None:
    """Forward over reverse against differences of the gradient."""
    graph = trace(lambda x, y: ops.sum(f(x, y)[1] if f in (around, cotangents_by_rule) else
                                       f(x, y), (-1,)), f64(2, 3), f64(2, 3))  # fmt: skip
    gradient = vjp(graph)
    gradient = Graph(gradient.inputs, gradient.outputs[1:])
    arrays, dots = drawn(gradient), drawn(gradient, 1)
    got = evaluate(jvp(gradient), *arrays, *dots)[2:]
    h = 1e-5
    ahead = evaluate(gradient, *(a + h * d for a, d in zip(arrays, dots)))
    behind = evaluate(gradient, *(a - h * d for a, d in zip(arrays, dots)))
    for g, a, b in zip(got, ahead, behind):
        np.testing.assert_allclose(g, (a - b) / (2 * h), 1e-5, 1e-7)


@every
@pytest.mark.parametrize("mapped", [(True, True), (True, False), (False, True)])
def test_batch_against_a_loop(f, mapped) -> None:
    graph = trace(f, f64(3, 5), f64(3, 5))
    arrays = [a if m else a[0] for a, m in zip(drawn(graph, lead=(SIZE,)), mapped)]
    many = batch(graph, SIZE, mapped)
    verify(many)
    rows = [evaluate(graph, *(a[i] if m else a for a, m in zip(arrays, mapped)))
            for i in range(SIZE)]  # fmt: skip
    for got, wanted in zip(evaluate(many, *arrays), zip(*rows)):
        np.testing.assert_allclose(got, np.stack(wanted), 1e-12)


def test_a_tuple_whose_parts_have_no_cotangent_passes_none_back() -> None:
    graph = trace(lambda x: ops.cast(polar(x, x)[2], dtype("f64")), f64(2, 3))
    forward = evaluate(jvp(graph), *drawn(graph), np.ones((2, 3)))
    backward = evaluate(vjp(graph), *drawn(graph), np.ones(2))
    assert not forward[1].any() and not backward[1].any()


def test_fuse_leaves_calls_outside() -> None:
    fused = fuse(trace(around, f64(3, 5), f64(3, 5)))
    verify(fused)
    called = [v for v in fused.nodes if v.op.call is not None]
    assert [v.op.name for v in called] == ["called_polar", "called_split", "called_cube"]
    inside = [v.op.name for n in fused.nodes if isinstance(n.op, ops.Fusion)
              for v in n.op.body.nodes]  # fmt: skip
    assert not any(name.startswith(("called", "item")) for name in inside)
    assert fuse(fused).key == fused.key


def test_pure_calls_merge_and_those_with_effects_stay() -> None:
    graph = merge_equal(trace(lambda x: cube(x) + cube(x) + note(x) + note(x), f64(3)))
    kinds = [type(v.op) for v in graph.nodes]
    assert kinds.count(CalledCube) == 1 and kinds.count(CalledNote) == 2


def test_effects_keep_their_order_in_every_mode() -> None:
    graph = trace(lambda x: note(x * 1.0) + note(x * 2.0) + note(x * 3.0), f64(1))
    program = compile_graph(graph)
    CalledNote.notes.clear()
    for mode in ("threads", "serial", "graph"):
        program.program.mode = mode
        program.run([Buffer.wrap(np.ones(1))])
    assert CalledNote.notes == [1.0, 2.0, 3.0] * 3
    launches = [x for x in program.program.tasks() if x.name == "called_note"]
    assert [len(x.dependencies) >= 1 for x in launches[1:]] == [True, True]


def test_every_mode_gives_the_same() -> None:
    graph = trace(around, f64(64, 65), f64(64, 65))
    arrays = drawn(graph)
    program = compile_graph(graph)
    for mode in ("threads", "serial", "graph"):
        program.program.mode = mode
        outs = program.run([Buffer.wrap(a) for a in arrays])
        for out, wanted in zip(outs, evaluate(graph, *arrays)):
            np.testing.assert_allclose(np.frombuffer(out).reshape(wanted.shape), wanted, 1e-12)
    program.program.mode = "threads"


@pytest.mark.parametrize("mode", ["threads", "serial", "graph"])
def test_two_failures_in_one_run_give_one_error(mode) -> None:
    one, two = ValueError("first"), ValueError("second")
    graph = trace(lambda x: failure(x, one) + failure(x + 1.0, two), f64(3))
    program = compile_graph(graph)
    program.program.mode = mode
    for _ in range(3):
        with pytest.raises(CallError) as caught:
            program.run([Buffer.wrap(np.ones(3))])
        assert caught.value.__cause__ in (one, two)


def test_a_call_before_a_donated_output_finds_the_input_as_it_was() -> None:
    """What can fail comes before anything is written over an input."""
    graph = trace(lambda x: (x + 1.0, failure(x * 2.0, ValueError("no"))), f64(4))
    array = Buffer(32)
    np.frombuffer(memoryview(array), np.float64)  # reading is possible
    memoryview(array).cast("B").cast("d")[:] = memoryview(np.arange(4.0))
    with pytest.raises(CallError):
        compile_graph(graph).run([array], [True])
    assert np.frombuffer(array, np.float64).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_what_a_call_gives_is_checked() -> None:
    class CalledWrong(CalledCube):
        def reference(self, x):
            return np.asarray(x, np.float32)

        __hash__ = object.__hash__

    graph = trace(lambda x: emit(CalledWrong(), x), f64(3))
    with pytest.raises(TypeError, match="the call gave something else than declared"):
        compile_graph(graph).run([Buffer.wrap(np.ones(3))])


def test_only_items_take_tuples() -> None:
    graph = trace(lambda x: ops.item(emit(CalledPolar(), x, x), 0), f64(3))
    whole = graph.outputs[0].operands[0]
    with pytest.raises(VerifyError, match="negative takes no tuple"):
        verify(Graph(graph.inputs, (type(whole)(whole.type, ops.Negative(), (whole,)),)))


def test_explain_shows_calls() -> None:
    text = report(compile_graph(trace(around, f64(3, 5), f64(3, 5))))
    assert "calls a library" in text and "library call" in text
    assert "called_polar" in text and "program for" in text
