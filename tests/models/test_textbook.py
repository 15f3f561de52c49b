"""Classifiers of the textbook, with the derivatives that are derived there by hand.

Perceptron (Rosenblatt 1958), logistic regression, softmax classifier, and a perceptron of several
layers with sigmoids and the back-propagated deltas (Rumelhart, Hinton and Williams 1986).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import data, functional, nn, optim

EXACT = {"rtol": 1e-12, "atol": 1e-14}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    shifted = np.exp(x - x.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def two_clouds(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Points of the plane on both sides of a line with a gap, and their side as -1 or 1."""
    rng = np.random.default_rng(0)
    side = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    along = rng.uniform(-2, 2, count)
    across = side * rng.uniform(0.5, 2, count)
    return np.stack([along + across, along - across], axis=1), side


def gradients(model: nn.Module, loss: Any, *args: Any) -> dict[str, np.ndarray]:
    grads = lm.jit(lm.grad(loss))(model, *args)
    return {name: bar.numpy() for name, bar in grads.named_parameters()}


# ------------------------------------------------------------------ perceptron


def perceptron_loss(model: nn.Module, x: Any, side: Any) -> lm.Tensor:
    """max(0, -side * score): only points on the wrong side count."""
    return lm.sum(functional.relu(-side * model(x)[..., 0]))


def test_perceptron() -> None:
    """Its rule, add side * x for a point on the wrong side, is one step down the gradient."""
    x, side = two_clouds()
    model = nn.Linear(2, 1, dtype=lm.float64)
    model.load_state_dict({"weight": [[-1.0, 0.7]], "bias": [0.1]})
    optimizer = optim.SGD(model, lr=1.0)
    weight, bias = np.array([-1.0, 0.7]), 0.1

    @lm.jit
    def step(model: nn.Module, optimizer: optim.SGD, x: Any, side: Any) -> lm.Tensor:
        loss, grads = lm.value_and_grad(perceptron_loss)(model, x, side)
        optimizer.update(model, grads)
        return loss

    for _ in range(20):
        mistakes = 0
        for point, label in zip(x, side, strict=True):
            if label * (weight @ point + bias) < 0:
                weight, bias, mistakes = weight + label * point, bias + label, mistakes + 1
            step(model, optimizer, point[None], np.array([label]))
            np.testing.assert_allclose(model.weight.numpy()[0], weight, **EXACT)
            np.testing.assert_allclose(model.bias.numpy(), [bias], **EXACT)
        if mistakes == 0:
            break
    assert mistakes == 0  # the clouds are separable, so the rule comes to an end
    assert (np.sign(x @ weight + bias) == side).all()


# ------------------------------------------------------------------ one layer


def test_logistic_regression() -> None:
    """d loss / d score = sigmoid(score) - target."""
    x, side = two_clouds()
    target = (side + 1) / 2
    model = nn.Linear(2, 1, dtype=lm.float64)

    def loss(model: nn.Module, x: Any, target: Any) -> lm.Tensor:
        return functional.binary_cross_entropy_with_logits(model(x)[..., 0], target)

    found = gradients(model, loss, x, target)
    weight, bias = model.weight.numpy(), model.bias.numpy()
    delta = (sigmoid(x @ weight[0] + bias) - target) / len(x)
    np.testing.assert_allclose(found["weight"], delta[None] @ x, **EXACT)
    np.testing.assert_allclose(found["bias"], [delta.sum()], **EXACT)


@pytest.mark.parametrize("whole", [True, False], ids=["class numbers", "probabilities"])
def test_softmax_classifier(whole: bool) -> None:
    """d loss / d logits = softmax(logits) - one-hot target."""
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((30, 6)), rng.integers(0, 4, 30)
    one_hot = np.eye(4)[labels]
    model = nn.Linear(6, 4, dtype=lm.float64)

    def loss(model: nn.Module, x: Any, target: Any) -> lm.Tensor:
        return functional.cross_entropy(model(x), target)

    found = gradients(model, loss, x, labels if whole else one_hot)
    weight, bias = model.weight.numpy(), model.bias.numpy()
    delta = (softmax(x @ weight.T + bias) - one_hot) / len(x)
    np.testing.assert_allclose(found["weight"], delta.T @ x, **EXACT)
    np.testing.assert_allclose(found["bias"], delta.sum(axis=0), **EXACT)


