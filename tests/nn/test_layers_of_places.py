"""Layers that move, surround, pool and resample elements: PyTorch's values, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn
from tests.nn.parity import Parity, check, close
from tests.nn.test_errors import message

LINE, IMAGE, VOLUME = (2, 3, 7), (2, 3, 5, 6), (1, 2, 4, 5, 3)
SHAPES = (LINE, IMAGE, VOLUME)
BOTH = ("float64", "float32")


def unpooled(axes: int, **options: Any) -> Any:
    """Pool with the places of the maxima and put them back."""

    def make(nn: Any) -> Any:
        pool = getattr(nn, f"MaxPool{axes}d")(2, return_indices=True, **options)
        back = getattr(nn, f"MaxUnpool{axes}d")(2, **options)
        return nn.ModuleList([pool, back])

    return make


def there_and_back(layers: Any, x: Any) -> Any:
    y, places = layers[0](x)
    return layers[1](y, places), layers[1](y, places, output_size=x.shape)


CASES = (
    Parity("bilinear", lambda nn: nn.Bilinear(3, 4, 5), ((2, 6, 3), (2, 6, 4)), dtypes=BOTH),
    Parity("bilinear without bias", lambda nn: nn.Bilinear(3, 2, 1, bias=False), ((3,), (2,))),
    Parity(
        "shapes",
        lambda nn: nn.Sequential(
            nn.Identity(3, some=1),
            nn.PixelUnshuffle(2),
            nn.ChannelShuffle(3),
            nn.PixelShuffle(2),
            nn.Unflatten(1, (3, -1)),
        ),
        ((2, 3, 4, 6),),
    ),
    *(
        Parity(
            f"padding over {k} axes",
            lambda nn, k=k: nn.Sequential(
                getattr(nn, f"ZeroPad{k}d")(1),
                getattr(nn, f"ConstantPad{k}d")((1, 0) * k, 0.5),
                getattr(nn, f"ReflectionPad{k}d")(1),
                getattr(nn, f"ReplicationPad{k}d")((0, 2) * k),
                getattr(nn, f"CircularPad{k}d")((2, 1) * k),
                getattr(nn, f"ZeroPad{k}d")(-1),
            ),
            (SHAPES[k - 1],),
        )
        for k in (1, 2, 3)
    ),
    *(
        Parity(
            f"unpooling over {k} axes",
            unpooled(k),
            ((*SHAPES, (1, 2, 4, 4, 2))[k - 1 + k // 3],),
            there_and_back,
        )
        for k in (1, 2, 3)
    ),
    Parity(
        "adaptive means",
        lambda nn: nn.ModuleList(
            [nn.AdaptiveAvgPool1d(3), nn.AdaptiveAvgPool2d((4, None)), nn.AdaptiveAvgPool3d(2)]
        ),
        SHAPES,
        lambda layers, *xs: [layer(x) for layer, x in zip(layers, xs)],
        BOTH,
    ),
    Parity(
        "adaptive maxima",
        lambda nn: nn.ModuleList(
            [
                nn.AdaptiveMaxPool1d(3),
                nn.AdaptiveMaxPool2d((4, None), return_indices=True),
                nn.AdaptiveMaxPool3d((3, 2, 2), return_indices=True),
            ]
        ),
        SHAPES,
        lambda layers, *xs: [layers[0](xs[0]), layers[1](xs[1])[0], layers[2](xs[2])[0]],
        BOTH,
    ),
)


@pytest.mark.parametrize(
    "case, dtype",
    [(case, dtype) for case in CASES for dtype in case.dtypes],
    ids=lambda x: getattr(x, "name", x),
)
def test_against_torch(case: Parity, dtype: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    check(case, dtype)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_places_of_adaptive_maxima(axes: int) -> None:
    """The first of several equal ones, counted through the whole image."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = np.round(np.random.default_rng(0).standard_normal(SHAPES[axes - 1]) * 2)
    name = f"adaptive_max_pool{axes}d"
    ours = getattr(functional, name)(x, 3, return_indices=True)
    theirs = getattr(torch.nn.functional, name)(torch.tensor(x), 3, return_indices=True)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, "float64", name)


def test_global_pooling() -> None:
    x = np.random.default_rng(0).standard_normal(IMAGE)
    np.testing.assert_allclose(nn.GlobalAvgPool()(x).numpy(), x.mean((2, 3), keepdims=True))
    np.testing.assert_array_equal(nn.GlobalMaxPool()(x).numpy(), x.max((2, 3), keepdims=True))


# ------------------------------------------------------------------ other sizes

