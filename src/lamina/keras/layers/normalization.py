"""Inputs brought to a common mean and variance."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.keras import initializers
from lamina.keras.layer import Layer
from lamina.tensor import Tensor


class BatchNormalization(Layer):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, for each index along `axis`.

    While training, with the batch's statistics, which also move the kept ones: `moving = momentum
    moving + (1 - momentum) batch`, with the variance of the batch as it is. Else with the kept
    ones, and always when the layer is not `trainable`.

    Args:
        axis: of the channels.
        momentum: weight of what was kept.
        epsilon: keeps the root away from 0.
        center, scale: whether there are beta and gamma.
        beta_initializer, gamma_initializer: of the first values.
        moving_mean_initializer, moving_variance_initializer: of those kept.
        options: those of `Layer`.

    Shapes: `x: [B, ..., C]`, unchanged.

    Source: Ioffe and Szegedy 2015; Keras 3, `layers.BatchNormalization`.
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        **options: Any,
    ):
        super().__init__(**options)
        self.axis = int(axis[0] if isinstance(axis, list | tuple) else axis)
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[self.axis],)
        self.gamma = self.add_weight(shape, self.gamma_initializer) if self.scale else None
        self.beta = self.add_weight(shape, self.beta_initializer) if self.center else None
        first = self.moving_mean_initializer
        self.moving_mean = self.add_weight(shape, first, trainable=False, name="moving_mean")
        first, name = self.moving_variance_initializer, "moving_variance"
        self.moving_variance = self.add_weight(shape, first, trainable=False, name=name)

    def call(self, x: Tensor) -> Tensor:
        axis = self.axis % x.ndim
        mean, variance = self.moving_mean, self.moving_variance
        if self.training and self.trainable:
            others = tuple(a for a in range(x.ndim) if a != axis)
            mean, variance = lm.mean(x, axis=others), lm.var(x, axis=others)
            self.moving_mean = self._moved(self.moving_mean, mean)
            self.moving_variance = self._moved(self.moving_variance, variance)
        shape = tuple(n if a == axis else 1 for a, n in enumerate(x.shape))
        given = (mean, variance, self.gamma, self.beta)
        parts = [p if p is None else lm.reshape(p, shape) for p in given]
        return _normalized(x, self.epsilon, *parts)

    def _moved(self, old: Tensor, new: Tensor) -> Tensor:
        return self.momentum * old + (1.0 - self.momentum) * lm.stop_gradient(new)


class LayerNormalization(Layer):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, over the last axes of each example.

    Args:
        axis: -1, or the last axes.
        epsilon: keeps the root away from 0.
        center, scale: whether there are beta and gamma.
        beta_initializer, gamma_initializer: of the first values.
        options: those of `Layer`.

    Shapes: `x: [B, ..., C]`, unchanged.

    Source: Ba, Kiros and Hinton 2016; Keras 3, `layers.LayerNormalization`.
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        **options: Any,
    ):
        super().__init__(**options)
        self.axis = axis if isinstance(axis, int) else tuple(axis)
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)

    def _axes(self, ndim: int) -> tuple[int, ...]:
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        axes = tuple(sorted(axis % ndim for axis in given))
        if axes != tuple(range(ndim - len(axes), ndim)):
            raise UsageError(
                "LayerNormalization: the axes are the last ones",
                [f"axis: {self.axis}", f"axes of x: {ndim}"],
            )
        return axes

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape[axis] for axis in self._axes(len(input_shape)))
        self.gamma = self.add_weight(shape, self.gamma_initializer) if self.scale else None
        self.beta = self.add_weight(shape, self.beta_initializer) if self.center else None

    def call(self, x: Tensor) -> Tensor:
        axes = self._axes(x.ndim)
        mean = lm.mean(x, axis=axes, keepdims=True)
        variance = lm.var(x, axis=axes, keepdims=True)
        return _normalized(x, self.epsilon, mean, variance, self.gamma, self.beta)


class Normalization(Layer):
    """(x - mean) / sqrt(variance), with numbers that are given or taken from data by `adapt`.

    Args:
        axis: of the features; None for one mean over all.
        mean, variance: the numbers; those of `adapt` when None.
        options: those of `Layer`.

    Example:
        >>> import numpy as np
        >>> from lamina import keras
        >>> layer = keras.layers.Normalization()
        >>> layer.adapt(np.array([[1.0, 10.0], [3.0, 30.0]]))
        >>> layer(np.array([[3.0, 10.0]]))
        Tensor([[ 1., -1.]], shape=(1, 2), dtype=float32)
    """

    def __init__(self, axis: Any = -1, mean: Any = None, variance: Any = None, **options: Any):
        super().__init__(**options)
        self.axis = int(axis[0]) if isinstance(axis, list | tuple) else axis
        self.mean, self.variance = (_numbers(v) for v in (mean, variance))

    def build(self, input_shape: Any) -> None:
        if self.mean is None:
            shape = () if self.axis is None else (input_shape[self.axis],)
            for name, first in (("stored_mean", "zeros"), ("stored_variance", "ones")):
                self.add_weight(shape, first, trainable=False, name=name)
            self.add_weight((), "zeros", "int32", trainable=False, name="count")

    def adapt(self, data: Any) -> None:
        """Take mean and variance of examples."""
        array = np.asarray(data, np.float64)
        axis = None if self.axis is None else self.axis % array.ndim
        others = tuple(a for a in range(array.ndim) if a != axis)
        self(array[:1])
        self._set_weight("stored_mean", array.mean(others))
        self._set_weight("stored_variance", array.var(others))

    def call(self, x: Tensor) -> Tensor:
        given = self.mean is not None
        mean = lm.asarray(self.mean) if given else self.stored_mean
        variance = lm.asarray(self.variance) if given else self.stored_variance
        shape: tuple[int, ...] = ()
        if self.axis is not None:
            kept = self.axis % x.ndim
            shape = tuple(-1 if a == kept else 1 for a in range(x.ndim))
        if mean.size > 1:
            mean, variance = lm.reshape(mean, shape), lm.reshape(variance, shape)
        root = lm.maximum(lm.sqrt(lm.astype(variance, x.dtype)), 1e-7)
        return (x - lm.astype(mean, x.dtype)) / root


class Rescaling(Layer):
    """x * scale + offset, in floating point.

    Args:
        scale: a factor, as 1/255.
        offset: what is added.
        options: those of `Layer`.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **options: Any):
        super().__init__(**options)
        self.scale = _numbers(scale)
        self.offset = _numbers(offset)

    def call(self, x: Tensor) -> Tensor:
        dtype = self.dtype
        scale, offset = (lm.asarray(v, dtype=dtype) for v in (self.scale, self.offset))
        return lm.astype(x, dtype) * scale + offset


def _numbers(value: Any) -> Any:
    """Numbers that a config can hold: one, or nested tuples of them."""
    if value is None or isinstance(value, int | float):
        return value
    listed = np.asarray(value).tolist()
    return _frozen(listed)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _normalized(
    x: Tensor, epsilon: float, mean: Any, variance: Any, gamma: Any, beta: Any
) -> Tensor:
    y = (x - mean) * lm.rsqrt(variance + epsilon)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta
