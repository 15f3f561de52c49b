"""Floor 9: data. The embedded digits, MNIST's file format, batches that know their place."""

from lamina.data.arrays import Batches as Batches
from lamina.data.arrays import Replayed as Replayed
from lamina.data.arrays import resumable as resumable
from lamina.data.datasets import Split as Split
from lamina.data.datasets import batches as batches
from lamina.data.datasets import digits as digits
from lamina.data.datasets import mnist as mnist
from lamina.data.idx import read_idx as read_idx
from lamina.data.source import Source as Source
from lamina.data.windows import Windows as Windows