RESAMPLED = [
    (LINE, {"size": 5}),
    (LINE, {"scale_factor": 2.3, "mode": "nearest-exact"}),
    (LINE, {"scale_factor": 3}),
    (LINE, {"scale_factor": 1.7, "mode": "linear"}),
    (LINE, {"size": 1, "mode": "linear", "align_corners": True}),
    (IMAGE, {"size": (9, 4)}),
    (IMAGE, {"scale_factor": (2, 1.5), "mode": "bilinear"}),
    (IMAGE, {"scale_factor": 1.3, "mode": "bilinear", "recompute_scale_factor": True}),
    (IMAGE, {"size": (3, 11), "mode": "bilinear", "align_corners": True}),
    (IMAGE, {"scale_factor": 0.7, "mode": "bicubic"}),
    (IMAGE, {"size": (10, 7), "mode": "bicubic", "align_corners": True}),
    (IMAGE, {"size": (2, 3), "mode": "bilinear", "antialias": True}),
    (IMAGE, {"size": (9, 3), "mode": "bicubic", "antialias": True}),
    (IMAGE, {"size": (3, 8), "mode": "area"}),
    (VOLUME, {"size": (7, 3, 3), "mode": "trilinear"}),
    (VOLUME, {"size": (3, 9, 2), "mode": "trilinear", "align_corners": True}),
    (VOLUME, {"scale_factor": 2}),
]


