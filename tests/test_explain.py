"""`lm.explain`: the report of plain and jitted functions, modules and training steps."""

from __future__ import annotations

import functools
import io
import re

import pytest

import lamina as lm
from lamina import functional
from lamina.backend.compile.changes import Trail
from lamina.backend.compile.explain import report
from lamina.backend.compile.pipelines import LEVELS
from lamina.explain import Explanation
from lamina.graph import ops
from lamina.graph.ir import TensorType, Value, trace
from lamina.graph.ir.parser import parse
from lamina.graph.passes import drop_dead, fold_constants, fuse, merge_equal, simplify

X = TensorType(lm.float32, (4, 8))
PASSES = [p.name for p in LEVELS[3].passes]


def explain(f, *args, **options) -> Explanation:
    return lm.explain(f, *args, file=io.StringIO(), **options)


def head_of_mean(x, w):
    return (functional.gelu(x @ w)).mean()


def texts(explanation: Explanation, name: str) -> list[str]:
    return [s.text for s in explanation.stages if s.name == name]


# ---------------------------------------------------------------------- the report


def test_every_stage_is_there_in_order_and_timed():
    seen = explain(head_of_mean, lm.ones((4, 8)), lm.ones((8, 3)))
    names = [s.name for s in seen.stages]
    kernels = len(seen.program.record.kernels)
    assert names == [
        "graph",
        *PASSES,
        "kernels",
        *["nest"] * kernels,
        "memory",
        "program",
        "time",
    ]
    timed = {s.name for s in seen.stages if s.seconds is not None}
    assert timed == {"graph", *PASSES, "kernels", "memory"}
    (table,) = texts(seen, "time")
    rows = [line.split()[0] for line in table.split("\n\n")[0].splitlines()[2:]]
    back_end = ["schedule", "plan_memory", "codegen", "program"]
    assert rows == ["trace", *PASSES, *back_end, "total"]


def test_the_report_goes_to_the_file_or_to_standard_output(capsys):
    file = io.StringIO()
    seen = lm.explain(head_of_mean, lm.ones((4, 8)), lm.ones((8, 3)), file=file)
    assert capsys.readouterr().out == ""
    assert file.getvalue() == f"{seen.text}\n"
    again = lm.explain(head_of_mean, lm.ones((4, 8)), lm.ones((8, 3)))
    assert capsys.readouterr().out == f"{again.text}\n"
    assert str(again) == again.text
    assert repr(again) == f"<Explanation of head_of_mean: {_sizes(again)}>"


def _sizes(seen: Explanation) -> str:
    return f"{len(seen.program.graph.nodes)} nodes, {len(seen.program.record.kernels)} kernels"


def test_the_graph_is_shown_with_the_users_lines():
    (graph,) = texts(explain(head_of_mean, lm.ones((4, 8)), lm.ones((8, 3))), "graph")
    assert graph.startswith("graph(%a: f32[4,8], %b: f32[8,3]) {\n  %0: f32[4,3] = ")
    assert re.search(r"# test_explain\.py:\d+ in head_of_mean", graph)
    parse(graph)


def test_options_add_and_leave_out():
    arguments = (head_of_mean, lm.ones((4, 8)), lm.ones((8, 3)))
    short = explain(*arguments, passes=False)
    assert not {s.name for s in short.stages} & {"simplify", "llvm", "assembly"}
    assert "simplify" in texts(short, "time")[0]
    whole = explain(*arguments, graphs=True, llvm=True, assembly=True)
    assert all(parse(text) for text in texts(whole, "fuse"))
    assert all("define void @" in text for text in texts(whole, "llvm"))
    assert all("ret" in text for text in texts(whole, "assembly"))


def test_arena_and_program_are_shown():
    def two_kernels(x):
        return lm.sum(x, axis=1) @ lm.ones((4, 3))

    seen = explain(two_kernels, lm.ones((4, 8)))
    (memory,) = (s for s in seen.stages if s.name == "memory")
    arena_bytes = seen.program.record.plan.arena_bytes
    assert memory.title == f"memory: {arena_bytes} B" and arena_bytes > 0
    assert "f32[4]" in memory.text
    assert texts(seen, "program") == [str(seen.program.program)]


def test_another_target():
    seen = explain(lambda x: lm.exp(x) + 1.0, lm.ones(64), target="generic", assembly=True)
    assert seen.program.target.name == "generic"
    assert "ymm" not in texts(seen, "assembly")[0]


def test_the_report_of_a_program_without_its_function():
    seen = explain(lambda x: x + 2.0, lm.ones(5))
    lines = seen.text.splitlines()
    changed = [line for line in report(seen.program).splitlines() if line not in lines]
    assert changed[0] == "── graph: 2 nodes " + "─" * 62


# ---------------------------------------------------------------------- what is explained


def test_a_jitted_function_and_its_static_arguments():
    @functools.partial(lm.jit, static_argnames="times")
    def power(x, times):
        for _ in range(times):
            x = x * x
        return x

    assert len(explain(power, lm.ones(3), 2).program.graph.nodes) == 2
    assert len(explain(power, lm.ones(3), times=3).program.graph.nodes) == 3
    assert power.signatures == 2


def test_a_signature_that_was_traced_before_has_no_trace_time():
    @lm.jit
    def double(x):
        return x + x

    double(lm.ones(7))
    seen = explain(double, lm.ones(7))
    assert seen.stages[0].seconds is None
    assert "trace" not in texts(seen, "time")[0]
    assert seen.program is double.program(lm.ones(7))


