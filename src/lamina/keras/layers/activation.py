"""Activations as layers."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.keras import activations, initializers
from lamina.keras.layer import Layer
from lamina.tensor import Tensor


class Activation(Layer):
    """An activation by its name, or a function, as a layer.

    Args:
        activation: a name or a function.
        options: those of `Layer`.
    """

    def __init__(self, activation: Any, **options: Any):
        super().__init__(**options)
        self.activation = activations.get(activation)

    def call(self, x: Tensor) -> Tensor:
        return self.activation(x)


class ReLU(Layer):
    """x between the threshold and `max_value`; below, the slope times what is missing.

    Args:
        max_value: the largest output; None for no bound.
        negative_slope: below the threshold.
        threshold: where the function begins to be x.
        options: those of `Layer`.

    Source: Keras 3, `layers.ReLU`.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Any,
    ):
        super().__init__(**options)
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold

    def call(self, x: Tensor) -> Tensor:
        if not self.threshold and not self.negative_slope:
            y = functional.relu(x)
        else:
            y = lm.where(x >= self.threshold, x, self.negative_slope * (x - self.threshold))
        return y if self.max_value is None else lm.minimum(y, self.max_value)


class LeakyReLU(Layer):
    """x, and `negative_slope` times x below 0.

    Args:
        negative_slope: below 0.
        options: those of `Layer`.
    """

    def __init__(self, negative_slope: float = 0.3, **options: Any):
        super().__init__(**options)
        self.negative_slope = negative_slope

    def call(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(x, self.negative_slope)


class PReLU(Layer):
    """x, and alpha times x below 0, with an alpha for each element that is learned.

    Args:
        alpha_initializer: of the first values.
        shared_axes: axes (from 1) along which there is one alpha.
        options: those of `Layer`.
    """

    def __init__(self, alpha_initializer: Any = "zeros", shared_axes: Any = None, **options: Any):
        super().__init__(**options)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.shared_axes = None if shared_axes is None else tuple(shared_axes)

    def build(self, input_shape: Any) -> None:
        shared = self.shared_axes or ()
        shape = [1 if axis in shared else n for axis, n in enumerate(input_shape)]
        self.alpha = self.add_weight(tuple(shape[1:]), self.alpha_initializer)

    def call(self, x: Tensor) -> Tensor:
        return functional.relu(x) - self.alpha * functional.relu(-x)


class ELU(Layer):
    """x, and alpha (exp(x) - 1) below 0.

    Args:
        alpha: what the function goes to.
        options: those of `Layer`.
    """

    def __init__(self, alpha: float = 1.0, **options: Any):
        super().__init__(**options)
        self.alpha = alpha

    def call(self, x: Tensor) -> Tensor:
        return functional.elu(x, self.alpha)


class Softmax(Layer):
    """exp(x) over its sum along an axis.

    Args:
        axis: of the classes.
        options: those of `Layer`.
    """

    def __init__(self, axis: int = -1, **options: Any):
        super().__init__(**options)
        self.axis = axis

    def call(self, x: Tensor) -> Tensor:
        return functional.softmax(x, self.axis)
