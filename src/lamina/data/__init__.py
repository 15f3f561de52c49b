"""Floor 9: data. Today the embedded digits and a reader of the MNIST file format."""

from lamina.data.datasets import Split as Split
from lamina.data.datasets import batches as batches
from lamina.data.datasets import digits as digits
from lamina.data.datasets import mnist as mnist
from lamina.data.idx import read_idx as read_idx
