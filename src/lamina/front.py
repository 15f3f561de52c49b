"""Everything that users call: what `import lamina` gives the package once a name is asked for.

Kept apart from the package itself, so that a process which only loads an exported program
(`lamina.load_program`, `lamina run`) never imports the front end.
"""

from __future__ import annotations

import math as _math

from lamina import functional as functional
from lamina.base import trees as tree  # noqa: F401  a public name
from lamina.base.dims import Dim as Dim
from lamina.base.errors import AxisError as AxisError
from lamina.base.errors import BoundsError as BoundsError
from lamina.base.errors import CallError as CallError
from lamina.base.errors import CheckError as CheckError
from lamina.base.errors import DepthError as DepthError
from lamina.base.errors import DTypeError as DTypeError
from lamina.base.errors import FormatError as FormatError
from lamina.base.errors import ImmutableError as ImmutableError
from lamina.base.errors import LaminaError as LaminaError
from lamina.base.errors import LinAlgError as LinAlgError
from lamina.base.errors import OutOfMemoryError as OutOfMemoryError
from lamina.base.errors import ShapeError as ShapeError
from lamina.base.errors import TraceError as TraceError
from lamina.base.errors import UsageError as UsageError
from lamina.counters import counters as counters
from lamina.explain import explain as explain
from lamina.tensor import debug as debug
from lamina.tensor import fft as fft
from lamina.tensor import linalg as linalg
from lamina.tensor import random as random
from lamina.tensor import special as special
from lamina.tensor.api import *  # noqa: F403  the array namespace and the transforms, listed there
from lamina.tune import tune as tune

bool = bool_  # noqa: F405
e = _math.e
inf = _math.inf
nan = _math.nan
newaxis = None
pi = _math.pi
