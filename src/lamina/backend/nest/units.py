"""On which unit of a processor a kernel computes, read off its nest.

scalar: one number at a time. vector: lanes of loops that are vectors. matrix: instructions that
sum several products a lane (`dot4`), as VNNI has them.
"""

from __future__ import annotations

from lamina.backend.nest.dependence import reads, statements
from lamina.backend.nest.nodes import Apply, For, Nest


def unit_of(nest: Nest) -> str:
    """`matrix`, `vector` or `scalar`: the widest unit that a nest has work for."""
    if any(isinstance(e, Apply) and e.op == "dot4" for e in reads(nest.body)):
        return "matrix"
    vector = any(isinstance(s, For) and s.kind == "vector" for s in statements(nest.body))
    return "vector" if vector else "scalar"
