"""Activations that bend or cut a line: the relu family, shrinking and clipping."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor, random
from lamina.tensor.api import asarray, clip, exp, maximum, reshape, where


def relu(x: Any) -> Tensor:
    """max(x, 0).  Shapes: `[*A] -> [*A]`.

    Source: Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".
    """
    x = asarray(x)
    return where(x <= 0, 0, x)  # a NaN stays


def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6).  Shapes: `[*A] -> [*A]`.

    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
    """
    return hardtanh(x, 0.0, 6.0)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope * x.  Shapes: `[*A] -> [*A]`.

    Source: Maas, Hannun and Ng 2013, "Rectifier nonlinearities improve acoustic models".
    """
    x = asarray(x)
    return where(x > 0, x, x * negative_slope)


def prelu(x: Any, weight: Any) -> Tensor:
    """x where x > 0, else weight * x, with one learned slope, or one for each channel.

    Shapes: `x: [N, C, *S], weight: [C] or [1] -> [N, C, *S]`

    Raises:
        ShapeError: there is not one slope for each channel.

    Source: He et al. 2015, "Delving deep into rectifiers".
    """
    x, weight = asarray(x), asarray(weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ShapeError(
            "prelu: there is not one slope for each channel",
            [f"x: {x.type}", f"weight: {weight.type}"],
            "the channels are axis 1 of x",
        )
    spread = (1,) * x.ndim if weight.size == 1 else (channels, *[1] * (x.ndim - 2))
    return where(x > 0, x, x * reshape(weight, spread))


def rrelu(
    x: Any,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    *,
    key: Tensor | random.Generator | None = None,
) -> Tensor:
    """x where x > 0, else a * x with a slope drawn from U(lower, upper); their mean untrained.

    Args:
        x: the input.
        lower: the smallest slope.
        upper: the largest slope.
        training: whether to draw one for each element.
        key: where the noise comes from; the default generator when None.

    Shapes: `[*A] -> [*A]`

    Raises:
        UsageError: the slopes are the wrong way round.

    Source: Xu et al. 2015, "Empirical evaluation of rectified activations in convolution network".
    """
    x = asarray(x)
    if lower > upper:
        raise UsageError("rrelu: lower is above upper", [f"lower: {lower}", f"upper: {upper}"])
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    return where(x > 0, x, x * random.uniform(x.shape, lower, upper, dtype=x.dtype, key=key))


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1).  Shapes: `[*A] -> [*A]`.

    Source: Clevert, Unterthiner and Hochreiter 2015, "Fast and accurate deep network learning".
    """
    x = asarray(x)
    return where(x > 0, x, alpha * (exp(where(x > 0, 0.0, x)) - 1.0))


def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha * (exp(x / alpha) - 1): an elu with slope 1 at 0.

    Shapes: `[*A] -> [*A]`

    Raises:
        UsageError: alpha is 0.

    Source: Barron 2017, "Continuously differentiable exponential linear units".
    """
    x = asarray(x)
    if alpha == 0:
        raise UsageError("celu: alpha is 0", ["x is divided by it"])
    return where(x > 0, x, alpha * (exp(where(x > 0, 0.0, x) / alpha) - 1.0))


SELU_ALPHA = 1.6732632423543772848170429916717  # the fixed point of Klambauer et al., equation 14
SELU_SCALE = 1.0507009873554804934193349852946


def selu(x: Any) -> Tensor:
    """scale * elu(x, alpha), which keeps mean 0 and variance 1.  Shapes: `[*A] -> [*A]`.

    Source: Klambauer et al. 2017, "Self-normalizing neural networks".
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def hardtanh(x: Any, low: float = -1.0, high: float = 1.0) -> Tensor:
    """x clipped to [low, high].  Shapes: `[*A] -> [*A]`.  Source: Collobert 2004."""
    return maximum(asarray(x), low).minimum(high)  # type: ignore[attr-defined]


def hardsigmoid(x: Any) -> Tensor:
    """x / 6 + 1 / 2 clipped to [0, 1].  Shapes: `[*A] -> [*A]`.

    Source: Courbariaux, Bengio and David 2015, "BinaryConnect"; the slope is PyTorch's.
    """
    return clip(asarray(x) * (1.0 / 6.0) + 0.5, 0.0, 1.0)


def hardswish(x: Any) -> Tensor:
    """x * hardsigmoid(x).  Shapes: `[*A] -> [*A]`.

    Source: Howard et al. 2019, "Searching for MobileNetV3".
    """
    x = asarray(x)
    return x * hardsigmoid(x)


def hardshrink(x: Any, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0.  Shapes: `[*A] -> [*A]`.

    Source: Donoho and Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage".
    """
    x = asarray(x)
    return where(abs(x) <= lambd, 0, x)


def softshrink(x: Any, lambd: float = 0.5) -> Tensor:
    """x - lambd above lambd, x + lambd below -lambd, else 0.  Shapes: `[*A] -> [*A]`.

    Raises:
        UsageError: lambd is negative.

    Source: Donoho and Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage".
    """
    x = asarray(x)
    if lambd < 0:
        raise UsageError("softshrink: lambd is negative", [f"lambd: {lambd}"])
    return where(x > lambd, x - lambd, where(x < -lambd, x + lambd, 0 * x))


def threshold(x: Any, threshold: float, value: float) -> Tensor:
    """x where x > threshold, else value.  Shapes: `[*A] -> [*A]`.  Source: PyTorch."""
    x = asarray(x)
    return where(x <= threshold, value, x)
