"""Reverse mode over NumPy arrays: the float64 references of networks that are long by hand.

A function computes its result and says how a cotangent passes to each operand. Operands that are
neither weights nor made from them, such as images, have no cotangent and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Pull = Callable[[Array], Array]


class Tape:
    """What has been computed from the weights.

    Args:
        weights: by name; `gradients` has the same names.
    """

    def __init__(self, weights: dict[str, Array]):
        self.weights = weights
        self._live = {id(w) for w in weights.values()}
        self._records: list[tuple[Array, list[tuple[Array, Pull]]]] = []

    def _made(self, y: Array, *pulls: tuple[Array, Pull]) -> Array:
        self._records.append((y, [(x, pull) for x, pull in pulls if id(x) in self._live]))
        self._live.add(id(y))
        return y

    def gradients(self, y: Array, y_bar: Array) -> dict[str, Array]:
        """Cotangents of the weights, from that of the last value."""
        bars = {id(y): y_bar}
        for made, pulls in reversed(self._records):
            bar = bars.pop(id(made), None)
            if bar is None:
                continue
            for x, pull in pulls:
                more = pull(bar)
                bars[id(x)] = bars[id(x)] + more if id(x) in bars else more
        return {name: bars[id(w)] for name, w in self.weights.items()}

    # ------------------------------------------------------------ elementwise, shapes

    def add(self, x: Array, y: Array) -> Array:
        """x + y, of one shape."""
        return self._made(x + y, (x, lambda bar: bar), (y, lambda bar: bar))

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""
        return self._made(np.maximum(x, 0), (x, lambda bar: bar * (x > 0)))

    def reshape(self, x: Array, shape: tuple[int, ...]) -> Array:
        """The same elements in another shape."""
        return self._made(x.reshape(shape).copy(), (x, lambda bar: bar.reshape(x.shape)))

    def mean_of_places(self, x: Array) -> Array:
        """[B, C, H, W] -> [B, C]."""
        count = x.shape[2] * x.shape[3]
        spread = lambda bar: np.broadcast_to(bar[:, :, None, None] / count, x.shape)
        return self._made(x.mean((2, 3)), (x, spread))

    # ------------------------------------------------------------ layers, by the name of weights

    def linear(self, x: Array, name: str) -> Array:
        """x W^T + b over the last axis."""
        w, b = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        rows = lambda a: a.reshape(-1, a.shape[-1])
        return self._made(
            x @ w.T + b,
            (x, lambda bar: bar @ w),
            (w, lambda bar: rows(bar).T @ rows(x)),
            (b, lambda bar: rows(bar).sum(0)),
        )

    def embedding(self, tokens: Array, name: str) -> Array:
        """Rows of the table."""
        w = self.weights[f"{name}.weight"]

        def pull(bar: Array) -> Array:
            found = np.zeros_like(w)
            np.add.at(found, tokens, bar)
            return found

        return self._made(w[tokens], (w, pull))

    def conv(self, x: Array, name: str, stride: int = 1, padding: int = 0) -> Array:
        """Square kernels over [B, C, H, W], with a bias where there is one."""
        w, b = self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias")
        size = w.shape[2]
        padded = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))

        def windows() -> Array:  # (B, C, H', W', size, size)
            every = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (2, 3))
            return every[:, :, ::stride, ::stride]

        def to_x(bar: Array) -> Array:
            found = np.zeros_like(padded)
            rows, columns = bar.shape[2] * stride, bar.shape[3] * stride
            for i in range(size):
                for j in range(size):
                    part = np.tensordot(bar, w[:, :, i, j], (1, 0)).transpose(0, 3, 1, 2)
                    found[:, :, i : i + rows : stride, j : j + columns : stride] += part
            end = [n - padding for n in padded.shape[2:]]
            return found[:, :, padding : end[0], padding : end[1]]

        y = np.tensordot(windows(), w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        pulls = [(x, to_x), (w, lambda bar: np.tensordot(bar, windows(), ((0, 2, 3), (0, 2, 3))))]
        if b is not None:
            y = y + b[:, None, None]
            pulls.append((b, lambda bar: bar.sum((0, 2, 3))))
        return self._made(np.ascontiguousarray(y), *pulls)

    def max_pool(self, x: Array, size: int, stride: int, padding: int = 0) -> Array:
        """The largest of each window; its cotangent goes to the first one that is it."""
        edge = (padding, padding + stride)  # behind: room for the windows of the last place
        padded = np.pad(x, ((0, 0), (0, 0), edge, edge), constant_values=-np.inf)
        rows, columns = ((n + 2 * padding - size) // stride + 1 for n in x.shape[2:])

        def at(i: int, j: int) -> tuple[slice, ...]:
            across = slice(j, j + columns * stride, stride)
            return slice(None), slice(None), slice(i, i + rows * stride, stride), across

        places = [(i, j) for i in range(size) for j in range(size)]
        best = np.full((*x.shape[:2], rows, columns), -np.inf)
        chosen = np.zeros(best.shape, np.int8)
        for k, place in enumerate(places):
            larger = padded[at(*place)] > best
            best[larger], chosen[larger] = padded[at(*place)][larger], k

        def pull(bar: Array) -> Array:
            found = np.zeros_like(padded)
            for k, place in enumerate(places):
                found[at(*place)] += np.where(chosen == k, bar, 0)
            inner = slice(padding, padding + x.shape[2]), slice(padding, padding + x.shape[3])
            return found[:, :, inner[0], inner[1]]

        return self._made(best, (x, pull))

    def batch_norm(self, x: Array, name: str, epsilon: float = 1e-5) -> Array:
        """By the statistics of the batch, over [B, C, H, W]."""
        w, b = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        axes, wide = (0, 2, 3), (slice(None), None, None)
        centred = x - x.mean(axes, keepdims=True)
        scale = 1 / np.sqrt((centred**2).mean(axes, keepdims=True) + epsilon)
        unit = centred * scale

        def to_x(bar: Array) -> Array:
            bar = bar * w[wide]
            along = (bar * unit).mean(axes, keepdims=True)
            return scale * (bar - bar.mean(axes, keepdims=True) - unit * along)

        return self._made(
            unit * w[wide] + b[wide],
            (x, to_x),
            (w, lambda bar: (bar * unit).sum(axes)),
            (b, lambda bar: bar.sum(axes)),
        )

    def lstm(self, x: Array, name: str, layer: int) -> Array:
        """One layer over [B, T, C] from a state of zeros; gates in the order i, f, g, o."""
        names = [f"{name}.{n}_l{layer}" for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        w, u, b, c = (self.weights[n] for n in names)
        batch, length, width = *x.shape[:2], u.shape[1]
        sigmoid = lambda z: 1 / (1 + np.exp(-z))
        cells = np.zeros((length + 1, batch, width))
        hidden = np.zeros((length + 1, batch, width))
        gates = np.empty((length, batch, 4, width))
        inputs = x @ w.T + b + c
        for t in range(length):
            z = (inputs[:, t] + hidden[t] @ u.T).reshape(batch, 4, width)
            i, f, o, g = sigmoid(z[:, 0]), sigmoid(z[:, 1]), sigmoid(z[:, 3]), np.tanh(z[:, 2])
            gates[t] = np.stack([i, f, g, o], 1)
            cells[t + 1] = f * cells[t] + i * g
            hidden[t + 1] = o * np.tanh(cells[t + 1])

        def through_time(bar: Array) -> Array:
            """The cotangent of the gates' arguments, [T, B, 4 width]."""
            found = np.empty((length, batch, 4 * width))
            h_bar, c_bar = np.zeros((batch, width)), np.zeros((batch, width))
            for t in reversed(range(length)):
                i, f, g, o = (gates[t, :, k] for k in range(4))
                bent = np.tanh(cells[t + 1])
                h_bar = h_bar + bar[:, t]
                c_bar = c_bar + h_bar * o * (1 - bent**2)
                parts = (
                    c_bar * g * i * (1 - i),
                    c_bar * cells[t] * f * (1 - f),
                    c_bar * i * (1 - g**2),
                    h_bar * bent * o * (1 - o),
                )
                found[t] = np.concatenate(parts, 1)
                h_bar, c_bar = found[t] @ u, c_bar * f
            return found

        y = np.ascontiguousarray(hidden[1:].transpose(1, 0, 2))
        kept: dict[int, Array] = {}

        def shared(bar: Array) -> Array:
            if id(bar) not in kept:
                kept.clear()
                kept[id(bar)] = through_time(bar)
            return kept[id(bar)]

        bias = lambda bar: shared(bar).sum((0, 1))
        return self._made(
            y,
            (x, lambda bar: (shared(bar) @ w).transpose(1, 0, 2)),
            (w, lambda bar: np.einsum("tbk,btc->kc", shared(bar), x, optimize=True)),
            (u, lambda bar: np.einsum("tbk,tbc->kc", shared(bar), hidden[:-1], optimize=True)),
            (b, bias),
            (c, bias),
        )
