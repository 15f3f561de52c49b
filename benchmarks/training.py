"""Training steps: model, cross entropy, gradient and optimiser, the same in every peer.

The data of such a workload are `images: f32[K, B, ...]`, `labels: i64[K, B]` (K batches that take
turns, so that nothing is learnt by heart) and the initial parameters under PyTorch's names. In bf16
the parameters stay in f32 and products are in bf16: `lm.train.lowered`, `torch.autocast`, and casts
by hand in JAX.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.optimizers import ADAM, Optimizer
from benchmarks.workload import Builder, Cost, Data, Prepared, Tolerance, Workload

BATCHES = 8
CHECKED_STEPS = 5

BF16_LOSSES = Tolerance(relative=1e-2)  # operands lose up to 2^-9 each

Arrays = dict[str, np.ndarray]
Step = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(state, images, labels) -> (state, loss), with the loss in memory."""

LossAndGradients = Callable[[Arrays, np.ndarray, np.ndarray], tuple[float, Arrays]]


def same(x: Any) -> Any:
    """What peers take as it is."""
    return x


@dataclass(frozen=True)
class Network:
    """A network and how it is trained.

    Attributes:
        name, summary, data: see `Workload`; the optimiser is added to the summary.
        cost: of a step in f32.
        tolerance: of the losses of the first steps in f32.
        gradients: by hand in NumPy; in float64 it is the reference.
        lamina, torch: make the model.
        jax: makes the function of (parameters, images) that gives logits; where there are buffers,
            of (parameters, images, buffers) that gives logits and new buffers.
        jax_parameters, jax_images: parameters and all images in the layout of that function.
        jax_buffers: what is carried from step to step and not trained, as running statistics are.
        channels_last: whether PyTorch is faster with images in that order.
        by_hand: whether NumPy takes part.
        bf16: the tolerance in bf16.
    """

    name: str
    summary: str
    data: Callable[[np.random.Generator], Data]
    cost: Cost
    tolerance: Tolerance
    gradients: LossAndGradients
    lamina: Callable[[], Any]
    torch: Callable[[], Any]
    jax: Callable[[], Callable[..., Any]]
    jax_parameters: Callable[[Arrays], Arrays] = same
    jax_images: Callable[[np.ndarray], np.ndarray] = same
    jax_buffers: Arrays | None = None
    optimizer: Optimizer = ADAM
    channels_last: bool = False
    by_hand: bool = False
    bf16: Tolerance = BF16_LOSSES

    def workload(self, precision: str = "f32") -> Workload:
        """The row in a precision."""
        lowered = precision != "f32"
        builders: dict[str, Builder] = {
            "lamina": lambda data: lamina_step(self, precision, data),
            "torch": lambda data: torch_step(self, precision, data, compiled=False),
            "torch_compile": lambda data: torch_step(self, precision, data, compiled=True),
            "jax": lambda data: jax_step(self, precision, data),
        }
        if self.by_hand and not lowered:
            builders["numpy"] = lambda data: numpy_step(self, data)
        with_what = f"{self.optimizer.title}, products in bf16" if lowered else self.optimizer.title
        return Workload(
            f"{self.name}_{precision}" if lowered else self.name,
            f"{self.summary}, {with_what}",
            self.data,
            lambda data: list(numpy_step(self, data, np.float64).result()),
            builders,
            self.bf16 if lowered else self.tolerance,
            replace(self.cost, precision=precision),
            memory=True,
        )

    def workloads(self) -> tuple[Workload, ...]:
        """The rows in f32 and in bf16."""
        return self.workload(), self.workload("bf16")


def make_data(
    rng: np.random.Generator, image: tuple[int, ...], batch: int, shapes: dict[str, tuple[int, ...]]
) -> Data:
    """Images of noise, random labels, and parameters as PyTorch initialises them."""
    data: Data = {
        "images": rng.random((BATCHES, batch, *image), np.float32),
        "labels": rng.integers(0, 10, (BATCHES, batch)),
    }
    for name, shape in shapes.items():
        fan_in = np.prod(shapes[name.replace("bias", "weight")][1:])
        data[name] = rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(fan_in))
    return data


def parameters(data: Data) -> Arrays:
    """The initial parameters."""
    return {k: a for k, a in data.items() if k not in ("images", "labels")}


def channels_last(images: np.ndarray) -> np.ndarray:
    """[K, B, C, H, W] -> [K, B, H, W, C]."""
    return np.ascontiguousarray(images.transpose(0, 1, 3, 4, 2))


def prepared(start: Callable[[], Any], step: Step, batches: Sequence[tuple[Any, Any]]) -> Prepared:
    """A training run from `start`; its result is the losses of the first steps."""
    state: Any = start()
    turns: Iterator[tuple[Any, Any]] = itertools.cycle(batches)

    def run() -> Any:
        nonlocal state
        state, loss = step(state, *next(turns))
        return loss

    def reset() -> None:
        nonlocal state, turns
        state = start()
        turns = itertools.cycle(batches)

    def result() -> list[np.ndarray]:
        reset()
        return [np.array([float(run()) for _ in range(CHECKED_STEPS)])]

    return Prepared(run, result, reset)


