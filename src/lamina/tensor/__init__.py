"""What users hold: Tensor, eager evaluation, tracing, `jit`, `grad`, `vmap` and random numbers."""

from lamina.tensor import random as random
from lamina.tensor.api import *  # noqa: F403  the array namespace and the transforms, listed there
