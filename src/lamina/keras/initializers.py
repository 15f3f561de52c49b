"""First values of weights by Keras's names; weights have their outputs on the last axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import lamina.tensor as lm
from lamina import nn
from lamina.base.errors import UsageError
from lamina.tensor import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Initializer:
    """Gives the first values of a weight: `initializer(shape, dtype)`."""

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        """Values of that shape."""
        raise NotImplementedError(f"{type(self).__name__} gives no values")

    def get_config(self) -> dict[str, Any]:
        """What `from_config` makes the same one of."""
        return asdict(self)


@dataclass(frozen=True)
class Constant(Initializer):
    """The same value everywhere."""

    value: float = 0.0

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        return lm.full(shape, self.value, dtype=dtype)


@dataclass(frozen=True)
class Zeros(Initializer):
    """0 everywhere."""

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        return lm.zeros(shape, dtype=dtype)


@dataclass(frozen=True)
class Ones(Initializer):
    """1 everywhere."""

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        return lm.ones(shape, dtype=dtype)


@dataclass(frozen=True)
class RandomNormal(Initializer):
    """A normal distribution."""

    mean: float = 0.0
    stddev: float = 0.05

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        return lm.random.normal(shape, self.mean, self.stddev, dtype=dtype)


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """A normal distribution without what is further than two deviations from its mean."""

    mean: float = 0.0
    stddev: float = 0.05

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        drawn = lm.random.truncated_normal(shape, dtype=dtype)
        return drawn * self.stddev + self.mean


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """A uniform distribution."""

    minval: float = -0.05
    maxval: float = 0.05

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        return lm.random.uniform(shape, self.minval, self.maxval, dtype=dtype)


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Variance scale / n, with n the inputs of an output, the outputs of an input, or their mean.

    Attributes:
        scale: of the variance.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "uniform", "truncated_normal" or "untruncated_normal".

    Source: Glorot and Bengio 2010; He et al. 2015; Keras's names and defaults.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        fan_in, fan_out = _fans(shape)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        deviation = math.sqrt(self.scale / max(1.0, fans[self.mode]))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * deviation
            return RandomUniform(-limit, limit)(shape, dtype)
        if self.distribution == "untruncated_normal":
            return RandomNormal(0.0, deviation)(shape, dtype)
        return TruncatedNormal(0.0, deviation / _TRUNCATED)(shape, dtype)


_TRUNCATED = 0.87962566103423978  # the deviation of a standard normal cut at ±2


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """An orthogonal matrix, or as many orthogonal rows or columns as there are."""

    gain: float = 1.0

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        return nn.init.orthogonal(shape, gain=self.gain, dtype=dtype)


@dataclass(frozen=True)
class _Scaled(Initializer):
    """A `VarianceScaling` with a name of its own."""

    scaling: ClassVar[VarianceScaling]

    def __call__(self, shape: Shape, dtype: Any = "float32") -> Tensor:
        return self.scaling(shape, dtype)


@dataclass(frozen=True)
class GlorotUniform(_Scaled):
    """Variance 1 / mean of inputs and outputs, uniform."""

    scaling = VarianceScaling(1.0, "fan_avg", "uniform")


@dataclass(frozen=True)
class GlorotNormal(_Scaled):
    """Variance 1 / mean of inputs and outputs, normal."""

    scaling = VarianceScaling(1.0, "fan_avg", "truncated_normal")


@dataclass(frozen=True)
class HeUniform(_Scaled):
    """Variance 2 / inputs, uniform."""

    scaling = VarianceScaling(2.0, "fan_in", "uniform")


@dataclass(frozen=True)
class HeNormal(_Scaled):
    """Variance 2 / inputs, normal."""

    scaling = VarianceScaling(2.0, "fan_in", "truncated_normal")


@dataclass(frozen=True)
class LecunUniform(_Scaled):
    """Variance 1 / inputs, uniform."""

    scaling = VarianceScaling(1.0, "fan_in", "uniform")


@dataclass(frozen=True)
class LecunNormal(_Scaled):
    """Variance 1 / inputs, normal."""

    scaling = VarianceScaling(1.0, "fan_in", "truncated_normal")


_CLASSES: tuple[type[Initializer], ...] = (
    Zeros,
    Ones,
    Constant,
    RandomNormal,
    TruncatedNormal,
    RandomUniform,
    VarianceScaling,
    Orthogonal,
    GlorotUniform,
    GlorotNormal,
    HeUniform,
    HeNormal,
    LecunUniform,
    LecunNormal,
)
_NAMED = {kind.__name__: kind for kind in _CLASSES}


def get(which: str | dict[str, Any] | Callable[..., Any]) -> Callable[..., Any]:
    """An initializer by its name ("glorot_uniform" or "GlorotUniform"), or of a config.

    Raises:
        UsageError: there is none of that name.

    Example:
        >>> from lamina import keras
        >>> keras.initializers.get("ones")((2,))
        Tensor([1., 1.], shape=(2,), dtype=float32)
    """
    if callable(which):
        return which
    name = which["class_name"] if isinstance(which, dict) else which
    kind = _NAMED.get("".join(p[:1].upper() + p[1:] for p in name.split("_")))
    if kind is None:
        raise UsageError(
            f"keras: no initializer {name!r}",
            [f"there are: {', '.join(_NAMED)}"],
            "or a function of shape and dtype",
        )
    given = which.get("config", {}) if isinstance(which, dict) else {}
    known = kind.__dataclass_fields__
    return kind(**{key: value for key, value in given.items() if key in known})


def _fans(shape: Shape) -> tuple[float, float]:
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    taps = math.prod(shape[:-2])
    return float(shape[-2] * taps), float(shape[-1] * taps)
