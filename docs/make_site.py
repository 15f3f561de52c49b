"""Builds the documentation as a web site: `make docs`, or

python -m docs.make_site                 into build/docs/html
python -m docs.make_site --out FOLDER
python -m docs.make_site --old-pictures  do not draw the pictures again

The pages are those of this folder, with the contributing guide, the changelog and a reference made
from docstrings. Every warning of Sphinx, such as a link that leads nowhere, ends the build with an
error. It needs the extra `docs`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OF_THE_REPOSITORY = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}

_CODE_OR_LINK = re.compile(r"^```.*?^```$|`[^`\n]*`|\]\((?P<target>[^)\s]+)\)", re.M | re.S)


def stage(folder: Path) -> None:
    """Everything that Sphinx reads, in a fresh folder: this one, as it is, and pages beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DOCS, folder, ignore=shutil.ignore_patterns("__pycache__", "site", "*.json"))
    for name, page in OF_THE_REPOSITORY.items():
        shutil.copy(ROOT / name, folder / page)
    for page in folder.rglob("*.md"):
        name = page.relative_to(folder).as_posix()
        source = {page: ROOT / name for name, page in OF_THE_REPOSITORY.items()}
        page.write_text(relinked(page.read_text(), source.get(name, DOCS / name), name, folder))
    front = folder / "index.md"
    front.write_text(expanded(front.read_text(), folder))
    for readme in folder.glob("*/README.md"):
        with readme.open("a") as page:  # the pages beside it hang below it in the navigation
            page.write("\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n")


def expanded(front: str, folder: Path) -> str:
    """The front page with patterns of its navigation replaced by the pages it does not name.

    So a new chapter is in the navigation without a change here, and stays last until it is named.
    """
    trees = re.findall(r"^```\{toctree\}\n.*?^```$", front, re.M | re.S)
    named = {line for tree in trees for line in tree.splitlines()} | {"README", "index"}

    def others(pattern: re.Match[str]) -> str:
        pages = sorted(
            p.relative_to(folder).with_suffix("") for p in folder.glob(pattern[0] + ".md")
        )
        return "\n".join(str(page) for page in pages if str(page) not in named)

    return re.sub(r"^[\w/]*\*$", others, front, flags=re.M)


def relinked(text: str, source: Path, page: str, folder: Path) -> str:
    """The text of a page with its links as they must be in the site.

    Args:
        source: the file that the text comes from.
        page: its place in the site.
        folder: where files go that are linked and are no pages.
    """

    def link(found: re.Match[str]) -> str:
        name, mark, anchor = (found["target"] or "").partition("#")
        if not name or "://" in name:
            return found[0]
        target = place((source.parent / name).resolve(), folder)
        return f"]({os.path.relpath(target, (folder / page).parent)}{mark}{anchor})"

    return _CODE_OR_LINK.sub(link, text)


def place(file: Path, folder: Path) -> Path:
    """Where a file of the repository is in the site; one that is no page is copied there."""
    name = file.relative_to(ROOT).as_posix()
    pages = {**OF_THE_REPOSITORY, "README.md": "index.md", "docs/README.md": "index.md"}
    if name in pages:
        return folder / pages[name]
    if file.is_relative_to(DOCS):
        return folder / file.relative_to(DOCS)
    copied = folder / "files" / name
    copied.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, copied)
    return copied


def main(arguments: Sequence[str] | None = None) -> int:
    """Stage, draw, describe, build; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs" / "html")
    parser.add_argument("--old-pictures", action="store_true", help="do not draw them again")
    options = parser.parse_args(arguments)
    try:
        from sphinx.cmd.build import main as sphinx
    except ImportError:
        print('the site needs Sphinx: pip install "lamina[docs]"', file=sys.stderr)
        return 1
    from docs import make_pictures
    from docs.site import reference

    source = ROOT / "build" / "docs" / "source"
    stage(source)
    reference.write(source / "api")
    if not options.old_pictures:
        make_pictures.main(["--out", str(source / "pictures")])
    settings = ["-c", str(DOCS / "site"), "-d", str(ROOT / "build" / "docs" / "doctrees")]
    status = sphinx(
        ["-b", "html", "-q", "-W", "--keep-going", *settings, str(source), str(options.out)]
    )
    if status == 0:
        print(f"the site: {os.path.relpath(options.out / 'index.html')}")
    return status


if __name__ == "__main__":
    sys.exit(main())
