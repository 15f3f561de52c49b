"""Builders for training steps: model, cross entropy, gradient and Adam, the same in every peer.

The data of such a workload are `images: f32[K, B, ...]`, `labels: i64[K, B]` (K batches that take
turns, so that nothing is learnt by heart) and the initial parameters under PyTorch's names.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.workload import Builder, Data, Prepared

LEARNING_RATE = 1e-3
BETAS = (0.9, 0.999)
EPSILON = 1e-8
BATCHES = 8
CHECKED_STEPS = 5

Arrays = dict[str, np.ndarray]
Step = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(state, images, labels) -> (state, loss), with the loss in memory."""


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


# ---------------------------------------------------------------- Lamina


def lamina_builder(make_model: Callable[[], Any]) -> Builder:
    """The step of Lamina's own demo."""

    def build(data: Data) -> Prepared:
        import lamina as lm

        @lm.jit
        def compiled(model: Any, optimizer: Any, images: Any, labels: Any) -> Any:
            def loss_of(model: Any) -> Any:
                return lm.functional.cross_entropy(model(images), labels)

            loss, grads = lm.value_and_grad(loss_of)(model)
            optimizer.update(model, grads)
            return loss

        def start() -> Any:
            model = make_model()
            model.load_state_dict({**model.state_dict(), **parameters(data)})  # buffers stay
            return model, lm.optim.Adam(model, LEARNING_RATE, BETAS, EPSILON)

        def step(state: Any, images: Any, labels: Any) -> Any:
            return state, compiled(*state, images, labels).block()

        batches = list(zip(map(lm.asarray, data["images"]), map(lm.asarray, data["labels"])))
        return prepared(start, step, batches)

    return build


# ---------------------------------------------------------------- PyTorch


def torch_builder(make_model: Callable[[], Any], compiled: bool) -> Builder:
    """Eager, or with the loss and its gradient compiled; Adam is the fused one either way."""

    def build(data: Data) -> Prepared:
        import torch

        initial = {name: torch.from_numpy(a) for name, a in parameters(data).items()}

        def loss_of(model: Any, images: Any, labels: Any) -> Any:
            return torch.nn.functional.cross_entropy(model(images), labels)

        loss_in_use = torch.compile(loss_of) if compiled else loss_of

        def start() -> Any:
            model = make_model()
            model.load_state_dict({**model.state_dict(), **initial})
            optimizer = torch.optim.Adam(
                model.parameters(), LEARNING_RATE, BETAS, EPSILON, fused=True
            )
            return model, optimizer

        def step(state: Any, images: Any, labels: Any) -> Any:
            model, optimizer = state
            optimizer.zero_grad(set_to_none=True)
            loss = loss_in_use(model, images, labels)
            loss.backward()
            optimizer.step()
            return state, loss.detach()

        batches = list(zip(torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])))
        return prepared(start, step, batches)

    return build


# ---------------------------------------------------------------- JAX