# ------------------------------------------------------------------ several layers


class SigmoidMLP(nn.Module):
    """Linear maps with a sigmoid after each."""

    def __init__(self, sizes: list[int]):
        super().__init__()
        pairs = pairwise(sizes)
        self.layers = [nn.Linear(a, b, dtype=lm.float64) for a, b in pairs]

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = functional.sigmoid(layer(x))
        return x


def back_propagate(
    model: SigmoidMLP, x: np.ndarray, target: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    """The loss sum((a - t)²) / 2 and its gradient, by the delta rule.

    delta = (a - t) a (1 - a) behind, delta = (delta W) a (1 - a) before; dW = deltaᵀ a.
    """
    weights = [layer.weight.numpy() for layer in model.layers]
    activations = [x]
    for layer, weight in zip(model.layers, weights, strict=True):
        activations.append(sigmoid(activations[-1] @ weight.T + layer.bias.numpy()))
    a = activations[-1]
    delta = (a - target) * a * (1 - a)
    found = {}
    for i in reversed(range(len(weights))):
        found[f"layers.{i}.weight"] = delta.T @ activations[i]
        found[f"layers.{i}.bias"] = delta.sum(axis=0)
        a = activations[i]
        delta = (delta @ weights[i]) * a * (1 - a)
    return 0.5 * float(((activations[-1] - target) ** 2).sum()), found


def half_square(model: nn.Module, x: Any, target: Any) -> lm.Tensor:
    return 0.5 * lm.sum((model(x) - target) ** 2)


@pytest.mark.parametrize("sizes", [[3, 2], [3, 5, 2], [64, 20, 15, 10]], ids=str)
def test_sigmoid_network(sizes: list[int]) -> None:
    lm.random.seed(0)
    model = SigmoidMLP(sizes)
    rng = np.random.default_rng(2)
    x, target = rng.standard_normal((12, sizes[0])), rng.uniform(size=(12, sizes[-1]))
    loss, expected = back_propagate(model, x, target)
    assert float(half_square(model, x, target)) == pytest.approx(loss, rel=1e-12)
    found = gradients(model, half_square, x, target)
    assert set(found) == set(expected)
    for name, bar in found.items():
        np.testing.assert_allclose(bar, expected[name], rtol=1e-10, atol=1e-13)


def test_exclusive_or() -> None:
    """What one layer cannot learn, two can; by hand and by the framework alike."""
    lm.random.seed(1)
    model = SigmoidMLP([2, 4, 1])
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    target = np.array([[0.0], [1.0], [1.0], [0.0]])
    optimizer = optim.SGD(model, lr=2.0, momentum=0.9)

    @lm.jit
    def step(model: nn.Module, optimizer: optim.SGD) -> lm.Tensor:
        loss, grads = lm.value_and_grad(half_square)(model, x, target)
        optimizer.update(model, grads)
        return loss

    start = float(step(model, optimizer))
    for _ in range(600):
        loss = step(model, optimizer)
    assert float(loss) < 0.01 * start
    assert (np.round(model(x).numpy()) == target).all()
    by_hand, _ = back_propagate(model, x, target)
    assert float(half_square(model, x, target)) == pytest.approx(by_hand, rel=1e-10)


def test_softmax_classifier_on_the_digits() -> None:
    digits = data.digits()
    flat = digits.train_images.reshape(len(digits.train_images), -1)
    model = nn.Linear(64, 10)
    optimizer = optim.SGD(model, lr=0.5)

    @lm.jit
    def step(model: nn.Module, optimizer: optim.SGD, x: Any, labels: Any) -> lm.Tensor:
        def loss(model: nn.Module) -> lm.Tensor:
            return functional.cross_entropy(model(x), labels)

        value, grads = lm.value_and_grad(loss)(model)
        optimizer.update(model, grads)
        return value

    for epoch in range(10):
        for x, labels in data.batches(flat, digits.train_labels, 64, seed=epoch):
            step(model, optimizer, x, labels)
    scores = model(digits.test_images.reshape(-1, 64)).numpy()
    assert (scores.argmax(1) == digits.test_labels).mean() > 0.94
