"""Every code block of the guide, the README and the page for contributors runs and says what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

import lamina as lm
from lamina.graph.ir import op
from tests.docs import pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("guide/*.md"))]


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
