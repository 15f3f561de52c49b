"""One small function on every floor of Lamina: run it and read what it prints.

    python docs/walkthrough.py

Each step shows one stage of the way from Python to machine code and checks that the value is still
the same. The order is that of the floors, from the top down and then to the run; docs/guide has
the pages to go with it.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable

import numpy as np

import lamina as lm
from lamina.backend.codegen.llvm import kernel_assembly, kernel_ir
from lamina.backend.compile import Compiled, compile_graph
from lamina.backend.compile.changes import Trail
from lamina.backend.compile.pipelines import LEVELS, pipeline
from lamina.backend.nest.interpret import interpret
from lamina.backend.nest.nodes import Nest
from lamina.backend.nest.parser import parse as parse_nest
from lamina.backend.nest.printer import to_text
from lamina.backend.nest.verify import verify as verify_nest
from lamina.backend.targets import Target
from lamina.base.dtypes import dtype
from lamina.base.text import quantity, table
from lamina.graph.ir import Graph, TensorType, Value
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import parse
from lamina.graph.ir.verify import verify
from lamina.graph.transforms import batch, vjp

TOLERANCE = 1e-5


def score(x: lm.Tensor, w: lm.Tensor, b: lm.Tensor) -> lm.Tensor:
    """The mean of gelu(x w + b): a linear layer, an activation, a reduction."""
    return lm.mean(lm.functional.gelu(x @ w + b))


def main() -> None:
    """All floors, from the function to the time of its kernels."""
    rng = np.random.default_rng(0)
    shapes = {"x": (6, 8), "w": (8, 32), "b": (32,)}
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes.values()]
    wanted = eager(arrays)
    graph = the_graph(arrays, wanted)
    mistakes(graph)
    gradient = derivative(graph, arrays)
    batching(graph, arrays)
    training = lm.jit(lm.value_and_grad(score, argnums=1)).graph(*arrays)
    passes(training, arrays, [wanted, gradient])
    compiled = compile_graph(training)
    loops(compiled, arrays, [wanted, gradient])
    machine_code(compiled)
    memory(compiled)
    calls(arrays, wanted, gradient)
    print("\nEvery stage gave the same value. Next: docs/guide/compiler.md, or lm.explain(f, ...).")


def title(text: str) -> None:
    """The heading of a step."""
    print(f"\n── {text} {'─' * max(3, 76 - len(text))}\n")


def say(prose: str) -> None:
    """A paragraph between results."""
    print(textwrap.fill(" ".join(prose.split()), 80), end="\n\n")


def show(text: str, lines: int = 40) -> None:
    """A result, its middle left out where it is long."""
    found = text.splitlines()
    if len(found) > lines:
        left_out = f"  ... {len(found) - lines + 1} lines ..."
        found = [*found[: lines // 2], left_out, *found[-(lines // 2) + 1 :]]
    print(textwrap.indent("\n".join(found), "    "), end="\n\n")


def same(found: object, wanted: object, what: str) -> None:
    """Stop unless two values agree."""
    gap = float(np.max(np.abs(np.asarray(found, np.float64) - np.asarray(wanted, np.float64))))
    assert gap < TOLERANCE, f"{what}: differs by {gap}"
    print(f"    same value: {what} (largest difference {gap:.1e})")


def all_same(found: Iterable[object], wanted: Iterable[object], what: str) -> None:
    """`same` for the value and the gradient."""
    names = ("value", "gradient")
    for name, one, other in zip(names, found, wanted, strict=True):
        same(one, other, f"{name} {what}")
    print()


# ---------------------------------------------------------------------- what users see


def eager(arrays: list[np.ndarray]) -> float:
    """Tensors record operations, and compute when somebody looks."""
    title("A function of tensors")
    say("""The function is the mean of gelu(x w + b). Called like this, its operations are recorded;
        float() looks at the value, and only then is everything computed, as one program.""")
    x, w, b = (lm.asarray(a) for a in arrays)
    result = score(x, w, b)
    print(f"    pending before the look: {result.is_pending}")
    value = float(result)
    print(f"    value: {value:.6f}, pending after it: {result.is_pending}")
    return value


def the_graph(arrays: list[np.ndarray], wanted: float) -> Graph:
    """What the function became: types and ops, no loops and no addresses."""
    title("The graph")
    say("""jit runs the function once on placeholders and keeps what was recorded. Each line is a
        value: its type, the op, the operands, and the line of this file that it comes from.""")
    graph = lm.jit(score).graph(*arrays)
    show(str(graph))
    say("""The text is complete: it parses back to an equal graph. Its meaning is defined by NumPy,
        op by op; that evaluation is what every later stage is compared with.""")
    assert parse(str(graph)) == graph
    print("    parse(str(graph)) == graph")
    (value,) = evaluate(graph, *arrays)
    same(value, wanted, "reference evaluation")
    return graph


def mistakes(graph: Graph) -> None:
    """The user's mistakes are found when an op is applied, a pass's mistakes by the verifier."""
    title("Mistakes")
    say("""Types are checked when an op is recorded. The message has the operation, the facts that
        clash, a way out, and the line.""")
    try:
        lm.ones((6, 8)) @ lm.ones((9, 32))
    except lm.ShapeError as error:
        show(f"ShapeError: {error}")
    say("""A defective pass would make a graph whose types are wrong. Here the last node of the
        graph claims to be a vector; the verifier names the node and its neighbours.""")
    last = graph.outputs[0]
    broken = Value(TensorType(last.dtype, (3,)), last.op, last.operands, last.span)
    try:
        verify(Graph(graph.inputs, [broken]), after="an example")
    except lm.LaminaError as error:
        show(f"{type(error).__name__}: {error}")
    else:
        raise AssertionError("the verifier accepted a wrong type")


# ---------------------------------------------------------------------- graph to graph


def derivative(graph: Graph, arrays: list[np.ndarray]) -> np.ndarray:
    """A graph that computes gradients is a graph like any other."""
    title("Differentiate")
    say("""vjp returns a graph that takes one more input, the cotangent of the result, and gives one
        more output, the cotangent of w. Every op says how it varies; nothing else is needed.""")
    backward = vjp(graph, wrt=[1])
    print(f"    {len(graph.nodes)} nodes forward, {len(backward.nodes)} with the gradient\n")
    _, gradient = evaluate(backward, *arrays, np.ones((), np.float32))
    wide = parse(str(graph).replace("f32", "f64"))  # differences need more digits
    for i, j in ((0, 0), (3, 17), (7, 31)):
        ends = []
        for h in (1e-4, -1e-4):
            x, w, b = (a.astype(np.float64) for a in arrays)
            w[i, j] += h
            ends.append(float(evaluate(wide, x, w, b)[0]))
        slope = (ends[0] - ends[1]) / 2e-4
        same(gradient[i, j], slope, f"d score / d w[{i},{j}] by differences")
    x, w, b = (lm.asarray(a) for a in arrays)
    same(lm.grad(score, argnums=1)(x, w, b), gradient, "lm.grad(score, argnums=1)")
    return gradient


def batching(graph: Graph, arrays: list[np.ndarray]) -> None:
    """A graph for one example becomes a graph for many."""
    title("Batch")
    say("""Ops count axes from the end and lift over leading ones, so a graph for many examples is
        the same ops with one more axis in front.""")
    many = batch(graph, 3, mapped=[True, False, False])
    print(f"    {graph.inputs[0].type} -> {many.inputs[0].type} for 3 examples\n")
    x, w, b = arrays
    three = np.stack([x, 2 * x, -x])
    (found,) = evaluate(many, three, w, b)
    same(found, [float(evaluate(graph, one, w, b)[0]) for one in three], "batched against a loop")
    same(lm.vmap(score, in_axes=(0, None, None))(three, w, b), found, "lm.vmap")


def passes(graph: Graph, arrays: list[np.ndarray], wanted: list[object]) -> None:
    """Each pass keeps the meaning."""
    title("Passes")
    print("    the pipeline: " + ", ".join(p.name for p in LEVELS[3].passes), end="\n\n")
    say("""Each pass is a function from graph to graph. This is what each of them changes in the
        graph of the value and the gradient, where values keep the names that they have in its
        first text. The last pass groups nodes into the steps that become kernels.""")
    trail = Trail(graph)
    show(trail.text())
    for one in LEVELS[3].passes:
        after = one(trail.graph)
        verify(after, after=one.name)
        nodes = len(trail.graph.nodes)
        change = trail.follow(after)
        if not change.text:
            print(f"  {one.name}: no change", end="\n\n")
            continue
        print(f"  {one.name}: {nodes} -> {len(after.nodes)} nodes", end="\n\n")
        show(change.text)
        all_same(evaluate(after, *arrays), wanted, f"after {one.name}")
    assert pipeline(3)(graph) == trail.graph  # the same list of passes, as compiling runs it


# ---------------------------------------------------------------------- loops and machine code


def kernels(compiled: Compiled) -> list[Nest]:
    """The nests of a program in the order in which it runs them."""
    assert compiled.record.lowered is not None
    return [task.nest for step in compiled.record.lowered.steps for task in step.tasks]


def loops(compiled: Compiled, arrays: list[np.ndarray], wanted: list[object]) -> None:
    """The same program as loops over flat buffers."""
    title("Loops")
    say("""A policy turns each step into a nest: loops, loads and stores over flat buffers, with the
        loops for lanes and threads marked. Nests print, parse back and can be verified too.""")
    for nest in kernels(compiled):
        text = to_text(nest)
        verify_nest(nest)
        assert to_text(parse_nest(text)) == text
        show(text)
    say("""An interpreter runs nests one scalar at a time with every access checked: the second
        oracle. Here it runs the whole program on NumPy arrays in place of the program's memory.""")
    lowered = compiled.record.lowered
    assert lowered is not None
    held = {id(slot): a.reshape(-1).copy() for slot, a in zip(lowered.inputs, arrays, strict=True)}
    held |= {
        id(slot): a.reshape(-1) for slot, a in zip(_constant_slots(compiled), lowered.constants)
    }
    for step in lowered.steps:
        for task in step.tasks:
            buffers = {}
            for p in task.nest.params:
                empty = np.zeros(p.size, dtype(p.dtype).numpy)
                buffers[p.name] = held.setdefault(id(step.slots[p.name]), empty)
            assert not interpret(task.nest, buffers)
    found = [
        held[id(slot)].reshape(v.type.shape)
        for slot, v in zip(lowered.outputs, compiled.graph.outputs, strict=True)
    ]
    all_same(found, wanted, "by interpreted nests")