def test_modules_methods_and_partials():
    layer = lm.nn.Linear(8, 3)
    assert explain(layer, lm.ones((4, 8))).name == "Linear"
    assert explain(layer.forward, lm.ones((4, 8))).name == "forward"
    half = functools.partial(lm.multiply, 0.5)
    assert len(explain(half, lm.ones(3)).program.graph.nodes) == 2

    class Jitted(lm.nn.Linear):
        @lm.jit
        def forward(self, x):
            return super().forward(x)

    assert explain(Jitted(8, 3).forward, lm.ones((4, 8))).name == "forward"


def test_a_training_step_is_shown_and_not_run():
    model = lm.nn.Linear(8, 3)
    optimizer = lm.optim.SGD(model, lr=0.1, momentum=0.9)
    before = {name: p.numpy().copy() for name, p in model.named_parameters()}

    @lm.jit
    def step(model, optimizer, x):
        loss, grads = lm.value_and_grad(lambda m: (m(x) ** 2).mean())(model)
        optimizer.update(model, grads)
        return loss

    seen = explain(step, model, optimizer, lm.ones((4, 8)))
    assert len(seen.program.graph.outputs) == 1 + 2 + 2 + 1  # loss, parameters, velocities, steps
    assert int(optimizer.steps) == 0
    for name, p in model.named_parameters():
        assert (p.numpy() == before[name]).all()


def test_randomness_is_not_used_up():
    lm.random.seed(3)
    first = lm.random.uniform((2,)).numpy()
    lm.random.seed(3)
    explain(lambda x: functional.dropout(x, 0.5), lm.ones(8))
    assert (lm.random.uniform((2,)).numpy() == first).all()


def test_a_look_inside_is_the_error_of_jit():
    with pytest.raises(lm.TraceError, match="the tensor has no value yet inside jit"):
        explain(lambda x: float(x.sum()), lm.ones(3))


# ---------------------------------------------------------------------- what a pass changed


def wasteful(x: Value) -> Value:
    return ops.exp(x) * 1.0 + ops.exp(ops.negative(ops.negative(x)))


def test_names_stay_and_changes_are_counted():
    graph = trace(wasteful, X)
    trail = Trail(graph)
    simplified = simplify(graph)
    assert trail.follow(simplified).text.splitlines() == [
        "removed 4: negative 2, constant, multiply",
        "read other operands 2: exp, add",
        "  - %1: f32[4,8] = constant(1.0, f32, (4, 8))",
        "  - %2: f32[4,8] = multiply %0, %1",
        "  - %3: f32[4,8] = negative %a",
        "  - %4: f32[4,8] = negative %3",
        "  - %5: f32[4,8] = exp %4",
        "  + %5: f32[4,8] = exp %a",
        "  - %6: f32[4,8] = add %2, %5",
        "  + %6: f32[4,8] = add %0, %5",
    ]
    merged = merge_equal(simplified)
    change = trail.follow(merged)
    assert change.merged == {"%5": "%0"}
    assert change.text.splitlines() == [
        "merged with an equal one 1: exp",
        "read other operands 1: add",
        "  - %5: f32[4,8] = exp %a    equals %0",
        "  - %6: f32[4,8] = add %0, %5",
        "  + %6: f32[4,8] = add %0, %0",
    ]
    assert trail.follow(drop_dead(merged)).text == ""


def test_new_nodes_stand_before_their_first_reader_and_results_are_followed():
    graph = trace(lambda x: x * ops.exp(ops.constant(0.0, lm.float32, (4, 8))), X)
    assert Trail(graph).follow(fold_constants(graph)).text.splitlines() == [
        "removed 2: constant, exp",
        "added 1: constant",
        "read other operands 1: multiply",
        "  - %0: f32[4,8] = constant(0.0, f32, (4, 8))",
        "  - %1: f32[4,8] = exp %0",
        "  - %2: f32[4,8] = multiply %a, %1",
        "  + %3: f32[4,8] = constant(1.0, f32, (4, 8))",
        "  + %2: f32[4,8] = multiply %a, %3",
    ]
    double = trace(lambda x: (ops.negative(ops.negative(x)), ops.exp(x)), X)
    lines = Trail(double).follow(simplify(double)).text.splitlines()
    assert lines[-2:] == ["  - return %1, %2", "  + return %a, %2"]


def test_fusing_is_shown_as_steps():
    def two_readers(x):
        y = ops.exp(x)
        total = ops.sum(y, -1)
        return ops.divide(y, ops.expand(total, (-1,), (8,))), ops.sum(ops.negative(y), -2)

    graph = trace(two_readers, X)
    text = Trail(graph).follow(fuse(graph)).text
    names = re.findall(r"^step \d+: reads", text, re.M)
    assert names and names[0] == "step 0: reads"
    assert "    %0: f32[4,8] = exp %a" in text
    stored = [line for line in text.splitlines() if line.startswith("    stores ")]
    assert len(stored) == len(names)
    assert {"%3", "%5"} <= {n for line in stored for n in line.split("stores ")[1].split(", ")}


def test_long_arrays_are_counted():
    table = lm.asarray([float(i) for i in range(100)]).numpy()
    graph = trace(lambda x: x + ops.constant(table, lm.float32), TensorType(lm.float32, (100,)))
    assert "%0: f32[100] = constant of 100 elements" in Trail(graph).text()
