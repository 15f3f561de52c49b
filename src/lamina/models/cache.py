"""What a decoder remembers of the tokens so far: keys and values in tensors of fixed size."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina.runtime import register_node
from lamina.tensor import Tensor


class Cache:
    """Keys and values of each layer, of which the first `length` places are filled.

    The sizes are fixed, so a compiled step serves every token. A jitted function that takes a cache
    writes into the same memory.

    Args:
        layers: number of layers.
        batch: sequences B.
        heads: heads H of keys and values.
        size: places S.
        width: D of a head.
        dtype: of keys and values.

    Attributes:
        keys, values: `[B, H, S, D]` for each layer.
        length: how many places are filled.
    """

    def __init__(
        self,
        layers: int,
        batch: int,
        heads: int,
        size: int,
        width: int,
        dtype: Any = lm.float32,
    ):
        shape = (batch, heads, size, width)
        self.keys = [lm.zeros(shape, dtype=dtype) for _ in range(layers)]
        self.values = [lm.zeros(shape, dtype=dtype) for _ in range(layers)]
        self.length = lm.zeros((), dtype=lm.int64)

    @property
    def size(self) -> int:
        """The number of places."""
        return self.keys[0].shape[2]

    def update(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Put keys and values of the next tokens behind those there are; all of the layer.

        Shapes: `key, value: [B, H, T, D] -> [B, H, S, D]` each.
        """
        start = [0, 0, self.length, 0]
        self.keys[layer] = lm.dynamic_update_slice(self.keys[layer], key, start)
        self.values[layer] = lm.dynamic_update_slice(self.values[layer], value, start)
        return self.keys[layer], self.values[layer]

    def positions(self, count: int) -> Tensor:
        """Those of the next `count` tokens.  Shapes: `-> [count]`."""
        return lm.add(self.length, lm.arange(count))

    def seen(self, count: int) -> Tensor:
        """Which places each of the next tokens sees, itself included.  Shapes: `-> [count, S]`."""
        place = lm.reshape(self.positions(count), (-1, 1))
        return lm.less_equal(lm.arange(self.size), place)

    def advance(self, count: Any) -> None:
        """So many more places are filled."""
        self.length = lm.astype(lm.add(self.length, count), lm.int64)

    def reorder(self, rows: Tensor) -> None:
        """Sequence i goes on as what sequence `rows[i]` was.  Shapes: `rows: [B]`."""
        self.keys = [lm.take(k, rows, axis=0) for k in self.keys]
        self.values = [lm.take(v, rows, axis=0) for v in self.values]


register_node(Cache)
