"""Checks of the compiler's front end and its languages (rows FE-*) that no other test makes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace

import llvmlite.binding as llvm
import numpy as np
import pytest

from lamina.backend.codegen import kernel_ir
from lamina.backend.compile import compile_graph
from lamina.backend.compile.lower import Lowered
from lamina.backend.nest import parser, printer
from lamina.backend.nest.interpret import interpret
from lamina.backend.nest.verify import verify as verify_nest
from lamina.backend.targets import select
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, Value, placeholder, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import parse as parse_graph
from lamina.graph.ir.verify import verify as verify_graph
from lamina.runtime import Buffer
from tests.backend.compile.random_graphs import Maker


def ran(graph: Graph, arrays: list[np.ndarray], **options: object) -> list[np.ndarray]:
    """The outputs by machine code."""
    found = compile_graph(graph, **options).run([Buffer.wrap(a) for a in arrays])  # type: ignore[arg-type]
    return [
        np.frombuffer(b, v.dtype.numpy, v.type.size).reshape(v.type.shape)
        for b, v in zip(found, graph.outputs, strict=True)
    ]


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
