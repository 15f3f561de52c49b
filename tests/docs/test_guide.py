"""Every code block of the guide and the README runs, and prints what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lamina as lm
from lamina.base import config, errors
from lamina.graph.ir import op
from tests.docs import pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "docs" / "index.md",
    *sorted((ROOT / "docs").glob("guide/*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(op, "REGISTRY", dict(op.REGISTRY))  # a page may define an op
    lm.random.seed(0)
    pages.run(page, {"__name__": "example"})


def test_every_page_has_code_that_runs() -> None:
    for page in PAGES:
        if page.parent.name == "guide":
            assert any(pages.blocks(page)), f"{page.name} has no Python block"


def test_every_class_of_errors_has_a_section() -> None:
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs/guide/errors.md").read_text(), re.M)
    classes = [k for k in vars(errors).values() if isinstance(k, type)]
    classes = [k for k in classes if issubclass(k, lm.LaminaError | Warning)]
    assert {k.__name__ for k in classes} - {"LaminaError"} == set(sections)


def test_every_setting_is_listed() -> None:
    settings = re.findall(r"LAMINA_[A-Z_]+", Path(config.__file__).read_text())
    listed = (ROOT / "docs/guide/performance.md").read_text()
    assert settings and all(f"`{name}`" in listed for name in settings)
