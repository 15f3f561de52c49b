"""Segment reductions against a loop over the segments."""

import numpy as np
import pytest

import lamina as lm
from lamina import functional as F

RNG = np.random.default_rng(0)
SEGMENTS = RNG.integers(0, 6, 40)
SEGMENTS[SEGMENTS == 3] = 2  # segment 3 is empty
NUMPY = {
    "segment_sum": np.sum,
    "segment_mean": np.mean,
    "segment_max": np.max,
    "segment_min": np.min,
}
EMPTY = {"segment_sum": 0, "segment_mean": 0, "segment_max": -np.inf, "segment_min": np.inf}


def looped(name, x):
    groups = [x[s == SEGMENTS] for s in range(7)]
    blank = np.full(x.shape[1:], EMPTY[name], x.dtype)
    return np.stack([NUMPY[name](g, axis=0) if len(g) else blank for g in groups])


@pytest.mark.parametrize("shape", [(40,), (40, 3), (40, 0)])
@pytest.mark.parametrize("name", NUMPY)
def test_against_a_loop(name, shape):
    x = RNG.normal(size=shape)
    f = lambda x, s: getattr(F, name)(x, s, 7)
    for run in (f, lm.jit(f)):
        got = run(lm.asarray(x), lm.asarray(SEGMENTS)).numpy()
        np.testing.assert_allclose(got, looped(name, x), 1e-12, 1e-14)
    assert f(lm.zeros((0,)), lm.zeros((0,), dtype=lm.int64)).shape == (7,)


def test_softmax():
    x = RNG.normal(size=(40, 2)) * 50
    got = F.segment_softmax(lm.asarray(x), lm.asarray(SEGMENTS), 7).numpy()
    for s in set(SEGMENTS.tolist()):
        part = np.exp(x[s == SEGMENTS] - x[s == SEGMENTS].max(0))
        np.testing.assert_allclose(got[s == SEGMENTS], part / part.sum(0), 1e-12)


@pytest.mark.parametrize("name", [*NUMPY, "segment_softmax"])
def test_gradients_and_batches(name):
    x, w = RNG.normal(size=(2, 40))
    f = lambda x: getattr(F, name)(x, lm.asarray(SEGMENTS), 6)
    weights = lm.asarray(w if name == "segment_softmax" else w[:6])
    loss = lambda x: lm.sum(lm.where(lm.isfinite(f(x)), f(x), 0.0) * weights)
    gradient = lm.grad(loss)(lm.asarray(x)).numpy()
    h = 1e-6
    for i in (0, 7, 39):
        step = np.eye(40)[i] * h
        slope = (float(loss(lm.asarray(x + step))) - float(loss(lm.asarray(x - step)))) / (2 * h)
        assert abs(gradient[i] - slope) < 1e-7
    batch = lm.asarray(np.stack([x, w]))
    many = lm.vmap(f)(batch).numpy()
    np.testing.assert_allclose(many[1], f(lm.asarray(w)).numpy(), 1e-12)


def test_integers_and_halves():
    s = lm.asarray([0, 0, 2])
    assert F.segment_max(lm.asarray([1, 5, 2]), s, 3).tolist() == [5, -(2**63), 2]
    assert F.segment_sum(lm.asarray([1, 5, 2], dtype="int8"), s, 3).dtype == lm.int8
    assert F.segment_mean(lm.asarray([1, 2, 2]), s, 3).tolist() == [1.5, 0.0, 2.0]
    assert F.segment_sum(lm.ones((3,), dtype="bfloat16"), s, 3).dtype == lm.bfloat16


def test_errors():
    with pytest.raises(lm.ShapeError) as caught:
        F.segment_sum(lm.ones((3,)), lm.asarray([0, 1]), 2)
    assert str(caught.value).startswith(
        "segment_sum: there is not one segment for each element\n  values: f32[3]\n"
        "  segments: i64[2]\n  help: values are [N, *F] and segments [N]\n"
    )
    with pytest.raises(lm.BoundsError):
        F.segment_sum(lm.ones((2,)), lm.asarray([0, 2]), 2).numpy()
    with pytest.raises(lm.DTypeError) as caught:
        F.segment_max(lm.asarray([1j]), lm.asarray([0]), 1)
    assert str(caught.value).startswith(
        "segment_max: takes real numbers\n  values: c64[1]\n  help: there is no order of others\n"
    )
