"""A training step of the demo's network, `lamina.models.DigitNet`, and of one twice as wide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import training
from benchmarks.workload import Cost, Data, Tolerance

KERNEL = 3
HIDDEN, CLASSES = 128, 10


@dataclass(frozen=True)
class Sizes:
    """How large images, batches and the two convolutions are."""

    side: int
    batch: int
    channels: tuple[int, int] = (16, 32)

    @property
    def pooled(self) -> tuple[int, int, int]:
        """The shape of an image behind both convolutions."""
        return self.channels[1], self.side // 4, self.side // 4

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the parameters, by PyTorch's names."""
        one, two = self.channels
        return {
            "conv1.weight": (one, 1, KERNEL, KERNEL),
            "conv1.bias": (one,),
            "conv2.weight": (two, one, KERNEL, KERNEL),
            "conv2.bias": (two,),
            "fc1.weight": (HIDDEN, int(np.prod(self.pooled))),
            "fc1.bias": (HIDDEN,),
            "fc2.weight": (CLASSES, HIDDEN),
            "fc2.bias": (CLASSES,),
        }


def data(sizes: Sizes, rng: np.random.Generator) -> Data:
    """Noise, labels and initial parameters."""
    return training.make_data(rng, (1, sizes.side, sizes.side), sizes.batch, sizes.shapes)


def cost(sizes: Sizes) -> Cost:
    """Three products a layer (two in the first, as images need no gradient), and Adam's arrays."""
    size = {name: int(np.prod(shape)) for name, shape in sizes.shapes.items()}
    places = sizes.side**2
    first = size["conv1.weight"] * places
    rest = size["conv2.weight"] * places // 4 + size["fc1.weight"] + size["fc2.weight"]
    count = sum(size.values())
    read_bytes = 4.0 * (sizes.batch * places + 3 * count)
    return Cost(2.0 * sizes.batch * (2 * first + 3 * rest), read_bytes, 3 * 4.0 * count)


# ---------------------------------------------------------------- Lamina, PyTorch


def lamina_model(sizes: Sizes) -> Any:
    """The demo's network, with layers of these widths."""
    import lamina as lm
    from lamina.models import DigitNet

    one, two = sizes.channels
    model = DigitNet(sizes.side, HIDDEN, dtype=lm.float32)
    model.conv1 = lm.nn.Conv2d(1, one, KERNEL, padding=1)
    model.conv2 = lm.nn.Conv2d(one, two, KERNEL, padding=1)
    model.fc1 = lm.nn.Linear(int(np.prod(sizes.pooled)), HIDDEN)
    return model


def torch_model(sizes: Sizes) -> Any:
    """The same with PyTorch's layers."""
    import torch

    one, two = sizes.channels

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, one, KERNEL, padding=1)
            self.conv2 = torch.nn.Conv2d(one, two, KERNEL, padding=1)
            self.fc1 = torch.nn.Linear(int(np.prod(sizes.pooled)), HIDDEN)
            self.fc2 = torch.nn.Linear(HIDDEN, CLASSES)

        def forward(self, x: Any) -> Any:
            x = torch.nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
            x = torch.nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
            return self.fc2(torch.relu(self.fc1(x.flatten(1))))

    return Network()


# ---------------------------------------------------------------- JAX: channels last


def jax_parameters(sizes: Sizes, found: training.Arrays) -> training.Arrays:
    """Filters as HWIO, and the columns of the first dense layer in the order H, W, C."""
    found = dict(found)
    for name in ("conv1.weight", "conv2.weight"):
        found[name] = found[name].transpose(2, 3, 1, 0)
    rows = found["fc1.weight"].reshape(HIDDEN, *sizes.pooled)
    found["fc1.weight"] = rows.transpose(0, 2, 3, 1).reshape(HIDDEN, -1)
    return found


