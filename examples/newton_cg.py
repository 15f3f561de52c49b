"""Newton's method by Hessian-vector products: logistic regression on digits to a gradient of 1e-10.

    python examples/newton_cg.py
    python examples/newton_cg.py --width 16 --tolerance 1e-2

The second line trains a network with a hidden layer, whose loss is not convex.

A step minimises the quadratic model g.d + d.Hd / 2 of the loss inside a ball, by conjugate
gradients. They never see the Hessian H, only products with it, each about as dear as two gradients.
Where the curvature along a direction is not positive, or the ball ends, the step goes to its
surface; the ball grows while the model is right about the loss and shrinks where it is not. Near
the minimum the number of correct digits doubles with each step. A step is one compiled program, its
loop included.

Source: Nocedal and Wright, "Numerical Optimization", 2006, algorithms 4.1 and 7.2 (Steihaug 1983).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import lamina as lm
from lamina import data, functional

Weights = dict[str, lm.Tensor]


class State(NamedTuple):
    """Where the search is, and the radius of the ball in which the model is trusted."""

    weights: Any
    radius: Any


class Report(NamedTuple):
    """Loss and norm of the gradient before a step, products with the Hessian, success."""

    loss: lm.Tensor
    slope: lm.Tensor
    products: lm.Tensor
    taken: lm.Tensor


def dot(a: Any, b: Any) -> lm.Tensor:
    """Inner product of two trees."""
    return sum(lm.sum(x * y) for x, y in zip(lm.tree.leaves(a), lm.tree.leaves(b), strict=True))


def moved(a: Any, t: Any, b: Any) -> Any:
    """a + t b, for trees a and b."""
    return lm.tree.map(lambda x, y: x + t * y, a, b)


def to_the_surface(d: Any, p: Any, radius: Any) -> lm.Tensor:
    """The t > 0 with |d + t p| = radius, for d inside the ball."""
    a, b, c = dot(p, p), dot(d, p), dot(d, d) - radius**2
    return -c / (b + lm.sqrt(lm.maximum(b * b - a * c, 0.0)))


def conjugate_gradients(
    product: Callable[[Any], Any], gradient: Any, radius: Any, most: int
) -> tuple[Any, Any, lm.Tensor]:
    """The step d, what is left of gradient + H d, and the number of products with H.

    Inside the ball at most min(1/2, sqrt|g|) |g| is left, which makes Newton's method converge
    faster than linearly.
    """
    size = lm.sqrt(dot(gradient, gradient))
    enough = lm.minimum(0.5, lm.sqrt(size)) * size

    def unfinished(state: Any) -> lm.Tensor:
        _, r, _, k, outside = state
        return (lm.sqrt(dot(r, r)) > enough) & (k < most) & ~outside

    def improve(state: Any) -> Any:
        d, r, p, k, _ = state
        h = product(p)
        curvature, square = dot(p, h), dot(r, r)
        t = square / curvature
        ahead = moved(d, t, p)
        outside = (curvature <= 0) | (dot(ahead, ahead) >= radius**2)
        t = lm.where(outside, to_the_surface(d, p, radius), t)
        d, r = moved(d, t, p), moved(r, t, h)
        return d, r, moved(lm.tree.map(lm.negative, r), dot(r, r) / square, p), k + 1, outside

    zero, down = (lm.tree.map(f, gradient) for f in (lm.zeros_like, lm.negative))
    d, r, _, k, _ = lm.while_loop(unfinished, improve, (zero, gradient, down, 0, lm.asarray(False)))
    return d, r, k


def newton_step(
    loss_of: Callable[[Any], lm.Tensor], state: State, most: int = 250
) -> tuple[State, Report]:
    """One step towards a minimum of `loss_of`."""
    weights, radius = state
    loss, gradient = lm.value_and_grad(loss_of)(weights)
    product = lambda d: lm.hvp(loss_of, [weights], [d])
    d, left, products = conjugate_gradients(product, gradient, radius, most)
    expected = -0.5 * (dot(gradient, d) + dot(left, d))  # as left = g + Hd
    ahead = moved(weights, 1.0, d)
    noise = 1e-15 * lm.abs(loss)  # below this two losses cannot be told apart
    share = (loss - loss_of(ahead) + noise) / (expected + noise)
    length = lm.sqrt(dot(d, d))
    grown = lm.where(share > 0.75, lm.maximum(radius, 2.0 * length), radius)
    radius = lm.where(share < 0.25, 0.25 * length, grown)
    taken = share > 0.01
    weights = lm.tree.map(lambda old, new: lm.where(taken, new, old), weights, ahead)
    return State(weights, radius), Report(loss, lm.sqrt(dot(gradient, gradient)), products, taken)


def network(weights: Weights, images: Any) -> lm.Tensor:
    """Logits, with a hidden layer or without.  images: [B, 64] -> [B, 10]"""
    if "w1" in weights:
        images = lm.tanh(images @ weights["w1"] + weights["b1"])
    return images @ weights["w"] + weights["b"]


def regularised_loss(weights: Weights, images: Any, labels: Any, decay: float) -> lm.Tensor:
    """Mean cross entropy, and decay / 2 of the squares of all weights."""
    fit = functional.cross_entropy(network(weights, images), labels)
    return fit + 0.5 * decay * dot(weights, weights)


@lm.jit
def step(state: State, images: Any, labels: Any, decay: float) -> tuple[State, Report]:
    """`newton_step` on images."""
    return newton_step(lambda w: regularised_loss(w, images, labels, decay), state)


def initial(width: int, seed: int) -> Weights:
    """Small weights, in double precision; without a hidden layer where `width` is 0."""
    random = np.random.default_rng(seed)
    shapes = {"w1": (64, width), "b1": (width,)} if width else {}
    shapes |= {"w": (width or 64, 10), "b": (10,)}
    return {name: lm.asarray(random.normal(0.0, 0.1, shape)) for name, shape in shapes.items()}


def train(options: argparse.Namespace) -> float:
    """Steps until the gradient is small; the share of test images that are right."""
    digits = data.digits()
    flat = lambda images: lm.asarray(images.reshape(len(images), -1).astype(np.float64))
    images, labels = flat(digits.train_images), lm.asarray(digits.train_labels)
    state = State(initial(options.width, options.seed), lm.asarray(np.array(1.0)))
    for k in range(options.steps):
        state, report = step(state, images, labels, options.decay)
        slope = float(report.slope)
        print(
            f"step {k}: loss {float(report.loss):.10f}, gradient {slope:.1e}, "
            f"{int(report.products)} products{'' if report.taken else ', not taken'}",
            flush=True,
        )
        if slope < options.tolerance:
            break
    found = lm.argmax(network(state.weights, flat(digits.test_images)), axis=1).numpy()
    return float(np.mean(found == digits.test_labels))


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, train, and sum up in one line; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40, help="at most so many steps (40)")
    parser.add_argument("--width", type=int, default=0, help="hidden units (0: none)")
    parser.add_argument("--decay", type=float, default=1e-3, help="of the weights (0.001)")
    parser.add_argument("--tolerance", type=float, default=1e-10, help="of the gradient (1e-10)")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights (0)")
    began = time.perf_counter()
    accuracy = train(parser.parse_args(arguments))
    print(f"newton-cg: test accuracy {100 * accuracy:.2f} %, {time.perf_counter() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
