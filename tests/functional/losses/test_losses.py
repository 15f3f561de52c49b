"""Losses: closed forms, extreme numbers, labels that are none, and what PyTorch has not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional as F

RNG = np.random.default_rng(3)


# ------------------------------------------------------------------ PI-8: closed forms


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_are_the_closed_forms(dtype: str, jitted: bool) -> None:
    """PI-8: MSE, MAE and cross-entropy of numbers and of distributions."""
    x, y = RNG.standard_normal((2, 5, 4)).astype(dtype)
    labels = np.array([0, 3, 1, 1, 2])
    hot = np.eye(4, dtype=dtype)[labels]
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)

    def all_losses(x: Any) -> tuple[Any, ...]:
        return (
            F.mse_loss(x, y),
            F.l1_loss(x, y, reduction="sum"),
            F.cross_entropy(x, labels),
            F.cross_entropy(x, hot, reduction="sum"),
        )

    def run(x: Any) -> tuple[Any, ...]:
        found, pull = lm.vjp(all_losses, x)
        ones = np.eye(4, dtype=dtype)
        return found, [pull(tuple(lm.asarray(one) for one in row))[0] for row in ones]

    found, bars = (lm.jit(run) if jitted else run)(lm.asarray(x))
    logs = np.log(p[np.arange(5), labels])
    wanted = (((x - y) ** 2).mean(), abs(x - y).sum(), -logs.mean(), -logs.sum())
    slopes = (2 * (x - y) / 20, np.sign(x - y), (p - hot) / 5, p - hot)
    tolerance = 1e-10 if dtype == "float64" else 1e-5
    for mine, other in zip([*found, *bars], [*wanted, *slopes], strict=True):
        np.testing.assert_allclose(mine.numpy(), other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_cross_entropy_at_extreme_logits(jitted: bool) -> None:
    """PI-8: +-1e4 neither overflow nor lose the gradient."""
    x = np.array([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]])
    labels = np.array([0, 1, 2, 0])
    f = lm.value_and_grad(lambda x: F.cross_entropy(x, labels, reduction="sum"))
    loss, slope = (lm.jit(f) if jitted else f)(lm.asarray(x.astype(np.float32)))
    third = 1 / 3
    assert float(loss) == pytest.approx(0.0 + 2e4 + 2 * np.log(3.0), rel=1e-6)
    wanted = [[0, 0, 0], [1, -1, 0], [third, third, third - 1], [third - 1, third, third]]
    np.testing.assert_allclose(slope.numpy(), wanted, atol=1e-6)


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize("label", [-1, 3, -101])
@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_a_label_that_is_no_class_is_an_error(label: int, jitted: bool) -> None:
    labels = lm.asarray([0, label])
    for loss in (F.cross_entropy, F.nll_loss, F.multi_margin_loss):
        f = lm.jit(loss) if jitted else loss
        with pytest.raises(lm.BoundsError, match=f"index {label} is outside the axis"):
            float(f(lm.zeros((2, 3)), labels))


def test_a_label_of_several_that_is_no_class_is_an_error() -> None:
    with pytest.raises(lm.BoundsError, match="index 2 is outside the axis"):
        float(F.multilabel_margin_loss(lm.zeros((2, 2)), [[0, 1], [0, 2]]))
    assert float(F.multilabel_margin_loss(lm.zeros((1, 2)), [[-1, 9]])) == 0.0  # after the end


def test_ignored_examples_leave_no_trace() -> None:
    """Not in the loss, not in its mean, not in the gradient: NaN scores there do no harm."""
    x = RNG.standard_normal((4, 3)).astype(np.float32)
    labels = np.array([2, -100, 0, -100])
    kept = labels >= 0
    for options in ({}, {"label_smoothing": 0.3}, {"weight": [0.2, 1.0, 3.0]}):
        f = lambda x, y, o=options: F.cross_entropy(x, y, **o)
        wanted, slope = lm.value_and_grad(f)(lm.asarray(x[kept]), labels[kept])
        found, bar = lm.value_and_grad(f)(lm.asarray(x), labels)
        assert float(found) == pytest.approx(float(wanted), rel=1e-6)
        assert not bar.numpy()[~kept].any()
        np.testing.assert_allclose(bar.numpy()[kept], slope.numpy(), rtol=1e-6)
    alone = F.cross_entropy(lm.asarray(x[:, :3]), labels.astype(np.int8), reduction="none")
    assert (alone.numpy()[~kept] == 0).all()
    assert np.isnan(float(F.cross_entropy(lm.asarray(x), np.full(4, -100))))  # a mean of nothing
    assert float(F.cross_entropy(lm.asarray(x), np.full(4, -100), reduction="sum")) == 0.0
    with pytest.raises(lm.BoundsError):
        F.cross_entropy(lm.asarray(x), labels, ignore_index=None).numpy()


def test_labels_of_any_integer_type() -> None:
    x = RNG.standard_normal((2, 300)).astype(np.float32)
    wanted = float(F.cross_entropy(x, np.array([7, 255])))
    for dtype in ("uint8", "int16", "uint16", "int32", "uint32", "uint64"):
        assert float(F.cross_entropy(x, np.array([7, 255], dtype))) == wanted
    assert float(F.cross_entropy(x, np.array([7, 255], "uint8"), ignore_index=255)) != wanted


# ------------------------------------------------------------------ what PyTorch has not


def test_focal_loss() -> None:
    """torchvision's formula, and the plain cross-entropy for gamma = 0 without alpha."""
    x, t = RNG.standard_normal((3, 4)), (RNG.random((3, 4)) > 0.5).astype(float)
    s = 1 / (1 + np.exp(-x))
    cross = -(t * np.log(s) + (1 - t) * np.log(1 - s))
    right = s * t + (1 - s) * (1 - t)
    wanted = (0.3 * t + 0.7 * (1 - t)) * cross * (1 - right) ** 1.5
    np.testing.assert_allclose(F.sigmoid_focal_loss(x, t, 0.3, 1.5).numpy(), wanted)
    plain = F.sigmoid_focal_loss(x, t, -1.0, 0.0, reduction="mean")
    assert float(plain) == pytest.approx(cross.mean())
    far = F.sigmoid_focal_loss(np.array([1e4, -1e4]), np.array([0.0, 0.0]))
    assert far.tolist() == [7500.0, 0.0]


