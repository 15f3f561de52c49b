"""One policy a file: which groups it accepts, and how they loop. Found by name, in rank order."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from lamina.backend.schedule.schedule import Policy, Schedule
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


def schedule(body: Graph, target: Target) -> Schedule:
    """The tasks of a group for a target."""
    return policy_of(body).schedule(body, target)
