"""Settings from the environment, and the layout of tables and quantities."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.base import config
from lamina.base.text import quantity, table


@pytest.mark.parametrize(
    ("text", "wanted"), [("", None), ("4", 4), ("0", None), ("-1", None), ("many", None)]
)
def test_threads(monkeypatch, text, wanted):
    monkeypatch.setenv("LAMINA_THREADS", text)
    assert config.threads() == wanted


def test_target(monkeypatch):
    monkeypatch.delenv("LAMINA_TARGET", raising=False)
    assert config.target() == "native"
    monkeypatch.setenv("LAMINA_TARGET", "AVX2")
    assert config.target() == "avx2"


def test_cache_dir(monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_DIR", "Off")
    assert config.cache_dir() is None
    monkeypatch.setenv("LAMINA_CACHE_DIR", "/somewhere")
    assert config.cache_dir() == Path("/somewhere")
    monkeypatch.delenv("LAMINA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert config.cache_dir() == Path("/caches/lamina")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert config.cache_dir() == Path.home() / ".cache" / "lamina"


@pytest.mark.parametrize(("text", "wanted"), [("0", 0), ("2", 2), ("9", 3), ("", 3), ("x", 3)])
def test_optimisation_level(monkeypatch, text, wanted):
    monkeypatch.setenv("LAMINA_OPT", text)
    assert config.optimisation_level() == wanted


def test_a_table_is_aligned_with_numbers_to_the_right():
    assert table(["name", "count"], [["exp", 3], ["multiply", 12]]) == (
        "name      count\n--------  -----\nexp           3\nmultiply     12"
    )
    assert table(["a"], []) == "a\n-"


@pytest.mark.parametrize(
    ("value", "unit", "wanted"),
    [
        (0, "B", "0 B"),
        (1023, "B", "1023 B"),
        (1536, "B", "1.5 KiB"),
        (3 << 30, "B", "3.0 GiB"),
        (1.5e-5, "s", "15 us"),
        (0.25, "s", "250 ms"),
        (2.0, "s", "2 s"),
        (3e-9, "s", "3 ns"),
        (4.2e9, "flop", "4.2 Gflop"),
    ],
)
def test_quantities_have_units(value, unit, wanted):
    assert quantity(value, unit) == wanted