def jax_builder(
    forward: Callable[..., Any],
    take_parameters: Callable[[Arrays], Arrays] = lambda arrays: arrays,
    take_images: Callable[[np.ndarray], np.ndarray] = lambda images: images,
    buffers: Arrays | None = None,
) -> Builder:
    """A pure step under `jax.jit` that gives away its state.

    Args:
        forward: logits of (parameters, images); where there are buffers, logits and new buffers of
            (parameters, images, buffers).
        take_parameters: initial parameters in the layout of `forward`.
        take_images: all images in the layout of `forward`.
        buffers: what is carried from step to step and not trained, such as running statistics.
    """

    def build(data: Data) -> Prepared:
        import jax

        initial = take_parameters(parameters(data))

        def loss_of(weights: dict[str, Any], carried: Any, images: Any, labels: Any) -> Any:
            if buffers is None:
                logits = forward(weights, images)
            else:
                logits, carried = forward(weights, images, carried)
            logs = jax.nn.log_softmax(logits)
            return -jax.numpy.take_along_axis(logs, labels[:, None], 1).mean(), carried

        def compiled(state: Any, images: Any, labels: Any) -> Any:
            weights, optimizer, carried = state
            found = jax.value_and_grad(loss_of, has_aux=True)(weights, carried, images, labels)
            (loss, carried), grads = found
            return (*_jax_adam(weights, grads, optimizer), carried), loss

        jitted = jax.jit(compiled, donate_argnums=0)

        def start() -> Any:
            weights = {name: jax.numpy.array(a) for name, a in initial.items()}
            zeros = jax.tree.map(jax.numpy.zeros_like, weights)
            again = jax.tree.map(jax.numpy.zeros_like, weights)
            carried = jax.tree.map(jax.numpy.array, buffers)
            return weights, (jax.numpy.zeros(()), zeros, again), carried

        def step(state: Any, images: Any, labels: Any) -> Any:
            return jax.block_until_ready(jitted(state, images, labels))

        images = [jax.numpy.asarray(x) for x in take_images(data["images"])]
        labels = [jax.numpy.asarray(x.astype(np.int32)) for x in data["labels"]]
        return prepared(start, step, list(zip(images, labels)))

    return build


def _jax_adam(weights: Any, grads: Any, optimizer: Any) -> Any:
    """The next (weights, optimizer) by Adam; Kingma and Ba 2015, algorithm 1."""
    import jax

    count, means, squares = optimizer
    count = count + 1
    b1, b2 = BETAS
    means = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, means, grads)
    squares = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, squares, grads)
    step_size = LEARNING_RATE / (1 - b1**count)
    correction = jax.numpy.sqrt(1 - b2**count)

    def moved(w: Any, m: Any, v: Any) -> Any:
        return w - step_size * m / (jax.numpy.sqrt(v) / correction + EPSILON)

    return jax.tree.map(moved, weights, means, squares), (count, means, squares)


# ---------------------------------------------------------------- NumPy

LossAndGradients = Callable[[Arrays, np.ndarray, np.ndarray], tuple[float, Arrays]]


def numpy_builder(loss_and_gradients: LossAndGradients, dtype: type = np.float32) -> Builder:
    """Gradients by hand, and Adam in place. In float64 it is the reference."""

    def build(data: Data) -> Prepared:
        def start() -> Any:
            weights = {k: a.astype(dtype) for k, a in parameters(data).items()}
            return weights, _NumpyAdam(weights)

        def step(state: Any, images: Any, labels: Any) -> Any:
            weights, optimizer = state
            loss, gradients = loss_and_gradients(weights, images, labels)
            optimizer.update(weights, gradients)
            return state, loss

        images = data["images"].astype(dtype, copy=False)
        return prepared(start, step, list(zip(images, data["labels"])))

    return build


def reference_losses(loss_and_gradients: LossAndGradients) -> Callable[[Data], list[np.ndarray]]:
    """The losses of the first steps in float64."""
    return lambda data: list(numpy_builder(loss_and_gradients, np.float64)(data).result())


class _NumpyAdam:
    """Adam; Kingma and Ba 2015, algorithm 1."""

    def __init__(self, weights: Arrays):
        self.count = 0
        self.means = {k: np.zeros_like(w) for k, w in weights.items()}
        self.squares = {k: np.zeros_like(w) for k, w in weights.items()}

    def update(self, weights: Arrays, gradients: Arrays) -> None:
        """Moves the weights."""
        self.count += 1
        b1, b2 = BETAS
        step_size = LEARNING_RATE / (1 - b1**self.count)
        correction = float(np.sqrt(1 - b2**self.count))
        for name, w in weights.items():
            g, m, v = gradients[name], self.means[name], self.squares[name]
            m *= b1
            m += (1 - b1) * g
            v *= b2
            v += (1 - b2) * g * g
            root = np.sqrt(v)
            root /= correction
            root += EPSILON
            w -= step_size * m / root


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
