"""Losses to compare with PyTorch, written once: names and options are the same in both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RNG = np.random.default_rng(4)
REDUCTIONS = ("mean", "sum", "none")


def draw(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Numbers of a range."""
    return RNG.uniform(low, high, shape)


def signs(*shape: int) -> np.ndarray:
    """1 and -1."""
    return RNG.choice([-1.0, 1.0], shape)


def rows(*shape: int) -> np.ndarray:
    """Rows with the sum 1."""
    x = RNG.random(shape) + 0.05
    return x / x.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Loss:
    """One call.

    Attributes:
        name: what is special about it.
        call: the loss, given `lamina.functional` or `torch.nn.functional`, the inputs, and a
            reduction.
        inputs: floating ones are differentiated, unless they are among `fixed`.
        fixed: which inputs are constants.
        reductions: in which it is tried.
    """

    name: str
    call: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]
    fixed: tuple[int, ...] = ()
    reductions: tuple[str, ...] = REDUCTIONS

    def arrays(self, dtype: str) -> list[np.ndarray]:
        """The inputs, floating ones in `dtype`."""
        return [a.astype(dtype) if a.dtype.kind == "f" else a for a in self.inputs]

    def trained(self) -> list[int]:
        """The inputs that have gradients."""
        floating = [i for i, a in enumerate(self.inputs) if a.dtype.kind == "f"]
        return [i for i in floating if i not in self.fixed]


def named(loss: str, **options: Any) -> Callable[..., Any]:
    """A call of the loss of that name."""
    return lambda f, *inputs, reduction: getattr(f, loss)(*inputs, reduction=reduction, **options)