def _constant_slots(compiled: Compiled) -> list[object]:
    assert compiled.record.lowered is not None
    found = [s for s in compiled.record.lowered.slots if s.kind == "constant"]
    return sorted(found, key=lambda s: s.number)


def machine_code(compiled: Compiled) -> None:
    """LLVM IR with explicit vectors, then instructions."""
    target = compiled.target
    title("The target")
    say("""A target is a machine as data. Schedules read the sizes; code generation emits vectors of
        its width and uses no instruction that it does not have.""")
    print(describe(target))
    title("Machine code")
    say("""Code generation writes LLVM IR with explicit vectors, and LLVM chooses instructions. The
        heart of the first kernel:""")
    first = kernels(compiled)[0]
    lines = kernel_ir(first, target).splitlines()
    products = [i for i, line in enumerate(lines) if re.search(r"= fmul <\d+ x|fma\.v", line)]
    show("\n".join(lines[products[0] - 6 : products[0] + 6] if products else lines[:12]))
    rows = []
    for nest in kernels(compiled):
        assembly = kernel_assembly(nest, target)
        count = instructions(assembly)
        rows.append([nest.name, *(count[kind] for kind in ("all", "vector", "fused multiply-add"))])
    print(table(["kernel", "instructions", "on vectors", "multiply-add"], rows))


