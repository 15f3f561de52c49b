"""The array namespace gives what NumPy gives."""

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4)).astype(np.float32)
Y = RNG.standard_normal((3, 4)).astype(np.float32)
P = np.abs(X) + 0.5
I = RNG.integers(1, 9, (3, 4))
J = RNG.integers(1, 5, (3, 4))
B = X > 0
C = Y > 0

CASES = [
    ("add", lambda n: n.add(X, Y)),
    ("add broadcast", lambda n: n.add(X, Y[0])),
    ("add column", lambda n: n.add(X, Y[:, :1])),
    ("add outer", lambda n: n.add(X[:, :1], Y[:1])),
    ("subtract", lambda n: n.subtract(X, Y)),
    ("multiply", lambda n: n.multiply(X, Y)),
    ("divide", lambda n: n.divide(X, Y)),
    ("floor_divide", lambda n: n.floor_divide(I, J)),
    ("floor_divide float", lambda n: n.floor_divide(X, Y)),
    ("remainder", lambda n: n.remainder(X, Y)),
    ("remainder int", lambda n: n.remainder(-I, J)),
    ("maximum", lambda n: n.maximum(X, Y)),
    ("minimum", lambda n: n.minimum(X, Y)),
    ("equal", lambda n: n.equal(I, J)),
    ("not_equal", lambda n: n.not_equal(I, J)),
    ("less", lambda n: n.less(X, Y)),
    ("less_equal", lambda n: n.less_equal(I, J)),
    ("greater", lambda n: n.greater(X, Y)),
    ("greater_equal", lambda n: n.greater_equal(I, J)),
    ("logical_and", lambda n: n.logical_and(B, C)),
    ("logical_or", lambda n: n.logical_or(B, C)),
    ("logical_xor", lambda n: n.logical_xor(B, C)),
    ("logical_not", lambda n: n.logical_not(B)),
    ("isnan", lambda n: n.isnan(np.array([1.0, np.nan, np.inf], np.float32))),
    ("isinf", lambda n: n.isinf(np.array([1.0, np.nan, -np.inf], np.float32))),
    ("isfinite", lambda n: n.isfinite(np.array([1.0, np.nan, -np.inf], np.float32))),
    ("where", lambda n: n.where(B, X, Y)),
    ("where broadcast", lambda n: n.where(B[:, :1], X, Y[0])),
    ("clip", lambda n: n.clip(X, -0.5, 0.5)),
    ("negative", lambda n: n.negative(X)),
    ("abs", lambda n: n.abs(X)),
    ("sign", lambda n: n.sign(X)),
    ("square", lambda n: n.square(X)),
    ("floor", lambda n: n.floor(X)),
    ("ceil", lambda n: n.ceil(X)),
    ("round", lambda n: n.round(X * 4)),
    ("trunc", lambda n: n.trunc(X)),
    ("sqrt", lambda n: n.sqrt(P)),
    ("exp", lambda n: n.exp(X)),
    ("expm1", lambda n: n.expm1(X)),
    ("log", lambda n: n.log(P)),
    ("log1p", lambda n: n.log1p(P)),
    ("exp2", lambda n: n.exp2(X)),
    ("log2", lambda n: n.log2(P)),
    ("log10", lambda n: n.log10(P)),
    ("logaddexp", lambda n: n.logaddexp(X, Y)),
    ("hypot", lambda n: n.hypot(X, Y)),
    ("sin", lambda n: n.sin(X)),
    ("cos", lambda n: n.cos(X)),
    ("tan", lambda n: n.tan(X)),
    ("sinh", lambda n: n.sinh(X)),
    ("cosh", lambda n: n.cosh(X)),
    ("tanh", lambda n: n.tanh(X)),
    ("sum", lambda n: n.sum(X)),
    ("sum axis", lambda n: n.sum(X, axis=0)),
    ("sum axes", lambda n: n.sum(X, axis=(0, 1), keepdims=True)),
    ("sum bool", lambda n: n.sum(B, axis=1)),
    ("prod", lambda n: n.prod(X, axis=1)),
    ("prod int", lambda n: n.prod(J, axis=1)),
    ("max", lambda n: n.max(X, axis=-1)),
    ("min", lambda n: n.min(I, axis=0, keepdims=True)),
    ("mean", lambda n: n.mean(X, axis=1)),
    ("var", lambda n: n.var(X, axis=0)),
    ("std", lambda n: n.std(X)),
    ("any", lambda n: n.any(B, axis=0)),
    ("all", lambda n: n.all(B, axis=1)),
    ("argmax", lambda n: n.argmax(X, axis=1)),
    ("argmin flat", lambda n: n.argmin(X)),
    ("argmax keepdims", lambda n: n.argmax(X, axis=0, keepdims=True)),
    ("matmul", lambda n: n.matmul(X, Y.T.copy())),
    ("matmul vector", lambda n: n.matmul(X, Y[0])),
    ("matmul row", lambda n: n.matmul(X[:, 0].copy(), Y)),
    ("matmul inner", lambda n: n.matmul(X[0], Y[0])),
    ("matmul batch", lambda n: n.matmul(np.stack([X, Y]), Y.T.copy())),
    ("matmul both", lambda n: n.matmul(np.stack([X, Y])[:, None], np.stack([Y.T, X.T, Y.T]))),
    ("matmul row batch", lambda n: n.matmul(X[0], np.stack([Y.T, X.T]))),
    ("tensordot", lambda n: n.tensordot(X, Y, axes=2)),
    ("tensordot axes", lambda n: n.tensordot(X, Y, axes=([0], [0]))),
    ("einsum", lambda n: n.einsum("ij,kj->ik", X, Y)),
    ("einsum implicit", lambda n: n.einsum("ij,jk", X, Y.T.copy())),
    ("einsum one", lambda n: n.einsum("ij->ji", X)),
    ("einsum sum", lambda n: n.einsum("ij->i", X)),
    (
        "einsum dots",
        lambda n: n.einsum("...ij,...jk->...ik", np.stack([X, Y]), np.stack([Y.T, X.T])),
    ),
    ("einsum three", lambda n: n.einsum("ij,kj,kl->il", X, Y, X)),
    ("reshape", lambda n: n.reshape(X, (2, 6))),
    ("reshape -1", lambda n: n.reshape(X, (4, -1))),
    ("transpose", lambda n: n.transpose(X)),
    ("moveaxis", lambda n: n.moveaxis(np.stack([X, Y]), 0, 2)),
    ("swapaxes", lambda n: n.swapaxes(np.stack([X, Y]), 0, 2)),
    ("expand_dims", lambda n: n.expand_dims(X, axis=1)),
    ("squeeze", lambda n: n.squeeze(X[:, None, :, None])),
    ("squeeze axis", lambda n: n.squeeze(X[:, None, :, None], axis=1)),
    ("broadcast_to", lambda n: n.broadcast_to(X[:, None], (3, 2, 4))),
    ("stack", lambda n: n.stack([X, Y], axis=1)),
    ("flip", lambda n: n.flip(X, axis=1)),
    ("flip all", lambda n: n.flip(X)),
    ("roll", lambda n: n.roll(X, 2, axis=1)),
    ("roll flat", lambda n: n.roll(X, -5)),
    ("tile", lambda n: n.tile(X, (2, 1, 3))),
    ("repeat", lambda n: n.repeat(X, 2, axis=0)),
    ("pad", lambda n: n.pad(X, [(1, 2), (0, 3)])),
    ("take", lambda n: n.take(X, np.array([2, 0]), axis=1)),
    ("take grid", lambda n: n.take(X, np.array([[2, 0], [1, -1]]), axis=0)),
    ("take_along_axis", lambda n: n.take_along_axis(X, np.argsort(X, 1), axis=1)),
    ("tril", lambda n: n.tril(X, k=1)),
    ("triu", lambda n: n.triu(X)),
    ("eye", lambda n: n.eye(3, 5, k=1)),
    ("full", lambda n: n.full((2, 3), 7)),
    ("arange", lambda n: n.arange(2, 11, 3)),
    ("arange down", lambda n: n.arange(5, 0, -2)),
    ("bitwise_and", lambda n: n.bitwise_and(I, J)),
    ("bitwise_xor", lambda n: n.bitwise_xor(I, J)),
    ("bitwise_left_shift", lambda n: n.bitwise_left_shift(I, J)),
]


