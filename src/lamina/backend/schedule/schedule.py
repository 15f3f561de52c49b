"""What a policy returns: kernels with their work, and the temporary buffers between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lamina.backend.nest.nodes import Const, For, Nest
from lamina.backend.targets import Target
from lamina.graph.ir import Graph


@dataclass(frozen=True)
class Task:
    """One launch of a kernel.

    The nest's parameters are named for what they are bound to: `in0`, `in1`, ... the inputs of the
    group, `out0`, ... its outputs, `tmp0`, ... temporaries of the schedule.

    Attributes:
        grain: parallel iterations that are worth a thread of their own, at the least.
    """

    nest: Nest
    grain: int = 1

    @property
    def extent(self) -> int:
        """Iterations of the parallel loop; 1 where the nest has none."""
        first = self.nest.body[0]
        if isinstance(first, For) and first.kind == "parallel" and isinstance(first.stop, Const):
            return int(first.stop.value)
        return 1


@dataclass(frozen=True)
class Schedule:
    """The tasks of a group, in order, and the bytes of each temporary `tmp0`, `tmp1`, ..."""

    tasks: tuple[Task, ...]
    temporaries_bytes: tuple[int, ...] = field(default=())


@dataclass(frozen=True)
class Policy:
    """How groups of one pattern become loops.

    Attributes:
        name: for `explain`.
        accepts: whether the policy can schedule a group's body.
        schedule: the schedule of a body for a target.
        rank: policies are asked in the order of their rank, special ones first.
    """

    name: str
    accepts: Callable[[Graph], bool]
    schedule: Callable[[Graph, Target], Schedule]
    rank: int = 0
