"""`lamina demo`: its last line, its result, and options that make no sense."""

from __future__ import annotations

import re

import pytest

from lamina.cli import main

LAST_LINE = re.compile(r"demo: test accuracy (\d+\.\d) %, \d+\.\d s, \d+ steps/s")


def last_line(output: str) -> str:
    return output.rstrip("\n").split("\n")[-1]


def test_a_short_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--epochs", "5", "--batch", "100", "--seed", "3"]) == 0
    shown = capsys.readouterr()
    found = LAST_LINE.fullmatch(last_line(shown.out))
    assert found is not None
    assert float(found[1]) > 80.0
    assert "It is a 6; the network says" in shown.out
    assert "one native call" in shown.out
    assert shown.err == ""


def test_the_whole_run_reaches_98_percent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    found = LAST_LINE.fullmatch(last_line(capsys.readouterr().out))
    assert found is not None
    assert float(found[1]) >= 98.0


def test_a_batch_larger_than_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--batch", "5000"]) == 1
    assert capsys.readouterr().err.split("\n  at ")[0].rstrip() == (
        "UsageError: batches: there is no full batch\n"
        "  size:   5000\n"
        "  images: 1437\n"
        "  help: take a batch size between 1 and the number of images"
    )


@pytest.mark.parametrize(
    "options, said",
    [
        (["--epochs", "0"], "argument --epochs: 0 is less than 1"),
        (["--batch", "-4"], "argument --batch: -4 is less than 1"),
        (["--epochs", "many"], "argument --epochs: invalid positive value: 'many'"),
    ],
)
def test_options(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["demo", *options])
    assert left.value.code == 2
    assert last_line(capsys.readouterr().err) == f"lamina demo: error: {said}"
