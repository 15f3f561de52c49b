"""Cases of `linalg`, `fft`, `special`, `functional`, `random` and `sparse`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lamina as lm
from lamina import functional as F
from lamina import sparse
from tests.tensor.every_function.table import Case, Operand, one, two, wave

SEGMENTS = np.array([0, 1, 0, 1])


def square(name: str, call: Callable[..., Any], complex: bool = False) -> Case:
    """A call with one matrix, 3 x 3, far from singular."""
    turn = np.array([[3.0, 1.0, 0.0], [-1.0, 4.5, 0.5], [0.3, 0.2, -6.0]])
    make = lambda x: call(lm.asarray(turn) + x)
    return Case(name, make, (Operand((3, 3), -0.6, 0.6, complex),))


def positive(name: str, call: Callable[..., Any], complex: bool = False) -> Case:
    """A call with one Hermitian matrix, 3 x 3, with eigenvalues that are positive and differ."""
    base = np.diag([2.0, 4.0, 7.0])
    make = lambda x: call(lm.asarray(base) + (x + lm.conj(x.mT)) / 2.0)
    return Case(name, make, (Operand((3, 3), -0.6, 0.6, complex),))


def _power_by_eig(x: Any) -> Any:
    w, v = lm.linalg.eig(x)
    return (v * w**2) @ lm.linalg.inv(v), lm.sum(w * w)


def _power_by_eigh(x: Any) -> Any:
    w, v = lm.linalg.eigh(x)
    return (v * w**1.5) @ lm.conj(v.mT), w


def _power_by_svd(x: Any) -> Any:
    u, s, vh = lm.linalg.svd(x, full_matrices=False)
    return (u * s**2) @ vh, s


def _by_lu(x: Any) -> Any:
    p, lower, upper = lm.linalg.lu(x)
    return lower, upper, p @ lower


LINALG = [
    two("linalg.block_diag", lm.linalg.block_diag, shapes=((2, 2), (1, 2))),
    two(
        "linalg.cho_solve",
        lambda x, b: lm.linalg.cho_solve(lm.tril(x) + 2.0 * lm.eye(2), b),
        -0.5,
        0.5,
        ((2, 2), (2,)),
    ),
    positive("linalg.cholesky", lm.linalg.cholesky),
    positive("linalg.cholesky", lm.linalg.cholesky, True),
    square("linalg.cond", lm.linalg.cond),
    two("linalg.cross", lm.linalg.cross, shapes=((3,), (3,))),
    square("linalg.det", lm.linalg.det),
    square("linalg.det", lm.linalg.det, True),
    square("linalg.diagonal", lm.linalg.diagonal),
    square("linalg.eig", _power_by_eig),
    positive("linalg.eigh", _power_by_eigh),
    positive("linalg.eigh", _power_by_eigh, True),
    square("linalg.eigvals", lambda x: lm.sum(lm.linalg.eigvals(x) ** 3)),
    positive("linalg.eigvalsh", lm.linalg.eigvalsh),
    one("linalg.expm", lm.linalg.expm, -0.6, 0.6, (2, 2)),
    square("linalg.inv", lm.linalg.inv),
    square("linalg.inv", lm.linalg.inv, True),
    two("linalg.kron", lm.linalg.kron, shapes=((2, 1), (1, 2))),
    two(
        "linalg.lstsq",
        lambda a, b: lm.linalg.lstsq(a + 2.0 * lm.eye(3, 2), b)[0],
        -0.5,
        0.5,
        ((3, 2), (3,)),
    ),
    square("linalg.lu", _by_lu),
    square("linalg.matrix_norm", lm.linalg.matrix_norm),
    square(
        "linalg.matrix_norm",
        lambda x: (lm.linalg.matrix_norm(x, ord=2), lm.linalg.matrix_norm(x, ord="nuc")),
    ),
    square(
        "linalg.matrix_power",
        lambda x: (lm.linalg.matrix_power(x, 3), lm.linalg.matrix_power(x, -1)),
    ),
    two("linalg.outer", lm.linalg.outer, shapes=((2,), (3,))),
    two("linalg.multi_dot", lambda a, b: lm.linalg.multi_dot([a, b, a]), shapes=((2, 3), (3, 2))),
    square("linalg.norm", lambda x: (lm.linalg.norm(x), lm.linalg.norm(x, axis=1))),
    one("linalg.pinv", lambda x: lm.linalg.pinv(x + 2.0 * lm.eye(3, 2)), -0.5, 0.5, (3, 2)),
    square("linalg.qr", lm.linalg.qr),
    wave("linalg.qr", lm.linalg.qr, (3, 2)),
    square("linalg.slogdet", lm.linalg.slogdet),
    square("linalg.slogdet", lm.linalg.slogdet, True),
    two(
        "linalg.solve",
        lambda a, b: lm.linalg.solve(a + 3.0 * lm.eye(2), b),
        -0.5,
        0.5,
        ((2, 2), (2, 1)),
    ),
    wave("linalg.solve", lambda a, b: lm.linalg.solve(a + 3.0 * lm.eye(2), b), (2, 2), (2, 1)),
    two(
        "linalg.solve_triangular",
        lambda a, b: lm.linalg.solve_triangular(a + 3.0 * lm.eye(2), b, lower=True),
        -0.5,
        0.5,
        ((2, 2), (2,)),
    ),
    square("linalg.svd", _power_by_svd),
    wave("linalg.svd", _power_by_svd, (3, 2)),
    square("linalg.svdvals", lm.linalg.svdvals),
    one(
        "linalg.tensorinv",
        lambda x: lm.linalg.tensorinv(x + 3.0 * lm.reshape(lm.eye(4), (2, 2, 4)), ind=2),
        -0.4,
        0.4,
        (2, 2, 4),
    ),
    two(
        "linalg.tensorsolve",
        lambda a, b: lm.linalg.tensorsolve(a + 3.0 * lm.eye(2), b),
        -0.5,
        0.5,
        ((2, 2), (2,)),
    ),
    square("linalg.trace", lm.linalg.trace),
    one("linalg.vector_norm", lm.linalg.vector_norm),
    one(
        "linalg.vector_norm",
        lambda x: (lm.linalg.vector_norm(x, ord=3), lm.linalg.vector_norm(x, ord=1)),
    ),
    wave("linalg.vector_norm", lm.linalg.vector_norm),
]

FFT = [
    *[
        wave(f"fft.{name}", getattr(lm.fft, name), (2, 3))
        for name in (
            "fft",
            "ifft",
            "fft2",
            "ifft2",
            "fftn",
            "ifftn",
            "fftshift",
            "ifftshift",
            "hfft",
        )
    ],
    *[
        one(f"fft.{name}", getattr(lm.fft, name), shape=(2, 4))
        for name in ("rfft", "rfft2", "rfftn", "ihfft", "fft")
    ],
    *[wave(f"fft.{name}", getattr(lm.fft, name), (2, 3)) for name in ("irfft", "irfft2", "irfftn")],
]

S = lm.special
SPECIAL = [
    Case(
        "special.betainc",
        S.betainc,
        (Operand((2,), 1.2, 3.0), Operand((2,), 1.2, 3.0), Operand((2,), 0.2, 0.8)),
    ),
    two("special.betaln", S.betaln, 0.6, 3.0, ((2,), (2,))),
    one("special.digamma", S.digamma, 0.6, 3.0),
    one("special.entr", S.entr, 0.3, 2.0),
    one("special.erfc", S.erfc),
    one("special.erf", S.erf),
    one("special.erfcinv", S.erfcinv, 0.3, 1.7),
    one("special.erfinv", S.erfinv, -0.8, 0.8),
    one("special.expit", S.expit),
    two("special.gammainc", S.gammainc, 0.7, 3.0, ((2,), (2,))),
    two("special.gammaincc", S.gammaincc, 0.7, 3.0, ((2,), (2,))),
    one("special.gammaln", S.gammaln, 0.6, 3.0),
    one("special.i0", S.i0),
    one("special.i0e", S.i0e, 0.2, 2.0),
    one("special.i1", S.i1),
    one("special.i1e", S.i1e, 0.2, 2.0),
    one("special.log_expit", S.log_expit),
    one("special.log_ndtr", S.log_ndtr),
    one("special.logit", S.logit, 0.2, 0.8),
    one("special.ndtr", S.ndtr),
    one("special.ndtri", S.ndtri, 0.2, 0.8),
    one("special.polygamma", lambda x: S.polygamma(2, x), 0.8, 3.0, (2,)),
    one("special.softplus", S.softplus),
    two("special.xlog1py", S.xlog1py, 0.3, 2.0),
    two("special.xlogy", S.xlogy, 0.3, 2.0),
    two("special.zeta", S.zeta, 1.6, 3.0, ((2,), (2,))),
]

LABELS = np.array([0, 2])
SIGNS = np.array([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0]])
PAIR: dict[str, Any] = {"shapes": ((2, 3), (2, 3))}
IMAGE, KERNEL = (1, 1, 3, 4), (2, 1, 2, 2)
FUNCTIONAL = [
    Case("functional.addmm", F.addmm, (Operand((2, 2)), Operand((2, 3)), Operand((3, 2)))),
    one("functional.avg_pool2d", lambda x: F.avg_pool2d(x, 2, 1), shape=IMAGE),
    Case(
        "functional.batch_norm",
        F.batch_norm,
        (Operand((2, 3)), Operand((3,)), *[Operand((3,), 0.5, 2.0)] * 3),
    ),
    one("functional.batch_statistics", F.batch_statistics),
    two(
        "functional.binary_cross_entropy_with_logits",
        F.binary_cross_entropy_with_logits,
        0.1,
        0.9,
        ((2, 3), (2, 3)),
    ),
    two(
        "functional.conv2d",
        lambda x, w: F.conv2d(x, w, padding=1, stride=2),
        shapes=(IMAGE, KERNEL),
    ),
    one("functional.cross_entropy", lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1)),
    two("functional.cdist", F.cdist, shapes=((2, 3), (2, 3))),
    two("functional.contrastive_loss", lambda x, y: F.contrastive_loss(x, y, [1, 0]), **PAIR),
    two(
        "functional.cosine_embedding_loss",
        lambda x, y: F.cosine_embedding_loss(x, y, [1, -1]),
        **PAIR,
    ),
    two("functional.cosine_similarity", F.cosine_similarity, **PAIR),
    one(
        "functional.ctc_loss",
        lambda x: F.ctc_loss(F.log_softmax(x), [[1, 1]], [4], [2]),
        shape=(4, 1, 2),
    ),
    two("functional.binary_cross_entropy", F.binary_cross_entropy, 0.1, 0.9, ((2, 3), (2, 3))),
    Case(
        "functional.gaussian_nll_loss",
        F.gaussian_nll_loss,
        (Operand((2, 3)), Operand((2, 3)), Operand((2, 3), 0.2, 2.0)),
    ),
    one("functional.hinge_embedding_loss", lambda x: F.hinge_embedding_loss(x, SIGNS)),
    two("functional.huber_loss", F.huber_loss, **PAIR),
    two("functional.info_nce", F.info_nce, **PAIR),
    two("functional.kl_div", F.kl_div, 0.2, 1.0, ((2, 3), (2, 3))),
    two(
        "functional.margin_ranking_loss",
        lambda x, y: F.margin_ranking_loss(x, y, SIGNS, margin=0.1),
        **PAIR,
    ),
    one("functional.multi_margin_loss", lambda x: F.multi_margin_loss(x, LABELS, p=2)),
    one(
        "functional.multilabel_margin_loss",
        lambda x: F.multilabel_margin_loss(x, [[1, -1, 0], [0, 2, -1]]),
    ),
    one(
        "functional.multilabel_soft_margin_loss",
        lambda x: F.multilabel_soft_margin_loss(x, SIGNS > 0),
    ),
    Case(
        "functional.negative_sampling_loss",
        F.negative_sampling_loss,
        (Operand((2, 3)), Operand((2, 3)), Operand((2, 4, 3))),
    ),
    two("functional.nt_xent", F.nt_xent, **PAIR),
    two("functional.pairwise_distance", F.pairwise_distance, **PAIR),
    one("functional.pdist", F.pdist, shape=(3, 2)),
    two("functional.poisson_nll_loss", F.poisson_nll_loss, **PAIR),
    one("functional.sigmoid_focal_loss", lambda x: F.sigmoid_focal_loss(x, SIGNS > 0)),
    two("functional.smooth_l1_loss", F.smooth_l1_loss, **PAIR),
    one("functional.soft_margin_loss", lambda x: F.soft_margin_loss(x, SIGNS)),
    Case("functional.triplet_margin_loss", F.triplet_margin_loss, (Operand((2, 3)),) * 3),
    Case(
        "functional.triplet_margin_with_distance_loss",
        F.triplet_margin_with_distance_loss,
        (Operand((2, 3)),) * 3,
    ),
    one("functional.dropout", lambda x: F.dropout(x, 0.5, key=lm.random.Generator(1))),
    one("functional.elu", F.elu),
    one("functional.gelu", lambda x: (F.gelu(x), F.gelu(x, "tanh"))),
    one("functional.hardtanh", F.hardtanh),
    two("functional.l1_loss", F.l1_loss, shapes=((2, 3), (2, 3))),
    Case(
        "functional.layer_norm",
        lambda x, w, b: F.layer_norm(x, 3, w, b),
        (Operand((2, 3)), Operand((3,)), Operand((3,))),
    ),
    one("functional.leaky_relu", F.leaky_relu),
    Case("functional.linear", F.linear, (Operand((2, 3)), Operand((2, 3)), Operand((2,)))),
    one("functional.log_softmax", F.log_softmax),
    one("functional.logsumexp", F.logsumexp),
    one("functional.max_pool2d", lambda x: F.max_pool2d(x, 2, 1), shape=IMAGE),
    two("functional.mse_loss", F.mse_loss, shapes=((2, 3), (2, 3))),
    one("functional.nll_loss", lambda x: F.nll_loss(x, LABELS)),
    one("functional.relu", F.relu),
    two("functional.rms_norm", lambda x, w: F.rms_norm(x, x.shape[-1], w)),
    one("functional.segment_max", lambda x: F.segment_max(x, SEGMENTS, 2), shape=(4,)),
    one("functional.segment_mean", lambda x: F.segment_mean(x, SEGMENTS, 2), shape=(4,)),
    one("functional.segment_min", lambda x: F.segment_min(x, SEGMENTS, 2), shape=(4,)),
    one("functional.segment_softmax", lambda x: F.segment_softmax(x, SEGMENTS, 2), shape=(4,)),
    one("functional.segment_sum", lambda x: F.segment_sum(x, SEGMENTS, 2), shape=(4, 2)),
    one("functional.sigmoid", F.sigmoid),
    one("functional.silu", F.silu),
    one("functional.softmax", F.softmax),
    one("functional.softplus", F.softplus),
]


VOLUME, LINE = (1, 1, 2, 3, 2), (1, 2, 5)
LAYERS = [
    *[
        one(f"functional.{name}", getattr(F, name))
        for name in (
            "celu",
            "hardshrink",
            "hardsigmoid",
            "hardswish",
            "logsigmoid",
            "mish",
            "relu6",
            "selu",
            "softmin",
            "softshrink",
            "softsign",
            "tanhshrink",
            "normalize",
            "rrelu",
        )
    ],
    *[
        one(f"functional.{name}", getattr(F, name), shape=(2, 4))
        for name in ("glu", "geglu", "swiglu")
    ],
    *[
        one(f"functional.{name}", lambda x, f=f: f(x, 0.5, key=lm.random.Generator(1)), shape=LINE)
        for name, f in (
            ("alpha_dropout", F.alpha_dropout),
            ("drop_path", F.drop_path),
            ("feature_alpha_dropout", F.feature_alpha_dropout),
            ("feature_dropout", F.feature_dropout),
        )
    ],
    one("functional.threshold", lambda x: F.threshold(x, 0.1, 2.0)),
    two("functional.prelu", F.prelu, shapes=((2, 3), (3,))),
    Case("functional.bilinear", F.bilinear, (Operand((2, 2)), Operand((2, 3)), Operand((2, 2, 3)))),
    *[
        one(f"functional.{name}", getattr(F, name), shape=IMAGE)
        for name in ("global_avg_pool", "global_max_pool")
    ],
    one(
        "functional.convert_layout",
        lambda x: F.convert_layout(x, "NCHW", "nhwC3c"),
        shape=(1, 4, 1, 2),
    ),
    *[
        one(f"functional.{name}", lambda x, name=name: getattr(F, name)(x, 2), shape=shape)
        for name, shape in (
            ("adaptive_avg_pool1d", LINE),
            ("adaptive_avg_pool2d", IMAGE),
            ("adaptive_avg_pool3d", VOLUME),
            ("adaptive_max_pool1d", LINE),
            ("adaptive_max_pool2d", IMAGE),
            ("adaptive_max_pool3d", VOLUME),
            ("pixel_shuffle", (1, 4, 1, 2)),
            ("pixel_unshuffle", (1, 1, 2, 4)),
            ("channel_shuffle", (1, 4, 2)),
            ("interpolate", LINE),
        )
    ],
    *[
        one(
            f"functional.{f.__name__}",
            lambda x, f=f: f(x, np.array([0, 3]).reshape(x.shape), 2),
            shape=shape,
        )
        for f, shape in (
            (F.max_unpool1d, (1, 2)),
            (F.max_unpool2d, (1, 1, 2)),
            (F.max_unpool3d, (1, 1, 1, 2)),
        )
    ],
    one("functional.unflatten", lambda x: F.unflatten(x, 1, (3, -1))),
    one("functional.affine_grid", lambda x: F.affine_grid(x, (1, 1, 2, 2)), shape=(1, 2, 3)),
    Case(
        "functional.grid_sample",
        F.grid_sample,
        (Operand((1, 1, 2, 3)), Operand((1, 1, 2, 2), -0.3, 0.2)),
    ),
    one("functional.pad", lambda x: F.pad(x, (1, 1), "reflect")),
    one("functional.max_pool1d", lambda x: F.max_pool1d(x, 2, 1), shape=LINE),
    one("functional.max_pool3d", lambda x: F.max_pool3d(x, 2, 1), shape=VOLUME),
    one("functional.avg_pool1d", lambda x: F.avg_pool1d(x, 2, 1), shape=LINE),
    one("functional.avg_pool3d", lambda x: F.avg_pool3d(x, 2, 1), shape=VOLUME),
    one("functional.lp_pool1d", lambda x: F.lp_pool1d(x, 3.0, 2), 0.2, 2.0, LINE),
    one("functional.lp_pool2d", lambda x: F.lp_pool2d(x, 3.0, 2), 0.2, 2.0, IMAGE),
    one("functional.lp_pool3d", lambda x: F.lp_pool3d(x, 3.0, 2), 0.2, 2.0, VOLUME),
    one("functional.unfold", lambda x: F.unfold(x, 2), shape=IMAGE),
    one("functional.fold", lambda x: F.fold(x, (2, 3), 2), shape=(1, 4, 2)),
    two("functional.conv1d", lambda x, w: F.conv1d(x, w, padding=1), shapes=(LINE, (1, 2, 2))),
    two("functional.conv3d", F.conv3d, shapes=(VOLUME, (1, 1, 1, 2, 2))),
    two("functional.conv_transpose1d", F.conv_transpose1d, shapes=((1, 2, 3), (2, 1, 2))),
    two("functional.conv_transpose2d", F.conv_transpose2d, shapes=((1, 1, 2, 2), (1, 1, 2, 2))),
    two(
        "functional.conv_transpose3d", F.conv_transpose3d, shapes=((1, 1, 1, 2, 2), (1, 1, 1, 2, 2))
    ),
    one("functional.group_norm", lambda x: F.group_norm(x, 2), shape=(2, 4, 2)),
    one("functional.instance_norm", F.instance_norm, shape=LINE),
    one("functional.instance_statistics", F.instance_statistics, shape=LINE),
    one("functional.local_response_norm", lambda x: F.local_response_norm(x, 2), shape=LINE),
]


CELL = (Operand((2, 3)), Operand((2, 2)))


def cell(count: int) -> tuple[Operand, ...]:
    """Inputs, a state, weights of both for `count` gates, and their biases."""
    weights = (Operand((2 * count, 3)), Operand((2 * count, 2)))
    return (*CELL, *weights, Operand((2 * count,)), Operand((2 * count,)))


TOKENS = np.array([2, 0, 2])
NEURAL = [
    two("functional.attention_weights", F.attention_weights, shapes=((2, 3), (4, 3))),
    Case(
        "functional.scaled_dot_product_attention",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        (Operand((1, 2, 3)), Operand((1, 2, 3)), Operand((1, 2, 2))),
    ),
    one("functional.embedding", lambda w: F.embedding(TOKENS, w), shape=(3, 2)),
    one(
        "functional.embedding_bag",
        lambda w: F.embedding_bag(TOKENS, w, np.array([0, 1])),
        shape=(3, 2),
    ),
    one("functional.rotary_embedding", F.rotary_embedding, shape=(1, 2, 4)),
    Case("functional.rnn_cell", F.rnn_cell, cell(1)),
    Case("functional.gru_cell", F.gru_cell, cell(3)),
    Case("functional.lstm_cell", lambda x, h, *w: F.lstm_cell(x, (h, h * 0.5), *w), cell(4)),
]


def drawn(
    name: str, call: Callable[..., Any], count: int = 2, low: float = 0.5, high: float = 1.7
) -> Case:
    """A draw as a function of its parameters: the key stays, so the draw moves smoothly."""
    make = lambda *p: call(*p, dtype=lm.float64, key=lm.random.key(7))
    return Case(f"random.{name}", make, (Operand((2,), low, high),) * count)


R = lm.random
RANDOM = [
    *[
        drawn(name, lambda a, b, name=name, **o: getattr(R, name)(None, a, b, **o))
        for name in ("cauchy", "gumbel", "laplace", "logistic", "lognormal", "normal")
    ],
    *[
        drawn(name, lambda a, name=name, **o: getattr(R, name)(None, a, **o), 1)
        for name in ("exponential", "rayleigh")
    ],
    *[drawn(name, getattr(R, name)) for name in ("pareto", "weibull")],
    drawn("uniform", lambda a, b, **o: R.uniform(None, a, a + b, **o)),
    drawn("truncated_normal", lambda a, b, **o: R.truncated_normal(None, -1.0, 1.5, a, b, **o)),
    Case(
        "random.multivariate_normal",
        lambda m, c: R.multivariate_normal(m, c @ c.mT + lm.eye(2), dtype=lm.float64, key=R.key(7)),
        (Operand((2,)), Operand((2, 2))),
    ),
    one("random.permutation", lambda x: R.permutation(x, key=R.key(7))),
    one("random.shuffle", lambda x: R.shuffle(x, axis=1, key=R.key(7))),
    one("random.choice", lambda x: R.choice(x, (3,), key=R.key(7))),
]

PLACES = np.array([[0, 1, 1], [1, 0, 0]])
OFFSETS = np.array([0, 2, 2, 4])
SPARSE = [
    two("sparse.Sparse", lambda v, x: sparse.Sparse(v, PLACES, (2, 2)) @ x, shapes=((3,), (2, 2))),
    one(
        "sparse.Sparse",
        lambda v: (
            sparse.Sparse(v, PLACES, (2, 2)).to_dense(),
            sparse.Sparse(v, PLACES, (2, 2)).sum(axis=0),
        ),
        shape=(3,),
    ),
    one("sparse.Ragged", lambda v: sparse.Ragged(v, OFFSETS).softmax().values, shape=(4,)),
    one(
        "sparse.Ragged",
        lambda v: (sparse.Ragged(v, OFFSETS).sum(), sparse.Ragged(v, OFFSETS).to_padded(2)[0]),
        shape=(4,),
    ),
    two(
        "sparse.concat",
        lambda v, w: sparse.concat([sparse.Ragged(v, OFFSETS), sparse.Ragged(w, OFFSETS)]).values,
        shapes=((4,), (4,)),
    ),
]

CASES = [*LINALG, *FFT, *SPECIAL, *FUNCTIONAL, *LAYERS, *NEURAL, *RANDOM, *SPARSE]

REASONS = {
    "makes values from no operand that varies (positions)": """functional.alibi_bias
        functional.alibi_slopes functional.rotary_angles functional.sinusoidal_positions""",
    "is a part of another one, which has a case": """functional.recurrent functional.gru_step
        functional.lstm_step functional.rnn_step functional.rotate_pairs""",
    "sets aside what sampling shall not take": "functional.keep_top_k functional.keep_top_p",
    "shortens what training made too long, outside of derivatives": "functional.shortened_rows",
    "makes values from no operand that varies": """fft.fftfreq fft.rfftfreq random.ball random.bits
        random.fold_in random.key random.orthogonal random.randint random.sphere random.split""",
    "gives integers": """linalg.matrix_rank random.bernoulli random.binomial random.categorical
        random.geometric random.multinomial random.poisson""",
    "draws by rejection, see tests/tensor/random": """random.beta random.gamma
        random.chi2 random.dirichlet random.student_t""",
    "holds or moves the state of a generator": """random.Generator random.default random.get_state
        random.next_key random.seed random.set_state""",
    "is an error": "linalg.LinAlgError",
}