def lamina_step(network: Network, precision: str, data: Data) -> Prepared:
    """One program under `lm.jit`."""
    import lamina as lm

    def lowered(model: Any) -> Any:
        return nullcontext() if precision == "f32" else lm.train.lowered(model, lm.bfloat16)

    @lm.jit
    def compiled(model: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        def loss_of(model: Any) -> Any:
            with lowered(model):
                return lm.functional.cross_entropy(model(images), labels)

        loss, grads = lm.value_and_grad(loss_of)(model)
        optimizer.update(model, grads)
        return loss

    def start() -> Any:
        model = network.lamina()
        model.load_state_dict({**model.state_dict(), **parameters(data)})  # buffers stay
        return model, network.optimizer.lamina(model)

    def step(state: Any, images: Any, labels: Any) -> Any:
        return state, compiled(*state, images, labels).block()

    batches = list(zip(map(lm.asarray, data["images"]), map(lm.asarray, data["labels"])))
    return prepared(start, step, batches)


def torch_step(network: Network, precision: str, data: Data, compiled: bool) -> Prepared:
    """Eager, or with the loss and its gradient compiled; the optimiser is fused either way."""
    import torch

    initial = {name: torch.from_numpy(a) for name, a in parameters(data).items()}
    last = network.channels_last and not compiled
    order: Any = {"memory_format": torch.channels_last} if last else {}

    def loss_of(model: Any, images: Any, labels: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision != "f32"):
            logits = model(images)
        return torch.nn.functional.cross_entropy(logits.float(), labels)

    loss_in_use = torch.compile(loss_of) if compiled else loss_of

    def start() -> Any:
        model = network.torch()
        model.load_state_dict({**model.state_dict(), **initial})
        model = model.to(**order)
        return model, network.optimizer.torch(model.parameters())

    def step(state: Any, images: Any, labels: Any) -> Any:
        model, optimizer = state
        optimizer.zero_grad(set_to_none=True)
        loss = loss_in_use(model, images, labels)
        loss.backward()
        optimizer.step()
        return state, loss.detach()

    images = [x.contiguous(**order) for x in torch.from_numpy(data["images"])]
    return prepared(start, step, list(zip(images, torch.from_numpy(data["labels"]))))


def jax_step(network: Network, precision: str, data: Data) -> Prepared:
    """A pure step under `jax.jit` that gives away its state."""
    import jax

    jnp = jax.numpy
    forward, optimizer = network.jax(), network.optimizer
    initial = network.jax_parameters(parameters(data))

    def lowered(x: Any) -> Any:
        return x.astype(jnp.bfloat16) if precision != "f32" and x.dtype == jnp.float32 else x

    def loss_of(weights: dict[str, Any], carried: Any, images: Any, labels: Any) -> Any:
        weights, images = jax.tree.map(lowered, weights), lowered(images)
        if network.jax_buffers is None:
            logits = forward(weights, images)
        else:
            logits, carried = forward(weights, images, carried)
        logs = jax.nn.log_softmax(logits.astype(jnp.float32))
        return -jnp.take_along_axis(logs, labels[:, None], 1).mean(), carried

    def compiled(state: Any, images: Any, labels: Any) -> Any:
        count, weights, slots, carried = state
        both = jax.value_and_grad(loss_of, has_aux=True)
        (loss, carried), grads = both(weights, carried, images, labels)
        found = {n: optimizer.moved(count, w, grads[n], *slots[n]) for n, w in weights.items()}
        weights = {n: new for n, (new, *_) in found.items()}
        return (count + 1, weights, {n: rest for n, (_, *rest) in found.items()}, carried), loss

    jitted = jax.jit(compiled, donate_argnums=0)

    def start() -> Any:
        weights = {name: jnp.array(a) for name, a in initial.items()}
        slots = {n: [jnp.zeros_like(w) for _ in range(optimizer.slots)] for n, w in weights.items()}
        return jnp.ones(()), weights, slots, jax.tree.map(jnp.array, network.jax_buffers)

    def step(state: Any, images: Any, labels: Any) -> Any:
        return jax.block_until_ready(jitted(state, images, labels))

    images = [jnp.asarray(x) for x in network.jax_images(data["images"])]
    labels = [jnp.asarray(x.astype(np.int32)) for x in data["labels"]]
    return prepared(start, step, list(zip(images, labels)))


def numpy_step(network: Network, data: Data, dtype: type = np.float32) -> Prepared:
    """Gradients by hand. In float64 it is the reference."""
    optimizer = network.optimizer

    def start() -> Any:
        weights = {k: a.astype(dtype) for k, a in parameters(data).items()}
        slots = {k: [np.zeros_like(w)] * optimizer.slots for k, w in weights.items()}
        return 1, weights, slots

    def step(state: Any, images: Any, labels: Any) -> Any:
        count, weights, slots = state
        loss, gradients = network.gradients(weights, images, labels)
        for name, w in weights.items():
            found = optimizer.moved(count, w, gradients[name], *slots[name])
            weights[name], *slots[name] = found
        return (count + 1, weights, slots), loss

    images = data["images"].astype(dtype, copy=False)
    return prepared(start, step, list(zip(images, data["labels"])))


def numpy_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean loss, and its derivative by the logits."""
    count = len(labels)
    shifted = logits - logits.max(1, keepdims=True)
    chances = np.exp(shifted)
    sums = chances.sum(1, keepdims=True)
    chosen = np.arange(count), labels
    loss = float((np.log(sums[:, 0]) - shifted[chosen]).mean())
    chances /= sums
    chances[chosen] -= 1
    chances /= count
    return loss, chances
