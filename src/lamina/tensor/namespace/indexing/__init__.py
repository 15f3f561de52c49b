"""Everything in square brackets, and the functions that read and write at places."""

from lamina.tensor.namespace.indexing.picking import take as take
from lamina.tensor.namespace.indexing.picking import take_along_axis as take_along_axis
