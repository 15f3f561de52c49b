"""Distributions: the divergence of two, and likelihoods of counts and of measurements."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.functional.losses.reduction import paired, reduced
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, exp, expand_dims, log, maximum, stop_gradient, sum, where
from lamina.tensor.special import xlogy


def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """t * (log(t) - input), whose sum is the divergence of exp(input) from t.

    Args:
        input: logarithms of predicted probabilities.
        target: probabilities t, or their logarithms.
        reduction: "batchmean" is the divergence: the sum over the number of examples; "mean" is
            over all elements; "sum" or "none".
        log_target: whether the target is of logarithms.

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: Kullback and Leibler 1951, "On information and sufficiency"; PyTorch,
    `nn.functional.kl_div`.
    """
    x, t = paired("kl_div", input, target)
    losses = exp(t) * (t - x) if log_target else xlogy(t, t) - t * x
    if reduction == "batchmean":
        return sum(losses) / (x.shape[0] if x.ndim else 1)
    return reduced(losses, reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - t * x, the negative log-likelihood of counts t with the mean exp(x).

    Args:
        input: x, the logarithm of the mean; the mean itself where `log_input` is False.
        target: counts.
        log_input: whether the input is the logarithm.
        full: add Stirling's approximation of log(t!) where t > 1.
        eps: added to a mean before its logarithm is taken.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes differ.

    Source: PyTorch, `nn.functional.poisson_nll_loss`.
    """
    x, t = paired("poisson_nll_loss", input, target)
    losses = exp(x) - t * x if log_input else x - t * log(x + eps)
    if full:
        large = where(t > 1, t, 1.0)
        stirling = large * log(large) - large + 0.5 * log(2.0 * math.pi * large)
        losses = losses + where(t > 1, stirling, 0.0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log(v) + (input - target)² / v) / 2, the negative log-likelihood of measurements.

    Args:
        input: predicted means.
        target: measurements.
        var: predicted variances v: a number, one for each mean, or one for each row of means (then
            the last axis has size 1 or is left out).
        full: add the constant log(2 * pi) / 2.
        eps: smaller variances count as this one; gradients pass as if they did not.
        reduction: "mean", "sum" or "none".

    Shapes: `[*A], [*A], [*A] -> [], or [*A]`

    Raises:
        ShapeError: the shapes do not fit.
        UsageError: eps is not positive.

    Source: Nix and Weigend 1994, "Estimating the mean and variance of the target probability
    distribution"; PyTorch, `nn.functional.gaussian_nll_loss`.
    """
    if not eps > 0:
        raise UsageError("gaussian_nll_loss: eps is not positive", [f"eps: {eps}"])
    x, t = paired("gaussian_nll_loss", input, target)
    v = asarray(var, dtype=x.dtype)
    if v.ndim and v.shape == x.shape[:-1]:
        v = expand_dims(v, axis=-1)
    if v.ndim and v.shape not in (x.shape, (*x.shape[:-1], 1)):
        facts = [f"means: {x.type}", f"variances: {v.type}"]
        raise ShapeError("gaussian_nll_loss: the variances do not fit", facts)
    v = v + stop_gradient(maximum(v, eps) - v)
    gap = x - t
    losses = 0.5 * (log(v) + gap * gap / v)
    if full:
        losses = losses + 0.5 * math.log(2.0 * math.pi)
    return reduced(losses, reduction)
