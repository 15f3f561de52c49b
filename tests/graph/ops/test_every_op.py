"""Every op crossed with its Cases: type, meaning, derivatives, batching, text, dtypes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from backends import BACKENDS
from cases import AFTER_TRANSFORMS, CASES, Case

from lamina.base.dtypes import dtype
from lamina.graph.ir import REGISTRY, Graph, Op, TensorType, Value, topological, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import parse
from lamina.graph.ir.verify import verify
from lamina.graph.ops import conj, real
from lamina.graph.ops import sum as sum_of
from lamina.graph.transforms import batch, jvp, vjp
from lamina.graph.transforms.batch import lift_over
from lamina.graph.transforms.differentiate import varies

OWN = {
    name: kind for name, kind in REGISTRY.items() if kind.__module__.startswith("lamina.graph.ops")
}
every_case = pytest.mark.parametrize("case", CASES, ids=str)
VARYING = [
    c for c in CASES
    if c.op not in AFTER_TRANSFORMS
    and any(varies(v) for v in c.graph.inputs)
    and all(varies(v) for v in c.graph.outputs)
]  # fmt: skip
varying = pytest.mark.parametrize("case", VARYING, ids=str)
SMOOTH = [c for c in VARYING if not c.rough and c.op != "stop_gradient"]
smooth = pytest.mark.parametrize("case", SMOOTH, ids=str)
"""Where differences see what derivatives see: no rounding, nothing held constant on purpose."""
TOLERANCE = {
    "float64": 1e-12,
    "complex128": 1e-12,
    "float32": 2e-6,
    "float16": 2e-3,
    "bfloat16": 1e-2,
}
FORMS = ("partials", "transpose", "jvp", "push")


def close(got: np.ndarray, wanted: np.ndarray, rtol: float = 1e-7, atol: float = 0.0) -> None:
    """Equal but for rounding; a complex number part by part."""
    pairs = [(got, wanted)]
    if got.dtype.kind == "c":
        pairs = [(np.real(got), np.real(wanted)), (np.imag(got), np.imag(wanted))]
    for a, b in pairs:
        np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol, atol)


def random_like(v: Value, rng: np.random.Generator, *lead: int) -> np.ndarray:
    """Normal numbers of the type of `v`, with further axes in front."""
    shape = (*lead, *v.shape)
    numbers = rng.standard_normal(shape)
    if v.dtype.is_complex:
        numbers = numbers + 1j * rng.standard_normal(shape)
    return np.asarray(numbers).astype(v.dtype.numpy)


def pairing(bars: Sequence[np.ndarray], dots: Sequence[np.ndarray]) -> float:
    """What a cotangent is worth along a tangent: Re(bar * dot), summed."""
    return sum(float(np.real(np.sum(b * d))) for b, d in zip(bars, dots))


def ops_of(graph: Graph) -> list[Op]:
    return [v.op for v in topological(graph.outputs) if v.op is not None]


@pytest.mark.parametrize("name", OWN)
def test_has_a_case(name: str) -> None:
    if name in ("custom", "callback"):
        return  # they hold code of their author: see test_custom.py and test_callbacks.py
    if name == "recur":
        return  # it stands inside the cases of recursion only
    assert any(name in {op.name for op in ops_of(c.graph)} for c in CASES if c.op == name)


NOT_DIFFERENCED = {
    "attach": "its derivative is declared, and differences do not see it: tests/tensor/random",
    "callback": "a derivative through it is an error: tests/tensor/test_callbacks.py",
    "custom": "its derivative is its author's: tests/tensor/test_custom.py",
    "recur": "stands inside a recursion, which is compared",
    "while": "has a reverse mode only with a bound: tests/tensor/control/test_while_and_cond.py",
    "fusion": "is made when derivatives are there already",
}


def test_whatever_varies_is_compared_with_differences() -> None:
    """To the first and to the second order, and batched; each exception has a reason."""
    compared = {c.op for c in SMOOTH}
    left_out = {name for name, kind in OWN.items() if not kind.constant and name not in compared}
    assert left_out == set(NOT_DIFFERENCED)
    assert set(OWN) - {c.op for c, _ in BATCHED} == AFTER_TRANSFORMS | {
        "callback",
        "custom",
        "recur",
    }


@pytest.mark.parametrize("kind", OWN.values(), ids=OWN)
def test_says_how_it_varies_in_one_way(kind: type[Op]) -> None:
    """Or by `transpose` in some operands and by `jvp` in the others."""
    forms = [f for f in FORMS if getattr(kind, f) is not None]
    in_some = kind.linear_operands is not Op.linear_operands
    assert len(forms) + kind.constant == 1 or (forms == ["transpose", "jvp"] and in_some), forms


@pytest.mark.parametrize("kind", OWN.values(), ids=OWN)
def test_says_how_it_loops_in_one_way(kind: type[Op]) -> None:
    ways = ("lane", "view", "compose", "call", "push")
    forms = [f for f in ways if getattr(kind, f) is not None]
    if not forms and kind.split is not None:
        return  # only on complex numbers, or for them
    special = hasattr(kind, "combiner") or hasattr(kind, "step") or kind.__name__ in (
        "Contract", "Constant", "Fusion", "Item", "Barrier",
    )  # fmt: skip
    assert len(forms) + special == 1, forms


@pytest.mark.parametrize("kind", OWN.values(), ids=OWN)
def test_is_documented(kind: type[Op]) -> None:
    assert kind.__doc__ and "Inputs:" in kind.__doc__ and "Source:" in kind.__doc__


@every_case
def test_reference_gives_the_inferred_type(case: Case) -> None:
    graph, arrays = case.graph, case.draw()
    verify(graph)
    for v in topological(graph.outputs):
        if v.op is not None and not v.operands:
            assert v.op.reference().dtype == v.dtype.numpy
    if graph.outputs[0].operands == graph.inputs:
        result = graph.outputs[0].op.reference(*arrays)
        assert result.dtype == graph.outputs[0].dtype.numpy
        assert result.shape == graph.outputs[0].shape
    evaluate(graph, *arrays)


@pytest.mark.parametrize("backend", BACKENDS)
@every_case
def test_back_ends_agree_with_the_reference(case: Case, backend: str) -> None:
    graph, arrays = case.graph, case.draw()
    for got, wanted in zip(BACKENDS[backend](graph, *arrays), evaluate(graph, *arrays)):
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        tolerance = TOLERANCE.get(got.dtype.name, 0.0)
        close(got, wanted, tolerance, tolerance)


@every_case
def test_text_is_read_back(case: Case) -> None:
    graph = case.graph
    assert parse(str(graph)) == graph


# ------------------------------------------------------------------ derivatives


def directions(graph: Graph, seed: int = 1) -> list[np.ndarray]:
    """A random tangent for each floating input."""
    rng = np.random.default_rng(seed)
    return [random_like(v, rng) for v in graph.inputs if varies(v)]


def moved(graph: Graph, arrays: list[np.ndarray], dots: list[np.ndarray], h: float) -> list:
    """The inputs a step of `h` along the tangents."""
    rest = iter(dots)
    return [a + h * next(rest) if varies(v) else a for v, a in zip(graph.inputs, arrays)]


def slope(graph: Graph, arrays: list[np.ndarray], dots: list[np.ndarray]) -> list[np.ndarray]:
    """The directional derivative by central differences of fourth order."""
    h = 1e-3 if all(a.dtype != np.float32 for a in dots) else 1e-2
    wide = np.complex128 if graph.outputs[0].dtype.is_complex else np.float64
    at = lambda t: np.asarray(evaluate(graph, *moved(graph, arrays, dots, t))[0], wide)
    return [(8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)]


@smooth
def test_jvp_against_differences(case: Case) -> None:
    graph, arrays = case.graph, case.draw()
    dots = directions(graph)
    forward = jvp(graph)
    verify(forward)
    got = evaluate(forward, *arrays, *dots)[len(graph.outputs) :]
    for g, wanted in zip(got, slope(graph, arrays, dots)):
        close(g, wanted, 1e-6, 1e-7)


@varying
def test_vjp_against_jvp(case: Case) -> None:
    """<bar, J dot> = <J^T bar, dot>, where <bar, dot> = Re(bar dot)."""
    graph, arrays = case.graph, case.draw()
    dots = directions(graph)
    rng = np.random.default_rng(2)
    bars = [random_like(v, rng) for v in graph.outputs]
    backward = vjp(graph)
    verify(backward)
    count = len(graph.outputs)
    out_dots = evaluate(jvp(graph), *arrays, *dots)[count:]
    in_bars = evaluate(backward, *arrays, *bars)[count:]
    left, right = pairing(bars, out_dots), pairing(in_bars, dots)
    np.testing.assert_allclose(left, right, 1e-5 if case.rough else 1e-10, 1e-10)


@smooth
def test_second_order(case: Case) -> None:
    """The derivative of the gradient of sum(|f|^2), against differences of the gradient."""
    out = case.graph.outputs[0]

    def energy(*xs):
        y = case.build(*xs)
        return sum_of(real(y * conj(y)), tuple(range(-out.rank, 0)))

    graph = trace(energy, *(o.type for o in case.operands))
    arrays, dots = case.draw(), directions(graph)
    gradient = vjp(graph)
    gradient = Graph(gradient.inputs, gradient.outputs[1:])
    one = np.ones(())
    rest = [*dots, np.zeros(())]
    twice = evaluate(jvp(gradient), *arrays, one, *rest)[len(gradient.outputs) :]
    h = 1e-3
    at = lambda t: evaluate(gradient, *moved(graph, arrays, dots, t), one)
    for got, a, b, c, d in zip(twice, at(h), at(-h), at(2 * h), at(-2 * h)):
        wanted = (8 * (a - b) - (c - d)) / (12 * h)
        close(got, wanted, 1e-6, 1e-6 * max(1.0, float(np.abs(wanted).max(initial=0))))


# ------------------------------------------------------------------ batching

SIZE = 3


def mappings(count: int) -> list[tuple[bool, ...]]:
    """All operands mapped, and each of several alone."""
    if count == 0:
        return [()]
    alone = [tuple(i == j for j in range(count)) for i in range(count)] if count > 1 else []
    return [(True,) * count, *alone]


def looped(graph: Graph, mapped: tuple[bool, ...], arrays: list[np.ndarray]) -> list[np.ndarray]:
    """One example at a time."""
    rows = [
        evaluate(graph, *(a[i] if m else a for a, m in zip(arrays, mapped))) for i in range(SIZE)
    ]
    return [np.stack(column) for column in zip(*rows)]


def examples(case: Case, mapped: tuple[bool, ...]) -> list[np.ndarray]:
    drawn = [case.draw(seed) for seed in range(SIZE)]
    return [np.stack([d[i] for d in drawn]) if m else drawn[0][i] for i, m in enumerate(mapped)]


BATCHED = [(c, m) for c in CASES if c.op not in AFTER_TRANSFORMS for m in mappings(len(c.operands))]
batched = pytest.mark.parametrize("case, mapped", BATCHED, ids=str)


@batched
def test_batch_against_a_loop(case: Case, mapped: tuple[bool, ...]) -> None:
    graph, arrays = case.graph, examples(case, mapped)
    many = batch(graph, SIZE, mapped)
    verify(many)
    for got, wanted in zip(evaluate(many, *arrays), looped(graph, mapped, arrays)):
        tolerance = TOLERANCE.get(got.dtype.name, 0.0)
        close(got, wanted, tolerance, tolerance)


@pytest.mark.parametrize(
    "case, mapped", [(c, m) for c, m in BATCHED if c.op in ("contract", "gather")], ids=str
)
def test_own_batch_rule_against_the_general_one(case: Case, mapped: tuple[bool, ...]) -> None:
    graph, arrays = case.graph, examples(case, mapped)
    many = batch(graph, SIZE, mapped)
    new = [v if m else None for v, m in zip(many.inputs, mapped)]
    general = Graph(many.inputs, (lift_over(graph.outputs[0], new, SIZE),))
    for got, wanted in zip(evaluate(many, *arrays), evaluate(general, *arrays)):
        tolerance = TOLERANCE.get(got.dtype.name, 0.0)
        close(got, wanted, tolerance, tolerance)


@varying
def test_batch_of_vjp(case: Case) -> None:
    graph = vjp(case.graph)
    mapped = (True,) * len(graph.inputs)
    rng = np.random.default_rng(5)
    bars = [random_like(v, rng, SIZE) for v in case.graph.outputs]
    arrays = [*examples(case, (True,) * len(case.operands)), *bars]
    got = evaluate(batch(graph, SIZE, mapped), *arrays)
    for g, wanted in zip(got, looped(graph, mapped, arrays)):
        close(g, wanted, 1e-9, 1e-9)


@varying
def test_vjp_of_batch(case: Case) -> None:
    """The gradient of a batch is the batch of gradients."""
    graph, many = case.graph, batch(case.graph, SIZE, (True,) * len(case.operands))
    rng = np.random.default_rng(5)
    bars = [random_like(v, rng, SIZE) for v in graph.outputs]
    arrays = [*examples(case, (True,) * len(case.operands)), *bars]
    every = (True,) * len(arrays)
    for g, wanted in zip(evaluate(vjp(many), *arrays), looped(vjp(graph), every, arrays)):
        close(g, wanted, 1e-9, 1e-9)


# ------------------------------------------------------------------ dtypes

FLOATS = {"f16": 2**-10, "bf16": 2**-7, "f32": 2**-21}
ONE_DTYPE = [
    c for c in VARYING
    if c.op not in ("cast", "floor_divide", "remainder", "make_complex", "real_fourier")
    and all(o.dtype == "f64" or not varies(v) for o, v in zip(c.operands, c.graph.inputs))
]  # fmt: skip


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("case", ONE_DTYPE, ids=str)
def test_other_floats(case: Case, name: str) -> None:
    """In a smaller dtype the result is that in f64, up to the rounding of that dtype."""
    kind = dtype(name)
    types = [o.type.with_dtype(kind) if o.dtype == "f64" else o.type for o in case.operands]
    graph = trace(case.build, *types)
    small = [np.asarray(a).astype(t.dtype.numpy) for a, t in zip(case.draw(), types)]
    wide = [a.astype(np.float64) if t.dtype == kind else a for a, t in zip(small, types)]
    (got,), (wanted,) = evaluate(graph, *small), evaluate(case.graph, *wide)
    assert got.dtype == kind.numpy and graph.outputs[0].type == TensorType(kind, wanted.shape)
    np.testing.assert_allclose(got.astype(np.float64), wanted, 2 * FLOATS[name], 2 * FLOATS[name])
    backward = vjp(graph)
    assert all(v.dtype == kind for v in backward.outputs)
