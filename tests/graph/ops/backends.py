"""Ways to run a graph, `run(graph, *arrays) -> tuple of arrays`: each is tried on every Case."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from lamina.backend.compile import compile_graph
from lamina.backend.targets import Target, select
from lamina.base.errors import UsageError
from lamina.graph.ir import Graph
from lamina.graph.ir.evaluate import evaluate
from lamina.runtime import Buffer


def run_compiled(
    graph: Graph,
    *arrays: np.ndarray,
    target: Target | None = None,
    level: int = 3,
    generic: bool = False,
) -> tuple[np.ndarray, ...]:
    """Machine code."""
    buffers = [Buffer.wrap(np.ascontiguousarray(a)) for a in arrays]
    outs = compile_graph(graph, target, level, generic).run(buffers)
    return tuple(
        np.frombuffer(b, v.dtype.numpy, v.type.size).reshape(v.type.shape)
        for b, v in zip(outs, graph.outputs, strict=True)
    )


def lesser_targets() -> dict[str, Callable[..., tuple[np.ndarray, ...]]]:
    """The narrower instruction sets that this machine has too."""
    found = {}
    for name in ("avx2", "generic"):
        try:
            found[name] = partial(run_compiled, target=select(name))
        except UsageError:
            continue
    return found


BACKENDS: dict[str, Callable[..., tuple[np.ndarray, ...]]] = {
    "reference": evaluate,
    "compiled": run_compiled,
    "compiled without passes": partial(run_compiled, level=0),
    "compiled with open sizes": partial(run_compiled, generic=True),
    **lesser_targets(),
}
