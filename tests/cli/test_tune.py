"""`lamina tune` on programs, functions and products."""

from __future__ import annotations

from pathlib import Path

import pytest

import lamina as lm
from lamina.backend.compile import choices, compile_graph
from lamina.backend.targets import select
from lamina.backend.tuning.kernels import kernels_of
from lamina.cli import main


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("LAMINA_TUNED", raising=False)
    monkeypatch.setattr(choices, "_known", {})


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["tune", *words]) == 0
    return capsys.readouterr().out


def test_a_program_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.lamina"
    lm.export(lm.jit(lambda x: lm.tanh(x @ x)), lm.ones((30, 30))).save(path)
    assert "contract" in shown(capsys, str(path), "--seconds", "0.1")
    assert "known" in shown(capsys, str(path))
    assert "contract" in shown(capsys, "--list")
    assert "forgot what was found for 1 kernels" in shown(capsys, "--forget")
    assert "nothing was found" in shown(capsys, "--list")


def test_a_program_is_tuned_as_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights are its own: what a call computes with them is the model's, the rest is tuned."""
    path, layer = tmp_path / "net.lamina", lm.nn.Linear(64, 96)
    step = lm.jit(lambda layer, x: lm.sum(layer(x), axis=0), relaxed="algebra")
    lm.export(step, layer, lm.ones((40, 64))).save(path)
    text = shown(capsys, str(path), "--seconds", "0.1")
    assert "contract" not in text
    assert "reduce" in text
    loaded = lm.load_program(path)
    taken = compile_graph(loaded.graph, relaxed=("algebra",), frozen=loaded.frozen)
    body = next(k.body for k in kernels_of(taken) if not k.still)
    assert choices.key_of(body) in choices.known(select()).found


def test_a_function_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert "contract" in shown(capsys, "--op", "matmul", "20x30", "30x9", "--seconds", "0.1")
    text = shown(capsys, "--op", "functional.softmax", "20x30", "--seconds", "0.1")
    assert "rows" in text


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--table", "mm", "--sizes", "20", "5x9x17", "--layout", "tt", "--seconds", "0.02")
    text = shown(capsys, *words)
    assert "20x20x20 tt" in text
    assert "5x9x17 tt" in text
    assert "NumPy" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "takes one of"),
        (("--list", "--forget"), "given: list, forget"),
        (("--op", "no_such", "3x3"), "no function 'no_such'"),
        (("--op", "matmul", "3y3", "3x3"), "'3y3' is not a shape"),
        (("--table", "mm", "--sizes", "3x4"), "'3x4' is no product"),
        (("--table", "mm", "--sizes", "0"), "'0' is no product"),
    ],
)
def test_mistakes_have_a_message(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", *words]) == 1
    assert said in capsys.readouterr().err
