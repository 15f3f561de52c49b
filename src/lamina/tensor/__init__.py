"""What users hold: Tensor, eager evaluation, tracing, `jit`, `grad`, `vmap` and random numbers."""

from lamina.tensor import methods as methods
from lamina.tensor.tensor import Tensor as Tensor
