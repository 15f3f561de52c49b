"""Losses as layers: their options are given once, and `forward` takes prediction and target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import functional
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.tensor.api import asarray

OF_MODULES = ("training", "frozen")


class Loss(Module):
    """What losses share: how they are reduced; not a layer by itself."""

    def __init__(self, reduction: str):
        super().__init__()
        self.reduction = reduction

    def extra_repr(self) -> str:
        settings = {k: v for k, v in vars(self).items() if isinstance(v, bool | int | float | str)}
        return ", ".join(f"{k}={v!r}" for k, v in settings.items() if k not in OF_MODULES)


class WeightedLoss(Loss):
    """A loss with weights for the classes or elements, a buffer; not a layer by itself."""

    weight: Tensor | None

    def __init__(self, weight: Any, reduction: str):
        super().__init__(reduction)
        self.register_buffer("weight", None if weight is None else asarray(weight))


class CrossEntropyLoss(WeightedLoss):
    """-log of the share that softmax gives the target class; `functional.cross_entropy`."""

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int | None = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ):
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )


class NLLLoss(WeightedLoss):
    """-log of the probability of the target class, of logarithms; `functional.nll_loss`."""

    def __init__(
        self, weight: Any = None, *, ignore_index: int | None = -100, reduction: str = "mean"
    ):
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(Loss):
    """(input - target) ** 2."""

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """|input - target|."""

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """A parabola near 0, |input - target| - beta / 2 elsewhere; `functional.smooth_l1_loss`."""

    def __init__(self, *, beta: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.smooth_l1_loss(input, target, beta=self.beta, reduction=self.reduction)


class HuberLoss(Loss):
    """A parabola near 0, a line of slope delta elsewhere; `functional.huber_loss`."""

    def __init__(self, *, delta: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class BCELoss(WeightedLoss):
    """Binary cross-entropy of probabilities; `functional.binary_cross_entropy`."""

    def __init__(self, weight: Any = None, *, reduction: str = "mean"):
        super().__init__(weight, reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """Binary cross-entropy of scores; `functional.binary_cross_entropy_with_logits`."""

    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None):
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", None if pos_weight is None else asarray(pos_weight))

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of logarithms from a target; `functional.kl_div`."""

    def __init__(self, *, log_target: bool = False, reduction: str = "mean"):
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.kl_div(
            input, target, log_target=self.log_target, reduction=self.reduction
        )


class PoissonNLLLoss(Loss):
    """The likelihood of counts; `functional.poisson_nll_loss`."""

    def __init__(
        self,
        *,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: str = "mean",
    ):
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.poisson_nll_loss(
            input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(Loss):
    """The likelihood of measurements, of means and variances; `functional.gaussian_nll_loss`."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Any, target: Any, var: Any) -> Tensor:
        return functional.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class CTCLoss(Loss):
    """Labels without times; `functional.ctc_loss`."""

    def __init__(self, *, blank: int = 0, zero_infinity: bool = False, reduction: str = "mean"):
        super().__init__(reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        return functional.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            blank=self.blank,
            zero_infinity=self.zero_infinity,
            reduction=self.reduction,
        )


class HingeEmbeddingLoss(Loss):
    """Distances small or beyond a margin; `functional.hinge_embedding_loss`."""

    def __init__(self, *, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.hinge_embedding_loss(
            input, target, margin=self.margin, reduction=self.reduction
        )


class MarginRankingLoss(Loss):
    """Which of two scores is larger; `functional.margin_ranking_loss`."""

    def __init__(self, *, margin: float = 0.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Tensor:
        return functional.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class SoftMarginLoss(Loss):
    """log(1 + exp(-target * input))."""

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.soft_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(WeightedLoss):
    """The true class leads by a margin; `functional.multi_margin_loss`."""

    def __init__(
        self, weight: Any = None, *, p: int = 1, margin: float = 1.0, reduction: str = "mean"
    ):
        super().__init__(weight, reduction)
        self.p = p
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.multi_margin_loss(
            input, target, self.weight, p=self.p, margin=self.margin, reduction=self.reduction
        )


class MultiLabelMarginLoss(Loss):
    """The true classes lead by a margin; `functional.multilabel_margin_loss`."""

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """Binary cross-entropy of scores, its mean over the classes."""

    def __init__(self, weight: Any = None, *, reduction: str = "mean"):
        super().__init__(weight, reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        return functional.multilabel_soft_margin_loss(
            input, target, self.weight, reduction=self.reduction
        )


class CosineEmbeddingLoss(Loss):
    """Directions alike or not; `functional.cosine_embedding_loss`."""

    def __init__(self, *, margin: float = 0.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Tensor:
        return functional.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class TripletMarginLoss(Loss):
    """An anchor lies closer to one vector than to another; `functional.triplet_margin_loss`."""

    def __init__(
        self,
        *,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ):
        super().__init__(reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Tensor:
        return functional.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Loss):
    """`TripletMarginLoss` for any distance; `functional.triplet_margin_with_distance_loss`."""

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ):
        super().__init__(reduction)
        self.distance_function = distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Tensor:
        return functional.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
