"""Three layers of 4096 with weights in int8, one scale a layer, and ReLU between them.

What a layer takes is f32; how it is brought to 8 bits is each peer's way: by the largest of each
batch (Lamina, PyTorch, JAX), or by scales that were found before (ONNX Runtime, OpenVINO). The
reference rounds nothing but the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.calls import function_peers
from benchmarks.onnx_graphs import OnnxGraph, graph_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload

WIDTH, LAYERS = 4096, 3
LARGEST = 127


def make_data(batch: int, rng: np.random.Generator) -> Data:
    """x [B, C], and for each layer w: i8 [C, C] as [out, in], its scale, and b [C].

    Last come the largest numbers that go into each layer, for peers that want them before.
    """
    found: Data = {"x": rng.standard_normal((batch, WIDTH), np.float32)}
    for i in range(LAYERS):
        found[f"w{i}"] = rng.integers(-LARGEST, LARGEST + 1, (WIDTH, WIDTH), np.int8)
        found[f"s{i}"] = np.array(np.sqrt(6 / WIDTH) / LARGEST, np.float32)  # keeps the variance
        found[f"b{i}"] = 0.1 * rng.standard_normal(WIDTH, np.float32)
    *inputs, _ = activations(found, np.float32)
    return found | {"largest": np.array([np.abs(x).max() for x in inputs])}


def layers(values: Any) -> Iterator[tuple[Any, ...]]:
    """Weight, scale and bias of each layer."""
    for i in range(LAYERS):
        yield tuple(values[f"{kind}{i}"] for kind in "wsb")


def activations(data: Data, dtype: Any) -> list[np.ndarray]:
    """What goes into each layer, and what comes out of the last."""
    found = [data["x"].astype(dtype)]
    for i, (w, s, b) in enumerate(layers(data)):
        y = found[-1] @ w.T.astype(dtype) * s.astype(dtype) + b
        found.append(np.maximum(y, 0) if i < LAYERS - 1 else y)
    return found


def through(layer: Any, relu: Any) -> Any:
    """The network as a function of all arrays."""

    def f(x: Any, *arrays: Any) -> Any:
        for i in range(LAYERS):
            x = layer(relu(x) if i else x, *arrays[3 * i : 3 * i + 3])
        return x

    return f


def lamina_layers(lm: ModuleType) -> Any:
    def layer(x: Any, w: Any, s: Any, b: Any) -> Any:
        step = lm.max(lm.abs(x)) / LARGEST
        x = lm.astype(lm.astype(lm.round(x / step), lm.int8), lm.int32)
        found = lm.matmul(x, lm.astype(w, lm.int32).mT)
        return lm.astype(found, lm.float32) * (step * s) + b

    return through(layer, lm.functional.relu)


def jax_layers(jax: ModuleType) -> Any:
    jnp = jax.numpy

    def layer(x: Any, w: Any, s: Any, b: Any) -> Any:
        step = jnp.abs(x).max() / LARGEST
        x, over = jnp.round(x / step).astype(jnp.int8), (((1,), (1,)), ((), ()))
        found = jax.lax.dot_general(x, w, over, preferred_element_type=jnp.int32)
        return found.astype(jnp.float32) * (step * s) + b

    return through(layer, jax.nn.relu)


def torch_layers(torch: ModuleType) -> Any:
    """PyTorch's dynamically quantized linear layers, packed at the first call."""
    packed: list[Any] = []

    def pack(w: Any, s: Any, b: Any) -> Any:
        layer = torch.ao.nn.quantized.dynamic.Linear(WIDTH, WIDTH)
        layer.set_weight_bias(torch._make_per_tensor_quantized_tensor(w, float(s), 0), b)
        return layer

    def f(x: Any, *arrays: Any) -> Any:
        if not packed:
            packed.extend(pack(*arrays[3 * i : 3 * i + 3]) for i in range(LAYERS))
        with torch.inference_mode():
            for i, layer in enumerate(packed):
                x = layer(torch.relu(x) if i else x)
        return x

    return f


def draw(graph: OnnxGraph, values: dict[str, Any]) -> str:
    """Rounding written as pairs of QuantizeLinear and DequantizeLinear, as both runners read it."""
    x = values["x"]
    for i, (w, s, b) in enumerate(layers(values)):
        kind, levels = (np.uint8, 255) if i else (np.int8, LARGEST)
        numbers = graph.constant(values["largest"][i] / levels, np.float32), graph.constant(0, kind)
        x = graph("QuantizeLinear", graph("Relu", x) if i else x, *numbers)
        x = graph("DequantizeLinear", x, *numbers)
        weight = graph.constant(w.T), graph.constant(s), graph.constant(0, np.int8)
        y = graph("MatMul", x, graph("DequantizeLinear", *weight))
        x = graph("Add", y, graph.constant(b))
    return x


def row(batch: int) -> Workload:
    """Of one batch."""
    functions = function_peers(
        lamina=lamina_layers, torch=torch_layers, jax=jax_layers, frozen=("arrays",)
    )
    functions.pop("torch_compile")
    elements = batch * WIDTH
    return Workload(
        f"mlp4096_int8_b{batch}",
        f"three layers of {WIDTH} with weights of int8, batch {batch}",
        partial(make_data, batch),
        lambda data: [activations(data, np.float64)[-1]],
        functions | graph_peers(draw, lambda name: name == "x"),
        # 8 bits leave a noise of a hundredth in each layer; PyTorch keeps 7. Results are around 1.
        Tolerance(absolute=0.25),
        Cost(
            2.0 * LAYERS * batch * WIDTH**2,
            LAYERS * (WIDTH**2 + 4.0 * (WIDTH + 1)) + 4.0 * elements,
            4.0 * elements,
            "int8",
        ),
    )


WORKLOADS = (row(1), row(128))
