"""The table of products: every form and library, right, with the one that is taken marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamina.backend.compile import choices, compile_graph
from lamina.backend.targets import select
from lamina.backend.tuning.kernels import kernels_of
from lamina.backend.tuning.table import LAYOUTS, measured, product_of, products


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(choices, "_known", {})


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sizes", [(33, 20, 65), (1, 130, 70), (40, 7, 5)])
def test_every_variant_is_right(sizes: tuple[int, int, int], layout: str) -> None:
    """AC-9: forms of the compiler, both roles of the operands, and NumPy, against float64."""
    rows = measured(sizes, layout, select(), 0.01)
    assert {"NumPy"} < {row.variant for row in rows}
    assert sum(row.taken for row in rows) == 1
    for row in rows:
        assert row.error < 1e-4, row.variant
        assert row.seconds > 0


def test_a_program_takes_what_a_search_found() -> None:
    """AC-9: the candidate that is kept for a shape is the one that is marked."""
    graph, _, _ = product_of((64, 64, 64), "nn")
    (kernel,) = kernels_of(compile_graph(graph))
    name = "tiled tasks=1"
    choices.keep(select(), {choices.key_of(kernel.body): choices.Choice(name, "k", 1.0, 0.5)})
    (taken,) = (row for row in measured((64, 64, 64), "nn", select(), 0.01) if row.taken)
    assert taken.variant == name


def test_the_table_has_rates_and_shares() -> None:
    text = products([(40, 40, 40), (8, 64, 24)], "nt", select(), 0.01)
    head, *rows = text.splitlines()[2:-2]
    assert head.split() == [
        "product",
        "variant",
        "time",
        "GFLOP/s",
        "of",
        "roofline",
        "max",
        "error",
    ]
    assert sum(row.startswith("40x40x40 nt") for row in rows) >= 3
    assert all("%" in row for row in rows[1:])


def test_products_are_those_of_numpy() -> None:
    for layout in LAYOUTS:
        graph, (x, y), exact = product_of((3, 4, 5), layout)
        assert graph.outputs[0].shape == exact.shape == (3, 5)
        left = x.T if layout[0] == "t" else x
        right = y.T if layout[1] == "t" else y
        np.testing.assert_allclose(left @ right, exact, rtol=1e-5, atol=1e-5)
