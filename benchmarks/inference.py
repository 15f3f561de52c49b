"""Forward passes of networks with constant weights, the same in every peer.

The data of such a workload are `x`, the input, and weights and buffers under PyTorch's names. In
bf16 everything of floating point is, but for what a peer widens by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.onnx_graphs import Draw, graph_peers
from benchmarks.training import Arrays, same
from benchmarks.workload import Builder, Cost, Data, Prepared, Tolerance, Workload


@dataclass(frozen=True)
class Inference:
    """A network that is run.

    Attributes:
        name, summary, data, reference, cost, tolerance: see `Workload`; in f32.
        bf16: the tolerance in bf16.
        lamina, torch: make the model.
        jax: makes the function of (weights, x).
        onnx: writes the graph.
        jax_weights, jax_input: in the layout of that function.
        channels_last: whether PyTorch is faster with images in that order.
    """

    name: str
    summary: str
    data: Callable[[np.random.Generator], Data]
    reference: Callable[[Data], Sequence[np.ndarray]]
    cost: Cost
    tolerance: Tolerance
    bf16: Tolerance
    lamina: Callable[[], Any]
    torch: Callable[[], Any]
    jax: Callable[[], Callable[..., Any]]
    onnx: Draw
    jax_weights: Callable[[Arrays], Arrays] = same
    jax_input: Callable[[np.ndarray], np.ndarray] = same
    channels_last: bool = False

    def workload(self, precision: str = "f32") -> Workload:
        """The row in a precision."""
        lowered = precision != "f32"
        builders: dict[str, Builder] = {
            "lamina": lambda data: lamina_call(self, lowered, data),
            "torch": lambda data: torch_call(self, lowered, data, compiled=False),
            "torch_compile": lambda data: torch_call(self, lowered, data, compiled=True),
            "jax": lambda data: jax_call(self, lowered, data),
            **graph_peers(self.onnx, lambda name: name == "x", precision),
        }
        share = 0.5 if lowered else 1.0  # of the bytes
        cost = Cost(
            self.cost.flops,
            share * self.cost.read_bytes,
            share * self.cost.written_bytes,
            precision,
        )
        row = Workload(
            self.name, self.summary, self.data, self.reference, builders, self.tolerance, cost
        )
        if not lowered:
            return row
        return replace(
            row,
            name=f"{self.name}_bf16",
            summary=f"{self.summary}, in bf16",
            tolerance=self.bf16,
        )

    def workloads(self) -> tuple[Workload, ...]:
        """The rows in f32 and in bf16."""
        return self.workload(), self.workload("bf16")


def weights(data: Data) -> Arrays:
    """All but the input."""
    return {name: a for name, a in data.items() if name != "x"}


def lamina_call(network: Inference, lowered: bool, data: Data) -> Prepared:
    """The model is a frozen argument of the jitted function."""
    import lamina as lm

    model = network.lamina()
    model.load_state_dict({**model.state_dict(), **weights(data)})
    model.eval()
    x = lm.asarray(data["x"])
    if lowered:
        model.bfloat16()
        x = lm.astype(x, lm.bfloat16) if x.dtype is lm.float32 else x
    forward = lm.jit(lambda model, x: model(x), frozen="model")
    run = lambda: forward(model, x).block()
    return Prepared(run, lambda: [lm.astype(run(), lm.float32).numpy()])


def torch_call(network: Inference, lowered: bool, data: Data, compiled: bool) -> Prepared:
    """Without a tape."""
    import torch

    model = network.torch()
    given = {n: torch.from_numpy(a) for n, a in weights(data).items()}
    model.load_state_dict({**model.state_dict(), **given})
    model.eval()
    x = torch.from_numpy(data["x"])
    if network.channels_last and not compiled:
        model, x = (
            model.to(memory_format=torch.channels_last),
            x.contiguous(memory_format=torch.channels_last),
        )
    if lowered:
        model, x = model.bfloat16(), x.bfloat16() if x.is_floating_point() else x
    forward = torch.compile(model) if compiled else model

    def run() -> Any:
        with torch.inference_mode():
            return forward(x)

    return Prepared(run, lambda: [run().float().numpy()])


def jax_call(network: Inference, lowered: bool, data: Data) -> Prepared:
    """Weights are arguments."""
    import jax

    jnp = jax.numpy

    def taken(array: np.ndarray) -> Any:
        x = jnp.asarray(array)
        return x.astype(jnp.bfloat16) if lowered and x.dtype == jnp.float32 else x

    w = {name: taken(a) for name, a in network.jax_weights(weights(data)).items()}
    x = taken(network.jax_input(data["x"]))
    forward = jax.jit(network.jax())
    run = lambda: forward(w, x).block_until_ready()
    return Prepared(run, lambda: [np.asarray(run()).astype(np.float32)])