CLASSES = RNG.integers(0, 4, 5)
HOLES = np.array([1, -100, 3, -100, 0])
PIXELS = RNG.integers(0, 4, (2, 3, 2))
CROSS = [
    Loss("cross entropy", named("cross_entropy"), (draw(5, 4), CLASSES)),
    Loss("cross entropy, one", named("cross_entropy"), (draw(4), np.array(2))),
    Loss("cross entropy, holes", named("cross_entropy"), (draw(5, 4), HOLES)),
    Loss(
        "cross entropy, weights and holes",
        named("cross_entropy", label_smoothing=0.2),
        (draw(5, 4), HOLES, draw(4, low=0.1)),
        fixed=(2,),
    ),
    Loss(
        "cross entropy, pixels",
        named("cross_entropy", ignore_index=2, label_smoothing=0.1),
        (draw(2, 4, 3, 2), PIXELS, draw(4, low=0.1)),
        fixed=(2,),
    ),
    Loss(
        "cross entropy, soft",
        named("cross_entropy", label_smoothing=0.1),
        (draw(5, 4), rows(5, 4), draw(4, low=0.1)),
        fixed=(2,),
    ),
    Loss("cross entropy, soft pixels", named("cross_entropy"), (draw(2, 4, 3), rows(2, 4, 3))),
    Loss("nll", named("nll_loss"), (draw(5, 4), CLASSES)),
    Loss(
        "nll, weights and holes",
        named("nll_loss"),
        (draw(5, 4), HOLES, draw(4, low=0.1)),
        fixed=(2,),
    ),
    Loss("nll, pixels", named("nll_loss", ignore_index=0), (draw(2, 4, 3, 2), PIXELS)),
]
BINARY = [
    Loss(
        "bce",
        named("binary_cross_entropy"),
        (draw(3, 4, low=0.1, high=0.9), draw(3, 4, low=0.0, high=1.0)),
    ),
    Loss(
        "bce, weight",
        named("binary_cross_entropy"),
        (draw(3, 4, low=0.1, high=0.9), draw(3, 4, low=0.0, high=1.0), draw(3, 1, low=0.1)),
        fixed=(2,),
    ),
    Loss(
        "bce with logits",
        named("binary_cross_entropy_with_logits"),
        (draw(3, 4, low=-9.0, high=9.0), draw(3, 4, low=0.0, high=1.0)),
    ),
    Loss(
        "bce with logits, weights",
        lambda f, x, t, w, q, reduction: f.binary_cross_entropy_with_logits(
            x, t, w, pos_weight=q, reduction=reduction
        ),
        (draw(3, 4), draw(3, 4, low=0.0, high=1.0), draw(4, low=0.1), draw(4, low=0.1)),
        fixed=(2, 3),
    ),
]
NUMBERS = [
    Loss("mse", named("mse_loss"), (draw(3, 4), draw(3, 4))),
    Loss("l1", named("l1_loss"), (draw(3, 4), draw(3, 4))),
    Loss("smooth l1", named("smooth_l1_loss", beta=0.7), (draw(3, 4), draw(3, 4))),
    Loss("smooth l1, sharp", named("smooth_l1_loss", beta=0.0), (draw(3, 4), draw(3, 4))),
    Loss("huber", named("huber_loss", delta=0.6), (draw(3, 4), draw(3, 4))),
    Loss(
        "kl",
        named("kl_div"),
        (draw(3, 4), np.where(draw(3, 4) > 1.5, 0.0, rows(3, 4))),
        fixed=(1,),
        reductions=(*REDUCTIONS, "batchmean"),
    ),
    Loss("kl, gradient of the target", named("kl_div"), (draw(3, 4), rows(3, 4))),
    Loss(
        "kl of logarithms",
        named("kl_div", log_target=True),
        (draw(3, 4), np.log(rows(3, 4))),
        reductions=(*REDUCTIONS, "batchmean"),
    ),
    Loss("poisson", named("poisson_nll_loss"), (draw(3, 4), draw(3, 4, low=0.0, high=5.0))),
    Loss(
        "poisson, full",
        named("poisson_nll_loss", full=True, log_input=False),
        (draw(3, 4, low=0.2), np.floor(draw(3, 4, low=0.0, high=5.0))),
        fixed=(1,),
    ),
    Loss(
        "gaussian",
        named("gaussian_nll_loss"),
        (draw(3, 4), draw(3, 4), draw(3, 4, low=0.1)),
    ),
    Loss(
        "gaussian, a variance for each row",
        named("gaussian_nll_loss", full=True, eps=0.5),
        (draw(3, 4), draw(3, 4), np.array([0.1, 0.7, 2.0])),
    ),
]
MARGINS = [
    Loss("hinge", named("hinge_embedding_loss"), (draw(3, 4), signs(3, 4)), fixed=(1,)),
    Loss(
        "ranking",
        named("margin_ranking_loss", margin=0.5),
        (draw(3, 4), draw(3, 4), signs(3, 4)),
        fixed=(2,),
    ),
    Loss("soft margin", named("soft_margin_loss"), (draw(3, 4), signs(3, 4)), fixed=(1,)),
    Loss("multi margin", named("multi_margin_loss"), (draw(5, 4), CLASSES)),
    Loss(
        "multi margin, squared",
        lambda f, x, y, w, reduction: f.multi_margin_loss(
            x, y, weight=w, p=2, margin=0.7, reduction=reduction
        ),
        (draw(5, 4), CLASSES, draw(4, low=0.1)),
        fixed=(2,),
    ),
    Loss("multi margin, one", named("multi_margin_loss"), (draw(4), np.array(1))),
    Loss(
        "multilabel margin",
        named("multilabel_margin_loss"),
        (draw(3, 4), np.array([[3, 0, -1, 1], [-1, 0, 0, 0], [2, 1, 0, 3]])),
    ),
    Loss(
        "multilabel margin, one",
        named("multilabel_margin_loss"),
        (draw(4), np.array([2, -1, 0, 0])),
    ),
    Loss(
        "multilabel soft margin",
        named("multilabel_soft_margin_loss"),
        (draw(3, 4), (signs(3, 4) + 1.0) / 2.0, draw(4, low=0.1)),
        fixed=(1, 2),
    ),
]
VECTORS = [
    Loss(
        "cosine",
        named("cosine_embedding_loss", margin=0.1),
        (draw(5, 3), draw(5, 3), signs(5)),
        fixed=(2,),
    ),
    Loss(
        "cosine, one pair",
        named("cosine_embedding_loss"),
        (draw(3), draw(3), np.array(1.0)),
        fixed=(2,),
    ),
    Loss("triplet", named("triplet_margin_loss"), (draw(5, 3), draw(5, 3), draw(5, 3))),
    Loss(
        "triplet, swapped",
        named("triplet_margin_loss", margin=2.0, p=1.0, swap=True),
        (draw(5, 3), draw(5, 3), draw(5, 3)),
    ),
    Loss(
        "triplet of cosines",
        lambda f, *vectors, reduction: f.triplet_margin_with_distance_loss(
            *vectors,
            distance_function=lambda x, y: 1.0 - f.cosine_similarity(x, y),
            swap=True,
            reduction=reduction,
        ),
        (draw(5, 3), draw(5, 3), draw(5, 3)),
    ),
]
DISTANCES = [
    Loss(
        "pairwise distance",
        lambda f, x, y, reduction: f.pairwise_distance(x, y, p=3.0, keepdim=True),
        (draw(5, 3), draw(5, 3)),
        reductions=("none",),
    ),
    Loss(
        "cosine similarity",
        lambda f, x, y, reduction: f.cosine_similarity(x, y, dim=1),
        (draw(2, 3, 4), draw(1, 3, 4)),
        reductions=("none",),
    ),
    Loss(
        "pdist",
        lambda f, x, reduction: f.pdist(x, 1.5),
        (draw(5, 3),),
        reductions=("none",),
    ),
]


def ctc(logits: np.ndarray, targets: np.ndarray, steps: Any, labels: Any) -> tuple[Any, ...]:
    """A call of the loss after log_softmax, and its inputs."""

    def call(f: Any, x: Any, y: Any, reduction: str) -> Any:
        return f.ctc_loss(f.log_softmax(x, -1), y, steps, labels, blank=1, reduction=reduction)

    return call, (logits, targets)


WORDS = np.array([[2, 2, 0, 3], [0, 4, -7, -7], [-7, -7, -7, -7], [3, 2, 3, 4]])
COUNTS = (4, 2, 0, 4)
CTC = [
    Loss("ctc, padded", *ctc(draw(9, 4, 5), np.where(WORDS < 0, 0, WORDS), (9, 5, 3, 7), COUNTS)),
    Loss("ctc, one after the other", *ctc(draw(9, 4, 5), WORDS[WORDS >= 0], (9, 5, 3, 7), COUNTS)),
    Loss("ctc of one", *ctc(draw(6, 5), np.array([3, 3]), (6,), (2,))),
]
LOSSES = [*CROSS, *BINARY, *NUMBERS, *MARGINS, *VECTORS, *DISTANCES, *CTC]
