"""One policy a file: which groups it accepts, and how they loop. Found by name, in rank order."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from lamina.backend.schedule.candidates import Way, find
from lamina.backend.schedule.policy import Policy
from lamina.backend.schedule.schedule import Schedule
from lamina.backend.targets import Target
from lamina.graph.ir import Graph


@cache
def policies() -> tuple[Policy, ...]:
    """Every module here that has a `POLICY`, the special ones first."""
    modules = [
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    ]
    found = [m.POLICY for m in modules if hasattr(m, "POLICY")]
    return tuple(sorted(found, key=lambda p: p.rank))


def policy_of(body: Graph) -> Policy:
    """The policy that schedules `body`."""
    for policy in policies():
        if policy.accepts(body):
            return policy
    raise AssertionError(f"no policy accepts this group; the fuse pass made it:\n{body}")


def ways(body: Graph, target: Target) -> Sequence[Way]:
    """All ways to schedule a group for a target, that of the model first."""
    return policy_of(body).ways(body, target)


def schedule(body: Graph, target: Target, choice: str = "") -> Schedule:
    """The tasks of a group for a target.

    Args:
        choice: the name of a candidate; the model's, where there is none of that name.
    """
    found = find(ways(body, target), choice) if choice else None
    return policy_of(body).schedule(body, target) if found is None else found.schedule()
