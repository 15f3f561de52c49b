"""Random programs: small graphs over every kind of loop, with values that stay tame."""

from __future__ import annotations

import numpy as np

import lamina.graph.ops as ops
from lamina.base import dtypes
from lamina.graph.ir import Graph, TensorType, Value, placeholder

LETTERS = "abcdefgh"


class Maker:
    """Grows a graph op by op.

    Args:
        seed: decides everything.
        dtype: of the floating values.
    """

    def __init__(self, seed: int, dtype: dtypes.DType):
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.inputs: list[Value] = []
        self.pool: list[Value] = []

    def graph(self, size: int) -> Graph:
        """A graph of about `size` ops with one to three outputs."""
        for _ in range(self.rng.integers(1, 4)):
            self._input(self._shape())
        while len(self.pool) < size:
            made = getattr(self, self.rng.choice(self.kinds))()
            if made is not None and made.type.size <= 60_000:
                self.pool.append(made)
        count = int(self.rng.integers(1, 4))
        candidates = [v for v in self.pool if v.op is not None]
        chosen = [candidates[int(i)] for i in self.rng.integers(0, len(candidates), count)]
        return Graph(self.inputs, [candidates[-1], *chosen])

    def arrays(self) -> list[np.ndarray]:
        """Inputs for the graph."""
        return [self.rng.standard_normal(v.type.shape).astype(v.dtype.numpy) for v in self.inputs]

    kinds = (
        ["unary"] * 4
        + ["binary"] * 6
        + ["choose"] * 2
        + ["reduce"] * 4
        + ["spread"] * 3
        + ["contract"] * 3
        + ["permute", "reshape", "slice", "pad", "flip", "concatenate"]
        + ["window", "fold", "gather", "scatter", "dynamic"]
    )

    scatters: tuple[str, ...] = ("scatter_add", "scatter_set", "scatter_min", "scatter_max")

    def _shape(self) -> tuple[int, ...]:
        rank = int(self.rng.integers(0, 4))
        sizes = [1, 2, 3, 4, 5, 7, 16, 17, 33, 40]
        return tuple(int(n) for n in self.rng.choice(sizes, rank))

    def _input(self, shape: tuple[int, ...]) -> Value:
        v = placeholder(TensorType(self.dtype, shape))
        self.inputs.append(v)
        self.pool.append(v)
        return v

    def _pick(self) -> Value:
        return self.pool[int(self.rng.integers(max(0, len(self.pool) - 8), len(self.pool)))]

    def _like(self, shape: tuple[int, ...]) -> Value:
        same = [v for v in self.pool if v.type.shape == shape]
        return same[int(self.rng.integers(len(same)))] if same else self._input(shape)

    def unary(self) -> Value:
        x = self._pick()
        f = self.rng.choice(["tanh", "sin", "cos", "abs", "negative", "decay", "root", "erf"])
        if f == "decay":
            return ops.exp(-abs(x))
        if f == "root":
            return ops.sqrt(abs(x) + 0.5)
        return getattr(ops, str(f))(x)

    def binary(self) -> Value:
        x = self._pick()
        y = self._like(x.type.shape)
        f = self.rng.choice(["add", "subtract", "maximum", "minimum", "product"])
        if f == "product":
            return ops.tanh(x) * y
        return getattr(ops, str(f))(x, y)

    def choose(self) -> Value:
        x = self._pick()
        y = self._like(x.type.shape)
        return ops.select(ops.less(x, y), x * 0.5, y)

    def reduce(self) -> Value | None:
        x = self._pick()
        if x.rank == 0:
            return None
        count = int(self.rng.integers(1, x.rank + 1))
        axes = tuple(sorted(int(a) - x.rank for a in self.rng.permutation(x.rank)[:count]))
        f = self.rng.choice(["sum", "max", "min"])
        made = getattr(ops, str(f))(x, axes)
        return made * 0.1 if f == "sum" else made

    def spread(self) -> Value | None:
        x = self._pick()
        if x.rank > 3:
            return None
        axis = -1 - int(self.rng.integers(0, x.rank + 1))
        return ops.expand(x, (axis,), (int(self.rng.choice([1, 3, 16, 20])),))

    def squashed(self, x: Value) -> Value:
        """x, made small."""
        return ops.tanh(x)

    def contract(self) -> Value | None:
        x = self._pick()
        if not 1 <= x.rank <= 3:
            return None
        left = LETTERS[: x.rank]
        summed = left[int(self.rng.integers(x.rank))]
        free = "z" if self.rng.integers(2) else ""
        sizes = dict(zip(left, x.type.shape, strict=True)) | {"z": 6}
        right = "".join(self.rng.permutation(list(summed + free)))
        if x.rank > 1 and self.rng.integers(3) == 0:
            right = next(c for c in left if c != summed) + right
        y = self._like(tuple(sizes[c] for c in right))
        out = [c for c in dict.fromkeys(left + right) if c != summed]
        out = "".join(self.rng.permutation(out)) if out else ""
        return ops.contract(self.squashed(x), y, f"{left},{right}->{out}") * 0.2

    def permute(self) -> Value | None:
        x = self._pick()
        order = tuple(int(a) - x.rank for a in self.rng.permutation(x.rank))
        return ops.permute(x, order) if x.rank else None

    def reshape(self) -> Value | None:
        x = self._pick()
        n = x.type.size
        divisors = [d for d in range(1, n + 1) if n % d == 0]
        d = int(self.rng.choice(divisors)) if divisors else 1
        return ops.reshape(x, x.type.shape, (d, n // d)) if n else None

    def slice(self) -> Value | None:
        x = self._pick()
        if x.rank == 0:
            return None
        n = x.type.shape[-1]
        start = int(self.rng.integers(0, n))
        stop = int(self.rng.integers(start + 1, n + 1))
        return ops.slice_(x, (start,), (stop,), (int(self.rng.integers(1, 4)),))

    def pad(self) -> Value | None:
        x = self._pick()
        if x.rank == 0:
            return None
        low, high, interior = (int(n) for n in self.rng.integers(0, 3, 3))
        return ops.pad(x, (low,), (high,), (interior,))

    def flip(self) -> Value | None:
        x = self._pick()
        return ops.flip(x, (-1 - int(self.rng.integers(x.rank)),)) if x.rank else None

    def concatenate(self) -> Value | None:
        x = self._pick()
        if x.rank == 0:
            return None
        y = self._like(x.type.shape)
        return ops.concatenate((x, y), -1 - int(self.rng.integers(x.rank)))

    def window(self) -> Value | None:
        x = self._pick()
        if x.rank == 0 or x.type.shape[-1] < 4:
            return None
        return ops.window(x, (2,), (int(self.rng.integers(1, 3)),), (int(self.rng.integers(1, 3)),))

    def fold(self) -> Value | None:
        x = self.window()
        if x is None:
            return None
        return ops.fold(self.squashed(x), x.operands[0].type.shape[-1:], *_window_fields(x))

    def gather(self) -> Value | None:
        x = self._pick()
        if x.rank == 0:
            return None
        n = x.type.shape[0]
        indices = ops.remainder(ops.iota(5, dtypes.int64) * 3, ops.constant(n, dtypes.int64, (5,)))
        return ops.gather(x, indices, x.rank - 1, 1)

    def scatter(self) -> Value | None:
        x = self._pick()
        if x.rank == 0:
            return None
        n, size = x.type.shape[0], 4
        indices = ops.remainder(ops.iota(n, dtypes.int64), ops.constant(size, dtypes.int64, (n,)))
        f = self.rng.choice(self.scatters)
        base = self._like((size, *x.type.shape[1:]))
        return getattr(ops, str(f))(base, x, indices, x.rank - 1, 1)

    def dynamic(self) -> Value | None:
        x = self._pick()
        if x.rank == 0:
            return None
        n = x.type.shape[-1]
        start = ops.remainder(ops.constant(int(self.rng.integers(9)), dtypes.int64, ()),
                              ops.constant(5, dtypes.int64, ()))  # fmt: skip
        part = ops.dynamic_slice(x, (-1,), (1 + n // 2,), (start,))
        if self.rng.integers(2):
            return part
        return ops.dynamic_update_slice(self._like(x.type.shape), part, (-1,), (start,))


def _window_fields(x: Value) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    op = x.op
    assert isinstance(op, ops.Window)
    return op.sizes, op.steps, op.dilations


class ComplexMaker(Maker):
    """The same over complex numbers, with real ones in between."""

    scatters = ("scatter_add", "scatter_set")

    def arrays(self) -> list[np.ndarray]:
        draw = self.rng.standard_normal
        return [
            np.asarray(draw(v.type.shape) + 1j * draw(v.type.shape)).astype(v.dtype.numpy)
            for v in self.inputs
        ]

    def unary(self) -> Value:
        x = self._pick()
        f = self.rng.choice(["tanh", "conj", "negative", "length", "turned", "root", "decay"])
        if f == "length":
            size = abs(x)
            return ops.make_complex(size, ops.real(x) - size)
        if f == "turned":
            return ops.make_complex(ops.imag(x), ops.real(x)) * (0.5 - 0.5j)
        if f == "root":
            return ops.sqrt(x)
        if f == "decay":
            return ops.exp(ops.make_complex(-abs(x), ops.imag(x)))
        return getattr(ops, str(f))(x) if f != "tanh" else self._bounded(x)

    def _bounded(self, x: Value) -> Value:
        one = ops.lift(1.0, abs(x))
        return x / ops.cast(one + abs(x), x.dtype)

    def binary(self) -> Value:
        x = self._pick()
        y = self._like(x.type.shape)
        f = self.rng.choice(["add", "subtract", "product", "quotient"])
        if f == "product":
            return self._bounded(x) * y
        if f == "quotient":
            return x / ops.exp(self._bounded(y))
        return getattr(ops, str(f))(x, y)

    def choose(self) -> Value:
        x = self._pick()
        y = self._like(x.type.shape)
        return ops.select(ops.less(ops.real(x), ops.imag(y)), x * 0.5j, y)

    def reduce(self) -> Value | None:
        x = self._pick()
        if x.rank == 0:
            return None
        count = int(self.rng.integers(1, x.rank + 1))
        axes = tuple(sorted(int(a) - x.rank for a in self.rng.permutation(x.rank)[:count]))
        if self.rng.integers(3) == 0:
            return ops.product(ops.exp(ops.make_complex(-abs(x) * 0.01, ops.imag(x))), axes)
        return ops.sum(x, axes) * 0.1

    def squashed(self, x: Value) -> Value:
        return self._bounded(x)
