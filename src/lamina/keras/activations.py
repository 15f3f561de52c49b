"""Activations by Keras's names, as functions of `lamina.functional`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.tensor import Tensor

Activation = Callable[[Any], Tensor]


def linear(x: Any) -> Tensor:
    """x, as it is."""
    return x


def exponential(x: Any) -> Tensor:
    """exp(x)."""
    return lm.exp(x)


def hard_sigmoid(x: Any) -> Tensor:
    """x / 6 + 1/2, kept between 0 and 1."""
    return functional.hardsigmoid(x)


def gelu(x: Any) -> Tensor:
    """x times the normal distribution function of x."""
    return functional.gelu(x)


def leaky_relu(x: Any) -> Tensor:
    """x, and 0.2 x below 0: Keras's slope."""
    return functional.leaky_relu(x, 0.2)


def elu(x: Any) -> Tensor:
    """x, and exp(x) - 1 below 0."""
    return functional.elu(x)


_NAMED: dict[str, Activation] = {
    "linear": linear,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": functional.selu,
    "gelu": gelu,
    "sigmoid": functional.sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "tanh": lm.tanh,
    "softmax": functional.softmax,
    "log_softmax": functional.log_softmax,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "exponential": exponential,
    "silu": functional.silu,
    "swish": functional.silu,
    "mish": functional.mish,
    "hard_silu": functional.hardswish,
    "log_sigmoid": functional.logsigmoid,
}


def get(which: str | dict[str, Any] | Activation | None) -> Activation:
    """An activation by its name or of a config; a function is taken as it is, None is `linear`.

    Raises:
        UsageError: there is none of that name.

    Example:
        >>> from lamina import keras
        >>> keras.activations.get("relu")([-1.0, 2.0])
        Tensor([0., 2.], shape=(2,), dtype=float32)
    """
    if which is None:
        return linear
    if callable(which):
        return which
    if isinstance(which, dict):  # how configs name functions
        named = which.get("config")
        which = named if isinstance(named, str) else which["class_name"]
    found = _NAMED.get(str(which))
    if found is None:
        raise UsageError(
            f"keras: no activation {which!r}", [f"there are: {', '.join(_NAMED)}"], "or a function"
        )
    return found


def serialize(activation: Callable[..., Any]) -> str:
    """The name of an activation, for a config.

    Raises:
        UsageError: it is a function of yours, which has no name there.
    """
    for name, known in _NAMED.items():
        if known is activation:
            return name
    raise UsageError(
        "keras: a function of yours cannot be written to a config",
        [f"activation: {getattr(activation, '__name__', activation)!r}"],
        "name an activation, or write a layer with a get_config",
    )
