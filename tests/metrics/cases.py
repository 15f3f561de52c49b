"""Examples on which metrics are tried, the odd ones included."""

from __future__ import annotations

import numpy as np

RNG = np.random.default_rng(11)


def labels(count: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true classes, about half of them right."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, count)
    return np.where(rng.random(count) < 0.5, target, rng.integers(0, classes, count)), target


def probabilities(count: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with the sum 1, and true classes; all classes occur."""
    rng = np.random.default_rng(seed)
    scores = rng.random((count, classes)) + 0.05
    target = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    return scores / scores.sum(axis=1, keepdims=True), target


WEIGHTS = RNG.random(40)

BINARY = {
    "mixed": labels(40, 2, 0),
    "all right": (np.array([0, 1, 1]), np.array([0, 1, 1])),
    "none right": (np.array([1, 0, 0]), np.array([0, 1, 1])),
    "no positive predicted": (np.array([0, 0, 0]), np.array([0, 1, 1])),
    "no positive at all": (np.array([0, 0]), np.array([0, 0])),
    "one example": (np.array([1]), np.array([1])),
}

MANY = {
    "four classes": labels(40, 4, 1),
    "a class that nobody names": (np.array([0, 3, 1, 1]), np.array([0, 1, 1, 3])),
    "a class that is never true": (np.array([0, 2, 1, 2]), np.array([0, 1, 1, 0])),
    "one class": (np.array([2, 2, 2]), np.array([2, 2, 2])),
    "one class, all wrong": (np.array([0, 1, 0]), np.array([2, 2, 2])),
}
