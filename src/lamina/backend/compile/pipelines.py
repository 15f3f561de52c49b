"""Which passes run, in which order, by optimisation level. Read it from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lamina.graph.ir import Graph
from lamina.graph.ir.verify import verify
from lamina.graph.passes import (
    absorb_permutes,
    drop_dead,
    fold_constants,
    fuse,
    inline_calls,
    legalize,
    lower_custom_ops,
    merge_equal,
    merge_loops,
    narrow_contractions,
    simplify,
    split_complex,
    split_reductions,
    trim_loops,
)

GraphPass = Callable[[Graph], Graph]


@dataclass(frozen=True)
class Stage:
    """What one pass did.

    Attributes:
        before, after: the number of nodes.
        seconds: how long it took.
        graph: its result.
    """

    name: str
    before: int
    after: int
    seconds: float
    graph: Graph


@dataclass(frozen=True)
class Pipeline:
    """A flat list of passes.

    Attributes:
        verify: check the graph after each pass (slow; for tests and for hunting defects).
    """

    name: str
    passes: tuple[GraphPass, ...]
    verify: bool = False

    def __call__(self, graph: Graph, stages: list[Stage] | None = None) -> Graph:
        for one in self.passes:
            start = time.perf_counter()
            result = one(graph)
            seconds = time.perf_counter() - start
            if stages is not None:
                name = getattr(one, "name", getattr(one, "__name__", str(one)))
                stages.append(Stage(name, len(graph.nodes), len(result.nodes), seconds, result))
            if self.verify:
                verify(result, after=str(getattr(one, "name", one)))
            graph = result
        return graph


LEVELS = (
    Pipeline("O0", (inline_calls, lower_custom_ops, split_complex, legalize, drop_dead, fuse)),
    Pipeline(
        "O1",
        (
            inline_calls,
            lower_custom_ops,
            split_complex,
            merge_loops,
            trim_loops,
            legalize,
            merge_equal,
            drop_dead,
            fuse,
        ),
    ),
    Pipeline(
        "O2",
        (
            inline_calls,
            lower_custom_ops,
            split_complex,
            merge_loops,
            trim_loops,
            simplify,
            absorb_permutes,
            narrow_contractions,
            legalize,
            merge_equal,
            fold_constants,
            drop_dead,
            fuse,
        ),
    ),
    Pipeline(
        "O3",
        (
            inline_calls,
            lower_custom_ops,
            split_complex,
            merge_loops,
            trim_loops,
            simplify,
            absorb_permutes,
            narrow_contractions,
            legalize,
            merge_equal,
            fold_constants,
            split_reductions,
            simplify,
            merge_equal,
            drop_dead,
            fuse,
        ),
    ),
)


def pipeline(level: int) -> Pipeline:
    """The pipeline of an optimisation level, 0 to 3."""
    return LEVELS[level]
