"""Whether converted code runs a module of Lamina's, which then converts what it holds.

Every call of a module asks this; apart from the rest, so that asking does not load the rewriters.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class _Active(threading.local):
    """How many modules of Lamina's this thread runs for converted code, and what converts."""

    depth = 0
    callee: Callable[[Any], Any] | None = None


active = _Active()


def forward_of(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The method that a module calls: its own, or in converted code the converted form."""
    return active.callee(forward) if active.depth and active.callee is not None else forward
