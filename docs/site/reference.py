"""Writes the pages of the reference: every public name with its docstring, room by room.

A room is a module that users import; what it gives is what its `__init__` names. Within a page,
names are grouped by the file that defines them, under the first line of that file's docstring.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import defaultdict
from operator import attrgetter
from pathlib import Path
from typing import Any

import lamina
from lamina.base import errors

ROOMS = {
    "lamina": "The namespace `lm`",
    "lamina.random": "Random numbers",
    "lamina.linalg": "Linear algebra",
    "lamina.fft": "Fourier transforms",
    "lamina.special": "Special functions",
    "lamina.functional": "Functions of networks",
    "lamina.nn": "Layers",
    "lamina.optim": "Optimisers",
    "lamina.train": "Training",
    "lamina.keras": "Models as in Keras",
    "lamina.keras.layers": "Layers as in Keras",
    "lamina.keras.activations": "Activations as in Keras",
    "lamina.keras.initializers": "Initializers as in Keras",
    "lamina.keras.losses": "Losses as in Keras",
    "lamina.keras.optimizers": "Optimisers as in Keras",
    "lamina.saving": "Checkpoints",
    "lamina.models": "Models",
    "lamina.metrics": "Metrics",
    "lamina.classical": "Classical learning",
    "lamina.data": "Data",
    "lamina.interop": "Formats of other systems",
    "lamina.sparse": "Ragged and sparse tensors",
    "lamina.tree": "Trees",
    "lamina.debug": "Looking inside",
}


def write(folder: Path) -> None:
    """Write a page for each room that exists, and the page that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = []
    described: set[type] = set()
    for name, title in ROOMS.items():
        room = found(name)
        if room is not None:
            page = name.removeprefix("lamina.").replace(".", "_")
            (folder / f"{page}.rst").write_text(page_of(name, title, room, described))
            pages.append(page)
    head = heading("Reference", "=")
    about = (
        "Every public name, room by room, made from the docstrings. Examples in them are run by "
        "the tests.\n"
    )
    tree = "\n".join([".. toctree::", "   :maxdepth: 1", "", *(f"   {page}" for page in pages)])
    (folder / "index.rst").write_text(f"{head}\n{about}\n{tree}\n")


def found(name: str) -> Any:
    """The module or namespace of that name; None where this version has none."""
    if name == "lamina":
        return lamina
    try:
        return attrgetter(name.removeprefix("lamina."))(lamina)
    except AttributeError:
        return None


def page_of(name: str, title: str, room: Any, described: set[type] | None = None) -> str:
    """The page of one room; a class that has been described under another name is left out."""
    described = set() if described is None else described
    short = "lm" if name == "lamina" else name.replace("lamina.", "lm.", 1)
    parts = [heading(title, "=")]
    if name != "lamina":
        parts.append(f"``{short}``: {first_line(room)}\n")
    groups = grouped(room)
    for module, names in groups.items():
        if len(groups) > 1:
            parts.append(heading(first_line(sys.modules.get(module)) or module, "-"))
        for each in names:
            one = attrgetter(each)(room)
            if not inspect.isclass(one) or one not in described:
                parts.append(entry(f"{name}.{each}", one))
            if inspect.isclass(one):
                described.add(one)
    return "\n".join(parts)


def grouped(room: Any) -> dict[str, list[str]]:
    """Public names by the module that defines them, in the order of the alphabet."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in public(room):
        groups[attrgetter(name)(room).__module__].append(name)
    return {module: groups[module] for module in sorted(groups)}


def public(room: Any) -> list[str]:
    """Names of classes and functions that a room gives to users.

    Those are the names in its `__all__`; without one, what it defines and what it imports as
    itself (`from a import b as b`), and of a module that it imports so the names in that, unless
    it has a page of its own. Errors stand on the page of `lm` alone.
    """
    if room is lamina:
        listed = [n for n in dir(lamina) if not n.startswith("_") and n not in lamina._ROOMS]
        return [name for name in listed if _is_described(getattr(room, name), "lamina")]
    if hasattr(room, "__all__"):
        passed_on = set(room.__all__)
    else:
        passed_on = set(re.findall(r"import (\w+) as \1$", inspect.getsource(room), re.M))
    names = [name for name in dir(room) if not name.startswith("_")]
    modules = [n for n in names if n in passed_on and inspect.ismodule(getattr(room, n))]
    rooms = [n for n in modules if getattr(room, n).__name__ not in ROOMS]
    inside = [f"{each}.{name}" for each in rooms for name in public(getattr(room, each))]
    return inside + [
        name
        for name in names
        if _is_described(getattr(room, name), "lamina" if name in passed_on else room.__name__)
        and getattr(room, name).__module__ != errors.__name__
    ]


def _is_described(one: Any, home: str) -> bool:
    """Whether it is a class or function that a module below `home` defines."""
    is_kind = inspect.isclass(one) or inspect.isroutine(one)
    return is_kind and (getattr(one, "__module__", None) or "").startswith(home)


def entry(name: str, one: Any) -> str:
    """The directive that describes one name."""
    if inspect.isclass(one):
        return f".. autoclass:: {name}\n   :members:\n"
    return f".. autofunction:: {name}\n"


def heading(text: str, line: str) -> str:
    """A heading of reStructuredText."""
    return f"{text}\n{line * len(text)}\n"


def first_line(module: Any) -> str:
    """The first sentence of a module's docstring, without its full stop."""
    text = inspect.getdoc(module) or ""
    sentence = " ".join(text.partition("\n\n")[0].split())
    return sentence.removesuffix(".").replace("*", r"\*").replace("|", r"\|")
