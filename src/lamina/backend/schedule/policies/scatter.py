"""Scatter-add: rows of updates added to the rows that indices name.

Threads own disjoint columns (or leading batch elements), so no two write the same element and the
order of the additions, hence the result, is the same with any number of threads.
"""

from __future__ import annotations

import math

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import For, Stmt, Store, const
from lamina.backend.schedule.loops import bind_inputs, faults, grain_for, kernel
from lamina.backend.schedule.pull import Pull
from lamina.backend.schedule.schedule import Policy, Schedule, Task
from lamina.backend.targets import Target
from lamina.graph.ir import Graph
from lamina.graph.ops import ScatterAdd
from lamina.graph.passes.fuse import pullable

BLOCK_VECTORS = 8  # vectors of a row that one parallel iteration owns


def accepts(body: Graph) -> bool:
    """One scatter-add, which is the output; its operands are pulled."""
    last = body.outputs[0]
    inner = [v for v in body.nodes if v is not last]
    pulled = all(pullable(v) for v in inner)
    return len(body.outputs) == 1 and isinstance(last.op, ScatterAdd) and pulled


def schedule(body: Graph, target: Target) -> Schedule:
    """Fill with zeros, then add the updates one after the other, in each block of columns."""
    out = body.outputs[0]
    op = out.op
    assert isinstance(op, ScatterAdd)
    updates, indices = out.operands
    rest = out.type.shape[out.type.rank - op.rest :]
    lead = out.type.shape[: out.type.rank - op.rest - 1]
    where = indices.type.shape[len(lead) :]
    width = math.prod(rest)
    s = Builder()
    pull = Pull(s)
    bind_inputs(pull, body)

    block = min(max(width, 1), BLOCK_VECTORS * target.lanes(str(out.dtype)))
    blocks = math.ceil(width / block)
    extent = math.prod(lead) * blocks
    p = s.loop("p", extent)
    lead_index = s.delinearize(s.floor_divide(p, const(blocks)), lead)
    start = s.multiply(s.remainder(p, const(blocks)), const(block))
    stop = s.minimum(s.add(start, const(block)), const(width))

    def lanes(body: list[Stmt], j: str) -> For:
        return For(j, start, stop, tuple(body), "vector")

    n = s.loop("n", op.size)
    j = s.loop("j", width)
    base = s.linearize(lead_index, lead) if lead else const(0)
    row = s.add(s.multiply(base, const(op.size)), n)
    zero = Store("out0", s.add(s.multiply(row, const(width)), j), s.constant(0, str(out.dtype)))
    clear = For(n.name, const(0), const(op.size), (lanes([zero], j.name),))

    variables = [s.loop("i", m) for m in where]
    with pull.checking(out):
        target_row = s.check_index(pull.element(indices, (*lead_index, *variables)), op.size)
    checks = faults(s)
    c = s.loop("c", width)
    row = s.add(s.multiply(base, const(op.size)), target_row)
    offset = s.add(s.multiply(row, const(width)), c)
    update = pull.element(updates, (*lead_index, *variables, *s.delinearize(c, rest)))
    total = s.add(s.load("out0", offset, str(out.dtype)), update)
    statements: list[Stmt] = [*checks, lanes([*faults(s), Store("out0", offset, total)], c.name)]
    for v, m in reversed(list(zip(variables, where, strict=True))):
        statements = [For(v.name, const(0), const(m), tuple(statements))]
    outer = For(p.name, const(0), const(extent), (clear, *statements), "parallel")
    nest = kernel("scatter", body, (outer,))
    return Schedule((Task(nest, grain_for(block * math.prod(where), 2)),))


POLICY = Policy("scatter", accepts, schedule, rank=40)
