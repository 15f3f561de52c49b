"""Training steps of transformers that predict the next token: the same layers in every peer.

Norms come first, attention is causal, the feed-forward part is four times as wide, and dropout is
zero. Names of parameters are PyTorch's; in PyTorch and in Lamina the layers are their own
`nn.TransformerEncoderLayer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import erf

from benchmarks import training
from benchmarks.optimizers import ADAM, ADAMW, Optimizer
from benchmarks.workload import Cost, Data, Tolerance

EPSILON = 1e-5  # of the norms


@dataclass(frozen=True)
class Sizes:
    """How large the network and its batches are; `last`: only the last token gets logits."""

    layers: int
    width: int
    heads: int
    length: int
    batch: int
    vocabulary: int
    last: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the parameters, by name."""
        c = self.width
        block = {
            "norm1.weight": (c,),
            "norm1.bias": (c,),
            "self_attn.in_proj_weight": (3 * c, c),
            "self_attn.in_proj_bias": (3 * c,),
            "self_attn.out_proj.weight": (c, c),
            "self_attn.out_proj.bias": (c,),
            "norm2.weight": (c,),
            "norm2.bias": (c,),
            "linear1.weight": (4 * c, c),
            "linear1.bias": (4 * c,),
            "linear2.weight": (c, 4 * c),
            "linear2.bias": (c,),
        }
        blocks = {f"layers.{i}.{n}": s for i in range(self.layers) for n, s in block.items()}
        return {
            "tokens.weight": (self.vocabulary, c),
            "places.weight": (self.length, c),
            **blocks,
            "norm.weight": (c,),
            "norm.bias": (c,),
            "head.weight": (self.vocabulary, c),
            "head.bias": (self.vocabulary,),
        }


def make_data(rng: np.random.Generator, sizes: Sizes) -> Data:
    """Random tokens, the next ones, and initial parameters."""
    shape = (training.BATCHES, sizes.batch, sizes.length)
    data: Data = {
        "images": rng.integers(0, sizes.vocabulary, shape),
        "labels": rng.integers(0, sizes.vocabulary, (shape[0], sizes.batch * sizes.length)),
    }
    return data | make_weights(rng, sizes)


def make_weights(rng: np.random.Generator, sizes: Sizes) -> Data:
    """Initial parameters."""
    data: Data = {}
    for name, shape in sizes.shapes.items():
        noise = rng.uniform(-1, 1, shape).astype(np.float32)
        scale = 0.1 if len(shape) == 1 else shape[-1] ** -0.5
        is_scale = "norm" in name and name.endswith("weight")
        data[name] = np.float32(scale) * noise + np.float32(is_scale)
    return data


def cost(sizes: Sizes) -> Cost:
    """Three products a layer and weight, attention to the half that is past, and Adam's arrays."""
    c, rows = sizes.width, sizes.batch * sizes.length
    weights = 12 * c * c * sizes.layers + c * sizes.vocabulary
    attention = sizes.layers * rows * (sizes.length + 1) * c  # multiply-adds: scores and values
    count = sum(int(np.prod(shape)) for shape in sizes.shapes.values())
    return Cost(6.0 * (rows * weights + attention), 12.0 * count, 12.0 * count)


