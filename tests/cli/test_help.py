"""Every command says what it is for, and shows examples that its own parser takes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.cli import main
from lamina.cli.main import COMMANDS, parser

ROOT = Path(__file__).resolve().parents[2]


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def examples(text: str) -> list[list[str]]:
    """The words of each example; what follows more than one space is a remark."""
    found = re.findall(r"^ +(?:\w+=\S+ )?lamina (.+)$", text.partition("examples:")[2], re.M)
    return [shlex.split(re.split(r"  +| [<>|] ", line)[0]) for line in found]


def test_all_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys)
    for name in COMMANDS:
        assert re.search(rf"^    {name}\s+\w", text, re.M)
    for words in examples(text):
        if words[0] != "COMMAND":
            parser().parse_args(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_taken(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = examples(help_of(capsys, name))
    assert found
    for words in found:
        assert parser().parse_args(words).command == name


def test_who_reads_may_stop(tmp_path: Path) -> None:
    code = "import sys; from lamina.cli import main; sys.exit(main(['completion', 'bash']))"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    os.close(write)
    assert done.stderr == ""
