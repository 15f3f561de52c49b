"""Removal of what no output needs."""

from __future__ import annotations

from lamina.graph.ir.graph import Graph
from lamina.graph.passes.pass_ import graph_pass


@graph_pass
def drop_dead(graph: Graph) -> Graph:
    """Keep only what the outputs depend on; inputs stay.

    Before:  %0 = exp %x;  %1 = sin %x;  %2 = negative %0
    After:   %0 = exp %x;  %1 = negative %0
    """
    return Graph(graph.inputs, graph.outputs)
