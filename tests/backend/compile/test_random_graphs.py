"""500 random graphs, compiled and run, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.backend.compile import compile_graph
from lamina.backend.schedule.policies import map_tiles
from lamina.base import dtypes
from lamina.graph.ir import Graph
from lamina.graph.ir.evaluate import evaluate
from lamina.runtime import Buffer
from tests.backend.compile.random_graphs import ComplexMaker, Maker

GRAPHS = 500
BLOCK = 25


@pytest.fixture(autouse=True)
def tiles_for_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_tiles, "LEAST_ELEMENTS", 0)


def run(
    graph: Graph, arrays: list[np.ndarray], level: int = 3, generic: bool = False
) -> list[np.ndarray]:
    """The results; the same again where they take the memory of inputs."""
    made = compile_graph(graph, level=level, generic=generic)
    found = results_of(graph, made.run([Buffer.wrap(a) for a in arrays]))
    outputs = {v.id for v in graph.outputs}
    donated = [v.id not in outputs for v in graph.inputs]
    in_place = results_of(graph, made.run([owned(a) for a in arrays], donated))
    for one, other in zip(found, in_place, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=f"in place\n{graph}")
    return found


def results_of(graph: Graph, buffers: list[Buffer]) -> list[np.ndarray]:
    return [
        np.frombuffer(b, v.dtype.numpy, v.type.size).reshape(v.type.shape)
        for b, v in zip(buffers, graph.outputs, strict=True)
    ]


def owned(array: np.ndarray) -> Buffer:
    """A copy in memory of the runtime's, which a result may take."""
    made = Buffer(array.nbytes)
    memoryview(made).cast("B")[:] = array.tobytes()
    return made


def agree(
    graph: Graph, arrays: list[np.ndarray], seed: int, level: int = 3, generic: bool = False
) -> None:
    wanted = evaluate(graph, *arrays)
    got = run(graph, arrays, level, generic)
    f64 = all(v.dtype.part is dtypes.float64 for v in graph.inputs)
    for g, w in zip(got, wanted, strict=True):
        scale = float(np.max(np.abs(w), initial=1.0, where=np.isfinite(w)))
        tolerance = (1e-11 if f64 else 2e-4) * scale
        np.testing.assert_allclose(g, w, rtol=0, atol=tolerance, err_msg=f"seed {seed}\n{graph}")


@pytest.mark.parametrize("block", range(GRAPHS // BLOCK))
def test_random_graphs_agree_with_the_reference(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        dtype = dtypes.float64 if seed % 3 else dtypes.float32
        maker = Maker(seed, dtype)
        graph = maker.graph(4 + seed % 17)
        agree(graph, maker.arrays(), seed, generic=seed % 2 == 1)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_level_gives_the_same(level: int) -> None:
    for seed in range(1000, 1010):
        maker = Maker(seed, dtypes.float64)
        graph = maker.graph(14)
        agree(graph, maker.arrays(), seed, level)


@pytest.mark.parametrize("block", range(2))
def test_random_graphs_of_complex_numbers(block: int) -> None:
    for seed in range(2000 + 12 * block, 2012 + 12 * block):
        maker = ComplexMaker(seed, dtypes.complex128 if seed % 3 else dtypes.complex64)
        graph = maker.graph(4 + seed % 13)
        agree(graph, maker.arrays(), seed, seed % 4)
