"""First calls of each transform on a transformer of 12 layers, and calls with another batch.

What is timed is tracing, compiling and one run. The first call begins with empty caches, in a
process of its own; the retrace is a call in the same process with one sequence fewer.

Every program returns a tree of derivatives and the derivative of the loss along the parameters
themselves; the check compares that number with differences in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import training
from benchmarks.workload import Builder, Data, Prepared, Tolerance, Workload
from benchmarks.workloads import transformer_train
from benchmarks.workloads.first_calls import cold_builder

SIZES = transformer_train.TWELVE
STEP = transformer_train.TWELVE_LAYERS.workload()
DIFFERENCE = 1e-3  # of the scale of all parameters
Program = Callable[..., Any]
"""(parameters, tokens, labels) -> (a number, a tree)."""


def lamina_programs() -> dict[str, Program]:
    """The transforms of Lamina, over its module."""
    import lamina as lm

    def loss(model: Any, tokens: Any, labels: Any) -> Any:
        return lm.functional.cross_entropy(model(tokens), labels)

    def checkpointed(model: Any, tokens: Any, labels: Any) -> Any:
        return lm.checkpoint(loss)(model, tokens, labels)

    def along(tree: Any, model: Any) -> Any:
        parts = [lm.sum(g * w) for g, w in zip(tree.parameters(), model.parameters())]
        return sum(parts[1:], parts[0])

    def gradient(model: Any, *batch: Any) -> Any:
        bar = lm.grad(loss)(model, *batch)
        return along(bar, model), bar

    def recomputed(model: Any, *batch: Any) -> Any:
        bar = lm.grad(checkpointed)(model, *batch)
        return along(bar, model), bar

    def tangent(model: Any, *batch: Any) -> Any:
        return lm.jvp(lambda m: loss(m, *batch), (model,), (model,))[::-1]

    def of_each(model: Any, tokens: Any, labels: Any) -> Any:
        one = lambda t, y: lm.grad(loss)(model, t[None], y)
        bars = lm.vmap(one)(tokens, labels.reshape(tokens.shape))
        means = [lm.mean(g, axis=0) for g in bars.parameters()]
        parts = [lm.sum(g * w) for g, w in zip(means, model.parameters())]
        return sum(parts[1:], parts[0]), bars

    def curvature(model: Any, *batch: Any) -> Any:
        f = lm.grad(lambda m: loss(m, *batch))
        product = lm.jvp(f, (model,), (model,))[1]
        return along(product, model), product

    return {
        "forward": lambda model, *batch: (loss(model, *batch), ()),
        "grad": gradient,
        "grad_checkpoint": recomputed,
        "jvp": tangent,
        "vmap_grad": of_each,
        "hvp": curvature,
    }


def jax_programs() -> dict[str, Program]:
    """The transforms of JAX, over a dict of parameters."""
    import jax
    from jax import numpy as jnp

    forward = transformer_train.jax_forward(SIZES)

    def loss(weights: Any, tokens: Any, labels: Any) -> Any:
        logs = jax.nn.log_softmax(forward(weights, tokens))
        return -jnp.take_along_axis(logs, labels[:, None], 1).mean()

    def along(tree: Any, weights: Any) -> Any:
        return sum(jnp.sum(tree[name] * weights[name]) for name in weights)

    def gradient(weights: Any, *batch: Any) -> Any:
        bar = jax.grad(loss)(weights, *batch)
        return along(bar, weights), bar

    def recomputed(weights: Any, *batch: Any) -> Any:
        bar = jax.grad(jax.checkpoint(loss))(weights, *batch)
        return along(bar, weights), bar

    def tangent(weights: Any, *batch: Any) -> Any:
        return jax.jvp(lambda w: loss(w, *batch), (weights,), (weights,))[::-1]

    def of_each(weights: Any, tokens: Any, labels: Any) -> Any:
        one = lambda t, y: jax.grad(loss)(weights, t[None], y)
        bars = jax.vmap(one)(tokens, labels.reshape(tokens.shape))
        return along({n: g.mean(0) for n, g in bars.items()}, weights), bars

    def curvature(weights: Any, *batch: Any) -> Any:
        f = jax.grad(lambda w: loss(w, *batch))
        product = jax.jvp(f, (weights,), (weights,))[1]
        return along(product, weights), product

    return {
        "forward": lambda weights, *batch: (loss(weights, *batch), ()),
        "grad": gradient,
        "grad_checkpoint": recomputed,
        "jvp": tangent,
        "vmap_grad": of_each,
        "hvp": curvature,
    }


def lamina_call(name: str, data: Data) -> Callable[[int], float]:
    """A call with that many sequences; returns the number that is checked."""
    import lamina as lm

    model = transformer_train.lamina_model(SIZES)
    model.load_state_dict(training.parameters(data))
    program = lm.jit(lamina_programs()[name])

    def call(count: int) -> float:
        number, tree = program(model, *map(lm.asarray, batch(data, count)))
        if isinstance(tree, lm.nn.Module):
            for part in tree.parameters():
                part.block()
        return float(number)

    return call


def jax_call(name: str, data: Data) -> Callable[[int], float]:
    """The same for JAX."""
    import jax

    weights = {n: jax.numpy.asarray(a) for n, a in training.parameters(data).items()}
    program = jax.jit(jax_programs()[name])

    def call(count: int) -> float:
        arrays = [jax.numpy.asarray(a.astype(np.int32)) for a in batch(data, count)]
        return float(jax.block_until_ready(program(weights, *arrays))[0])

    return call


CALLS = {"lamina": lamina_call, "jax": jax_call}


def batch(data: Data, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens and labels of the first sequences."""
    return data["images"][0, :count], data["labels"][0, : count * SIZES.length]


