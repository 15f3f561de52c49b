"""Pass lists by level, their records, and the verifier between them."""

from __future__ import annotations

import lamina.graph.ops as ops
from lamina.backend.compile.pipelines import LEVELS, Pipeline, Stage, pipeline
from lamina.base import dtypes
from lamina.graph.ir import Graph, TensorType, Value, trace

X = TensorType(dtypes.float32, (4, 8))


def wasteful(x: Value) -> Value:
    return ops.negative(-ops.exp(x)) * 1.0 + ops.exp(x)


def test_levels_change_the_list_and_the_graph() -> None:
    names = [[p.name for p in LEVELS[n].passes] for n in range(4)]
    needed = ["inline_calls", "lower_custom_ops", "split_complex", "legalize", "drop_dead", "fuse"]
    assert names[0] == needed
    assert len(names[3]) > len(names[2]) > len(names[1]) > len(names[0])
    sizes = []
    for level in range(4):
        stages: list[Stage] = []
        pipeline(level)(trace(wasteful, X), stages)
        sizes += [s.before for s in stages if s.name == "fuse"]
    assert sizes[0] > sizes[1] > sizes[2] >= sizes[3]


def test_each_pass_leaves_a_record() -> None:
    stages: list[Stage] = []
    pipeline(3)(trace(wasteful, X), stages)
    assert [s.name for s in stages] == [p.name for p in LEVELS[3].passes]
    assert all(isinstance(s.graph, Graph) and s.seconds >= 0 for s in stages)
    assert stages[0].before == 7
    assert stages[-1].after == 1


def test_a_verifying_pipeline_checks_every_result() -> None:
    verified = Pipeline("checked", LEVELS[3].passes, verify=True)
    verified(trace(wasteful, X))
