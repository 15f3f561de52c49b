"""Checks of the compiler's front end and its languages (rows FE-*) that no other test makes."""

from __future__ import annotations

import inspect
import itertools
import operator
from collections.abc import Callable, Iterator
from dataclasses import replace

import llvmlite.binding as llvm
import numpy as np
import pytest

import lamina as lm
from lamina.backend.codegen import kernel_ir
from lamina.backend.compile import compile_graph
from lamina.backend.compile.build import Compiled
from lamina.backend.compile.lower import Lowered
from lamina.backend.nest import parser, printer
from lamina.backend.nest.interpret import interpret
from lamina.backend.nest.verify import verify as verify_nest
from lamina.backend.targets import select
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import REGISTRY, Graph, TensorType, Value, placeholder, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import parse as parse_graph
from lamina.graph.ir.verify import verify as verify_graph
from lamina.graph.transforms import differentiate
from lamina.runtime import Buffer
from lamina.tensor import eager
from tests.backend.compile.random_graphs import Maker


def ran(graph: Graph, arrays: list[np.ndarray], **options: object) -> list[np.ndarray]:
    """The outputs by machine code."""
    found = compile_graph(graph, **options).run([Buffer.wrap(a) for a in arrays])  # type: ignore[arg-type]
    return [
        np.frombuffer(b, v.dtype.numpy, v.type.size).reshape(v.type.shape)
        for b, v in zip(found, graph.outputs, strict=True)
    ]


def optimised(compiled: Compiled) -> Graph:
    """The graph of a program as the last pass before fusing left it."""
    names = [stage.name for stage in compiled.record.stages]
    return compiled.record.stages[names.index("fuse") - 1].graph


def count(graph: Graph, name: str) -> int:
    """How many nodes of a graph are of an op."""
    return sum(v.op.name == name for v in graph.nodes)


# ------------------------------------------------------- FE-1: both ends are exchangeable


def polish(text: str, count: int) -> Graph:
    """A front end of six lines: reverse Polish notation over vectors a, b, ..."""
    inputs = [placeholder(TensorType(dtypes.float64, (5,))) for _ in range(count)]
    arithmetic: dict[str, Callable] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
    functions: dict[str, Callable] = {"exp": ops.exp, "neg": ops.negative}
    stack: list[Value] = []
    for word in text.split():
        if word in arithmetic:
            right = stack.pop()
            stack.append(arithmetic[word](stack.pop(), right))
        else:
            made = functions[word](stack.pop()) if word in functions else inputs[ord(word) - 97]
            stack.append(made)
    return Graph(inputs, stack)


def test_a_new_front_end_needs_no_change_behind_the_graph() -> None:
    """FE-1."""
    a, b = np.arange(5.0), np.linspace(1, 2, 5)
    (got,) = ran(polish("a b + a exp * b neg -", 2), [a, b])
    np.testing.assert_allclose(got, (a + b) * np.exp(a) + b, rtol=1e-14)


def test_a_new_target_needs_no_change_before_the_nest() -> None:
    """FE-1: a processor that nobody described, with registers of another width and number."""
    narrow = replace(
        select("generic"), name="narrow", vector_bytes=16, vector_registers=5, fma_latency=9
    )
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal((17, 17)).astype(np.float32) for _ in range(2))
    matrix = TensorType(dtypes.float32, (17, 17))
    graph = trace(lambda x, w: ops.tanh(ops.contract(x, w, "ij,jk->ik")), matrix, matrix)
    (got,) = ran(graph, [x, w], target=narrow)
    np.testing.assert_allclose(got, np.tanh(x @ w), rtol=1e-4, atol=1e-5)
    assert compile_graph(graph, narrow).target is narrow


# ------------------------------------------------------- FE-2: one meaning on every level


