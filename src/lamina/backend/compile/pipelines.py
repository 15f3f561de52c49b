"""Which passes run, in which order, by optimisation level. Read it from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamina.backend.targets import Target, select
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
    save_less,
    simplify,
    split_complex,
    split_reductions,
    trim_loops,
    winograd,
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
            save_less,
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
            save_less,
        ),
    ),
)


def pipeline(
    level: int,
    relaxed: Sequence[str] = (),
    target: Target | None = None,
    frozen: Sequence[int] = (),
) -> Pipeline:
    """The pipeline of an optimisation level, 0 to 3.

    Args:
        level: which one.
        relaxed: liberties it may take.
        target: the machine that costs are estimated for; the one at hand when not given.
        frozen: numbers of inputs that are seldom others than at the call before.
    """
    chosen = LEVELS[level]
    if not relaxed and not frozen:
        return chosen
    taken = _liberties(relaxed, target or select()) if relaxed else {}
    if frozen:
        taken["fuse"] = (fuse.with_options(frozen=tuple(frozen)),)
    passes = [new for one in chosen.passes for new in taken.get(getattr(one, "name", ""), (one,))]
    return Pipeline(" ".join([chosen.name, *relaxed]), tuple(passes))


def _liberties(relaxed: Sequence[str], target: Target) -> dict[str, tuple[GraphPass, ...]]:
    """What stands in the place of passes that strict numerics know."""
    taken: dict[str, tuple[GraphPass, ...]] = {}
    if "algebra" in relaxed:
        taken["simplify"] = (simplify.with_options(strict=False),)
    machine = {"units": target.fma_units, "cache_bytes": target.caches.l3_bytes}
    tiles = [n for name, n in (("winograd4", 4), ("winograd", 2)) if name in relaxed]
    found = [winograd.with_options(outputs=n, **machine) for n in tiles]
    return {**taken, "narrow_contractions": (narrow_contractions, *found)}
