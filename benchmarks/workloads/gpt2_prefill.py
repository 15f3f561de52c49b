"""A network of the shape of the smallest GPT-2 reads 128 tokens and scores the next one.

The layers are those of `transformer_train`, 12 of them, 768 wide with 12 heads; the table of tokens
and the last linear map have weights of their own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.inference import Inference
from benchmarks.onnx_graphs import OnnxGraph
from benchmarks.workload import Cost, Data, Tolerance
from benchmarks.workloads import transformer_train
from benchmarks.workloads.transformer_train import EPSILON, Sizes, Tape, numpy_hidden

SMALLEST = Sizes(layers=12, width=768, heads=12, length=128, batch=1, vocabulary=50257, last=True)


def make_data(sizes: Sizes, rng: np.random.Generator) -> Data:
    """Random tokens, and weights."""
    tokens = rng.integers(0, sizes.vocabulary, (sizes.batch, sizes.length))
    return {"x": tokens, **transformer_train.make_weights(rng, sizes)}


def cost(sizes: Sizes) -> Cost:
    """A product a weight, attention to what is past, and the logits behind the last token."""
    c, rows = sizes.width, sizes.batch * sizes.length
    layers, head = 12 * c * c * sizes.layers, c * sizes.vocabulary
    attention = sizes.layers * rows * (sizes.length + 1) * c
    flops = 2.0 * (rows * layers + attention + sizes.batch * head)
    return Cost(flops, 4.0 * (layers + head + 2 * rows * c), 4.0 * sizes.batch * sizes.vocabulary)


def reference(sizes: Sizes, data: Data) -> list[np.ndarray]:
    """The logits in float64."""
    tape = Tape({name: a.astype(np.float64) for name, a in data.items() if name != "x"})
    x = tape.norm(numpy_hidden(sizes, tape, data["x"])[:, -1:], "norm")
    return [tape.linear(x, "head.weight", "head.bias")[:, -1]]


def draw(sizes: Sizes, graph: OnnxGraph, values: dict[str, Any]) -> str:
    """The same as a graph, over rows of a batch of one."""
    rows, width = sizes.length, sizes.width
    known = lambda name: graph.constant(values[name])
    shaped = lambda x, *shape: graph("Reshape", x, graph.constant(shape, np.int64))

    def norm(x: str, name: str) -> str:
        w, b = known(f"{name}.weight"), known(f"{name}.bias")
        return graph("LayerNormalization", x, w, b, axis=-1, epsilon=EPSILON)

    def linear(x: str, weight: str, bias: str) -> str:
        w = graph.constant(values[weight].T)
        return graph("Add", graph("MatMul", x, w), known(bias))

    future = graph.constant(np.triu(np.full((rows, rows), -np.inf), 1), np.float32)
    scale = graph.constant((width / sizes.heads) ** -0.5, np.float32)

    def attention(x: str, at: str) -> str:
        qkv = linear(x, f"{at}.in_proj_weight", f"{at}.in_proj_bias")
        qkv = graph("Transpose", shaped(qkv, rows, 3, sizes.heads, -1), perm=[1, 2, 0, 3])
        part = lambda i: graph("Gather", qkv, graph.constant(i, np.int64), axis=0)
        keys = graph("Transpose", part(1), perm=[0, 2, 1])
        scores = graph("Mul", graph("MatMul", part(0), keys), scale)
        shares = graph("Softmax", graph("Add", scores, future), axis=-1)
        y = graph("Transpose", graph("MatMul", shares, part(2)), perm=[1, 0, 2])
        return linear(shaped(y, rows, width), f"{at}.out_proj.weight", f"{at}.out_proj.bias")

    def feedforward(x: str, at: str) -> str:
        x = graph("Gelu", linear(x, f"{at}.linear1.weight", f"{at}.linear1.bias"))
        return linear(x, f"{at}.linear2.weight", f"{at}.linear2.bias")

    x = graph("Gather", known("tokens.weight"), shaped(values["x"], rows), axis=0)
    x = graph("Add", x, known("places.weight"))
    for i in range(sizes.layers):
        at = f"layers.{i}"
        x = graph("Add", x, attention(norm(x, f"{at}.norm1"), f"{at}.self_attn"))
        x = graph("Add", x, feedforward(norm(x, f"{at}.norm2"), at))
    last = graph("Gather", x, graph.constant([rows - 1], np.int64), axis=0)
    return linear(norm(last, "norm"), "head.weight", "head.bias")


def network(name: str, sizes: Sizes) -> Inference:
    """The network of one size."""
    return Inference(
        name,
        f"a transformer of {sizes.layers} layers of {sizes.width} reads {sizes.length} tokens",
        partial(make_data, sizes),
        partial(reference, sizes),
        cost(sizes),
        Tolerance(absolute=1e-4),  # of logits around 1
        Tolerance(absolute=0.1),  # every layer loses up to 2^-9 of its operands and of its result
        partial(transformer_train.lamina_model, sizes),
        partial(transformer_train.torch_model, sizes),
        partial(transformer_train.jax_forward, sizes),
        partial(draw, sizes),
    )


WORKLOADS = network("gpt2_prefill128", SMALLEST).workloads()
