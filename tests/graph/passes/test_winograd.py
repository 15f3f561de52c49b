"""Convolutions by tiles: the same numbers, which are chosen, and what they cost in precision."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from lamina.base.dtypes import dtype, float64
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, placeholder, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.passes import winograd

FREE = {"units": 0}  # nothing but products costs time, so that tiles are taken for small shapes too


def products(graph: Graph) -> int:
    return sum(isinstance(v.op, ops.Contract) for v in graph.nodes)


def close(graph: Graph, after: Graph, tolerance: float, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(v.shape).astype(v.dtype.numpy) for v in graph.inputs]
    for a, b in zip(evaluate(graph, *arrays), evaluate(after, *arrays), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, tolerance, tolerance)


def contraction(spec: str, x: Any, y: Any, axes: int, padding: int = 0, first: bool = True) -> Any:
    """The contraction of windows of 3 over the last axes of x with y."""
    seen = ops.window(ops.pad(x, [padding] * axes, [padding] * axes), (3,) * axes)
    return ops.contract(*((seen, y) if first else (y, seen)), spec)


FORMS = [
    ("ncxyij,ocij->noxy", (2, 5, 7, 9), (4, 5, 3, 3), 1),
    ("ncxyij,ocij->noxy", (1, 3, 11, 6), (2, 3, 3, 3), 0),
    ("ncxyij,coij->oyxn", (3, 2, 4, 5), (2, 4, 3, 3), 2),  # the order of axes is free
    ("ngcxyij,goijc->ngoxy", (2, 3, 2, 6, 7), (3, 4, 3, 3, 2), 1),  # groups
    ("ncxyij,cij->ncxy", (2, 3, 8, 8), (3, 3, 3), 1),  # each channel by itself
    ("cxyij,ocij->oxy", (2, 9, 9), (3, 2, 3, 3), 1),
    ("abcdxyij,ocdij->obaxy", (2, 3, 2, 2, 6, 6), (3, 2, 2, 3, 3), 1),  # several letters a role
    ("ncxi,oci->nox", (2, 4, 21), (5, 4, 3), 1),
    ("ncxyij,noxy->ocij", (3, 4, 9, 6), (3, 2, 9, 6), 1),  # gradients in the weights
    ("ncxyij,noxy->jcoi", (2, 2, 8, 11), (2, 5, 6, 9), 0),
    ("ngcxyij,ngoxy->goijc", (2, 3, 2, 6, 7), (2, 3, 4, 6, 7), 1),
    ("ncxi,nox->oci", (2, 3, 17), (2, 4, 19), 2),
]


@pytest.mark.parametrize("outputs", [2, 3, 4])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("spec", "x", "y", "padding"), FORMS)
def test_every_form(spec, x, y, padding, first, outputs) -> None:  # type: ignore[no-untyped-def]
    axes = 1 + ("y" in spec)
    if not first:
        left, rest = spec.split(",")
        right, out = rest.split("->")
        spec = f"{right},{left}->{out}"
    f = lambda a, b: contraction(spec, a, b, axes, padding, first)
    graph = trace(f, TensorType(float64, x), TensorType(float64, y))
    after = winograd.run(graph, check=True, outputs=outputs, **FREE)
    assert products(after) >= (outputs + 2) ** axes
    close(graph, after, 1e-10)


@pytest.mark.parametrize("size", range(1, 10))
def test_every_size_of_an_image(size: int) -> None:
    f = lambda a, b: contraction("ncxyij,ocij->noxy", a, b, 2, 1)
    types = TensorType(float64, (2, 3, size, 10 - size)), TensorType(float64, (4, 3, 3, 3))
    graph = trace(f, *types)
    close(graph, winograd.run(graph, check=True, **FREE), 1e-12)


def convolution(
    x: Any, w: Any, sizes=(3, 3), steps=(1, 1), dilations=(1, 1), between=(0, 0)
) -> Any:  # type: ignore[no-untyped-def]
    seen = ops.window(ops.pad(x, (1, 1), (1, 1), between), sizes, steps, dilations)
    return ops.contract(seen, w, "ncxyij,ocij->noxy")


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((5, 5), {"sizes": (5, 5)}),
        ((1, 1), {"sizes": (1, 1)}),
        ((3, 1), {"sizes": (3, 1)}),
        ((3, 3), {"steps": (2, 2)}),
        ((3, 3), {"steps": (1, 2)}),
        ((3, 3), {"dilations": (2, 2)}),
        ((3, 3), {"between": (1, 1)}),
    ],
)
def test_other_convolutions_stay(kernel, options) -> None:  # type: ignore[no-untyped-def]
    types = (
        TensorType(dtype("float32"), (8, 64, 28, 28)),
        TensorType(dtype("float32"), (64, 64, *kernel)),
    )
    graph = trace(lambda x, w: convolution(x, w, **options), *types)
    assert winograd(graph, **FREE) == graph


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "int32"])
def test_other_numbers_stay(kind: str) -> None:
    types = TensorType(dtype(kind), (8, 64, 28, 28)), TensorType(dtype(kind), (64, 64, 3, 3))
    graph = trace(convolution, *types)
    assert winograd(graph, **FREE) == graph


@pytest.mark.parametrize(
    ("images", "channels", "filters", "size", "units", "taken"),
    [
        (8, 64, 64, 56, 1, True),
        (8, 128, 128, 28, 1, True),
        (8, 256, 256, 14, 1, True),
        (8, 512, 512, 7, 1, True),
        (1, 64, 64, 56, 1, True),
        (8, 3, 64, 56, 1, False),  # few channels: tiles are moved for nothing
        (8, 64, 3, 56, 1, False),
        (8, 16, 16, 56, 1, False),
        (1, 512, 512, 7, 1, False),  # few tiles: weights are transformed for nothing
        (4, 128, 64, 5, 1, False),
        (8, 64, 64, 1, 1, False),
        (0, 64, 64, 56, 1, False),
        (8, 64, 64, 56, 2, False),  # twice as many products in the time that tiles take to move
        (8, 128, 128, 28, 2, True),
    ],
)
def test_chosen_where_it_pays(images, channels, filters, size, units, taken) -> None:  # type: ignore[no-untyped-def]
    types = (
        TensorType(dtype("float32"), (images, channels, size, size)),
        TensorType(dtype("float32"), (filters, channels, 3, 3)),
    )
    graph = trace(convolution, *types)
    assert (products(winograd(graph, units=units)) > 1) == taken


def test_constant_weights_are_transformed_by_the_compiler() -> None:
    x = placeholder(TensorType(float64, (1, 4, 6, 6)))
    w = np.random.default_rng(0).standard_normal((3, 4, 3, 3))
    graph = Graph((x,), (convolution(x, ops.constant(w, float64)),))
    after = winograd.run(graph, check=True, **FREE)
    assert products(after) == 16
    close(graph, after, 1e-12)


# ---------------------------------------------------------------------- precision


@functools.cache
def errors(outputs: int, scale: str) -> tuple[float, float]:
    """Root mean squares of the errors in f32, directly and by tiles, over that of the result."""
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 64, 14, 14)), rng.standard_normal((16, 64, 3, 3))
    if scale == "channels":  # each of another magnitude, from 1e-6 to 1e6
        x *= 10.0 ** rng.uniform(-6, 6, (1, 64, 1, 1))
    elif scale == "places":
        x *= 10.0 ** rng.uniform(-3, 3, x.shape)
    elif (
        scale == "cancelling"
    ):  # the second half of the channels takes the first away, but a little
        x[:, 32:], w[:, 32:] = (
            x[:, :32] * (1 + 1e-3 * rng.standard_normal((2, 32, 14, 14))),
            -w[:, :32],
        )
    elif scale == "taps":
        w *= 10.0 ** rng.uniform(-4, 4, w.shape)
    x, w = x.astype(np.float32), w.astype(np.float32)
    exact = run(x.astype(float), w.astype(float), None)
    direct, tiles = run(x, w, None), run(x, w, outputs)
    size = np.sqrt(np.mean(exact**2))
    rms = lambda found: float(np.sqrt(np.mean((found - exact) ** 2)) / size)
    return rms(direct), rms(tiles)


def run(x: np.ndarray, w: np.ndarray, outputs: int | None) -> np.ndarray:
    from lamina.backend.compile import compile_graph
    from lamina.runtime import Buffer

    graph = trace(convolution, *(TensorType(dtype(a.dtype.name), a.shape) for a in (x, w)))
    if outputs is not None:
        graph = winograd(graph, outputs=outputs, **FREE)
        assert products(graph) > 1
    (out,) = compile_graph(graph).run([Buffer.wrap(x), Buffer.wrap(w)])
    return np.frombuffer(out, x.dtype).reshape(graph.outputs[0].shape).astype(float)


SCALES = ["one", "channels", "places", "cancelling", "taps"]


@pytest.mark.parametrize("scale", SCALES)
def test_errors_are_near_those_of_the_direct_form(scale: str) -> None:
    direct, tiles = errors(2, scale)
    assert tiles <= 1.5 * direct  # less, where it sums 64 terms in place of 576


@pytest.mark.parametrize("scale", SCALES)
def test_larger_tiles_round_more(scale: str) -> None:
    direct, tiles = errors(4, scale)
    assert errors(2, scale)[1] < tiles <= 10 * direct


@pytest.mark.parametrize(("outputs", "rows"), [(2, (3, 6)), (4, (0, 8))])
def test_how_far_an_infinity_reaches(outputs: int, rows: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((1, 4, 12, 12)).astype(np.float32)
    w = np.random.default_rng(1).standard_normal((3, 4, 3, 3)).astype(np.float32)
    calm = run(x, w, outputs)
    x[0, 2, 4, 4] = np.inf
    found, direct = run(x, w, outputs), run(x, w, None)
    reached = np.zeros((12, 12), bool)
    reached[slice(*rows), slice(*rows)] = True
    assert np.isinf(direct[..., 3:6, 3:6]).all()
    assert np.isnan(found[..., 3:6, 3:6]).any()
    assert np.isnan(found[..., reached]).sum() > (0 if outputs == 2 else 27)
    np.testing.assert_array_equal(found[..., ~reached], calm[..., ~reached])


def test_volumes_stay() -> None:
    types = TensorType(float64, (2, 64, 9, 9, 9)), TensorType(float64, (64, 64, 3, 3, 3))
    graph = trace(lambda x, w: contraction("ncxyzijk,ocijk->noxyz", x, w, 3), *types)
    assert winograd(graph, **FREE) == graph
