"""Which code is the user's: that of the standard library, of packages and Lamina's own is not."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path

import lamina.base

_PARTS = ("/site-packages/", "/dist-packages/")
_PACKAGE = str(Path(lamina.base.__file__).parents[1])
_ROOTS = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _PACKAGE)


@cache
def is_users_file(name: str) -> bool:
    """Whether a file is neither of Lamina nor of the standard library nor of a package."""
    if name.startswith("<frozen"):
        return False
    return not name.startswith(_ROOTS) and not any(part in name for part in _PARTS)


@cache
def is_lamina_file(name: str) -> bool:
    """Whether a file is of Lamina itself."""
    return name.startswith(_PACKAGE)


def is_users_class(kind: type) -> bool:
    """Whether a class was defined by the user."""
    if kind.__module__ in ("builtins", "__builtin__"):
        return False
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    return module is not None and (file is None or is_users_file(file))
