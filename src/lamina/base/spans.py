"""Source spans: the user's file and line behind each value."""

from __future__ import annotations

import linecache
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import numpy as np

_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep
_NUMPY = Path(np.__file__).parent  # as it is imported and as it lies: it may be behind a link
_NO_USERS = (_PACKAGE, str(_NUMPY) + os.sep, str(_NUMPY.resolve()) + os.sep)
_PROMPTS = ("<stdin", "<python-input", "<ipython", "<doctest")


@dataclass(frozen=True, slots=True)
class Span:
    """A line of a user's program."""

    file: str
    line: int
    function: str = ""

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"

    def describe(self) -> str:
        """`model.py:41, in MLP.__call__:  h = x @ self.w`, as far as it is known."""
        text = f"{os.path.basename(self.file)}:{self.line}"
        if self.function:
            text += f", in {self.function}"
        source = linecache.getline(self.file, self.line).strip()
        return f"{text}:  {source}" if source else text


class _Current(threading.local):
    """The spans set by `at` in this thread, the innermost last."""

    def __init__(self) -> None:
        self.stack: list[Span | None] = []


_current = _Current()
_lines: dict[int, tuple[CodeType, dict[int, Span] | None]] = {}
"""By the id of a code object: the code, which keeps its id its own, and the spans of its lines if
it is a user's. A code object hashes all that it holds, so it is no key for what runs at each op."""


def here(inside: int = 0) -> Span | None:
    """The innermost line on the stack outside Lamina and NumPy, or the span set by `at`.

    Args:
        inside: how many callers, beside the one that asks, are Lamina's and need no look.
    """
    stack = _current.stack
    if stack:
        return stack[-1]
    frame = sys._getframe(1 + inside)
    while frame is not None:
        code = frame.f_code
        known = _lines.get(id(code))
        if known is not None:
            lines = known[1]
        elif code.co_filename.startswith("<"):  # made while running, and not to be kept
            lines = None
        else:
            lines = None if code.co_filename.startswith(_NO_USERS) else {}
            _lines[id(code)] = (code, lines)
        if lines is not None:
            span = lines.get(frame.f_lineno)
            if span is None:
                name = "" if code.co_name == "<module>" else code.co_qualname
                span = lines[frame.f_lineno] = Span(code.co_filename, frame.f_lineno, name)
            return span
        frame = frame.f_back  # type: ignore[assignment]
    return None


def is_internal(code: CodeType) -> bool:
    """Whether the code is Lamina's own."""
    return code.co_filename.startswith(_PACKAGE)


def is_users(code: CodeType) -> bool:
    """Whether the code is written by a user: in a file outside Lamina and NumPy, or at a prompt."""
    file = code.co_filename
    return file.startswith(_PROMPTS) if file.startswith("<") else not file.startswith(_NO_USERS)


@contextmanager
def at(span: Span | None) -> Iterator[None]:
    """Values made inside carry `span`: derived values point at the line they derive from."""
    stack = _current.stack
    stack.append(span)
    try:
        yield
    finally:
        stack.pop()
