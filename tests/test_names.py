"""The names of the package: each is listed, each is there, and no message speaks of others."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lamina as lm
from lamina import front
from lamina.tensor import api

SOURCE = Path(lm.__file__).parent


def test_every_public_name_is_listed() -> None:
    """In `lm.__all__`, and nothing else is."""
    listed = set(lm.__all__)
    assert set(lm.__all__) == {n for n in dir(lm) if not n.startswith("__")} | {
        n for n in api.__all__ if n.startswith("__")
    }
    own = {n for n in vars(front) if n[0] != "_" and n != "annotations"}
    assert own | set(api.__all__) | {"convert", "export", "bound_steps", "load_program"} <= listed
    rooms = {p.parent.name for p in SOURCE.glob("*/__init__.py")}
    floors = {"base", "graph", "backend", "runtime", "tensor"}  # below what users name
    assert rooms - floors <= listed
    assert listed.isdisjoint({"Any", "annotations", "importlib", "front", *floors})


def test_every_listed_name_is_there() -> None:
    for name in lm.__all__:
        assert getattr(lm, name) is getattr(lm, name), name


def test_a_name_that_is_not_there() -> None:
    assert not hasattr(lm, "deploy_to_the_moon")


def test_a_star_brings_them_all() -> None:
    code = (
        "from lamina import *\n"
        "import lamina\n"
        "assert set(lamina.__all__) <= set(globals())\n"
        "assert nn.Linear and convert and export and bound_steps and load_program and psum\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def texts() -> Iterator[tuple[str, str]]:
    """Every text in the source, with the name of its file."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, node.value


def test_messages_name_what_there_is() -> None:
    """`lm.something` in a message or a docstring exists."""
    seen = 0
    for file, text in texts():
        for name in re.findall(r"(?<![\w.])lm\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", text):
            seen += 1
            found = lm
            for part in name.split("."):
                assert hasattr(found, part), f"{file}: lm.{name}"
                found = getattr(found, part)
    assert seen > 200
