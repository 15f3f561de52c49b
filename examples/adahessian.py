"""AdaHessian, an Adam that divides by curvature: a convolutional network on digits.

    python examples/adahessian.py
    python examples/adahessian.py --optimizer adam

The diagonal of the Hessian is estimated from one product with it: for signs z drawn at random, the
mean of z * Hz is that diagonal. A Jacobian-vector product of the gradient gives loss, gradient and
Hz in one pass, which is compiled with the update to one program. The elements of a convolution's
kernel share their curvature.

Source: Yao et al., "ADAHESSIAN: An Adaptive Second Order Optimizer for Machine Learning", AAAI
2021, algorithm 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import lamina as lm
from lamina import data, functional, nn, optim


class Moments(NamedTuple):
    """Running means of the gradient and of the squared curvature, and the number of steps."""

    mean: Any
    square: Any
    steps: lm.Tensor


def signs(like: Any) -> Any:
    """A tree of -1 and 1, drawn at random."""
    draw = lambda p: lm.astype(2 * lm.random.randint(0, 2, p.shape) - 1, p.dtype)
    return lm.tree.map(draw, like)


def curvature(loss_of: Callable[[Any], lm.Tensor], model: Any) -> tuple[lm.Tensor, Any, Any]:
    """Loss, gradient, and an estimate of the diagonal of the Hessian."""
    z = signs(model)
    (loss, gradient), (_, product) = lm.jvp(lm.value_and_grad(loss_of), (model,), (z,))
    return loss, gradient, lm.tree.map(lambda a, b: averaged(a * b), z, product)


def averaged(diagonal: Any) -> lm.Tensor:
    """The size of the curvature; one number for each kernel of a convolution [O, I, h, w]."""
    size = lm.abs(diagonal)
    return lm.mean(size, axis=(2, 3), keepdims=True) + 0 * size if size.ndim == 4 else size


def initial(model: Any) -> Moments:
    """Nothing seen yet."""
    zeros = lm.tree.map(lm.zeros_like, model)
    return Moments(zeros, zeros, lm.asarray(0))


def update(
    model: Any,
    moments: Moments,
    gradient: Any,
    diagonal: Any,
    rate: Any,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-4,
) -> tuple[Any, Moments]:
    """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) D^2;  p = p - rate m̂ / (sqrt(v̂) + eps).

    m̂ and v̂ are m and v divided by 1 - b1^t and 1 - b2^t.
    """
    b1, b2 = betas
    t = lm.astype(moments.steps + 1, lm.float32)
    mean = lm.tree.map(lambda m, g: b1 * m + (1 - b1) * g, moments.mean, gradient)
    square = lm.tree.map(lambda v, d: b2 * v + (1 - b2) * d * d, moments.square, diagonal)

    def step(p: Any, m: Any, v: Any) -> Any:
        return p - rate * (m / (1 - b1**t)) / (lm.sqrt(v / (1 - b2**t)) + eps)

    return lm.tree.map(step, model, mean, square), Moments(mean, square, moments.steps + 1)


def network() -> nn.Module:
    """Images [B, 1, 8, 8] to logits [B, 10]."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def loss_of(model: Any, images: Any, labels: Any) -> lm.Tensor:
    """Mean cross entropy of a batch."""
    return functional.cross_entropy(model(images), labels)


@lm.jit
def second_order(
    model: Any, moments: Moments, images: Any, labels: Any, rate: float
) -> tuple[Any, Moments, lm.Tensor]:
    """A step of AdaHessian."""
    loss, gradient, diagonal = curvature(lambda m: loss_of(m, images, labels), model)
    return *update(model, moments, gradient, diagonal, rate), loss


@lm.jit
def first_order(model: Any, optimizer: optim.Adam, images: Any, labels: Any) -> lm.Tensor:
    """A step of Adam."""
    loss, gradient = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, gradient)
    return loss


def train(options: argparse.Namespace) -> float:
    """Train and test after every epoch; the last test accuracy."""
    lm.random.seed(options.seed)
    digits = data.digits()
    model, found = network(), 0.0
    moments, adam = initial(model), optim.Adam(model, lr=options.lr or 3e-3)
    for epoch in range(options.epochs):
        losses = []
        for images, labels in data.batches(
            digits.train_images, digits.train_labels, options.batch, options.seed + epoch
        ):
            if options.optimizer == "adam":
                loss = first_order(model, adam, images, labels)
            else:
                rate = options.lr or 0.1
                model, moments, loss = second_order(model, moments, images, labels, rate)
            losses.append(loss)
        found = float(
            np.mean(model(digits.test_images).argmax(axis=1).numpy() == digits.test_labels)
        )
        mean = np.mean([float(x) for x in losses])
        print(f"epoch {epoch + 1}: loss {mean:.4f}, test accuracy {100 * found:.2f} %", flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, train, and sum up in one line; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--optimizer", choices=["adahessian", "adam"], default="adahessian")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (10)")
    parser.add_argument("--batch", type=int, default=64, help="images in a step (64)")
    parser.add_argument("--lr", type=float, help="learning rate (0.1; 0.003 for adam)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and signs (0)")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    accuracy = train(options)
    seconds = time.perf_counter() - began
    print(f"{options.optimizer}: test accuracy {100 * accuracy:.2f} %, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
