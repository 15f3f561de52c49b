"""Random bits from a key and a counter: the same bits eager, compiled, batched and sharded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.base.dims import surely_above
from lamina.base.dtypes import uint32
from lamina.base.errors import DTypeError, ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
GROUPS = 5  # of four rounds each


def threefry(
    key: tuple[np.ndarray, np.ndarray], counter: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Threefry-2x32 with 20 rounds on u32 arrays: two random words for each key and counter.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    keys = (*key, key[0] ^ key[1] ^ np.uint32(PARITY))
    with np.errstate(over="ignore"):
        a, b = counter[0] + keys[0], counter[1] + keys[1]
        for group in range(GROUPS):
            for turn in ROTATIONS[group % 2]:
                a = a + b
                b = ((b << np.uint32(turn)) | (b >> np.uint32(32 - turn))) ^ a
            a = a + keys[(group + 1) % 3]
            b = b + keys[(group + 2) % 3] + np.uint32(group + 1)
    return a, b


@frozen
class RandomBits(Op):
    """32 random bits an element, uniform.  Inputs: a key u32[*lead, 2] -> u32[*lead, *shape].

    Elements 2j and 2j + 1 (row-major inside `shape`) are the two words of Threefry-2x32-20 with
    counter (j, 0).  Source: Salmon et al. 2011.
    """

    constant = True
    cost = 60
    shape: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        key = types[0]
        if key.dtype is not uint32:
            raise DTypeError(
                "random_bits: a key is two uint32 words",
                [f"key: {key}", "takes: uint32"],
                "make it with lamina.random.key(seed)",
            )
        if not key.rank or key.shape[-1] != 2 or surely_above(math.prod(self.shape), 2**33):
            raise ShapeError(
                "random_bits: a key is two words, for at most 2^33 elements",
                [f"key: {key}", f"shape: {self.shape}"],
                "make the key with lamina.random.key(seed); split it for more elements",
            )
        return key.with_shape(key.shape[:-1] + self.shape)

    def reference(self, *arrays: Any) -> np.ndarray:
        key = np.asarray(arrays[0])
        size = math.prod(self.shape)
        counter = np.arange((size + 1) // 2).astype(np.uint32)
        first, second = threefry((key[..., 0:1], key[..., 1:2]), (counter, np.zeros_like(counter)))
        words = np.stack([first, second], -1).reshape((*key.shape[:-1], 2 * len(counter)))
        return words[..., :size].reshape(key.shape[:-1] + self.shape)

    def view(self, s: Any, index: tuple[Any, ...], key: Any) -> Any:
        lead = len(index) - len(self.shape)
        position = s.constant(0, "i64")
        for i, size in zip(index[lead:], self.shape):
            position = s.add(s.multiply(position, s.constant(size, "i64")), i)
        word = lambda value: s.constant(value, "u32")
        read = lambda i: key((*index[:lead], s.constant(i, "i64")))
        k0, k1 = read(0), read(1)
        keys = (k0, k1, s.xor(s.xor(k0, k1), word(PARITY)))
        two = s.constant(2, "i64")
        a, b = s.add(s.cast(s.floor_divide(position, two), "u32"), k0), k1
        for group in range(GROUPS):
            for turn in ROTATIONS[group % 2]:
                a = s.add(a, b)
                high, low = s.shift_left(b, word(turn)), s.shift_right(b, word(32 - turn))
                b = s.xor(s.or_(high, low), a)
            a = s.add(a, keys[(group + 1) % 3])
            b = s.add(s.add(b, keys[(group + 2) % 3]), word(group + 1))
        even = s.equal(s.remainder(position, two), s.constant(0, "i64"))
        return s.select(even, a, b)


def random_bits(key: Any, shape: tuple[int, ...]) -> Any:
    """Random u32 words of `shape` from a key of two words."""
    return emit(RandomBits(tuple(shape)), key)
