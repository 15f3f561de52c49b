"""Lamina: a machine-learning system in Python that compiles.

    import lamina as lm

The names here are those of the Python array API standard (2024.12), the transforms of functions
(`jit`, `grad`, `vmap`, ...) and the rooms `random`, `functional` and `tree`; `front.py` lists them.
All are imported when the first of them is used, so that a process which only loads an exported
program has no front end. The first program that is compiled loads the compiler. Rooms above
`functional` (`nn`, `optim`, ...) are imported when their name is first used.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.front import *  # noqa: F403
    from lamina.tensor.convert.convert import convert as convert
    from lamina.tensor.convert.operators.loop import bound_steps as bound_steps
    from lamina.tensor.export import export as export

_ROOMS = (
    "classical",
    "cli",
    "data",
    "deploy",
    "interop",
    "keras",
    "metrics",
    "models",
    "nn",
    "optim",
    "saving",
    "sparse",
    "train",
)
_LATE = {  # names that bring code of their own, which few programs need
    "bound_steps": "lamina.tensor.convert.operators.loop",
    "convert": "lamina.tensor.convert.convert",
    "export": "lamina.tensor.export",
    "load_program": "lamina.backend.exported",  # and this one needs no front end
}

_SPECIAL = ("__all__", "__array_namespace_info__")  # `from lamina import *` asks for the first

__array_api_version__ = "2024.12"
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Names that are imported on first use."""
    if name in _ROOMS and name in _rooms():
        return importlib.import_module(f"lamina.{name}")
    if name in _LATE:
        found = globals()[name] = getattr(importlib.import_module(_LATE[name]), name)
        return found
    if name not in _ROOMS and (not name.startswith("__") or name in _SPECIAL):
        _bring_front()
        if name in globals():
            return globals()[name]
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__getattr__("__all__"), *(n for n in globals() if n.startswith("__"))})


def _rooms() -> list[str]:
    """The rooms that are there."""
    return [room for room in _ROOMS if importlib.util.find_spec(f"lamina.{room}") is not None]


def _bring_front() -> None:
    """Import the front end and take its names."""
    front = importlib.import_module("lamina.front")
    names = {k: v for k, v in vars(front).items() if not k.startswith("_") or k in _SPECIAL}
    del names["annotations"]
    globals().update(names)
    globals()["__all__"] = sorted({*names, *_LATE, *_rooms()})