def test_contrastive_loss() -> None:
    x, y, t = *RNG.standard_normal((2, 5, 3)), np.array([1, 0, 1, 0, 0])
    d = np.linalg.norm(x - y, axis=1)
    wanted = 0.5 * np.where(t == 1, d**2, np.maximum(0.0, 2.0 - d) ** 2)
    found = F.contrastive_loss(x, y, t, margin=2.0, reduction="none")
    np.testing.assert_allclose(found.numpy(), wanted)
    same = lm.grad(lambda x: F.contrastive_loss(x, y, t * 0))(lm.asarray(y))
    assert np.isfinite(same.numpy()).all()


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_info_nce() -> None:
    x, y = RNG.standard_normal((4, 3)), RNG.standard_normal((6, 3))
    scores = unit(x) @ unit(y).T / 0.2
    wanted = np.log(np.exp(scores).sum(1)) - scores[np.arange(4), np.arange(4)]
    found = F.info_nce(x, y, temperature=0.2, reduction="none")
    np.testing.assert_allclose(found.numpy(), wanted)


def test_nt_xent() -> None:
    x, y = RNG.standard_normal((2, 3, 4))
    z = unit(np.concatenate([x, y]))
    scores = np.exp(z @ z.T / 0.5)
    wanted = [-np.log(scores[i, (i + 3) % 6] / (scores[i].sum() - scores[i, i])) for i in range(6)]
    np.testing.assert_allclose(F.nt_xent(x, y, reduction="none").numpy(), wanted)
    slope = lm.grad(F.nt_xent)(lm.asarray(x), lm.asarray(y)).numpy()
    step = 1e-6 * RNG.standard_normal(x.shape)
    change = float(F.nt_xent(x + step, y)) - float(F.nt_xent(x - step, y))
    assert change == pytest.approx(2 * (slope * step).sum(), rel=1e-4)


def test_certain_probabilities() -> None:
    """PyTorch's cut-off at -100, and a gradient that is finite."""
    f = lambda p: F.binary_cross_entropy(p, [1.0, 0.0, 1.0], reduction="none")
    p = lm.asarray([0.0, 1.0, 1.0])
    assert f(p).tolist() == [100.0, 100.0, 0.0]
    assert lm.grad(lambda p: f(p).sum())(p).tolist() == [0.0, 0.0, -1.0]


def test_triplets_under_vmap() -> None:
    a, b, c = RNG.standard_normal((3, 2, 4, 3))
    batched = lm.vmap(F.triplet_margin_loss)(a, b, c).numpy()
    wanted = [float(F.triplet_margin_loss(*x)) for x in zip(a, b, c)]
    np.testing.assert_allclose(batched, wanted)


# ------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.mse_loss(x, x[0]), lm.ShapeError, "mse_loss: prediction and target differ"),
        (lambda x: F.mse_loss(x, x, reduction="all"), lm.UsageError, "no reduction 'all'"),
        (lambda x: F.cross_entropy(x, [0]), lm.ShapeError, "cross_entropy: predictions and"),
        (lambda x: F.cross_entropy(x, x[:, :2]), lm.ShapeError, "cross_entropy: predictions and"),
        (lambda x: F.nll_loss(x, [0, 1], [1.0]), lm.ShapeError, "not one weight for each class"),
        (lambda x: F.nll_loss(x, x[0]), lm.DTypeError, "nll_loss: targets are class numbers"),
        (lambda x: F.huber_loss(x, x, delta=0.0), lm.UsageError, "delta is not positive"),
        (lambda x: F.smooth_l1_loss(x, x, beta=-1.0), lm.UsageError, "beta is negative"),
        (lambda x: F.multi_margin_loss(x, [0, 1], p=3), lm.UsageError, "p is neither 1 nor 2"),
        (lambda x: F.multi_margin_loss(x, [0]), lm.ShapeError, "multi_margin_loss: predictions"),
        (lambda x: F.gaussian_nll_loss(x, x, x[0]), lm.ShapeError, "the variances do not fit"),
        (lambda x: F.gaussian_nll_loss(x, x, x, eps=0.0), lm.UsageError, "eps is not positive"),
        (lambda x: F.triplet_margin_loss(x, x, x, margin=0.0), lm.UsageError, "the margin is not"),
        (lambda x: F.info_nce(x, x[:1]), lm.ShapeError, "queries and keys do not fit"),
        (lambda x: F.info_nce(x, x, temperature=0.0), lm.UsageError, "the temperature is not"),
        (lambda x: F.nt_xent(x[0], x[0]), lm.ShapeError, "the views are not matrices"),
        (lambda x: F.multilabel_margin_loss(x, [[0]]), lm.ShapeError, "differ in shape"),
        (lambda x: F.cdist(x, x[:, :2]), lm.ShapeError, "cdist: the vectors do not fit"),
        (lambda x: F.pdist(x[0]), lm.ShapeError, "pdist: the input is not a matrix"),
        (lambda x: F.pdist(x, -1.0), lm.UsageError, "pdist: p is negative"),
    ],
)
def test_mistakes(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(lm.ones((2, 3)))
