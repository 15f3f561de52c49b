"""A pass: a named function from graph to graph that keeps the meaning."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from lamina.base.errors import VerifyError
from lamina.graph.ir.graph import Graph
from lamina.graph.ir.verify import verify


@dataclass(frozen=True)
class Record:
    """What one run of a pass did."""

    name: str
    nodes_before: int
    nodes_after: int
    time_s: float


@dataclass(frozen=True)
class Pass:
    """A graph pass. Call it, or `run` it to keep a record and verify the result.

    Attributes:
        name: the function's name.
        function: Graph -> Graph.
        docstring: what it does, with a Before and an After that the tests run.
    """

    name: str
    function: Callable[..., Graph]
    docstring: str = field(repr=False)

    def __call__(self, graph: Graph, **options: object) -> Graph:
        return self.function(graph, **options)

    def with_options(self, **options: object) -> Pass:
        """The pass with options that every call has."""
        return replace(self, function=partial(self.function, **options))

    def run(
        self,
        graph: Graph,
        records: list[Record] | None = None,
        check: bool = False,
        **options: object,
    ) -> Graph:
        """The graph after the pass; its record goes to `records`.

        Args:
            graph: what the pass works on.
            records: gets one Record.
            check: verify the result, and that inputs and outputs kept their types.
            options: for the pass, such as `strict=False` for `simplify`.

        Raises:
            VerifyError: the result breaks a rule of graphs.
        """
        start = time.perf_counter()
        after = self.function(graph, **options)
        spent = time.perf_counter() - start
        if records is not None:
            records.append(Record(self.name, len(graph.nodes), len(after.nodes), spent))
        if check:
            verify(after, self.name)
            _same_signature(graph, after, self.name)
        return after


def graph_pass(function: Callable[..., Graph]) -> Pass:
    """Make a Pass of a function from graph to graph; its docstring shows a Before and an After."""
    return Pass(function.__name__, function, function.__doc__ or "")


def _same_signature(before: Graph, after: Graph, name: str) -> None:
    for what in ("inputs", "outputs"):
        types = [[str(v.type) for v in getattr(g, what)] for g in (before, after)]
        if types[0] != types[1]:
            raise VerifyError(
                f"verify after {name}: the {what} have other types",
                [f"before:  {', '.join(types[0])}", f"after:   {', '.join(types[1])}"],
            )
