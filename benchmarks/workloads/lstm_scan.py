"""Loss and gradients of an LSTM over many steps: by a scan, unrolled by hand, and its first call.

The loss is the sum of the squares of all hidden states, over the batch; the gradients are those of
inputs and parameters. PyTorch has it as a layer, `torch.nn.LSTM`. By hand means a loop of Python
under `jit`, which makes a program of all steps; 64 are enough to compare what one costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.calls import Make, function_peers
from benchmarks.workload import Builder, Cost, Data, Prepared, Tolerance, Workload
from benchmarks.workloads.first_calls import cold_builder

TOLERANCE = Tolerance(relative=1e-3, absolute=1e-3)  # sums over thousands of steps in float32


@dataclass(frozen=True)
class Sizes:
    """Steps, sequences, and the width of inputs and state."""

    steps: int
    batch: int
    width: int

    @property
    def suffix(self) -> str:
        """For the names of rows."""
        return f"{self.steps}_b{self.batch}_h{self.width}"


def make_data(rng: np.random.Generator, sizes: Sizes) -> Data:
    """A sequence x [T, B, C] and the parameters w, u [C, 4C] and b [4C]; gates are i, f, g, o."""
    normal = lambda *shape: rng.standard_normal(shape, np.float32)
    c = sizes.width
    return {
        "x": normal(sizes.steps, sizes.batch, c),
        "w": normal(c, 4 * c) / np.float32(np.sqrt(c)),
        "u": normal(c, 4 * c) / np.float32(np.sqrt(c)),
        "b": normal(4 * c),
    }


def reference(data: Data) -> list[np.ndarray]:
    """Loss and gradients by hand, back through time."""
    x, w, u, b = (a.astype(np.float64) for a in data.values())
    steps, batch, c = x.shape
    sigmoid = lambda z: 0.5 + 0.5 * np.tanh(0.5 * z)
    h, cell, kept, loss = np.zeros((batch, c)), np.zeros((batch, c)), [], 0.0
    for t in range(steps):
        i, f, g, o = np.split(x[t] @ w + h @ u + b, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        before, cell = (h, cell), f * cell + i * g
        h = o * np.tanh(cell)
        kept.append((before, i, f, g, o, cell, h))
        loss += np.sum(h * h) / batch
    bars = [np.zeros_like(a) for a in (x, w, u, b)]
    h_bar, cell_bar = np.zeros_like(h), np.zeros_like(cell)
    for t in reversed(range(steps)):
        (h, before), i, f, g, o, cell, after = kept[t]
        h_bar = h_bar + 2.0 * after / batch
        bent = np.tanh(cell)
        cell_bar = cell_bar + h_bar * o * (1 - bent * bent)
        parts = cell_bar * g, cell_bar * before, cell_bar * i, h_bar * bent
        slopes = i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o)
        gates = np.concatenate([p * s for p, s in zip(parts, slopes)], axis=1)
        bars[0][t] = gates @ w.T
        for bar, part in zip(bars[1:], (x[t].T @ gates, h.T @ gates, gates.sum(axis=0))):
            bar += part
        h_bar, cell_bar = gates @ u.T, cell_bar * f
    return [np.array(loss), *bars]


def cost(sizes: Sizes) -> Cost:
    """Two products a step, three times each; sequence and parameters in, their gradients out."""
    t, b, c = sizes.steps, sizes.batch, sizes.width
    numbers = t * b * c + 8 * c * c + 4 * c
    return Cost(3 * 2.0 * t * b * 2 * c * 4 * c, 4.0 * numbers, 4.0 * (numbers + 1))


def cell(xp: Any, sigmoid: Callable[[Any], Any], state: Any, x: Any, w: Any, u: Any, b: Any) -> Any:
    """One step."""
    h, c = state
    i, f, g, o = xp.split(x @ w + h @ u + b, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * xp.tanh(g)
    return sigmoid(o) * xp.tanh(c), c


def with_gradients(module: ModuleType, loss: Callable[..., Any]) -> Callable[..., Any]:
    """Loss and gradients in one row."""
    both = module.value_and_grad(loss, (0, 1, 2, 3))

    def f(*arrays: Any) -> Any:
        value, bars = both(*arrays)
        return value, *bars

    return f


def lamina_scan(lm: ModuleType) -> Callable[..., Any]:
    """By `lm.scan`."""

    def loss(x: Any, w: Any, u: Any, b: Any) -> Any:
        def step(state: Any, row: Any) -> Any:
            state = cell(lm, lm.functional.sigmoid, state, row, w, u, b)
            return state, state[0]

        zero = lm.zeros_like(x[0])
        hs = lm.scan(step, (zero, zero), x)[1]
        return lm.sum(hs * hs) / x.shape[1]

    return with_gradients(lm, loss)


def lamina_unrolled(lm: ModuleType) -> Callable[..., Any]:
    """By a loop of Python."""

    def loss(x: Any, w: Any, u: Any, b: Any) -> Any:
        state, hs = (lm.zeros_like(x[0]),) * 2, []
        for t in range(x.shape[0]):
            state = cell(lm, lm.functional.sigmoid, state, x[t], w, u, b)
            hs.append(state[0])
        hs = lm.stack(hs)
        return lm.sum(hs * hs) / x.shape[1]

    return with_gradients(lm, loss)


def jax_scan(jax: ModuleType) -> Callable[..., Any]:
    """By `lax.scan`."""
    jnp = jax.numpy

    def loss(x: Any, w: Any, u: Any, b: Any) -> Any:
        def step(state: Any, row: Any) -> Any:
            state = cell(jnp, jax.nn.sigmoid, state, row, w, u, b)
            return state, state[0]

        zero = jnp.zeros_like(x[0])
        hs = jax.lax.scan(step, (zero, zero), x)[1]
        return jnp.sum(hs * hs) / x.shape[1]

    return with_gradients(jax, loss)


def torch_layer(torch: ModuleType) -> Callable[..., Any]:
    """By `torch.nn.LSTM`, whose second bias stays zero."""

    def f(x: Any, w: Any, u: Any, b: Any) -> Any:
        layer = torch.nn.LSTM(x.shape[2], x.shape[2])
        given = [w.T.contiguous(), u.T.contiguous(), b, torch.zeros_like(b)]
        for parameter, value in zip(layer.parameters(), given):
            parameter.data = value
        x = x.detach().requires_grad_()
        hs, _ = layer(x)
        loss = (hs * hs).sum() / x.shape[1]
        loss.backward()
        w_bar, u_bar, b_bar, _ = (p.grad for p in layer.parameters())
        return loss, x.grad, w_bar.T, u_bar.T, b_bar

    return f


def row(name: str, summary: str, sizes: Sizes, lamina: Make, peers: dict[str, Make]) -> Workload:
    """A row of the time of loss and gradients."""
    builders = function_peers(lamina=lamina, **peers, several=True)  # type: ignore[arg-type]
    builders.pop("torch_compile", None)
    return Workload(
        f"{name}_{sizes.suffix}",
        f"{summary}: loss and gradients of {sizes.steps} steps",
        partial(make_data, sizes=sizes),
        reference,
        builders,
        TOLERANCE,
        cost(sizes),
    )


def first(make: Make, module: str, sizes: Sizes) -> Builder:
    """The first call."""

    def build(_: Data) -> Prepared:
        import importlib

        peer = importlib.import_module(module)
        data = make_data(np.random.default_rng(0), sizes)
        f = peer.jit(make(peer))
        given = [peer.asarray(a) if module == "lamina" else a for a in data.values()]
        return Prepared(lambda: float(f(*given)[0]), list)

    return build


def first_row(sizes: Sizes) -> Workload:
    """A row of the time of the first call: it should not depend on the steps."""
    name = f"first_lstm_scan_{sizes.suffix}"
    makes: dict[str, Make] = {"lamina": lamina_scan, "jax": jax_scan}
    return Workload(
        name,
        f"the first call of loss and gradients of an LSTM by scan, {sizes.steps} steps",
        lambda _: {},
        lambda _: [reference(make_data(np.random.default_rng(0), sizes))[0]],
        {peer: cold_builder(name, peer) for peer in makes},
        TOLERANCE,
        fresh=True,
        inside={peer: first(make, peer, sizes) for peer, make in makes.items()},
    )


LONG = [Sizes(512, 8, 64), Sizes(512, 32, 128), Sizes(512, 32, 512)]
SHORT = Sizes(64, 32, 128)
BY_SCAN: dict[str, Make] = {"torch": torch_layer, "jax": jax_scan}

WORKLOADS = (
    *(row("lstm_scan", "an LSTM by scan", sizes, lamina_scan, BY_SCAN) for sizes in LONG),
    row("lstm_scan", "an LSTM by scan", SHORT, lamina_scan, BY_SCAN),
    row("lstm_unrolled", "an LSTM unrolled by hand", SHORT, lamina_unrolled, {}),
    *(first_row(Sizes(steps, 8, 32)) for steps in (16, 4096)),
)
