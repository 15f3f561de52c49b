"""A training step of an LSTM that predicts the next character, `lamina.models.LSTMLanguageModel`.

Names of parameters are PyTorch's. In JAX each layer takes the inputs of all steps in one product
and goes through time with `lax.scan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import training
from benchmarks.tape import Tape
from benchmarks.workload import Cost, Data, Tolerance


@dataclass(frozen=True)
class Sizes:
    """How large the network and its batches are."""

    layers: int = 2
    width: int = 512
    length: int = 64
    batch: int = 32
    vocabulary: int = 65

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the parameters, by name."""
        c = self.width
        layer = {
            "weight_ih": (4 * c, c),
            "weight_hh": (4 * c, c),
            "bias_ih": (4 * c,),
            "bias_hh": (4 * c,),
        }
        return {
            "encoder.weight": (self.vocabulary, c),
            **{f"rnn.{n}_l{i}": shape for i in range(self.layers) for n, shape in layer.items()},
            "decoder.weight": (self.vocabulary, c),
            "decoder.bias": (self.vocabulary,),
        }


def make_data(rng: np.random.Generator, sizes: Sizes) -> Data:
    """Random tokens, the next ones, and initial parameters."""
    shape = (training.BATCHES, sizes.batch, sizes.length)
    found: Data = {
        "images": rng.integers(0, sizes.vocabulary, shape),
        "labels": rng.integers(0, sizes.vocabulary, (shape[0], sizes.batch * sizes.length)),
    }
    for name, shape in sizes.shapes.items():
        scale = np.float32(1.0 if name == "encoder.weight" else sizes.width**-0.5)
        found[name] = scale * rng.uniform(-1, 1, shape).astype(np.float32)
    return found


def cost(sizes: Sizes) -> Cost:
    """Three products a weight but those of the table, and Adam's three arrays."""
    c, rows = sizes.width, sizes.batch * sizes.length
    weights = 8 * c * c * sizes.layers + c * sizes.vocabulary
    count = sum(int(np.prod(shape)) for shape in sizes.shapes.values())
    return Cost(6.0 * rows * weights, 12.0 * count, 12.0 * count)


def lamina_model(sizes: Sizes) -> Any:
    """The network of the zoo, with its logits in rows."""
    import lamina as lm

    class Network(lm.models.LSTMLanguageModel):
        def forward(self, tokens: Any) -> Any:
            return super().forward(tokens).reshape((-1, sizes.vocabulary))

    return Network(sizes.vocabulary, sizes.width, sizes.layers)


def torch_model(sizes: Sizes) -> Any:
    """The same with PyTorch's layers."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            c = sizes.width
            self.encoder = torch.nn.Embedding(sizes.vocabulary, c)
            self.rnn = torch.nn.LSTM(c, c, sizes.layers, batch_first=True)
            self.decoder = torch.nn.Linear(c, sizes.vocabulary)

        def forward(self, tokens: Any) -> Any:
            y, _ = self.rnn(self.encoder(tokens))
            return self.decoder(y).reshape(-1, sizes.vocabulary)

    return Network()


def jax_forward(sizes: Sizes) -> Any:
    """The logits, as a function of parameters and tokens."""
    import jax
    from jax import numpy as jnp

    def layer(w: dict[str, Any], x: Any, i: int) -> Any:  # (T, B, C)
        bias = w[f"rnn.bias_ih_l{i}"] + w[f"rnn.bias_hh_l{i}"]
        inputs = x @ w[f"rnn.weight_ih_l{i}"].T + bias
        u = w[f"rnn.weight_hh_l{i}"].T

        def after(state: Any, z: Any) -> Any:
            h, c = state
            gate_i, gate_f, g, gate_o = jnp.split(z + h @ u, 4, axis=1)
            c = jax.nn.sigmoid(gate_f) * c + jax.nn.sigmoid(gate_i) * jnp.tanh(g)
            h = jax.nn.sigmoid(gate_o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros(x.shape[1:], x.dtype)
        return jax.lax.scan(after, (zeros, zeros), inputs)[1]

    def forward(w: dict[str, Any], tokens: Any) -> Any:
        x = w["encoder.weight"][tokens.T]
        for i in range(sizes.layers):
            x = layer(w, x, i)
        x = x.swapaxes(0, 1).reshape(-1, sizes.width)
        return x @ w["decoder.weight"].T + w["decoder.bias"]

    return forward


def numpy_gradients(sizes: Sizes) -> Any:
    """The loss and its gradients."""

    def gradients(
        weights: training.Arrays, tokens: np.ndarray, labels: np.ndarray
    ) -> tuple[float, training.Arrays]:
        tape = Tape(weights)
        x = tape.embedding(tokens.astype(np.int64), "encoder")
        for i in range(sizes.layers):
            x = tape.lstm(x, "rnn", i)
        logits = tape.linear(tape.reshape(x, (-1, sizes.width)), "decoder")
        loss, bar = training.numpy_cross_entropy(logits, labels)
        return loss, tape.gradients(logits, bar)

    return gradients


def network(name: str, summary: str, sizes: Sizes) -> training.Network:
    """The network of one size."""
    return training.Network(
        name,
        summary,
        lambda rng: make_data(rng, sizes),
        cost(sizes),
        Tolerance(relative=2e-4, absolute=2e-4),  # Adam divides by small second moments
        numpy_gradients(sizes),
        lambda: lamina_model(sizes),
        lambda: torch_model(sizes),
        lambda: jax_forward(sizes),
    )


NETWORK = network(
    "lstm_train",
    "a training step of an LSTM of 2 layers of 512, 32 sequences of 64 characters",
    Sizes(),
)

WORKLOADS = NETWORK.workloads()