def first(name: str, peer: str) -> Builder:
    """The first call."""

    def build(_: Data) -> Prepared:
        call = CALLS[peer](name, STEP.make_data())
        return Prepared(lambda: call(SIZES.batch), list)

    return build


def again(name: str, peer: str) -> Builder:
    """The call with one sequence fewer, after the first."""

    def build(_: Data) -> Prepared:
        call = CALLS[peer](name, STEP.make_data())
        call(SIZES.batch)
        return Prepared(lambda: call(SIZES.batch - 1), list)

    return build


def reference(name: str, count: int) -> Callable[[Data], list[np.ndarray]]:
    """The loss, or its first or second derivative along the parameters, by differences."""

    def compute(_: Data) -> list[np.ndarray]:
        data = STEP.make_data()
        weights = {n: a.astype(np.float64) for n, a in training.parameters(data).items()}
        gradients = transformer_train.numpy_gradients(SIZES)

        def at(scale: float) -> tuple[float, float]:
            scaled = {n: scale * a for n, a in weights.items()}
            loss, bars = gradients(scaled, *batch(data, count))
            return loss, sum(float(np.vdot(bars[n], a)) for n, a in weights.items())

        if name == "hvp":
            above, below = at(1 + DIFFERENCE)[1], at(1 - DIFFERENCE)[1]
            return [np.array((above - below) / (2 * DIFFERENCE))]
        return [np.array(at(1.0)[name != "forward"])]

    return compute


TOLERANCE = Tolerance(relative=1e-3, absolute=1e-3)  # sums over ten million products in float32


def transform(name: str, kind: str) -> Workload:
    """A row for one transform: its first call, or the one after it with another batch."""
    row = f"{kind}_{name}_transformer"
    when = "first call" if kind == "first" else "retrace"
    make, count = (first, SIZES.batch) if kind == "first" else (again, SIZES.batch - 1)
    return Workload(
        row,
        f"{name} of a transformer of 12 layers: the {when}",
        lambda _: {},
        reference(name, count),
        {peer: cold_builder(row, peer) for peer in CALLS},
        TOLERANCE,
        fresh=True,
        inside={peer: make(name, peer) for peer in CALLS},
    )


TRANSFORMS = ("forward", "grad", "grad_checkpoint", "jvp", "vmap_grad", "hvp")
WORKLOADS = tuple(transform(name, kind) for kind in ("first", "retrace") for name in TRANSFORMS)