def jax_forward(weights: dict[str, Any], images: Any) -> Any:
    """The logits, as a function of parameters and images."""
    import jax

    def layer(x: Any, name: str) -> Any:
        y = jax.lax.conv_general_dilated(
            x,
            weights[f"{name}.weight"],
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        y = jax.nn.relu(y + weights[f"{name}.bias"])
        window = (1, 2, 2, 1)
        return jax.lax.reduce_window(y, -np.inf, jax.lax.max, window, window, "VALID")

    x = layer(layer(images, "conv1"), "conv2")
    x = x.reshape(x.shape[0], -1)
    x = jax.nn.relu(x @ weights["fc1.weight"].T + weights["fc1.bias"])
    return x @ weights["fc2.weight"].T + weights["fc2.bias"]


# ---------------------------------------------------------------- NumPy


class NumpyLayer:
    """Convolution, ReLU and 2 x 2 max pooling, with its gradient."""

    def __init__(self, weights: training.Arrays, name: str):
        self.name = name
        self.weight = weights[f"{name}.weight"]
        self.bias = weights[f"{name}.bias"]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """[B, C, H, W] -> [B, O, H/2, W/2]."""
        self.shape = x.shape
        batch, channels, height, width = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        seen = np.lib.stride_tricks.sliding_window_view(padded, (KERNEL, KERNEL), (2, 3))
        columns = seen.transpose(0, 2, 3, 1, 4, 5)  # (B, H, W, C, 3, 3)
        self.columns = columns.reshape(batch * height * width, channels * KERNEL**2)
        y = self.columns @ self.weight.reshape(len(self.weight), -1).T
        y += self.bias
        np.maximum(y, 0, out=y)
        quads = y.reshape(batch, height // 2, 2, width // 2, 2, -1)
        quads = quads.transpose(0, 5, 1, 3, 2, 4)  # (B, O, H/2, W/2, 2, 2)
        self.quads = quads.reshape(*quads.shape[:4], 4)
        self.chosen = self.quads.argmax(-1)[..., None]
        return np.take_along_axis(self.quads, self.chosen, -1)[..., 0]

    def backward(self, out_bar: np.ndarray, need_input: bool) -> tuple[Any, training.Arrays]:
        """Cotangents of the input (if needed) and of the parameters."""
        batch, channels, height, width = self.shape
        largest = np.take_along_axis(self.quads, self.chosen, -1)[..., 0]
        quads_bar = np.zeros_like(self.quads)
        value = (out_bar * (largest > 0))[..., None]
        np.put_along_axis(quads_bar, self.chosen, value, -1)
        y_bar = quads_bar.reshape(*quads_bar.shape[:4], 2, 2).transpose(0, 2, 4, 3, 5, 1)
        y_bar = y_bar.reshape(batch * height * width, -1)
        gradients = {
            f"{self.name}.weight": (y_bar.T @ self.columns).reshape(self.weight.shape),
            f"{self.name}.bias": y_bar.sum(0),
        }
        if not need_input:
            return None, gradients
        columns_bar = y_bar @ self.weight.reshape(len(self.weight), -1)
        columns_bar = columns_bar.reshape(batch, height, width, channels, KERNEL, KERNEL)
        padded_bar = np.zeros((batch, channels, height + 2, width + 2), out_bar.dtype)
        for i in range(KERNEL):
            for j in range(KERNEL):
                part = columns_bar[..., i, j].transpose(0, 3, 1, 2)
                padded_bar[:, :, i : i + height, j : j + width] += part
        return padded_bar[:, :, 1:-1, 1:-1], gradients


def numpy_gradients(
    weights: training.Arrays, images: np.ndarray, labels: np.ndarray
) -> tuple[float, training.Arrays]:
    """The loss and its gradients, by hand."""
    one, two = NumpyLayer(weights, "conv1"), NumpyLayer(weights, "conv2")
    x = two.forward(one.forward(images))
    flat = x.reshape(len(x), -1)
    hidden = np.maximum(flat @ weights["fc1.weight"].T + weights["fc1.bias"], 0)
    logits = hidden @ weights["fc2.weight"].T + weights["fc2.bias"]
    loss, logits_bar = training.numpy_cross_entropy(logits, labels)
    hidden_bar = (logits_bar @ weights["fc2.weight"]) * (hidden > 0)
    flat_bar = hidden_bar @ weights["fc1.weight"]
    between_bar, two_gradients = two.backward(flat_bar.reshape(x.shape), need_input=True)
    _, one_gradients = one.backward(between_bar, need_input=False)
    return loss, {
        **one_gradients,
        **two_gradients,
        "fc1.weight": hidden_bar.T @ flat,
        "fc1.bias": hidden_bar.sum(0),
        "fc2.weight": logits_bar.T @ hidden,
        "fc2.bias": logits_bar.sum(0),
    }


def network(sizes: Sizes, name: str | None = None) -> training.Network:
    """The network of one size."""
    side, batch = sizes.side, sizes.batch
    return training.Network(
        name or f"cnn_train_{side}x{side}_b{batch}",
        f"a training step of a network of {sizes.channels[0]} and {sizes.channels[1]} channels on "
        f"{side} x {side} images, batch {batch}",
        partial(data, sizes),
        cost(sizes),
        Tolerance(relative=1e-5, absolute=1e-5),  # of losses around 2.3 after five steps
        numpy_gradients,
        partial(lamina_model, sizes),
        partial(torch_model, sizes),
        lambda: jax_forward,
        partial(jax_parameters, sizes),
        training.channels_last,
        by_hand=True,
    )


WIDE = network(Sizes(28, 128, (32, 64)), "cnn_train_b128")

WORKLOADS = (
    *(network(Sizes(side, batch)).workload() for side in (8, 28) for batch in (64, 128)),
    *WIDE.workloads(),
)
