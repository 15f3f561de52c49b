"""Whole messages, with the user's line in words instead of its number."""

from __future__ import annotations

import linecache
import re
from pathlib import Path

import pytest

_LINE = re.compile(r"at (?P<file>\S+\.py):(?P<number>\d+), in (?P<function>.*?):  (?P<source>.*)")
_HERE = Path(__file__).parent


def whole(error: pytest.ExceptionInfo[BaseException]) -> str:
    """The message of a caught error.

    A line such as `at test_shapes.py:41, in test_add:  x + y` becomes `at test_add: x + y` once it
    is certain that line 41 of the file reads `x + y`.
    """
    return _LINE.sub(_checked, str(error.value))


def _checked(found: re.Match[str]) -> str:
    path = _HERE / found["file"]
    line = linecache.getline(str(path), int(found["number"])).strip()
    assert line == found["source"], f"{path}:{found['number']} reads {line!r}"
    return f"at {found['function']}: {found['source']}"