def interpreted(lowered: Lowered, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a program, each nest by the interpreter."""
    memory: dict[int, np.ndarray] = {id(s): a for s, a in zip(lowered.inputs, arrays)}
    for slot in lowered.slots:
        if slot.kind == "constant":
            memory[id(slot)] = lowered.constants[slot.number]
    for step in lowered.steps:
        for task in step.tasks:
            buffers = {}
            for p in task.nest.params:
                slot = step.slots[p.name]
                numpy = dtypes.dtype(p.dtype).numpy
                if id(slot) not in memory:
                    memory[id(slot)] = np.zeros(p.size, numpy)
                buffers[p.name] = memory[id(slot)].reshape(-1).view(numpy).copy()
            assert not interpret(task.nest, buffers)
            for p in task.nest.params:
                memory[id(step.slots[p.name])] = buffers[p.name]
    return [memory[id(slot)] for slot in lowered.outputs]


@pytest.mark.parametrize("seed", range(12))
def test_every_level_prints_verifies_and_means_the_same(seed: int) -> None:
    """FE-2: graph by NumPy, nests by the interpreter, machine code by the processor.

    And each language has a printer, a reader and a verifier.
    """
    maker = Maker(seed, dtypes.float64)
    graph = maker.graph(6)
    arrays = maker.arrays()
    compiled = compile_graph(graph)
    lowered = compiled.record.lowered
    assert lowered is not None

    for g in (graph, *(stage.graph for stage in compiled.record.stages)):
        verify_graph(g)
        assert parse_graph(str(g)) == g
    for step in lowered.steps:
        for task in step.tasks:
            text = printer.to_text(verify_nest(task.nest))
            assert printer.to_text(parser.parse(text)) == text
            assert printer.key(parser.parse(text)) == printer.key(task.nest)
            llvm.parse_assembly(kernel_ir(task.nest, compiled.target)).verify()

    wanted = evaluate(graph, *arrays)
    nests = interpreted(lowered, arrays) if work(lowered) < 400_000 else wanted
    for w, n, c in zip(wanted, nests, ran(graph, arrays), strict=True):
        tolerance = 1e-11 * float(np.max(np.abs(w), initial=1.0, where=np.isfinite(w)))
        np.testing.assert_allclose(n.reshape(w.shape), w, rtol=0, atol=tolerance)
        np.testing.assert_allclose(c, w, rtol=0, atol=tolerance)


def work(lowered: Lowered) -> int:
    """Elements that the interpreter would touch, one after the other."""
    return sum(max(v.type.size for v in step.body.values) for step in lowered.steps)


def test_expressions_are_bound_once_and_have_names_as_operands() -> None:
    """FE-4: the text of a graph is A-normal form: `name = op names`, each name bound once."""
    graph = trace(lambda x: x * 5.0 + x * 5.0 * x, TensorType(dtypes.float32, (3,)))
    lines = [line.split("    #")[0].strip() for line in str(graph).splitlines()[1:-2]]
    bound = [line.split(":")[0] for line in lines]
    assert len(set(bound)) == len(bound) == len(graph.nodes)
    known = {"%a"}
    for line, name in zip(lines, bound, strict=True):
        operands = [word.strip(",") for word in line.split(" = ")[1].split() if word[0] == "%"]
        assert set(operands) <= known, "used before it is bound"
        known.add(name)


# ------------------------------------------------------- FE-6: state in pure form


def test_assignments_keep_their_order_through_all_passes() -> None:
    """FE-6: what is assigned twice holds the second value, and a read in between the first."""

    def f(state: dict[str, lm.Tensor], y: lm.Tensor, z: lm.Tensor) -> lm.Tensor:
        state["x"] = y * 1.0
        between = state["x"] + 0.0
        state["x"] = z * 1.0
        state["x"][0] = 7.0
        state["x"][0] = state["x"][0] + 1.0
        return (state["x"] - y) * between

    y, z = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    after = np.array([8.0, 5.0, 6.0])
    for g in (f, lm.jit(f)):
        state = {"x": lm.zeros(3, dtype=lm.float64)}
        got = g(state, lm.asarray(y), lm.asarray(z))
        np.testing.assert_array_equal(got.numpy(), (after - y) * y)
        np.testing.assert_array_equal(state["x"].numpy(), after)
        state = {"x": lm.zeros(3, dtype=lm.float64)}
        loss = lambda y, z, g=g, s=state: lm.sum(g(s, y, z))
        by_y, by_z = lm.grad(loss, (0, 1))(lm.asarray(y), lm.asarray(z))
        np.testing.assert_array_equal(by_y.numpy(), after - 2 * y)
        np.testing.assert_array_equal(by_z.numpy(), [0.0, 2.0, 3.0])


# ------------------------------------------------------- FE-10: one language for both modes


def test_eager_and_compiled_code_record_one_graph() -> None:
    """FE-10: what an eager look computes is the graph that `jit` compiles."""
    f = lambda x: lm.where(x > 0, lm.sin(x), x * x) - lm.mean(x)
    x = lm.asarray(np.linspace(-1.0, 1.0, 5))
    recorded = eager._Cone([f(x)._value]).graph(hoisted=False)
    assert lm.jit(f).graph(x) == recorded


def _by_python(x: lm.Tensor) -> lm.Tensor:
    for _ in range(3):
        x = lm.sin(x) * x
    return x


def _by_recursion(x: lm.Tensor, rest: int = 3) -> lm.Tensor:
    return x if rest == 0 else _by_recursion(lm.sin(x) * x, rest - 1)


FORMS = {
    "calls": lambda x: lm.checkpoint(_by_python)(x),
    "recursion": _by_recursion,
    "for": lambda x: lm.fori_loop(0, 3, lambda i, x: lm.sin(x) * x, x),
    "scan": lambda x: lm.scan(lambda x, _: (lm.sin(x) * x, None), x, length=3)[0],
    "while": lambda x: lm.while_loop(
        lambda s: s[1] < 3, lambda s: (lm.sin(s[0]) * s[0], s[1] + 1), (x, 0), max_steps=5
    )[0],
    "if": lambda x: lm.cond(x[0] > 0, _by_python, lambda x: -x, x),
}


@pytest.mark.parametrize("form", FORMS)
def test_control_flow_differentiates_as_plain_calls_do(form: str) -> None:
    """FE-10: and to the second order; the transform names no op."""
    x = lm.asarray([0.5, 0.9], dtype=lm.float64)
    loss = lambda f: lambda x: lm.sum(f(x))
    for derivative in (lm.grad, lm.hessian):
        wanted = derivative(loss(_by_python))(x).numpy()
        for run in (lambda f: f, lm.jit):
            got = run(derivative(loss(FORMS[form])))(x)
            np.testing.assert_allclose(got.numpy(), wanted, 1e-12)
    source = inspect.getsource(differentiate)
    assert not [n for n in ("Scan", "While", "Switch", "Checkpoint", "Custom") if n in source]


# ------------------------------------------------------- FE-13: swell of symbolic derivatives

Term = tuple  # ("x",), (number,), ("+", a, b), ("-", a, b) or ("*", a, b)


def logistic(steps: int) -> Term:
    """l[n+1] = 4 l[n] (1 - l[n]) as an expression."""
    term: Term = ("x",)
    for _ in range(steps):
        term = ("*", ("*", (4.0,), term), ("-", (1.0,), term))
    return term


def derived(t: Term) -> Term:
    """The derivative by the rules of the textbook."""
    if len(t) == 1:
        return (1.0,) if t[0] == "x" else (0.0,)
    op, a, b = t
    if op == "*":
        return ("+", ("*", derived(a), b), ("*", a, derived(b)))
    return (op, derived(a), derived(b))


def size(t: Term) -> int:
    return 1 if len(t) == 1 else 1 + size(t[1]) + size(t[2])


def value(t: Term, x: float) -> float:
    if len(t) == 1:
        return x if t[0] == "x" else t[0]
    functions = {"+": operator.add, "-": operator.sub, "*": operator.mul}
    return functions[t[0]](value(t[1], x), value(t[2], x))


def test_symbolic_derivatives_swell_and_ours_grow_in_proportion() -> None:
    """FE-13."""

    def iterated(steps: int) -> Callable[[lm.Tensor], lm.Tensor]:
        def f(x: lm.Tensor) -> lm.Tensor:
            for _ in range(steps):
                x = 4.0 * x * (1.0 - x)
            return x

        return f

    x = lm.asarray(0.3, dtype=lm.float64)
    swollen, ours = [], []
    for steps in range(1, 9):
        symbolic = derived(logistic(steps))
        gradient = lm.jit(lm.grad(iterated(steps)))
        np.testing.assert_allclose(float(gradient(x)), value(symbolic, 0.3), 1e-9)
        swollen.append(size(symbolic))
        ours.append(len(gradient.graph(x).nodes))
    assert all(b > 1.9 * a for a, b in itertools.pairwise(swollen)) and swollen[-1] > 2000
    steps = {b - a for a, b in itertools.pairwise(ours)}
    assert max(steps) <= 12 and ours[-1] < 100


# ------------------------------------------------------- FE-17, FE-18: two ways to differentiate


def test_a_derivative_follows_any_control_flow_of_python() -> None:
    """FE-17: what ran was recorded: loops on data, generators, exceptions, tables, recursion."""

    def halves(x: lm.Tensor) -> Iterator[lm.Tensor]:
        while float(x) > 0.1:
            yield x
            x = x / 2.0

    def depth(x: lm.Tensor, n: int) -> lm.Tensor:
        return x if n == 0 else lm.sin(depth(x, n - 1)) + x

    def f(x: lm.Tensor) -> lm.Tensor:
        table = {True: lm.exp, False: lm.cos}
        total = lm.zeros((), dtype=x.dtype)
        for i, part in enumerate(halves(x)):
            try:
                if i % 3 == 2:
                    raise ArithmeticError
                total = total + table[float(part) > 0.3](part) * i
            except ArithmeticError:
                total = total * part
            else:
                total += depth(part, i)
        return total

    x, h = 1.3, 1e-6
    at = lambda x: float(f(lm.asarray(x, dtype=lm.float64)))
    found = float(lm.grad(f)(lm.asarray(x, dtype=lm.float64)))
    np.testing.assert_allclose(found, (at(x + h) - at(x - h)) / (2 * h), 1e-7)
    dot = lm.jvp(f, [lm.asarray(x, dtype=lm.float64)], [lm.asarray(1.0, dtype=lm.float64)])[1]
    np.testing.assert_allclose(float(dot), found, 1e-12)


def test_a_derivative_is_a_graph_made_once_and_optimised() -> None:
    """FE-18: with the gradients of free variables, whether of a body in the graph or of a pull."""
    runs: list[int] = []

    def f(x: lm.Tensor, w: lm.Tensor) -> lm.Tensor:
        runs.append(1)
        step = lambda c, _: (lm.tanh(c * w) + lm.exp(w) - lm.exp(w), None)  # w is free
        return lm.sum(lm.scan(step, x, length=4)[0] ** 2)

    gradient = lm.jit(lm.grad(f, (0, 1)))
    x, w = lm.asarray([0.5, -0.4], dtype=lm.float64), lm.asarray([0.7, 0.2], dtype=lm.float64)
    for k in range(3):
        by_w = gradient(x + 0.1 * k, w)[1]
    assert len(runs) == 1
    h, dot = 1e-6, np.array([1.0, -2.0])
    at = lambda t: float(f(x + 0.2, w + t * lm.asarray(dot)))
    np.testing.assert_allclose(by_w.numpy() @ dot, (at(h) - at(-h)) / (2 * h), 1e-7)
    graph = gradient.graph(x, w)
    verify_graph(graph)
    assert parse_graph(str(graph)) == graph
    assert {v.op.name for v in graph.nodes} <= set(REGISTRY)

    result, pull = lm.vjp(f, x, w)
    runs.clear()
    one, two = pull(lm.ones_like(result)), pull(2.0 * lm.ones_like(result))
    assert not runs
    np.testing.assert_allclose(two[1].numpy(), 2.0 * one[1].numpy())

    twice = lm.jit(lm.grad(lambda x: lm.sum(lm.exp(x) * lm.exp(x))))
    before, after = twice.graph(x), optimised(twice.program(x))
    assert len(after.nodes) < len(before.nodes)
    assert count(after, "exp") == 1 < count(before, "exp")


# ------------------------------------------------------- FE-21: memory of the way back


def test_memory_of_checkpoints_grows_with_the_square_root() -> None:
    """FE-21: sqrt(n) stretches of sqrt(n) layers; each layer runs at most once more."""

    def network(depth: int, stretch: int | None) -> Callable[..., lm.Tensor]:
        def layers(x: lm.Tensor, ws: list[lm.Tensor]) -> lm.Tensor:
            for w in ws:
                x = lm.tanh(x @ w)
            return x

        def loss(ws: list[lm.Tensor], x: lm.Tensor) -> lm.Tensor:
            for i in range(0, depth, stretch or depth):
                part = layers if stretch is None else lm.checkpoint(layers)
                x = part(x, ws[i : i + (stretch or depth)])
            return lm.sum(x * x)

        return loss

    bytes_of: dict[str, list[int]] = {"plain": [], "stretches": []}
    for root in (3, 6, 12):
        depth = root * root
        rng = np.random.default_rng(root)
        ws = [lm.asarray(rng.standard_normal((8, 8)) * 0.3) for _ in range(depth)]
        x = lm.asarray(rng.standard_normal((64, 8)))
        plain, saving = lm.jit(lm.grad(network(depth, None))), lm.jit(lm.grad(network(depth, root)))
        for name, f in (("plain", plain), ("stretches", saving)):
            bytes_of[name].append(f.program(ws, x).record.plan.arena_bytes)
        if root == 3:
            for a, b in zip(plain(ws, x), saving(ws, x), strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-12, 1e-14)
        forward = count(optimised(saving.program(ws, x)), "tanh")
        assert depth < forward <= 2 * depth, (forward, depth)
    first, second, third = bytes_of["stretches"]
    assert second / first < 2.4 and third / second < 2.4, bytes_of  # four times as many layers
    assert bytes_of["plain"][2] / bytes_of["plain"][1] > 3.5
    assert third < 0.35 * bytes_of["plain"][2]


# ------------------------------------------------------- FE-22, FE-23, FE-24: types of programs


def test_one_helper_has_a_type_for_each_use() -> None:
    """FE-22: nothing is annotated, and nothing is computed."""

    def scaled(x, factor):
        return x * factor + 1

    def program(a, b, n):
        return scaled(a, a), scaled(b, 2), scaled(n, n), scaled(lm.mean(a, axis=-1), a.shape[0])

    types = [lm.spec((3, 4), "float32"), lm.spec((), "complex128"), lm.spec((2,), "int8")]
    found = lm.eval_shape(program, *types)
    assert [(t.dtype, t.shape) for t in found] == [
        (lm.float32, (3, 4)),
        (lm.complex128, ()),
        (lm.int8, (2,)),
        (lm.float32, (3,)),
    ]


def test_branches_of_two_shapes_are_reported_at_the_join() -> None:
    """FE-23: of branches, and of a loop inside a loop whose state changes its type."""
    branch = lambda x: lm.cond(lm.sum(x) > 0, lambda x: x, lambda x: x[:1], x)
    with pytest.raises(lm.ShapeError) as error:
        lm.eval_shape(branch, lm.spec((3,), "float32"))
    assert "f32[3]" in str(error.value) and "f32[1]" in str(error.value)

    def nested(x: lm.Tensor) -> lm.Tensor:
        inner = lambda i, c: lm.concat([c, c])
        return lm.fori_loop(0, 2, lambda i, c: lm.fori_loop(0, 2, inner, c), x)

    with pytest.raises(lm.ShapeError) as error:
        lm.eval_shape(nested, lm.spec((3,), "float32"))
    assert "f32[3]" in str(error.value) and "f32[6]" in str(error.value)


def test_a_function_is_interpreted_once_for_each_context() -> None:
    """FE-23, FE-24: types and static values; each context has a graph of its own."""
    contexts: list[tuple[str, str]] = []

    @lm.jit(static_argnames="mode")
    def f(x: lm.Tensor, mode: str) -> lm.Tensor:
        contexts.append((str(x.type), mode))
        factor = {"twice": 2, "thrice": 3}[mode]
        return x * factor if factor == 2 else x * x * (2.0 * 3.0)

    given = [lm.ones(2), lm.ones(2, dtype=lm.float64), lm.ones(3)]
    for _ in range(3):
        for x in given:
            f(x, "twice")
        f(given[0], "thrice")
    assert contexts == [("f32[2]", "twice"), ("f64[2]", "twice"), ("f32[3]", "twice"),
                        ("f32[2]", "thrice")]  # fmt: skip
    graphs = [f.graph(x, "twice") for x in given]
    assert [g.inputs[0].type for g in graphs] == [x.type for x in given]
    assert len({str(g) for g in graphs}) == 3
    other = f.graph(given[0], "thrice")
    constants = [v.op.value for v in other.nodes if v.op.name == "constant"]
    assert constants == [6.0]  # 2.0 * 3.0 was computed while the types were