@pytest.mark.parametrize("shape, options", RESAMPLED, ids=[str(c[1]) for c in RESAMPLED])
def test_interpolate(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = np.random.default_rng(1).standard_normal(shape)
    given = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.interpolate(given, **options)
    weights = np.random.default_rng(2).standard_normal(expected.shape)
    (expected * torch.tensor(weights)).sum().backward()

    def loss(x: Any) -> Any:
        y = functional.interpolate(x, **options)
        return lm.sum(y * weights), y

    (_, y), x_bar = lm.value_and_grad(loss, has_aux=True)(lm.asarray(x))
    close(y, expected, "float64", "result")
    close(x_bar, given.grad, "float64", "gradient")


def test_interpolate_in_single_precision() -> None:
    """Nearest elements are chosen as PyTorch rounds, at places that fall on edges too."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = np.arange(49, dtype=np.float32).reshape(1, 1, 49)
    for size in range(1, 120, 7):
        for mode in ("nearest", "nearest-exact", "linear"):
            expected = torch.nn.functional.interpolate(torch.tensor(x), size, mode=mode)
            close(functional.interpolate(x, size, mode=mode), expected, "float32", f"{size} {mode}")


def test_upsampling_layers() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = np.random.default_rng(1).standard_normal(IMAGE)
    for make in (
        lambda nn: nn.Upsample(scale_factor=2, mode="bilinear"),
        lambda nn: nn.UpsamplingBilinear2d(scale_factor=2),
        lambda nn: nn.UpsamplingNearest2d(size=(7, 8)),
    ):
        close(make(nn)(x), make(torch.nn)(torch.tensor(x)), "float64", repr(make(nn)))


GRIDS = [
    (mode, padding, corners, axes)
    for axes in (2, 3)
    for mode in ("bilinear", "nearest", "bicubic")
    for padding in ("zeros", "border", "reflection")
    for corners in (False, True)
    if axes == 2 or (mode != "bicubic" and corners == (padding != "zeros"))
]


@pytest.mark.parametrize("mode, padding, corners, axes", GRIDS, ids=str)
def test_grid_sample(mode: str, padding: str, corners: bool, axes: int) -> None:
    """Of the places of an affine map, which also leave the image; gradients of image and map."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    rng = np.random.default_rng(3)
    x = rng.standard_normal((IMAGE, VOLUME)[axes - 2])
    theta = rng.standard_normal((x.shape[0], axes, axes + 1))
    size = (*x.shape[:2], 4, 3, 2)[: axes + 2]
    given = [torch.tensor(a, requires_grad=True) for a in (x, theta)]
    grid = torch.nn.functional.affine_grid(given[1], size, align_corners=corners)
    expected = torch.nn.functional.grid_sample(given[0], grid, mode, padding, corners)
    weights = rng.standard_normal(expected.shape)
    (expected * torch.tensor(weights)).sum().backward()

    def loss(x: Any, theta: Any) -> Any:
        grid = functional.affine_grid(theta, size, corners)
        y = functional.grid_sample(x, grid, mode, padding, corners)
        return lm.sum(y * weights), y

    differentiate = lm.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    (_, y), bars = differentiate(lm.asarray(x), lm.asarray(theta))
    close(y, expected, "float64", "result")
    for bar, tensor in zip(bars, given):
        close(bar, tensor.grad, "float64", "gradient")


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.Bilinear(2, 3, 4),
        lambda nn: nn.Unflatten(1, (2, 3)),
        lambda nn: nn.PixelShuffle(2),
        lambda nn: nn.ConstantPad1d(2, 3.0),
        lambda nn: nn.ReflectionPad2d((1, 2, 3, 4)),
        lambda nn: nn.AdaptiveMaxPool2d((1, None)),
        lambda nn: nn.MaxUnpool3d(2, padding=1),
        lambda nn: nn.Upsample(scale_factor=2, mode="bilinear"),
        lambda nn: nn.UpsamplingNearest2d(size=3),
    ],
)
def test_the_same_description(make: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    assert repr(make(nn)) == repr(make(torch.nn))


MESSAGES = [
    (
        lambda: nn.Bilinear(2, 3, 1)(lm.ones((4, 3)), lm.ones((4, 3))),
        "ShapeError: bilinear: the vectors do not fit the matrices\n"
        "  x1: f32[4,3], x2: f32[4,3]\n  weight: f32[1,2,3]\n"
        "  help: weight is [O, I, J] for x1 [*B, I] and x2 [*B, J]",
    ),
    (
        lambda: functional.unflatten(lm.ones((2, 6)), 1, (4, -1)),
        "ShapeError: unflatten: axis 1 cannot be split into (4, -1)\n  x: f32[2,6]",
    ),
    (
        lambda: functional.pixel_shuffle(lm.ones((1, 3, 2, 2)), 2),
        "ShapeError: pixel_shuffle: the channels are no multiple of 4\n  x: f32[1,3,2,2]",
    ),
    (
        lambda: functional.pixel_unshuffle(lm.ones((1, 3, 2, 2)), 0),
        "UsageError: pixel_unshuffle: downscale_factor is at least 1\n  downscale_factor: 0",
    ),
    (
        lambda: functional.channel_shuffle(lm.ones((1, 3)), 2),
        "ShapeError: channel_shuffle: 2 groups do not divide the channels\n  x: f32[1,3]",
    ),
    (
        lambda: nn.ZeroPad2d((1, 2)),
        "UsageError: ZeroPad2d: padding has 2 numbers, not 4\n  padding: (1, 2)\n"
        "  help: give one number, or (left, right) of the last axis and so on",
    ),
    (
        lambda: nn.AdaptiveAvgPool2d((1, 2, 3)),
        "UsageError: AdaptiveAvgPool2d: output_size is one size of at least 1, "
        "or one for each of 2 axes\n  output_size: (1, 2, 3)",
    ),
    (
        lambda: functional.adaptive_max_pool1d(lm.ones((2, 0)), 1),
        "ShapeError: adaptive_max_pool1d: nothing to pool\n  x: f32[2,0]\n  axes to pool: 1",
    ),
    (
        lambda: nn.GlobalAvgPool()(lm.ones((2, 3))),
        "ShapeError: global_avg_pool: no axes behind the channels\n  x: f32[2,3]\n"
        "  help: x is [B, C, *A]",
    ),
    (
        lambda: functional.max_unpool1d(lm.ones((2, 3)), lm.ones((2, 2), dtype=lm.int64), 2),
        "ShapeError: max_unpool1d: one place for each maximum is needed\n"
        "  x: f32[2,3]\n  indices: i64[2,2]",
    ),
    (
        lambda: functional.max_unpool1d(
            lm.ones(3), lm.zeros(3, dtype=lm.int64), 2, output_size=[9]
        ),
        "ShapeError: max_unpool1d: pooling of such an image gives other windows\n"
        "  output_size: (9,)\n  usual size: (6,), within (2,)",
    ),
    (
        lambda: functional.interpolate(lm.ones((1, 1, 4)), 2, mode="bilinear"),
        "ShapeError: interpolate: mode 'bilinear' does not take such a tensor\n"
        "  x: f32[1,1,4]\n  axes behind batch and channels: (2,), not empty",
    ),
    (
        lambda: functional.interpolate(lm.ones((1, 1, 4))),
        "UsageError: interpolate: give either size or scale_factor\n"
        "  size: None\n  scale_factor: None",
    ),
    (
        lambda: functional.interpolate(lm.ones((1, 1, 4)), 2, align_corners=True),
        "UsageError: interpolate: mode 'nearest' aligns no corners\n  align_corners: True",
    ),
    (
        lambda: functional.grid_sample(lm.ones((1, 1, 4, 4)), lm.ones((2, 1, 1, 2))),
        "ShapeError: grid_sample: images and grid do not fit together\n"
        "  x: f32[1,1,4,4]\n  grid: f32[2,1,1,2]\n"
        "  help: grid is [B, Y, X, 2] for [B, C, H, W], [B, Z, Y, X, 3] for [B, C, D, H, W]",
    ),
    (
        lambda: functional.affine_grid(lm.ones((1, 2, 2)), (1, 1, 4, 4)),
        "ShapeError: affine_grid: maps and size do not fit together\n"
        "  theta: f32[1,2,2]\n  size: (1, 1, 4, 4)\n"
        "  help: theta is [B, 2, 3] for size [B, C, H, W], [B, 3, 4] for [B, C, D, H, W]",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
