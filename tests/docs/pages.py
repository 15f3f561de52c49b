"""Runs the code of a Markdown page: its Python blocks, top to bottom, in one namespace.

A block is shown to the reader as `example.py`. What it prints, and the error that ends it, must be
what a following `text` block says; a block with `>>>` is a doctest. In what is expected `...`
stands for anything, and fractions count to the digits shown, since processors differ in the last
bits. Blocks of other languages are not run.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import linecache
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

NAME = "example.py"
NUMBER = re.compile(r"-?\d+\.\d*(?:e[+-]?\d+)?")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A Python block of a page.

    Attributes:
        line: where its code begins.
        expected: the `text` block that follows directly, if one does.
    """

    line: int
    code: str
    expected: str | None


class Checker(doctest.OutputChecker):
    """Compares fractions to the digits that are shown."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Whether `got` is what is wanted."""
        if super().check_output(want, got, optionflags):
            return True
        wanted, found = NUMBER.findall(want), NUMBER.findall(got)
        if _frame(want) != _frame(got) or len(wanted) != len(found):
            return False
        return all(
            abs(float(x) - float(y)) <= 1.5 * _unit(x) for x, y in zip(wanted, found, strict=True)
        )


def _frame(text: str) -> str:
    """The text without its fractions and without white space."""
    return "".join(NUMBER.sub("#", text).split())


def _unit(number: str) -> float:
    """One in the last digit shown: 0.01 for "3.14"."""
    mantissa, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def blocks(page: Path) -> Iterator[Block]:
    """The Python blocks of a page, in order."""
    text = page.read_text()
    found = list(_BLOCK.finditer(text))
    for block, after in zip_longest(found, found[1:]):
        if block[1] != "python":
            continue
        expected = None
        if after is not None and after[1] == "text":
            between = text[block.end() : after.start()]
            expected = after[2] if not between.strip() else None
        yield Block(text[: block.start(2)].count("\n") + 1, block[2], expected)


def run(page: Path, namespace: dict[str, Any]) -> None:
    """Run every block of a page; AssertionError with its line where one says something else."""
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if ">>> " in block.code:
            _run_session(block, where, namespace)
        else:
            _run_block(block, where, namespace)


def _run_session(block: Block, where: str, namespace: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(block.code, namespace, where, where, block.line)
    test.globs = namespace
    said = io.StringIO()
    runner = doctest.DocTestRunner(Checker(), optionflags=FLAGS)
    failed = runner.run(test, out=said.write, clear_globs=False).failed
    assert not failed, said.getvalue()


def _run_block(block: Block, where: str, namespace: dict[str, Any]) -> None:
    linecache.cache[NAME] = (len(block.code), None, block.code.splitlines(keepends=True), NAME)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(block.code, NAME, "exec"), namespace)
        except Exception as error:
            if block.expected is None:
                raise
            print(f"{type(error).__name__}: {error}")
    if block.expected is not None:
        same = Checker().check_output(block.expected, printed.getvalue(), FLAGS)
        assert same, f"{where}: expected\n{block.expected}\ngot\n{printed.getvalue()}"
