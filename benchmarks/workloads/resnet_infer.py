"""ResNet-18 on the images of its paper, with batch norm in evaluation mode."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.inference import Inference
from benchmarks.onnx_graphs import OnnxGraph
from benchmarks.tape import Tape
from benchmarks.workload import Cost, Data, Tolerance
from benchmarks.workloads import resnet_train
from benchmarks.workloads.resnet_train import EPSILON, Sizes, walk


def make_data(sizes: Sizes, rng: np.random.Generator) -> Data:
    """Images of noise, weights, and running statistics as training might leave them."""
    shape = (sizes.batch, 3, sizes.side, sizes.side)
    found = {"x": rng.standard_normal(shape, np.float32), **resnet_train.make_weights(rng, sizes)}
    for c in sizes.convolutions:
        found[f"{c.norm}.running_mean"] = 0.1 * rng.standard_normal(c.outputs, np.float32)
        found[f"{c.norm}.running_var"] = rng.uniform(1, 3, c.outputs).astype(np.float32)
    return found


def cost(sizes: Sizes) -> Cost:
    """A product a layer; images and weights are read."""
    wide = 8 * sizes.width
    products, count = wide * sizes.classes, (wide + 1) * sizes.classes
    for c in sizes.convolutions:
        size = c.outputs * c.inputs * c.size**2
        products += size * c.side**2
        count += size + c.outputs
    images = sizes.batch * 3 * sizes.side**2
    return Cost(
        2.0 * sizes.batch * products, 4.0 * (images + count), 4.0 * sizes.batch * sizes.classes
    )


def scale_and_shift(weights: Any, norm: str) -> tuple[Any, Any]:
    """Batch norm with running statistics, as one multiply-add."""
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EPSILON) ** 0.5
    return scale, weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale


def jax_forward(sizes: Sizes) -> Any:
    """The logits, as a function of weights and images, channels last."""
    import jax

    every = {c.name: c for c in sizes.convolutions}

    def forward(w: dict[str, Any], images: Any) -> Any:
        def layer(x: Any, name: str) -> Any:
            scale, shift = scale_and_shift(w, every[name].norm)
            return resnet_train.jax_convolution(x, w, every[name]) * scale + shift

        x = walk(sizes, images, layer, jax.nn.relu, resnet_train.jax_max_pool, jax.numpy.add)
        return x.mean((1, 2)) @ w["fc.weight"].T + w["fc.bias"]

    return forward


def draw(sizes: Sizes, graph: OnnxGraph, values: dict[str, Any]) -> str:
    """The same as a graph; its runners fold batch norms into convolutions."""
    every = {c.name: c for c in sizes.convolutions}
    known = lambda name: graph.constant(values[name])

    def layer(x: str, name: str) -> str:
        c = every[name]
        pads, strides = [c.size // 2] * 4, [c.stride] * 2
        y = graph("Conv", x, known(f"{name}.weight"), pads=pads, strides=strides)
        kinds = ("weight", "bias", "running_mean", "running_var")
        numbers = [known(f"{c.norm}.{kind}") for kind in kinds]
        return graph("BatchNormalization", y, *numbers, epsilon=EPSILON)

    def pool(x: str) -> str:
        return graph("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)

    x = walk(sizes, values["x"], layer, partial(graph, "Relu"), pool, partial(graph, "Add"))
    x = graph("Flatten", graph("GlobalAveragePool", x))
    return graph("Gemm", x, known("fc.weight"), known("fc.bias"), transB=1)


def reference(sizes: Sizes, data: Data) -> list[np.ndarray]:
    """The logits in float64, an image at a time."""
    weights = {name: a.astype(np.float64) for name, a in data.items() if name != "x"}
    every = {c.name: c for c in sizes.convolutions}

    def logits(image: np.ndarray) -> np.ndarray:
        tape = Tape(weights)

        def layer(x: np.ndarray, name: str) -> np.ndarray:
            c = every[name]
            scale, shift = scale_and_shift(weights, c.norm)
            y = tape.conv(x, name, c.stride, c.size // 2)
            return y * scale[:, None, None] + shift[:, None, None]

        pool = lambda x: tape.max_pool(x, 3, 2, 1)
        x = walk(sizes, image, layer, tape.relu, pool, np.add)
        return x.mean((2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]

    images = data["x"].astype(np.float64)
    return [np.concatenate([logits(image) for image in np.split(images, sizes.batch)])]


def network(sizes: Sizes) -> Inference:
    """The network with one batch."""
    return Inference(
        f"resnet18_infer_b{sizes.batch}",
        f"ResNet-18 on {sizes.batch} images of 3 x {sizes.side} x {sizes.side}",
        partial(make_data, sizes),
        partial(reference, sizes),
        cost(sizes),
        Tolerance(absolute=1e-4),  # of logits around 1, behind 18 layers in f32
        Tolerance(absolute=0.1),  # every layer loses up to 2^-9 of its operands and of its result
        partial(resnet_train.lamina_model, sizes),
        partial(resnet_train.torch_model, sizes),
        partial(jax_forward, sizes),
        partial(draw, sizes),
        resnet_train.jax_parameters,
        lambda images: np.ascontiguousarray(images.transpose(0, 2, 3, 1)),
        channels_last=True,
    )


WORKLOADS = tuple(row for batch in (1, 16) for row in network(Sizes(batch)).workloads())
