"""A disk that dies at one call, and a machine that loses what was not flushed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = ("mkdir", "open", "write", "fsync", "rename", "unlink", "rmdir")


class Death(BaseException):
    """The process is gone: nothing after this is executed."""


class DyingDisk:
    """Counts the calls that touch the disk; from number `last` on none does anything any more.

    Args:
        last: the call that never returns; None counts only.
        power: whether the machine dies too: files that were written and not flushed are emptied.

    Attributes:
        calls: what was called, in order.
    """

    def __init__(self, last: int | None = None, power: bool = False):
        self.last = last
        self.power = power
        self.calls: list[str] = []
        self._paths: dict[int, str] = {}  # of open files
        self._unflushed: set[str] = set()
        self._real = {name: getattr(os, name) for name in CALLS}

    @property
    def dead(self) -> bool:
        return self.last is not None and len(self.calls) > self.last

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """One call of a function of `os`."""
        if self.dead:
            raise Death
        self.calls.append(name)
        if self.dead:
            if name == "write":  # half of it comes to the disk
                self._real["write"](args[0], args[1][: len(args[1]) // 2])
            raise Death
        result = self._real[name](*args, **kwargs)
        if name == "open":
            self._paths[result] = os.fspath(args[0])
        elif name == "write":
            self._unflushed.add(self._paths[args[0]])
        elif name == "fsync":
            self._unflushed.discard(self._paths[args[0]])
        elif name == "rename":
            old, new = (os.fspath(a) for a in args)
            self._unflushed = {p.replace(old, new, 1) for p in self._unflushed}
        return result

    def lose_power(self) -> None:
        """Empty the files that were not flushed."""
        for path in self._unflushed:
            if os.path.exists(path):
                os.truncate(path, 0)

    @contextmanager
    def used(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Calls of `os` go through here; a death ends the block."""
        with patch.context() as inside:
            for name in CALLS:
                inside.setattr(os, name, self._caller(name))
            try:
                yield
            except Death:
                pass
        if self.power and self.dead:
            self.lose_power()

    def _caller(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self.call(name, *args, **kwargs)