def lamina_model(sizes: Sizes) -> Any:
    """The network with Lamina's layers."""
    import lamina as lm

    class Network(lm.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            c = sizes.width
            self.tokens = lm.nn.Embedding(sizes.vocabulary, c)
            self.places = lm.nn.Embedding(sizes.length, c)
            options: Any = {"activation": "gelu", "batch_first": True, "norm_first": True}
            self.layers = [
                lm.nn.TransformerEncoderLayer(c, sizes.heads, 4 * c, 0.0, **options)
                for _ in range(sizes.layers)
            ]
            self.norm = lm.nn.LayerNorm(c)
            self.head = lm.nn.Linear(c, sizes.vocabulary)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.places.weight
            for layer in self.layers:
                x = layer(x, is_causal=True)
            x = x[:, -1] if sizes.last else x
            return self.head(self.norm(x)).reshape((-1, sizes.vocabulary))

    return Network()


def torch_model(sizes: Sizes) -> Any:
    """The network with PyTorch's layers."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            c = sizes.width
            self.tokens = torch.nn.Embedding(sizes.vocabulary, c)
            self.places = torch.nn.Embedding(sizes.length, c)
            options: Any = {"activation": "gelu", "batch_first": True, "norm_first": True}
            self.layers = torch.nn.ModuleList(
                torch.nn.TransformerEncoderLayer(c, sizes.heads, 4 * c, 0.0, **options)
                for _ in range(sizes.layers)
            )
            self.norm = torch.nn.LayerNorm(c)
            self.head = torch.nn.Linear(c, sizes.vocabulary)
            mask = torch.nn.Transformer.generate_square_subsequent_mask(sizes.length)
            self.register_buffer("mask", mask, persistent=False)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.places.weight
            for layer in self.layers:
                x = layer(x, src_mask=self.mask, is_causal=True)
            x = x[:, -1] if sizes.last else x
            return self.head(self.norm(x)).reshape(-1, sizes.vocabulary)

    return Network()


def jax_forward(sizes: Sizes) -> Any:
    """The logits, as a function of parameters and tokens."""
    import jax
    from jax import numpy as jnp

    def normalised(x: Any, w: dict[str, Any], name: str) -> Any:
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        scaled = (x - mean) * jax.lax.rsqrt(variance + EPSILON)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    def attention(x: Any, w: dict[str, Any], name: str) -> Any:
        shape = (*x.shape[:2], 3, sizes.heads, -1)
        qkv = (x @ w[f"{name}.in_proj_weight"].T + w[f"{name}.in_proj_bias"]).reshape(shape)
        y = jax.nn.dot_product_attention(*(qkv[:, :, i] for i in range(3)), is_causal=True)
        return y.reshape(x.shape) @ w[f"{name}.out_proj.weight"].T + w[f"{name}.out_proj.bias"]

    def forward(w: dict[str, Any], tokens: Any) -> Any:
        x = w["tokens.weight"][tokens] + w["places.weight"]
        for i in range(sizes.layers):
            at = f"layers.{i}"
            x = x + attention(normalised(x, w, f"{at}.norm1"), w, f"{at}.self_attn")
            h = normalised(x, w, f"{at}.norm2")
            h = h @ w[f"{at}.linear1.weight"].T + w[f"{at}.linear1.bias"]
            h = jax.nn.gelu(h, approximate=False)
            x = x + h @ w[f"{at}.linear2.weight"].T + w[f"{at}.linear2.bias"]
        x = x[:, -1] if sizes.last else x
        logits = normalised(x, w, "norm") @ w["head.weight"].T + w["head.bias"]
        return jnp.reshape(logits, (-1, sizes.vocabulary))

    return forward


# ---------------------------------------------------------------- by hand, in NumPy


class Tape:
    """A network's values, and from them its gradients: every method pushes its own way back."""

    def __init__(self, weights: training.Arrays):
        self.weights = weights
        self.gradients = {n: np.zeros_like(w) for n, w in weights.items()}
        self._back: list[Any] = []

    def linear(self, x: np.ndarray, weight: str, bias: str) -> np.ndarray:
        w = self.weights[weight]

        def back(y_bar: np.ndarray) -> np.ndarray:
            rows = y_bar.reshape(-1, y_bar.shape[-1])
            self.gradients[weight] += rows.T @ x.reshape(-1, x.shape[-1])
            self.gradients[bias] += rows.sum(0)
            return y_bar @ w

        self._back.append(back)
        return x @ w.T + self.weights[bias]

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        w = self.weights[f"{name}.weight"]
        centred = x - x.mean(-1, keepdims=True)
        scale = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        unit = centred * scale

        def back(y_bar: np.ndarray) -> np.ndarray:
            self.gradients[f"{name}.weight"] += (y_bar * unit).sum((0, 1))
            self.gradients[f"{name}.bias"] += y_bar.sum((0, 1))
            g = y_bar * w
            along = (g * unit).mean(-1, keepdims=True)
            return scale * (g - g.mean(-1, keepdims=True) - unit * along)

        self._back.append(back)
        return unit * w + self.weights[f"{name}.bias"]

    def gelu(self, x: np.ndarray) -> np.ndarray:
        share = 0.5 * (1 + erf(x / np.sqrt(2)))
        density = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
        self._back.append(lambda y_bar: y_bar * (share + x * density))
        return x * share

    def attend(self, qkv: np.ndarray, heads: int) -> np.ndarray:
        batch, length, _ = qkv.shape
        apart = qkv.reshape(batch, length, 3, heads, -1).transpose(2, 0, 3, 1, 4)
        q, k, v = apart
        scale = q.shape[-1] ** -0.5
        scores = q @ k.swapaxes(-1, -2) * scale
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)

        def together(y: np.ndarray) -> np.ndarray:
            return y.swapaxes(1, 2).reshape(batch, length, -1)

        def back(y_bar: np.ndarray) -> np.ndarray:
            bar = y_bar.reshape(batch, length, heads, -1).swapaxes(1, 2)
            p_bar = bar @ v.swapaxes(-1, -2)
            s_bar = p * (p_bar - (p_bar * p).sum(-1, keepdims=True)) * scale
            bars = (s_bar @ k, s_bar.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ bar)
            return np.concatenate([together(b) for b in bars], -1)

        self._back.append(back)
        return together(p @ v)

    def branch(self, x: np.ndarray, f: Any) -> np.ndarray:
        """x + f(x)."""
        outside, self._back = self._back, []
        y = f(x)
        inside, self._back = self._back, outside

        def back(y_bar: np.ndarray) -> np.ndarray:
            bar = y_bar
            for step in reversed(inside):
                bar = step(bar)
            return y_bar + bar

        self._back.append(back)
        return x + y

    def backward(self, y_bar: np.ndarray) -> np.ndarray:
        """From the last value to the first."""
        for step in reversed(self._back):
            y_bar = step(y_bar)
        return y_bar


