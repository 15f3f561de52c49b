"""A training step of ResNet-18, `lamina.models.resnet18`, on the images of its paper.

In every peer batch norm measures the batch and moves its running statistics, too. Names of
parameters are torchvision's; the network for PyTorch is written out here, so that torchvision need
not be installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import training
from benchmarks.optimizers import MOMENTUM
from benchmarks.tape import Tape
from benchmarks.workload import Cost, Data, Tolerance

SHARE, EPSILON = 0.1, 1e-5  # of batch norm: by which running statistics move


@dataclass(frozen=True)
class Convolution:
    """One of the network, with the batch norm after it."""

    name: str
    norm: str
    inputs: int
    outputs: int
    size: int
    stride: int
    side: int  # of what it gives


@dataclass(frozen=True)
class Sizes:
    """How large images, network and batches are."""

    batch: int = 8
    side: int = 224
    width: int = 64
    classes: int = 1000

    @property
    def blocks(self) -> Iterator[tuple[str, int, int, int]]:
        """Name, inputs, outputs and stride of each block."""
        inputs = self.width
        for stage in range(4):
            outputs = self.width * 2**stage
            for block in range(2):
                stride = 2 if stage and not block else 1
                yield f"layer{stage + 1}.{block}", inputs, outputs, stride
                inputs = outputs

    @property
    def convolutions(self) -> list[Convolution]:
        """All of them, in the order of use."""
        side = self.side // 2
        found = [Convolution("conv1", "bn1", 3, self.width, 7, 2, side)]
        side //= 2
        for at, inputs, outputs, stride in self.blocks:
            side //= stride
            names = [(f"{at}.conv1", f"{at}.bn1"), (f"{at}.conv2", f"{at}.bn2")]
            found.append(Convolution(*names[0], inputs, outputs, 3, stride, side))
            found.append(Convolution(*names[1], outputs, outputs, 3, 1, side))
            if stride != 1 or inputs != outputs:
                names = [(f"{at}.downsample.0", f"{at}.downsample.1")]
                found.append(Convolution(*names[0], inputs, outputs, 1, stride, side))
        return found


def make_data(rng: np.random.Generator, sizes: Sizes) -> Data:
    """Images of noise, labels and initial parameters."""
    shape = (training.BATCHES, sizes.batch)
    found: Data = {
        "images": rng.standard_normal((*shape, 3, sizes.side, sizes.side), np.float32),
        "labels": rng.integers(0, sizes.classes, shape),
    }
    return found | make_weights(rng, sizes)


def make_weights(rng: np.random.Generator, sizes: Sizes) -> Data:
    """Initial parameters."""
    found: Data = {}
    for c in sizes.convolutions:
        kernel = (c.outputs, c.inputs, c.size, c.size)
        deviation = np.float32(np.sqrt(2 / (c.outputs * c.size**2)))
        found[f"{c.name}.weight"] = deviation * rng.standard_normal(kernel, np.float32)
        found[f"{c.norm}.weight"] = np.ones(c.outputs, np.float32)
        found[f"{c.norm}.bias"] = np.zeros(c.outputs, np.float32)
    wide = 8 * sizes.width
    for name, kernel in (("fc.weight", (sizes.classes, wide)), ("fc.bias", (sizes.classes,))):
        found[name] = rng.uniform(-1, 1, kernel).astype(np.float32) / np.float32(np.sqrt(wide))
    return found


def cost(sizes: Sizes) -> Cost:
    """Three products a layer (two in the first, as images need no gradient), and two arrays."""
    products, count = 0, (8 * sizes.width + 1) * sizes.classes
    for c in sizes.convolutions:
        size = c.outputs * c.inputs * c.size**2
        products += (2 if c.name == "conv1" else 3) * size * c.side**2
        count += size + 2 * c.outputs
    products += 3 * 8 * sizes.width * sizes.classes
    read_bytes = 4.0 * (sizes.batch * 3 * sizes.side**2 + 2 * count)
    return Cost(2.0 * sizes.batch * products, read_bytes, 2 * 4.0 * count)


def walk(sizes: Sizes, x: Any, layer: Any, relu: Any, max_pool: Any, add: Any) -> Any:
    """All but the last mean and the linear layer, over images.

    Args:
        layer: a convolution with its batch norm, of (x, name of the convolution).
        max_pool: of windows of 3 x 3 in steps of 2, padded by 1.
    """
    every = {c.name for c in sizes.convolutions}
    x = max_pool(relu(layer(x, "conv1")))
    for at, *_ in sizes.blocks:
        y = layer(relu(layer(x, f"{at}.conv1")), f"{at}.conv2")
        short = f"{at}.downsample.0"
        x = relu(add(y, layer(x, short) if short in every else x))
    return x


# ---------------------------------------------------------------- Lamina, PyTorch


def lamina_model(sizes: Sizes) -> Any:
    """The network of the zoo."""
    from lamina.models import BasicBlock, ResNet

    return ResNet(BasicBlock, (2, 2, 2, 2), sizes.classes, sizes.width)


def torch_model(sizes: Sizes) -> Any:
    """The same with PyTorch's layers."""
    import torch

    nn = torch.nn

    def conv(inputs: int, outputs: int, size: int, stride: int) -> Any:
        return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
            self.conv2, self.bn2 = conv(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = None
            if stride != 1 or inputs != outputs:
                short = conv(inputs, outputs, 1, stride)
                self.downsample = nn.Sequential(short, nn.BatchNorm2d(outputs))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = conv(3, sizes.width, 7, 2), nn.BatchNorm2d(sizes.width)
            self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
            blocks = [Block(*rest) for _, *rest in sizes.blocks]
            for stage in range(4):
                pair = nn.Sequential(*blocks[2 * stage : 2 * stage + 2])
                self.add_module(f"layer{stage + 1}", pair)
            self.fc = nn.Linear(8 * sizes.width, sizes.classes)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            for stage in range(4):
                x = getattr(self, f"layer{stage + 1}")(x)
            return self.fc(x.mean((2, 3)))

    return Network()


# ---------------------------------------------------------------- JAX: channels last


def jax_parameters(found: training.Arrays) -> training.Arrays:
    """Filters as HWIO."""
    return {n: a.transpose(2, 3, 1, 0) if a.ndim == 4 else a for n, a in found.items()}


def jax_buffers(sizes: Sizes) -> training.Arrays:
    """Running statistics at the start."""
    found: training.Arrays = {}
    for c in sizes.convolutions:
        found[f"{c.norm}.mean"] = np.zeros(c.outputs, np.float32)
        found[f"{c.norm}.var"] = np.ones(c.outputs, np.float32)
    return found


def jax_convolution(x: Any, w: dict[str, Any], c: Convolution) -> Any:
    """One of the network."""
    import jax

    pad, order = [(c.size // 2, c.size // 2)] * 2, ("NHWC", "HWIO", "NHWC")
    kernel, strides = w[f"{c.name}.weight"], (c.stride,) * 2
    return jax.lax.conv_general_dilated(x, kernel, strides, pad, dimension_numbers=order)


def jax_max_pool(x: Any) -> Any:
    """Windows of 3 x 3 in steps of 2, padded by 1."""
    import jax

    pad = ((0, 0), (1, 1), (1, 1), (0, 0))
    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), pad)


def jax_forward(sizes: Sizes) -> Any:
    """Logits and new running statistics, as a function of parameters, images and statistics."""
    import jax
    from jax import numpy as jnp

    every = {c.name: c for c in sizes.convolutions}

    def forward(w: dict[str, Any], images: Any, running: dict[str, Any]) -> Any:
        moved = {}

        def layer(x: Any, name: str) -> Any:
            c = every[name]
            x = jax_convolution(x, w, c)
            mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            count = x.size // c.outputs
            for kind, now in (("mean", mean), ("var", var * (count / (count - 1)))):
                old = running[f"{c.norm}.{kind}"]
                moved[f"{c.norm}.{kind}"] = (1 - SHARE) * old + SHARE * now
            scale = w[f"{c.norm}.weight"] * jax.lax.rsqrt(var + EPSILON)
            return (x - mean) * scale + w[f"{c.norm}.bias"]

        x = walk(sizes, images, layer, jax.nn.relu, jax_max_pool, jnp.add)
        logits = jnp.mean(x, (1, 2)) @ w["fc.weight"].T + w["fc.bias"]
        return logits, jax.lax.stop_gradient(moved)

    return forward


# ---------------------------------------------------------------- NumPy


def numpy_gradients(sizes: Sizes) -> Any:
    """The loss and its gradients."""
    every = {c.name: c for c in sizes.convolutions}

    def gradients(
        weights: training.Arrays, images: np.ndarray, labels: np.ndarray
    ) -> tuple[float, training.Arrays]:
        tape = Tape(weights)

        def layer(x: np.ndarray, name: str) -> np.ndarray:
            c = every[name]
            return tape.batch_norm(tape.conv(x, name, c.stride, c.size // 2), c.norm, EPSILON)

        pool = lambda x: tape.max_pool(x, 3, 2, 1)
        x = walk(sizes, images, layer, tape.relu, pool, tape.add)
        logits = tape.linear(tape.mean_of_places(x), "fc")
        loss, bar = training.numpy_cross_entropy(logits, labels)
        return loss, tape.gradients(logits, bar)

    return gradients


def network(sizes: Sizes) -> training.Network:
    """The network of one size."""
    return training.Network(
        f"resnet18_train_b{sizes.batch}",
        f"a training step of ResNet-18, {sizes.batch} images of 3 x {sizes.side} x {sizes.side}",
        lambda rng: make_data(rng, sizes),
        cost(sizes),
        Tolerance(relative=5e-3),  # in f32 some ReLUs flip, which moves gradients by as much
        numpy_gradients(sizes),
        lambda: lamina_model(sizes),
        lambda: torch_model(sizes),
        lambda: jax_forward(sizes),
        jax_parameters,
        training.channels_last,
        jax_buffers(sizes),
        MOMENTUM,
        channels_last=True,
    )


WORKLOADS = network(Sizes()).workloads()
