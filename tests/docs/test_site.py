"""The site without building it: every page is in the navigation, every link and anchor resolves,
every picture is drawn by a script, and every name in code style exists."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest

import lamina as lm
from docs import make_pictures, make_site
from docs.site import docstrings, reference

ROOT = make_site.ROOT
DOCS = make_site.DOCS
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
_FENCE = re.compile(r"^(```+|~~~+).*?^\1 *$", re.M | re.S)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return _FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What its headings are called in links, as GitHub and MyST name them."""
    found = set()
    for title in re.findall(r"^#{1,4} +(.+?) *$", prose(page), re.M):
        letters = re.sub(r"[^\w\- ]", "", title.lower())
        found.add(letters.replace(" ", "-"))
    return found


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links and pictures, but for addresses on the web."""
    without_code = re.sub(r"`[^`\n]*`", "`code`", prose(page))
    for target in _LINK.findall(without_code):
        if "://" not in target:
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_anchors_resolve(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), f"{page.name}: {link} is no file"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link} names no heading"


def test_every_page_is_in_the_navigation_once(tmp_path: Path) -> None:
    make_site.stage(tmp_path / "source")
    front = (tmp_path / "source" / "index.md").read_text()
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", front, re.M | re.S)
    listed = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    pages = [p.relative_to(tmp_path / "source") for p in (tmp_path / "source").rglob("*.md")]
    below = {p for p in pages if p.name != "README.md" and (DOCS / p.parent / "README.md").exists()}
    below = {p for p in below if p.parent != Path(".")}  # those hang below their README
    own = {p.with_suffix("").as_posix() for p in set(pages) - below} - {"README", "index"}
    assert sorted(listed) == sorted(own | {"api/index"})


def test_a_page_that_nobody_placed_comes_last(tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    for name in ("tensors", "a_new_chapter"):
        (tmp_path / "guide" / f"{name}.md").write_text("# T\n")
    front = "```{toctree}\nguide/tensors\n```\n\n```{toctree}\n:glob:\n\nguide/*\n```\n"
    assert make_site.expanded(front, tmp_path) == front.replace("guide/*", "guide/a_new_chapter")


def test_every_picture_is_drawn_and_shown() -> None:
    drawn = {f"{name}.svg" for name in make_pictures.names()}
    there = {path.name for path in make_pictures.FOLDER.iterdir()}
    shown = {Path(link).name for page in PAGES for link in links(page) if "pictures/" in link}
    assert drawn == there, "run python -m docs.make_pictures"
    assert shown == drawn


def test_pictures_are_small_and_hold_no_dates() -> None:
    for path in make_pictures.FOLDER.iterdir():
        text = path.read_text()
        assert text.startswith(("<?xml", "<svg"))
        assert len(text) < 250_000, f"{path.name} is large: rasterise what is points"
        assert "<dc:date>" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_names_of_lamina_exist(page: Path) -> None:
    for name in re.findall(r"`lm\.([A-Za-z_][\w.]*)", prose(page)):
        found = lm
        for part in name.rstrip(".").split("."):
            assert hasattr(found, part), f"{page.name}: there is no lm.{name}"
            found = getattr(found, part)


def test_staged_pages_keep_their_links(tmp_path: Path) -> None:
    make_site.stage(tmp_path / "source")
    for page in (tmp_path / "source").rglob("*.md"):
        for link in links(page):
            name = link.partition("#")[0]
            assert not name or (page.parent / name).exists(), f"{page.name}: {link} leads nowhere"


@pytest.mark.parametrize("name", reference.ROOMS)
def test_every_public_name_is_in_the_reference_with_a_docstring(name: str) -> None:
    room = reference.found(name)
    if room is None:
        pytest.skip(f"there is no {name} yet")
    names = reference.public(room)
    page = reference.page_of(name, reference.ROOMS[name], room)
    assert names
    objects = [attrgetter(each)(room) for each in names]
    for each, one in zip(names, objects, strict=True):
        twice = inspect.isclass(one) and objects.count(one) > 1  # under one of its names
        assert twice or f":: {name}.{each}\n" in page
        assert (attrgetter(each)(room).__doc__ or "").strip(), f"{name}.{each} has no docstring"


def test_every_room_has_a_page() -> None:
    rooms = {f"lamina.{room}" for room in lm._ROOMS} - {"lamina.cli", "lamina.deploy"}
    assert rooms <= set(reference.ROOMS)


def test_the_reference_lists_what_users_import() -> None:
    names = reference.public(lm)
    assert {"Tensor", "grad", "jit", "vmap", "einsum", "ShapeError", "explain"} <= set(names)
    assert "annotations" not in names
    assert "Linear" in reference.public(lm.nn)
    assert "UsageError" not in reference.public(lm.fft)  # imported there, described elsewhere


def test_marks_in_docstrings_are_taken_literally() -> None:
    lines = ["Sum of *args; |x| and x_ of `a * b`.", "", ">>> f(*x)", "2*3", "", "*after*"]
    assert docstrings.escaped(lines) == [
        r"Sum of \*args; \|x\| and x\_ of `a * b`.",
        "",
        ">>> f(*x)",
        "2*3",
        "",
        r"\*after\*",
    ]
