"""What follows from frozen inputs alone: inputs that are seldom others than at the call before."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.graph.ir import Graph


def follows(graph: Graph, frozen: Iterable[int]) -> frozenset[int]:
    """The ids of the values that depend on frozen inputs and on nothing else that a call brings.

    The frozen inputs are among them; outputs are not, nor what is made of those, since every call
    makes them.

    Args:
        graph: the program.
        frozen: numbers of its frozen inputs.
    """
    outputs = {v.id for v in graph.outputs}
    found = {graph.inputs[i].id for i in frozen}
    if not found:
        return frozenset()
    fixed = set(found)  # and what depends on no input at all
    for v in graph.nodes:
        if v.id in outputs or not v.op.pure or any(o.id not in fixed for o in v.operands):
            continue
        fixed.add(v.id)
        if any(o.id in found for o in v.operands):
            found.add(v.id)
    return frozenset(found)