class _Plain:
    """NumPy, where its names and argument styles differ."""

    eye = staticmethod(lambda n, m, k: np.eye(n, m, k))
    pad = staticmethod(np.pad)
    bitwise_left_shift = staticmethod(np.left_shift)

    def __getattr__(self, name):
        return getattr(np, name)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_like_numpy(case):
    _, run = case
    wanted = np.asarray(run(_Plain()))
    found = run(lm)
    assert found.shape == wanted.shape
    assert found.dtype.kind == lm.tensor.api.asarray(wanted).dtype.kind
    np.testing.assert_allclose(found.numpy(), wanted, rtol=2e-6, atol=2e-6)


KEYS = [
    0, -1, (1, 2), (slice(None), 1), slice(1, None), slice(None, None, -1), slice(3, 0, -2),
    (slice(None, None, 2), slice(None, None, -3)), (None, 1), (Ellipsis, 0), (0, Ellipsis, None),
    slice(2, 2), (slice(-2, None), None, slice(1, -1)), np.array([2, 0]), [0, -1],
    (slice(None), np.array([[0, 3], [1, 1]])), (np.array([0, 2]), np.array([1, -1])),
    (1, np.array([3, 0])), (), Ellipsis,
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_index(key):
    found = lm.asarray(X)[key]
    np.testing.assert_array_equal(found.numpy(), X[key])
    assert found.shape == X[key].shape


def test_index_by_tensor():
    x = lm.asarray(X)
    rows = lm.asarray([2, 0, -1])
    np.testing.assert_array_equal(x[rows].numpy(), X[[2, 0, -1]])
    np.testing.assert_array_equal(x[:, lm.asarray(1)].numpy(), X[:, 1])


def test_promotion():
    f16, f32, i32, u8 = (lm.ones((2,), dtype=d) for d in ("f16", "f32", "i32", "u8"))
    truth = lm.asarray([True, False])
    assert (f16 + 1.5).dtype is lm.float16
    assert (f16 + f32).dtype is lm.float32
    assert (i32 + 1).dtype is lm.int32
    assert (i32 + 1.5).dtype is lm.float32
    assert (truth + 1).dtype is lm.int64
    assert (u8 + i32).dtype is lm.int32
    assert (i32 / 2).dtype is lm.float32
    assert (2 * f16).dtype is lm.float16
    assert lm.result_type(lm.float16, 1.0) is lm.float16
    assert lm.exp(i32).dtype is lm.float32


def test_creation_dtypes():
    assert lm.asarray(1).dtype is lm.int64
    assert lm.asarray(1.0).dtype is lm.float32
    assert lm.asarray([1.0, 2.0]).dtype is lm.float32
    assert lm.asarray(np.ones(2)).dtype is lm.float64
    assert lm.asarray([True]).dtype is lm.bool
    assert lm.asarray([1, 2], dtype="bfloat16").dtype is lm.bfloat16
    nested = lm.asarray([[lm.asarray(1.0), 2.0], [3.0, 4.0]])
    assert nested.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_linspace_is_exact_at_both_ends():
    found = lm.linspace(0.1, 0.7, 7).numpy()
    np.testing.assert_allclose(found, np.linspace(0.1, 0.7, 7), rtol=1e-6)
    assert found[0] == np.float32(0.1)
    assert found[-1] == np.float32(0.7)


def test_pad_with_a_value():
    found = lm.pad(lm.asarray(X), 1, value=-np.inf).numpy()
    np.testing.assert_array_equal(found, np.pad(X, 1, constant_values=-np.inf))


def test_one_hot():
    found = lm.one_hot(lm.asarray([2, 0]), 3)
    assert found.tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_split_and_unstack():
    parts = lm.split(lm.asarray(X), 2, axis=1)
    for a, b in zip(parts, np.split(X, 2, axis=1), strict=True):
        np.testing.assert_array_equal(a.numpy(), b)
    assert [t.shape for t in lm.unstack(lm.asarray(X))] == [(4,)] * 3


def test_reflected_operators():
    x = lm.asarray(X)
    np.testing.assert_allclose((1.0 - x).numpy(), 1 - X)
    np.testing.assert_allclose((2.0 / x).numpy(), 2 / X, rtol=1e-6)
    np.testing.assert_allclose((Y - x).numpy(), Y - X)
    np.testing.assert_allclose((x**2).numpy(), X**2, rtol=1e-6)
    assert (x == x).all()
    assert not (x != x).any()
