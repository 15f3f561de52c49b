"""Layouts: offsets by their formulas, conversions and their inverses (BE-8)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import lamina as lm
from lamina.base.layouts import Layout
from lamina.functional import convert_layout

N, C, H, W = 2, 19, 3, 5
FORMULAS = {
    "NCHW": lambda n, c, h, w: ((n * C + c) * H + h) * W + w,
    "NHWC": lambda n, c, h, w: ((n * H + h) * W + w) * C + c,
    "CHWN": lambda n, c, h, w: ((c * H + h) * W + w) * N + n,
    "nChw8c": lambda n, c, h, w: (((n * 3 + c // 8) * H + h) * W + w) * 8 + c % 8,
    "nChw16c": lambda n, c, h, w: (((n * 2 + c // 16) * H + h) * W + w) * 16 + c % 16,
    "nhwC4c": lambda n, c, h, w: (((n * H + h) * W + w) * 5 + c // 4) * 4 + c % 4,
}
SIZES = {"n": N, "c": C, "h": H, "w": W}
PLAIN = np.arange(1, N * C * H * W + 1, dtype=np.int32).reshape(N, C, H, W)


@pytest.mark.parametrize("name", FORMULAS)
def test_offsets_are_those_of_the_formulas(name: str) -> None:
    layout = Layout.parse(name)
    memory = convert_layout(PLAIN, "NCHW", name).numpy()
    assert memory.shape == layout.shape(SIZES)
    assert memory.size == layout.elements(SIZES)
    flat, touched = memory.ravel(), set()
    for place in product(range(N), range(C), range(H), range(W)):
        at = FORMULAS[name](*place)
        assert layout.offset(dict(zip("nchw", place)), SIZES) == at
        assert flat[at] == PLAIN[place]
        touched.add(at)
    rest = np.delete(flat, sorted(touched))
    assert len(touched) == PLAIN.size and not rest.any()  # what fills the last block is zero


@pytest.mark.parametrize("source", FORMULAS)
@pytest.mark.parametrize("target", FORMULAS)
@pytest.mark.parametrize(
    "shape", [(2, 19, 3, 5), (1, 16, 1, 1), (1, 1, 2, 2), (3, 7, 0, 2), (0, 3, 2, 2)]
)
def test_conversions_are_exact_inverses(source: str, target: str, shape) -> None:
    sizes = dict(zip("nchw", shape))
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    x.ravel()[:3] = [np.nan, np.inf, -0.0][: x.size]
    here = convert_layout(x, "NCHW", source)
    there = convert_layout(here, source, target, sizes)
    back = convert_layout(there, target, source, sizes)
    for one, other in ((here, back), (convert_layout(x, "NCHW", target), there)):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    assert convert_layout(there, target, "NCHW", sizes).numpy().tobytes() == x.tobytes()


def test_operands_of_a_product() -> None:
    x, y = np.arange(12.0).reshape(3, 4), np.arange(20.0).reshape(4, 5)
    turned = convert_layout(y, "KN", "NK")
    np.testing.assert_array_equal(turned.numpy(), y.T)
    np.testing.assert_array_equal((lm.asarray(x) @ turned.T).numpy(), x @ y)
    panels = convert_layout(y, "KN", "nK2n").numpy()
    assert panels.shape == (3, 4, 2)
    np.testing.assert_array_equal(panels[1], y[:, 2:4])
    np.testing.assert_array_equal(panels[2], np.stack([y[:, 4], np.zeros(4)], -1))


def test_two_blocked_axes() -> None:
    weight = np.arange(5 * 3 * 2 * 2).reshape(5, 3, 2, 2)
    memory = convert_layout(weight, "OIHW", "OIhw2i4o").numpy()
    assert memory.shape == (2, 2, 2, 2, 2, 4)
    assert memory[1, 1, 1, 0, 0, 0] == weight[4, 2, 1, 0]
    back = convert_layout(memory, "OIhw2i4o", "HWIO", {"O": 5, "I": 3})
    np.testing.assert_array_equal(back.numpy(), weight.transpose(2, 3, 1, 0))


def test_gradients_follow_conversions() -> None:
    x = lm.asarray(PLAIN.astype(np.float32))
    there = lambda x: convert_layout(x, "NCHW", "nChw8c")
    found = lm.grad(lambda x: lm.sum(there(x) ** 2))(x)
    np.testing.assert_array_equal(found.numpy(), 2 * PLAIN)


@pytest.mark.parametrize("name", ["NCHW", "NHWC", "nChw8c", "OIhw16i16o", "nK16n"])
def test_names_are_read_back(name: str) -> None:
    assert Layout.parse(str(Layout.parse(name))) == Layout.parse(name)
    assert Layout.parse(name.upper()) == Layout.parse(name)


@pytest.mark.parametrize("name", ["", "8c", "NCC", "nCh8", "nChw8c4c", "n-c", "nhw8c", "nc0"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(lm.UsageError, match="no such name"):
        Layout.parse(name)


def test_what_does_not_fit() -> None:
    with pytest.raises(lm.UsageError, match="have other axes"):
        convert_layout(PLAIN, "NCHW", "NHW")
    with pytest.raises(lm.ShapeError, match="the shape does not fit"):
        convert_layout(PLAIN, "nChw8c", "NCHW")
    blocked = convert_layout(PLAIN, "NCHW", "nChw8c")
    for channels in (16, 25):
        with pytest.raises(lm.ShapeError, match="c has no"):
            convert_layout(blocked, "nChw8c", "NCHW", {"c": channels})
