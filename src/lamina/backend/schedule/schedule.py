"""What a policy returns: kernels with their work, and the temporary buffers between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lamina.backend.nest.dependence import statements
from lamina.backend.nest.lift import lift
from lamina.backend.nest.nodes import SCRATCH_ALIGN, Alloc, Const, Expr, For, Nest, Var
from lamina.base.dtypes import dtype


@dataclass(frozen=True)
class Task:
    """One launch of a kernel.

    The nest's parameters are named for what they are bound to: `in0`, `in1`, ... the inputs of the
    group, `out0`, ... its outputs, `tmp0`, ... temporaries of the schedule.

    Attributes:
        grain: parallel iterations that are worth a thread of their own, at the least.
        sizes: values of the sizes that the nest leaves open.
    """

    nest: Nest
    grain: int = 1
    sizes: tuple[int, ...] = ()

    @property
    def extent(self) -> int:
        """Iterations of the parallel loop; 1 where the nest has none."""
        first = self.nest.body[0]
        if isinstance(first, For) and first.kind == "parallel":
            return self._number(first.stop)
        return 1

    @property
    def open_scratch_bytes(self) -> int:
        """Room for the local buffers whose size the nest leaves open."""
        if not self.sizes:
            return 0
        found = [s for s in statements(self.nest.body) if isinstance(s, Alloc)]
        sizes_bytes = [
            self._number(s.size) * dtype(s.dtype).size_bytes
            for s in found
            if isinstance(s.size, Var)
        ]
        return sum(-(-n // SCRATCH_ALIGN) * SCRATCH_ALIGN for n in sizes_bytes)

    def lifted(self) -> Task:
        """The same launch, of a kernel that leaves its sizes open."""
        nest, sizes = lift(self.nest)
        return replace(self, nest=nest, sizes=sizes)

    def _number(self, e: Expr) -> int:
        if isinstance(e, Const):
            return int(e.value)
        return self.sizes[self.nest.sizes.index(e.name)] if isinstance(e, Var) else 1


@dataclass(frozen=True)
class Schedule:
    """The tasks of a group, in order, and the bytes of each temporary `tmp0`, `tmp1`, ..."""

    tasks: tuple[Task, ...]
    temporaries_bytes: tuple[int, ...] = field(default=())


Still = frozenset[int]
"""Numbers of inputs that are frozen, or follow from such alone."""
