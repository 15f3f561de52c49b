"""Tensors with gaps: rows of different length, and matrices of which most elements are 0.

Both are small classes over the same ops as everything else, and containers of tensors: they pass
through `jit`, `grad` and `vmap` like modules do. What is static is the number of stored elements.
"""

from lamina.sparse.coordinates import Sparse as Sparse
from lamina.sparse.ragged import Ragged as Ragged
from lamina.sparse.ragged import concat as concat
