"""`lamina run`: arrays in, arrays out, in a process that never imports the front end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lamina as lm
from lamina.base import safetensors
from lamina.cli import main

ROOT = Path(__file__).resolve().parents[2]
X = np.arange(3, dtype=np.float32)

ALONE = """
import sys
from lamina.cli.main import main
status = main(sys.argv[1:])
assert "lamina.tensor" not in sys.modules and "lamina.nn" not in sys.modules
sys.exit(status)
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    model = lm.nn.Linear(3, 2)
    lm.export(lambda m, x, scale: {"y": m(x) * scale, "s": (x,)}, model, X, X[:1]).save(
        "net.lamina"
    )
    lm.export(lambda x: x + 1, X).save("one.lamina")
    np.save("x.npy", X)
    np.save("scale.npy", X[1:2])
    return tmp_path


def test_a_run_without_the_front_end(files: Path) -> None:
    x, y = str(files / "x.npy"), str(files / "y.npy")
    command = ["run", str(files / "one.lamina"), "--input", x, "--output", y]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *command], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert np.load(files / "y.npy").tolist() == [1.0, 2.0, 3.0]


def test_inputs_by_name_and_results_by_name(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = ["--input", "scale=scale.npy", "--input", "x=x.npy"]
    assert main(["run", "net.lamina", *inputs]) == 0
    assert "s.0: [0. 1. 2.]" in capsys.readouterr().out
    assert main(["run", "net.lamina", *inputs, "--output", "r.safetensors"]) == 0
    found, _ = safetensors.load("r.safetensors")
    assert sorted(found) == ["s.0", "y"] and found["y"].shape == (2,)
    assert main(["run", "net.lamina", *inputs, "--output", "r.npy"]) == 1
    assert "a .npy file holds one array" in capsys.readouterr().err


def test_state_is_saved_to_go_on(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Sum(lm.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.total = lm.zeros(3)

        def forward(self, x: lm.Tensor) -> lm.Tensor:
            self.total = self.total + x
            return self.total * 1.0

    lm.export(Sum(), X).save("sum.lamina")
    for _ in range(2):
        more = ["--input", "x.npy", "--save-state", "sum.lamina"]
        assert main(["run", "sum.lamina", *more]) == 0
    assert capsys.readouterr().out == "[0. 1. 2.]\n[0. 2. 4.]\n"


def test_files_that_are_not_there_or_something_else(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "nowhere.lamina"]) == 1
    assert "nowhere.lamina" in capsys.readouterr().err
    assert main(["run", "one.lamina", "--input", "one.lamina"]) == 1
    assert "run: no array can be read" in capsys.readouterr().err
