"""`lm.tune`: what it takes, what it says. How it searches: `tests/backend/tuning`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lamina as lm
from lamina import nn
from lamina.backend.compile import choices
from lamina.base.errors import UsageError
from lamina.tune import tune_graph


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("LAMINA_TUNED", raising=False)
    monkeypatch.setattr(choices, "_known", {})


def test_a_table_with_a_line_for_each_kernel() -> None:
    found = lm.tune(lambda x: lm.tanh(x @ x).sum(axis=0), lm.ones((40, 40)), seconds=0.1)
    assert str(found).count("contract") >= 1
    assert str(found).splitlines()[-1].startswith("kernels of a run")
    assert found.best_s <= found.model_s
    assert repr(found).startswith("<Tuning of ")


def test_modules_and_methods_are_tuned() -> None:
    layer = nn.Linear(20, 30)
    assert lm.tune(layer, lm.ones((8, 20)), seconds=0.05).found

    class Doubler:
        @lm.jit
        def double(self, x: Any) -> Any:
            return x + x

    assert lm.tune(Doubler().double, lm.ones(3), seconds=0.05).found


def test_a_bar_is_shown_where_asked_for() -> None:
    assert lm.tune(lambda x: x * 2.0, lm.ones(5000), seconds=0.05, progress=True).found


def test_who_switched_it_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_TUNED", "off")
    with pytest.raises(UsageError, match="would not be used"):
        lm.tune(lambda x: x @ x, lm.ones((5, 5)))


def test_sizes_that_are_symbols_are_refused() -> None:
    doubled = lm.jit(lambda x: x * 2.0, dynamic_shapes={"x": {0: lm.Dim("B")}})
    exported = lm.export(doubled, lm.ones((3, 4)))
    with pytest.raises(UsageError, match="symbols"):
        tune_graph(exported.graph)


def test_products_with_frozen_weights_are_left_out() -> None:
    """Their programs take the model's schedule, so that searching would change nothing."""
    w, x = lm.random.normal((64, 96)).block(), lm.ones((40, 64))
    assert lm.tune(lambda w, x: x @ w, w, x, seconds=0.05).found
    assert not lm.tune(lm.jit(lambda w, x: x @ w, frozen="w"), w, x, seconds=0.05).found
    assert not lm.tune(lambda x: x @ w, x, seconds=0.05).found  # what is captured never changes
