"""The workloads, one file a family. A file defines `WORKLOADS`; it is found by being here."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from benchmarks.workload import Workload


@cache
def every() -> dict[str, Workload]:
    """All workloads by name, family by family.

    Raises:
        ValueError: two workloads share a name.
    """
    found: dict[str, Workload] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        for workload in importlib.import_module(f"{__name__}.{module}").WORKLOADS:
            if workload.name in found:
                raise ValueError(f"two workloads are called {workload.name}")
            found[workload.name] = workload
    return found


def find(name: str) -> Workload:
    """The workload of a name.

    Raises:
        KeyError: there is none.
    """
    return every()[name]