def describe(target: Target) -> str:
    """The most important facts of a target."""
    caches = (target.caches.l1d_bytes, target.caches.l2_bytes, target.caches.l3_bytes)
    facts = [
        ["name", target.name],
        ["vectors", f"{target.vector_registers} registers of {target.vector_bytes} bytes"],
        ["f32 lanes", str(target.lanes("f32"))],
        ["caches", ", ".join(quantity(size, "B") for size in caches)],
        ["threads", str(target.cores)],
    ]
    return table(["fact", "value"], facts)


def instructions(assembly: str) -> Counter[str]:
    """How many instructions there are, and how many of them work on vector registers."""
    lines = re.findall(r"^\t([a-z]\w*)[ \t]*(.*)$", assembly, re.M)
    count = Counter(all=len(lines))
    for name, operands in lines:
        count["vector"] += bool(re.search(r"%[xyz]mm\d|\bv\d+\.\d", operands))
        count["fused multiply-add"] += name.startswith(("vfmadd", "vfnmadd", "fmla"))
    return count


def memory(compiled: Compiled) -> None:
    """One arena for everything between inputs and outputs."""
    title("Memory and program")
    lowered, plan = compiled.record.lowered, compiled.record.plan
    assert lowered is not None and plan is not None
    say("""Every value between kernels lies in one arena, at an offset fixed now; values that do not
        live at the same time share bytes. A program is a list of launches over inputs, outputs and
        that arena, and one native call runs all of it.""")
    sizes = f"{quantity(plan.arena_bytes, 'B')}; without reuse {quantity(plan.sum_bytes, 'B')}"
    print(f"    arena: {sizes}", end="\n\n")
    show(str(compiled.program))
    for slot in lowered.slots:
        assert slot.kind != "arena" or slot.offset + slot.size_bytes <= plan.arena_bytes


# ---------------------------------------------------------------------- running


def calls(arrays: list[np.ndarray], wanted: float, gradient: np.ndarray) -> None:
    """jit keeps a program for each signature; programs can be profiled."""
    title("Calls")
    say("""A jitted function looks its program up by the types of the arguments and runs it. A call
        with other shapes is another signature and compiles once more.""")
    jitted = lm.jit(lm.value_and_grad(score, argnums=1))
    all_same(jitted(*arrays), [wanted, gradient], "of a jitted call")
    jitted(*arrays)
    print(f"    signatures after two calls: {jitted.signatures}")
    jitted(arrays[0][:3], *arrays[1:])
    print(f"    signatures after a call with fewer rows: {jitted.signatures}\n")
    say("The profiler counts calls and time of each kernel, without changing what runs.")
    program = jitted.program(*arrays).program
    program.profile()
    for _ in range(200):
        jitted(*arrays)
    program.profile(False)
    rows = [
        [t.name, t.calls, quantity(t.total_ns / max(t.calls, 1) * 1e-9, "s")]
        for t in program.timings()
    ]
    print(table(["kernel", "calls", "each"], rows))


if __name__ == "__main__":
    main()
