"""Examples as modules, and where their data is."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(os.environ.get("LAMINA_DATA") or Path(__file__).parents[3] / "shared" / "data")


def load(name: str) -> ModuleType:
    """`examples/NAME.py`, loaded anew."""
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def folder(name: str) -> str:
    """A folder of the data; the test is skipped where it is missing."""
    if not (DATA / name).exists():
        pytest.skip(f"no {DATA / name}; LAMINA_DATA names the folder above")
    return str(DATA / name)


def numbers(form: str, printed: str) -> list[float]:
    """The numbers in the last line printed, where `form` has `#`."""
    last = printed.rstrip("\n").split("\n")[-1]
    found = re.fullmatch(re.escape(form).replace(r"\#", r"(-?\d+\.?\d*)"), last)
    assert found is not None, last
    return [float(part) for part in found.groups()]