def numpy_hidden(sizes: Sizes, tape: Tape, tokens: np.ndarray) -> np.ndarray:
    """What the last layer gives, [B, T, C]."""
    x = tape.weights["tokens.weight"][tokens] + tape.weights["places.weight"]
    for i in range(sizes.layers):
        at = f"layers.{i}"

        def attention(x: np.ndarray, at: str = at) -> np.ndarray:
            y, name = tape.norm(x, f"{at}.norm1"), f"{at}.self_attn"
            y = tape.linear(y, f"{name}.in_proj_weight", f"{name}.in_proj_bias")
            y = tape.attend(y, sizes.heads)
            return tape.linear(y, f"{name}.out_proj.weight", f"{name}.out_proj.bias")

        def feedforward(x: np.ndarray, at: str = at) -> np.ndarray:
            y = tape.norm(x, f"{at}.norm2")
            y = tape.gelu(tape.linear(y, f"{at}.linear1.weight", f"{at}.linear1.bias"))
            return tape.linear(y, f"{at}.linear2.weight", f"{at}.linear2.bias")

        x = tape.branch(tape.branch(x, attention), feedforward)
    return x


def numpy_gradients(sizes: Sizes) -> Any:
    """The loss and its gradients, by hand."""

    def gradients(
        weights: training.Arrays, tokens: np.ndarray, labels: np.ndarray
    ) -> tuple[float, training.Arrays]:
        tape, tokens = Tape(weights), tokens.astype(np.int64)
        x = numpy_hidden(sizes, tape, tokens)
        logits = tape.linear(tape.norm(x, "norm"), "head.weight", "head.bias")
        loss, bar = training.numpy_cross_entropy(logits.reshape(-1, sizes.vocabulary), labels)
        x_bar = tape.backward(bar.reshape(logits.shape))
        np.add.at(tape.gradients["tokens.weight"], tokens, x_bar)
        tape.gradients["places.weight"] += x_bar.sum(0)
        return loss, tape.gradients

    return gradients


def network(name: str, summary: str, sizes: Sizes, optimizer: Optimizer = ADAM) -> training.Network:
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
        optimizer=optimizer,
    )


TWELVE = Sizes(layers=12, width=256, heads=4, length=64, batch=4, vocabulary=512)
CHARACTERS = Sizes(layers=6, width=384, heads=6, length=256, batch=8, vocabulary=65)

TWELVE_LAYERS = network(
    "transformer_train_12x256",
    "a training step of 12 layers of 256, 4 sequences of 64 tokens",
    TWELVE,
)

GPT = network(
    "gpt_char_train",
    "a training step of 6 layers of 384, 8 sequences of 256 characters",
    CHARACTERS,
    ADAMW,
)

WORKLOADS = (TWELVE_LAYERS.workload(), *GPT.workloads())
