"""Directions, points of a ball, rotations, multivariate normal vectors."""

import numpy as np
import pytest
from scipy import stats

import lamina as lm

R = lm.random
N = 50_000
KEY = R.key(5)


def test_sphere_and_ball():
    x = R.sphere(3, (N,), key=KEY).numpy()
    np.testing.assert_allclose((x**2).sum(-1), 1, 1e-6)
    for i in range(3):  # Archimedes: each component is uniform
        assert stats.kstest(x[:, i], stats.uniform(-1, 2).cdf).pvalue > 1e-3
    radius = np.sqrt((R.ball(3, (N,), key=KEY).numpy() ** 2).sum(-1))
    assert stats.kstest(radius**3, "uniform").pvalue > 1e-3
    assert set(np.unique(R.sphere(1, (9,), key=KEY).numpy())) == {-1, 1}


def test_orthogonal():
    q = R.orthogonal(3, (2000,), key=KEY).numpy()
    products = q @ q.swapaxes(-1, -2)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), (2000, 3, 3)), atol=2e-6)
    for i in range(3):  # every entry is that of a random direction
        assert stats.kstest(q[:, i, i], stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert abs(np.sign(np.linalg.det(q)).mean()) < 4.5 / np.sqrt(2000)


def test_multivariate_normal():
    mean, covariance = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 1.0]])
    draw = lm.jit(lambda k: R.multivariate_normal(mean, covariance, (N,), key=k))
    x = draw(KEY).numpy()
    np.testing.assert_allclose(x.mean(0), mean, atol=4.5 * np.sqrt(2 / N))
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=0.06)
    many = R.multivariate_normal(np.zeros((4, 2)), covariance, key=KEY)
    assert many.shape == (4, 2)


def test_errors():
    with pytest.raises(lm.ShapeError) as caught:
        R.multivariate_normal(lm.zeros((2,)), lm.eye(3))
    assert str(caught.value).startswith(
        "multivariate_normal: mean and covariance do not fit\n  mean: f32[2]\n"
        "  covariance: f32[3,3]\n  help: the mean is [*B, N] and the covariance [*B, N, N]\n"
    )
    with pytest.raises(lm.ShapeError) as caught:
        R.sphere(0)
    assert str(caught.value).startswith(
        "sphere: a vector has at least one component\n  dimension: 0\n"
        "  help: give the number of components first, and the shape before them second\n"
    )
