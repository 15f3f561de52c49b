"""A training step of LeNet-5, `lamina.models.LeNet`, on 28 x 28 images."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks import training
from benchmarks.tape import Tape
from benchmarks.workload import Cost, Data, Tolerance

SIDE = 28
SHAPES: dict[str, tuple[int, ...]] = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "fc1.weight": (120, 400),
    "fc1.bias": (120,),
    "fc2.weight": (84, 120),
    "fc2.bias": (84,),
    "fc3.weight": (10, 84),
    "fc3.bias": (10,),
}
DENSE = ("fc1", "fc2", "fc3")


def data(batch: int, rng: np.random.Generator) -> Data:
    """Noise, labels and initial parameters."""
    return training.make_data(rng, (1, SIDE, SIDE), batch, SHAPES)


def cost(batch: int) -> Cost:
    """Three products a layer (two in the first, as images need no gradient), and Adam's arrays."""
    size = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
    first = size["conv1.weight"] * SIDE**2
    rest = size["conv2.weight"] * 10**2 + sum(size[f"{name}.weight"] for name in DENSE)
    count = sum(size.values())
    read_bytes = 4.0 * (batch * SIDE**2 + 3 * count)
    return Cost(2.0 * batch * (2 * first + 3 * rest), read_bytes, 3 * 4.0 * count)


def lamina_model() -> Any:
    """The network of the zoo."""
    from lamina.models import LeNet

    return LeNet()


def torch_model() -> Any:
    """The same with PyTorch's layers."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 6, 5, padding=2)
            self.conv2 = torch.nn.Conv2d(6, 16, 5)
            self.fc1 = torch.nn.Linear(400, 120)
            self.fc2 = torch.nn.Linear(120, 84)
            self.fc3 = torch.nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = torch.nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
            x = torch.nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
            x = torch.relu(self.fc1(x.flatten(1)))
            return self.fc3(torch.relu(self.fc2(x)))

    return Network()


def jax_parameters(found: training.Arrays) -> training.Arrays:
    """Filters as HWIO, and the columns of the first dense layer in the order H, W, C."""
    found = dict(found)
    for name in ("conv1.weight", "conv2.weight"):
        found[name] = found[name].transpose(2, 3, 1, 0)
    rows = found["fc1.weight"].reshape(120, 16, 5, 5)
    found["fc1.weight"] = rows.transpose(0, 2, 3, 1).reshape(120, 400)
    return found


def jax_forward(weights: dict[str, Any], images: Any) -> Any:
    """The logits, as a function of parameters and images, channels last."""
    import jax

    def layer(x: Any, name: str, padding: str) -> Any:
        kernel, order = weights[f"{name}.weight"], ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=order)
        y = jax.nn.relu(y + weights[f"{name}.bias"])
        window = (1, 2, 2, 1)
        return jax.lax.reduce_window(y, -np.inf, jax.lax.max, window, window, "VALID")

    x = layer(layer(images, "conv1", "SAME"), "conv2", "VALID")
    x = x.reshape(x.shape[0], -1)
    for name in DENSE[:2]:
        x = jax.nn.relu(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])
    return x @ weights["fc3.weight"].T + weights["fc3.bias"]


def numpy_gradients(
    weights: training.Arrays, images: np.ndarray, labels: np.ndarray
) -> tuple[float, training.Arrays]:
    """The loss and its gradients."""
    tape = Tape(weights)
    x = tape.max_pool(tape.relu(tape.conv(images, "conv1", padding=2)), 2, 2)
    x = tape.max_pool(tape.relu(tape.conv(x, "conv2")), 2, 2)
    x = tape.relu(tape.linear(tape.reshape(x, (len(x), -1)), "fc1"))
    logits = tape.linear(tape.relu(tape.linear(x, "fc2")), "fc3")
    loss, bar = training.numpy_cross_entropy(logits, labels)
    return loss, tape.gradients(logits, bar)


def network(batch: int) -> training.Network:
    """The network with one batch."""
    return training.Network(
        f"lenet_train_b{batch}",
        f"a training step of LeNet-5, {batch} images of 28 x 28",
        partial(data, batch),
        cost(batch),
        Tolerance(relative=1e-5, absolute=1e-5),  # of losses around 2.3 after five steps
        numpy_gradients,
        lamina_model,
        torch_model,
        lambda: jax_forward,
        jax_parameters,
        training.channels_last,
    )


WORKLOADS = (network(128).workload(),)
