"""What a policy is: which bodies it accepts, and how they loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamina.backend.schedule.candidates import Decided, Way
from lamina.backend.schedule.schedule import Schedule, Still
from lamina.backend.targets import Target
from lamina.graph.ir import Graph


@dataclass(frozen=True)
class Policy:
    """How groups of one pattern become loops.

    Attributes:
        name: for `explain`.
        accepts: whether the policy can schedule a group's body.
        schedule: the schedule of a body for a target that the model picks.
        rank: policies are asked in the order of their rank, special ones first.
        several: all ways to schedule a body, the model's first; None where there is one.
        prepared: the schedule where some inputs, by number, are frozen: tasks that read nothing
            else run once. None where that makes no difference.
    """

    name: str
    accepts: Callable[[Graph], bool]
    schedule: Callable[[Graph, Target], Schedule]
    rank: int = 0
    several: Callable[[Graph, Target], Sequence[Way]] | None = None
    prepared: Callable[[Graph, Target, Still], Schedule] | None = None

    def ways(self, body: Graph, target: Target) -> Sequence[Way]:
        """All ways to schedule a body, the model's first."""
        if self.several is not None:
            return self.several(body, target)
        return (Way(self.name, lambda given: Decided(lambda: self.schedule(body, target))),)
