"""Candidates: the model's comes first, names lead back, and each computes the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from contract_runs import TINY_CACHES, run_compiled, samples

from lamina.backend.nest.printer import key
from lamina.backend.schedule.candidates import Candidate, candidate, find
from lamina.backend.schedule.policies import policy_of, schedule, ways
from lamina.backend.targets import Target, select
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace
from lamina.graph.ir.evaluate import evaluate


def graph_of(f: Callable[..., Any], *shapes: tuple[int, ...], dtype: str = "f32") -> Graph:
    return trace(f, *(TensorType(dtypes.dtype(dtype), shape) for shape in shapes))


def product(spec: str) -> Callable[..., Any]:
    return lambda x, y: ops.contract(x, y, spec)


def convolve(x: Any, w: Any) -> Any:
    return ops.contract(w, ops.window(x, (3, 3)), "ocpq,nchwpq->nohw")


def of_bytes(x: Any, y: Any) -> Any:
    i32 = dtypes.dtype("i32")
    return ops.contract(ops.cast(x, i32), ops.cast(y, i32), "ik,kj->ij")


GRAPHS = {
    "product": graph_of(product("ik,kj->ij"), (67, 45), (45, 71)),
    "transposed": graph_of(product("ki,jk->ij"), (45, 67), (71, 45)),
    "layer": graph_of(lambda x, y: ops.maximum(product("ik,jk->ij")(x, y), x), (50, 50), (50, 50)),
    "batched": graph_of(product("bik,bkj->bij"), (3, 33, 20), (3, 20, 18)),
    "few rows": graph_of(product("ik,kj->ij"), (2, 300), (300, 130)),
    "long sum": graph_of(product("ik,jk->ij"), (5, 3000), (6, 3000)),
    "doubles": graph_of(product("ik,kj->ij"), (40, 50), (50, 60), dtype="f64"),
    "halves": graph_of(product("ik,kj->ij"), (40, 50), (50, 60), dtype="bf16"),
    "bytes": graph_of(of_bytes, (40, 51), (51, 60), dtype="i8"),
    "convolution": graph_of(convolve, (2, 4, 13, 12), (17, 4, 3, 3)),
    "elementwise": graph_of(lambda x, y: x * y + x, (9000,), (9000,)),
    "turned": graph_of(lambda x, y: ops.permute(x, (-1, -2)) + y, (65, 130), (130, 65)),
    "columns": graph_of(lambda x: ops.sum(x, (-2,)), (301, 70)),
    "short rows": graph_of(lambda x: ops.sum(x, (-1,)), (300, 5)),
}


def around(graph: Graph, target: Target) -> list[Candidate]:
    """Each way as the model has it, and everything one setting away from it."""
    plain = [candidate(way, {}) for way in ways(graph, target)]
    return [c for one in plain for c in (one, *one.neighbours())]


def same_nests(graph: Graph, one: Candidate, target: Target) -> bool:
    made, model = one.schedule(), policy_of(graph).schedule(graph, target)
    return [key(t.nest) for t in made.tasks] == [key(t.nest) for t in model.tasks]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_first_candidate_is_the_model_s(name: str) -> None:
    target = select().with_cores(2)
    first = candidate(ways(GRAPHS[name], target)[0], {})
    assert same_nests(GRAPHS[name], first, target)


@pytest.mark.parametrize("name", GRAPHS)
def test_names_lead_back(name: str) -> None:
    target = select().with_cores(2)
    found = ways(GRAPHS[name], target)
    for one in around(GRAPHS[name], target):
        again = find(found, one.name)
        assert again is not None
        assert again.given == one.given
        assert again.way.name == one.way.name


@pytest.mark.parametrize("name", ["", "nothing", "tiled kc=7", "tiled kc", "tiled tile=1000x1"])
def test_unknown_names_give_the_model_s(name: str) -> None:
    graph, target = GRAPHS["product"], select().with_cores(2)
    assert find(ways(graph, target), name) is None
    made = schedule(graph, target, name)
    assert key(made.tasks[-1].nest) == key(schedule(graph, target).tasks[-1].nest)


@pytest.mark.parametrize("machine", ["native", "avx2"])
@pytest.mark.parametrize("name", GRAPHS)
def test_every_candidate_computes_the_same(
    name: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with caches so small that sums are cut."""
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")
    graph, arrays = GRAPHS[name], samples(GRAPHS[name])
    wanted = evaluate(graph, *arrays)
    loose = 2e-2 if graph.inputs[0].dtype == dtypes.dtype("bf16") else 1e-5
    seen: set[str] = set()
    for target in (select(machine).with_cores(2), select(machine).with_caches(**TINY_CACHES)):
        for one in around(graph, target):
            made = one.schedule()
            text = "".join(key(task.nest) for task in made.tasks)
            if text in seen:
                continue
            seen.add(text)
            for out, right in zip(run_compiled(graph, made, arrays, target), wanted, strict=True):
                exact, scale = right.astype(np.float64), np.abs(right.astype(np.float64)).max()
                error = np.abs(out.astype(np.float64) - exact).max()
                assert error <= loose * max(scale, 1.0), f"{one.name}: {error}"


def test_a_convolution_has_several_plans() -> None:
    target = select().with_cores(2)
    found = ways(GRAPHS["convolution"], target)
    assert found[0].name.startswith("direct")
    assert len(found[0].settings["plan"]) > 1


def test_estimates_order_candidates() -> None:
    """Sums kept between many blocks are estimated to cost more; one task leaves a core idle."""
    graph, target = graph_of(product("ik,kj->ij"), (512, 512), (512, 512)), select().with_cores(2)
    found = ways(graph, target)
    model = candidate(found[0], {})
    for name in ("tiled kc=64", "tiled tasks=1"):
        worse = find(found, name)
        assert worse is not None
        assert model.estimate < worse.estimate
