"""functional: values and gradients as PyTorch gives them."""

import numpy as np
import pytest

import lamina as lm
from lamina import functional

torch = pytest.importorskip("torch", reason="values and gradients are those of PyTorch")
F = torch.nn.functional

RNG = np.random.default_rng(2)


def random(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


IMAGE = random(2, 4, 7, 8)
LABELS = RNG.integers(0, 6, (5,))
PIXELS = RNG.integers(0, 4, (2, 7, 8))
TARGET = RNG.random((5, 6)).astype(np.float32)
SOFT = (TARGET / TARGET.sum(1, keepdims=True)).astype(np.float32)


def tensor(like, array):
    return torch.from_numpy(array) if like is F else lm.asarray(array)


def norm(like, x, w, b):
    if like is F:
        return F.batch_norm(x, None, None, w, b, training=True)
    return functional.batch_norm(x, *functional.batch_statistics(x), w, b)


CASES = [
    ("softmax", lambda f, x: f.softmax(x, -1), [random(5, 6)]),
    ("softmax axis 0", lambda f, x: f.softmax(x, 0), [random(5, 6)]),
    ("log_softmax", lambda f, x: f.log_softmax(x, 1), [30 * random(5, 6)]),
    ("relu", lambda f, x: f.relu(x), [random(5, 6)]),
    ("leaky_relu", lambda f, x: f.leaky_relu(x, 0.1), [random(5, 6)]),
    ("gelu", lambda f, x: f.gelu(x), [random(5, 6)]),
    ("gelu tanh", lambda f, x: f.gelu(x, approximate="tanh"), [random(5, 6)]),
    ("sigmoid", lambda f, x: f.sigmoid(x), [8 * random(5, 6)]),
    ("silu", lambda f, x: f.silu(x), [random(5, 6)]),
    ("softplus", lambda f, x: f.softplus(x), [10 * random(5, 6)]),
    ("elu", lambda f, x: f.elu(x), [random(5, 6)]),
    ("tanh", lambda f, x: f.tanh(x), [random(5, 6)]),
    ("linear", lambda f, x, w, b: f.linear(x, w, b), [random(3, 5, 4), random(6, 4), random(6)]),
    ("conv2d", lambda f, x, w, b: f.conv2d(x, w, b), [IMAGE, random(6, 4, 3, 3), random(6)]),
    (
        "conv2d stride",
        lambda f, x, w: f.conv2d(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        [IMAGE, random(6, 4, 3, 2)],
    ),
    (
        "conv2d groups",
        lambda f, x, w, b: f.conv2d(x, w, b, padding=1, groups=2),
        [IMAGE, random(6, 2, 3, 3), random(6)],
    ),
    ("conv2d same", lambda f, x, w: f.conv2d(x, w, padding="same"), [IMAGE, random(2, 4, 3, 5)]),
    ("max_pool2d", lambda f, x: f.max_pool2d(x, 2), [IMAGE]),
    ("max_pool2d pad", lambda f, x: f.max_pool2d(x, 3, stride=2, padding=1), [IMAGE]),
    ("avg_pool2d", lambda f, x: f.avg_pool2d(x, (2, 3), stride=1, padding=1), [IMAGE]),
    (
        "layer_norm",
        lambda f, x, w, b: f.layer_norm(x, (6,), w, b),
        [random(2, 5, 6), random(6), random(6)],
    ),
    ("batch_norm", norm, [IMAGE, random(4), random(4)]),
    ("cross_entropy", lambda f, x: f.cross_entropy(x, tensor(f, LABELS)), [random(5, 6)]),
    (
        "cross_entropy sum smooth",
        lambda f, x: f.cross_entropy(x, tensor(f, LABELS), reduction="sum", label_smoothing=0.1),
        [random(5, 6)],
    ),
    (
        "cross_entropy ignore",
        lambda f, x: f.cross_entropy(x, tensor(f, LABELS), ignore_index=int(LABELS[0])),
        [random(5, 6)],
    ),
    ("cross_entropy soft", lambda f, x: f.cross_entropy(x, tensor(f, SOFT)), [random(5, 6)]),
    ("cross_entropy pixels", lambda f, x: f.cross_entropy(x, tensor(f, PIXELS)), [IMAGE]),
    ("nll_loss", lambda f, x: f.nll_loss(x, tensor(f, LABELS)), [random(5, 6)]),
    ("mse_loss", lambda f, x, y: f.mse_loss(x, y), [random(5, 6), random(5, 6)]),
    ("l1_loss", lambda f, x, y: f.l1_loss(x, y, reduction="sum"), [random(5, 6), random(5, 6)]),
    (
        "bce",
        lambda f, x: f.binary_cross_entropy_with_logits(x, tensor(f, TARGET)),
        [20 * random(5, 6)],
    ),
    (
        "bce weight",
        lambda f, x: f.binary_cross_entropy_with_logits(
            x, tensor(f, TARGET), pos_weight=tensor(f, np.full(6, 3, np.float32))
        ),
        [random(5, 6)],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_like_torch(case):
    _, f, arrays = case
    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    wanted = f(F, *theirs)
    bar = random(*wanted.shape) if wanted.ndim else np.float32(1.0)
    (wanted * torch.as_tensor(bar)).sum().backward()
    found, pull = lm.vjp(lambda *xs: f(functional, *xs), *map(lm.asarray, arrays))
    np.testing.assert_allclose(found.numpy(), wanted.detach().numpy(), rtol=2e-5, atol=2e-5)
    for mine, other in zip(pull(lm.asarray(bar)), theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.grad.numpy(), rtol=2e-4, atol=2e-4)


def test_extreme_logits_stay_finite():
    x = lm.asarray([[1e4, -1e4, 0.0]])
    assert np.isfinite(functional.log_softmax(x).numpy()).all()
    big = lm.asarray([1e4, -1e4])
    loss = functional.binary_cross_entropy_with_logits(
        big, lm.asarray([0.0, 1.0]), reduction="none"
    )
    assert loss.tolist() == [1e4, 1e4]
    assert functional.softplus(big).tolist() == [1e4, 0.0]
    assert functional.softmax(lm.asarray([-np.inf, 0.0])).tolist() == [0.0, 1.0]
    assert float(functional.logsumexp(lm.asarray([-np.inf, -np.inf]))) == -np.inf


def test_rms_norm():
    x = random(3, 6)
    wanted = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(
        functional.rms_norm(x, x.shape[-1], eps=1e-6).numpy(), wanted, rtol=1e-5
    )


def test_dropout():
    x = lm.ones((10000,))
    key = lm.random.key(0)
    y = functional.dropout(x, 0.3, key=key).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 0.02
    np.testing.assert_array_equal(lm.jit(lambda x, k: functional.dropout(x, 0.3, key=k))(x, key), y)
    assert functional.dropout(x, 0.3, training=False) is x
    assert float(functional.dropout(x, 1.0).sum()) == 0.0


def test_shape_mistakes():
    with pytest.raises(lm.ShapeError, match="linear: the input has another number of features"):
        functional.linear(lm.ones((2, 3)), lm.ones((4, 5)))
    with pytest.raises(lm.ShapeError, match="conv2d: the image and the filters do not fit"):
        functional.conv2d(lm.ones((1, 3, 4, 4)), lm.ones((2, 4, 3, 3)))
    with pytest.raises(lm.ShapeError, match="mse_loss: prediction and target differ in shape"):
        functional.mse_loss(lm.ones((2, 1)), lm.ones((2,)))
    with pytest.raises(lm.ShapeError, match="windows: the window is larger than the image"):
        functional.max_pool2d(lm.ones((1, 1, 2, 2)), 3)
