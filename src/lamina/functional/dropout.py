"""Noise for training."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.functional.rectifiers import SELU_ALPHA, SELU_SCALE
from lamina.tensor import Tensor, random
from lamina.tensor.api import asarray, where, zeros_like

Key = Tensor | random.Generator | None


def dropout(x: Any, p: float = 0.5, training: bool = True, *, key: Key = None) -> Tensor:
    """Zero with probability p, else x / (1 - p); x itself when not training.

    Args:
        x: the input.
        p: probability of zero.
        training: whether to do anything.
        key: where the noise comes from; the default generator when None.

    Shapes: `[*A] -> [*A]`

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent overfitting".
    """
    x = asarray(x)
    return _dropped("dropout", x, p, training, x.shape, key)


def feature_dropout(
    x: Any, p: float = 0.5, training: bool = True, axes: int = 2, *, key: Key = None
) -> Tensor:
    """`dropout` that drops whole channels, which lie before the last `axes` axes.

    Shapes: `x: [N, C, H, W] -> [N, C, H, W]` for two axes

    Raises:
        ShapeError: there are no channels.

    Source: Tompson et al. 2015, "Efficient object localization using convolutional networks".
    """
    x = asarray(x)
    if x.ndim <= axes:
        raise ShapeError(
            "feature_dropout: no channels", [f"x: {x.type}", f"axes behind them: {axes}"]
        )
    shape = (*x.shape[: x.ndim - axes], *[1] * axes)
    return _dropped("feature_dropout", x, p, training, shape, key)


def drop_path(x: Any, p: float = 0.0, training: bool = True, *, key: Key = None) -> Tensor:
    """`dropout` that drops whole examples: stochastic depth.

    Shapes: `x: [N, *S] -> [N, *S]`

    Source: Huang et al. 2016, "Deep networks with stochastic depth".
    """
    x = asarray(x)
    return _dropped("drop_path", x, p, training, (*x.shape[:1], *[1] * (x.ndim - 1)), key)


def alpha_dropout(x: Any, p: float = 0.5, training: bool = True, *, key: Key = None) -> Tensor:
    """a * (x, or with probability p the lower limit of a selu) + b: mean 0, variance 1 stay.

    Shapes: `[*A] -> [*A]`

    Source: Klambauer et al. 2017, "Self-normalizing neural networks".
    """
    x = asarray(x)
    return _alpha_dropped("alpha_dropout", x, p, training, x.shape, key)


def feature_alpha_dropout(
    x: Any, p: float = 0.5, training: bool = True, *, key: Key = None
) -> Tensor:
    """`alpha_dropout` of whole channels.

    Shapes: `x: [N, C, *S] -> [N, C, *S]`

    Raises:
        ShapeError: there are no channels.

    Source: Klambauer et al. 2017, "Self-normalizing neural networks".
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError("feature_alpha_dropout: no channels", [f"x: {x.type}"], "x is [N, C, ...]")
    shape = (*x.shape[:2], *[1] * (x.ndim - 2))
    return _alpha_dropped("feature_alpha_dropout", x, p, training, shape, key)


def _require_probability(name: str, p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise UsageError(f"{name}: p is not a probability", [f"p: {p}"])


def _dropped(
    name: str, x: Tensor, p: float, training: bool, shape: tuple[int, ...], key: Key
) -> Tensor:
    """x with noise of `shape`, which is spread over x."""
    _require_probability(name, p)
    if not training or p == 0.0:
        return x
    if p == 1.0:
        return zeros_like(x)
    return where(random.bernoulli(1.0 - p, shape, key=key), x * (1.0 / (1.0 - p)), 0)


def _alpha_dropped(
    name: str, x: Tensor, p: float, training: bool, shape: tuple[int, ...], key: Key
) -> Tensor:
    _require_probability(name, p)
    if not training or p == 0.0:
        return x
    if p == 1.0:
        return zeros_like(x)
    lowest = -SELU_SCALE * SELU_ALPHA
    scale = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * lowest * lowest))
    kept = where(random.bernoulli(1.0 - p, shape, key=key), x, lowest)
    return kept * scale - scale * p * lowest
