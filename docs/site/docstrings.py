"""Lamina's docstrings are plain text with code between single backticks; Sphinx reads them as
reStructuredText, where `*`, `|` and a closing `_` mean something: outside of code these are taken
literally."""

from __future__ import annotations

import re
from typing import Any

_CODE = re.compile(r"(``?[^`]+``?)")
_MARK = re.compile(r"([*|\\]|_(?=\W|$))")


def prepare(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Rewrite the lines of one docstring in place."""
    lines[:] = escaped(lines)


def escaped(lines: list[str]) -> list[str]:
    """The lines with marks escaped, but for doctests and what they print, which are code."""
    done: list[str] = []
    in_session = False
    for line in lines:
        in_session = line.lstrip().startswith(">>>") or (in_session and bool(line.strip()))
        done.append(line if in_session else _escaped(line))
    return done


def _escaped(line: str) -> str:
    """Text between backticks stays; elsewhere the marks lose their meaning."""
    parts = _CODE.split(line)
    return "".join(part if part.startswith("`") else _MARK.sub(r"\\\1", part) for part in parts)


def is_foreign(app: Any, what: str, name: str, found: Any, skip: bool, options: Any) -> bool | None:
    """Whether a member comes from another library, such as what scikit-learn adds to estimators."""
    module = getattr(found, "__module__", None) or "lamina"
    return None if module.startswith("lamina") else True
