"""Lamina: a machine-learning system in Python that compiles.

    import lamina as lm

The names here are those of the Python array API standard (2024.12), the transforms of functions
(`jit`, `grad`, `vmap`, ...) and the rooms `random`, `functional` and `tree`. Importing this does
not load the compiler; the first program that is compiled does. Rooms above `functional` (`nn`,
`optim`, ...) are imported when their name is first used.
"""

from __future__ import annotations

import importlib
import math as _math
from typing import Any

from lamina import functional as functional
from lamina.base import trees as tree
from lamina.base.errors import AxisError as AxisError
from lamina.base.errors import BoundsError as BoundsError
from lamina.base.errors import CallError as CallError
from lamina.base.errors import CheckError as CheckError
from lamina.base.errors import DTypeError as DTypeError
from lamina.base.errors import ImmutableError as ImmutableError
from lamina.base.errors import LaminaError as LaminaError
from lamina.base.errors import LinAlgError as LinAlgError
from lamina.base.errors import OutOfMemoryError as OutOfMemoryError
from lamina.base.errors import ShapeError as ShapeError
from lamina.base.errors import TraceError as TraceError
from lamina.base.errors import UsageError as UsageError
from lamina.explain import explain as explain
from lamina.tensor import debug as debug
from lamina.tensor import fft as fft
from lamina.tensor import linalg as linalg
from lamina.tensor import random as random
from lamina.tensor import special as special
from lamina.tensor.api import *  # noqa: F403  the array namespace and the transforms, listed there

bool = bool_  # noqa: F405
e = _math.e
inf = _math.inf
nan = _math.nan
newaxis = None
pi = _math.pi

_ROOMS = ("cli", "data", "deploy", "interop", "models", "nn", "optim", "sparse", "train")


def __getattr__(name: str) -> Any:
    """Rooms that are imported on first use."""
    if name in _ROOMS:
        return importlib.import_module(f"lamina.{name}")
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")


__array_api_version__ = "2024.12"
__version__ = "0.1.0"
