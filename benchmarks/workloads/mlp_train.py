"""One training step of a 784-256-10 network at batch 128."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import training
from benchmarks.workload import Cost, Data, Tolerance

BATCH = 128
INPUTS, HIDDEN, CLASSES = 784, 256, 10
SHAPES: dict[str, tuple[int, ...]] = {
    "hidden.weight": (HIDDEN, INPUTS),
    "hidden.bias": (HIDDEN,),
    "out.weight": (CLASSES, HIDDEN),
    "out.bias": (CLASSES,),
}


def data(rng: np.random.Generator) -> Data:
    """Noise, labels and initial parameters."""
    return training.make_data(rng, (INPUTS,), BATCH, SHAPES)


def cost() -> Cost:
    """Three products a layer (none for the gradient of the images), and Adam's three arrays."""
    first, second = INPUTS * HIDDEN, HIDDEN * CLASSES
    count = sum(int(np.prod(shape)) for shape in SHAPES.values())
    image_bytes = 4.0 * BATCH * INPUTS
    flops = 2.0 * BATCH * (2 * first + 3 * second)
    return Cost(flops, image_bytes + 3 * 4.0 * count, 3 * 4.0 * count)


def lamina_model() -> Any:
    """The network with Lamina's layers."""
    import lamina as lm

    class Network(lm.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = lm.nn.Linear(INPUTS, HIDDEN)
            self.out = lm.nn.Linear(HIDDEN, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.out(lm.functional.relu(self.hidden(x)))

    return Network()


def torch_model() -> Any:
    """The network with PyTorch's layers."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = torch.nn.Linear(INPUTS, HIDDEN)
            self.out = torch.nn.Linear(HIDDEN, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.out(torch.relu(self.hidden(x)))

    return Network()


def jax_forward(weights: dict[str, Any], images: Any) -> Any:
    """The logits, as a function of parameters and images."""
    import jax

    hidden = jax.nn.relu(images @ weights["hidden.weight"].T + weights["hidden.bias"])
    return hidden @ weights["out.weight"].T + weights["out.bias"]


def numpy_gradients(
    weights: training.Arrays, images: np.ndarray, labels: np.ndarray
) -> tuple[float, training.Arrays]:
    """The loss and its gradients, by hand."""
    hidden = images @ weights["hidden.weight"].T
    hidden += weights["hidden.bias"]
    np.maximum(hidden, 0, out=hidden)
    logits = hidden @ weights["out.weight"].T + weights["out.bias"]
    loss, logits_bar = training.numpy_cross_entropy(logits, labels)
    hidden_bar = logits_bar @ weights["out.weight"]
    hidden_bar *= hidden > 0
    return loss, {
        "hidden.weight": hidden_bar.T @ images,
        "hidden.bias": hidden_bar.sum(0),
        "out.weight": logits_bar.T @ hidden,
        "out.bias": logits_bar.sum(0),
    }


NETWORK = training.Network(
    f"mlp_train_b{BATCH}",
    "a training step of a 784-256-10 network, batch 128",
    data,
    cost(),
    Tolerance(relative=1e-5, absolute=1e-5),  # of losses around 2.3 after five steps
    numpy_gradients,
    lamina_model,
    torch_model,
    lambda: jax_forward,
    by_hand=True,
)

WORKLOADS = NETWORK.workloads()
