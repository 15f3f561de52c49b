"""Contractions of which a part is read: which are narrowed, and that the numbers are the same."""

from typing import Any

import numpy as np
import pytest

from lamina.base.dtypes import float64
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.passes import narrow_contractions

IMAGES, WEIGHTS = TensorType(float64, (2, 3, 6, 7)), TensorType(float64, (4, 3, 3, 2))


def convolution(x: Any, w: Any, low=(1, 2), high=(2, 0), steps=(1, 1), dilations=(1, 1)) -> Any:
    seen = ops.window(ops.pad(x, low, high), (3, 2), steps, dilations)
    return ops.contract(seen, w, "ncxyij,ocij->noxy")


def narrowed(f: Any) -> tuple[Graph, Graph]:
    """The graph of `f` before and after, which give the same bits."""
    before = trace(f, IMAGES, WEIGHTS)
    after = narrow_contractions.run(before, check=True)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(t.shape) for t in (IMAGES, WEIGHTS)]
    for a, b in zip(evaluate(before, *arrays), evaluate(after, *arrays), strict=True):
        np.testing.assert_allclose(a, b, 1e-13, 1e-13)
    return before, after


@pytest.mark.parametrize(
    ("starts", "stops"), [((1, 2), (6, 8)), ((1, 2), (2, 3)), ((1, 0), (7, 8)), ((0, 1), (7, 8))]
)
@pytest.mark.parametrize("steps", [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("dilations", [(1, 1), (2, 3)])
def test_only_the_places_that_are_read(starts, stops, steps, dilations) -> None:  # type: ignore[no-untyped-def]
    def f(x: Any, w: Any) -> Any:
        y = convolution(x, w, (1, 2), (4, 5), steps, dilations)
        sizes = y.shape[-2:]
        return ops.slice_(y, starts, [min(b, n) for b, n in zip(stops, sizes)])

    before, after = narrowed(f)
    size = lambda g: sum(v.type.size for v in g.nodes if isinstance(v.op, ops.Contract))
    assert size(after) == before.outputs[0].type.size < size(before)


def test_without_padding_the_source_is_cut() -> None:
    def f(x: Any, w: Any) -> Any:
        y = ops.contract(w, ops.window(x, (3, 2)), "ocij,ncxyij->noxy")
        return ops.slice_(y, (1, 2), (3, 5))

    _, after = narrowed(f)
    assert [v.op.name for v in after.nodes] == ["slice", "window", "contract"]


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: (ops.slice_(y := convolution(x, w), (1, 1), (4, 4)), y * 1.0),
        lambda x, w: ops.slice_(convolution(x, w), (0, 1, 0, 0), (2, 3, 7, 8)),
        lambda x, w: ops.slice_(convolution(x, w), (0, 0), (7, 8), (2, 1)),
        lambda x, w: ops.slice_(convolution(x, w), (1, 2), (1, 5)),
        lambda x, w: ops.slice_(convolution(x, w, (9, 2), (2, 0)), (0, 2), (2, 5)),
        lambda x, w: ops.slice_(
            ops.contract(
                ops.window(ops.pad(x, (1, 1), (1, 1), (1, 0)), (3, 2)), w, "ncxyij,ocij->noxy"
            ),
            (1, 1),
            (3, 3),
        ),
    ],
    ids=["another reader", "channels", "steps", "nothing", "only zeros", "zeros between"],
)
def test_others_stay(f) -> None:  # type: ignore[no-untyped-def]
    before, after = narrowed(f)
    assert after == before
