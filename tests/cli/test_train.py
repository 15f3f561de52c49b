"""`lamina train` and `lamina eval`: a run from a file, resumed, checked; mistakes in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import saving
from lamina.cli import main
from lamina.cli.recipe import files

Printed = pytest.CaptureFixture[str]

FILE = """\
[run]
folder = "run"
seed = 1

[data]
name = "digits"

[model]
name = "MLP"
hidden = [32]

[optimizer]
name = "AdamW"
lr = 0.01

[schedule]
name = "Cosine"
warmup = 10

[train]
epochs = 2
batch = 64
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("net.toml").write_text(FILE)
    return "net.toml"


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.split("\n  at test_train.py")[0].rstrip()


def said_of(file: str, old: str, new: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `train --check` says of the file with one thing changed."""
    assert old in FILE
    Path(file).write_text(FILE.replace(old, new))
    assert main(["train", file, "--check"]) == 1
    return capsys.readouterr().err.rstrip().removeprefix("UsageError: ")


def test_a_run_is_trained_gone_on_with_and_evaluated(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", file]) == 0
    said = capsys.readouterr().out
    assert said.startswith("MLP of 2,410 parameters on digits: 22 steps an epoch, 2 epochs\n")
    assert "train: 44 steps" in said and Path("run/log.csv").is_file()
    assert main(["train", file, "--set", "train.epochs=3"]) == 0
    said = capsys.readouterr().out
    assert "going on from step 44 in run" in said and "train: 66 steps" in said
    assert main(["eval", file]) == 0
    numbers = dict(line.split() for line in capsys.readouterr().out.splitlines())
    best = saving.Checkpoints("run/checkpoints", best="val_loss").best_step()
    assert numbers["step"] == str(best) and float(numbers["accuracy"]) > 0.85
    assert main(["eval", file, "--checkpoint", "22"]) == 0
    first = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(first["loss"]) > float(numbers["loss"])
    assert main(["eval", file, "--checkpoint", "23"]) == 1
    assert "asked for: 23" in error_of(capsys)
    assert main(["train", file, "--fresh", "--set", "train.epochs=1"]) == 0
    assert "train: 22 steps" in capsys.readouterr().out
    assert saving.Checkpoints("run/checkpoints").steps() == [22]


def test_the_example_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--example"]) == 0
    file = tmp_path / "example.toml"
    file.write_text(capsys.readouterr().out)
    assert main(["train", str(file), "--check"]) == 0
    assert "MLP of 17,226 parameters on digits" in capsys.readouterr().out


def test_a_model_and_data_of_ones_own(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(
        "import numpy as np\n"
        "from lamina import nn\n"
        "def line(count):\n"
        "    x = np.linspace(-1, 1, count, dtype=np.float32)[:, None]\n"
        "    return x, 3 * x, x, 3 * x\n"
        "class Line(nn.Module):\n"
        "    def __init__(self, features, bias=True):\n"
        "        super().__init__()\n"
        "        self.map = nn.Linear(features, 1, bias=bias)\n"
        "    def forward(self, x):\n"
        "        return self.map(x)\n"
    )
    Path(file).write_text(
        '[data]\nname = "mine.py:line"\ncount = 64\n[model]\nname = "mine.py:Line"\nbias = false\n'
        '[optimizer]\nname = "SGD"\nlr = 0.5\n[train]\nepochs = 40\nbatch = 32\n'
    )
    assert main(["train", file]) == 0
    capsys.readouterr()
    assert main(["eval", file]) == 0
    loss = dict(line.split() for line in capsys.readouterr().out.splitlines())["loss"]
    assert float(loss) < 1e-3


def test_arrays_of_a_file(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = np.eye(8, dtype=np.float32), np.arange(8) % 3
    np.savez("arrays.npz", train_x=x, train_y=y, test_x=x, test_y=y)
    changes = [
        "data.name=arrays",
        "data.file=arrays.npz",
        "schedule.warmup=1",
        "train.batch=4",
        "model.hidden=[5]",
    ]
    words = [word for change in changes for word in ("--set", change)]
    assert main(["train", file, "--check", *words]) == 0
    assert "MLP of 63 parameters on arrays: 2 steps an epoch" in capsys.readouterr().out


@pytest.mark.parametrize(
    "old, new, said",
    [
        (
            "lr = 0.01",
            "lr = 0.01\nwieght_decay = 0.1",
            "optimizer.wieght_decay: there is no such key\n"
            "  at: net.toml:15\n  help: did you mean weight_decay?",
        ),
        (
            '"AdamW"',
            '"AdamWW"',
            "optimizer.name: there is no 'AdamWW'\n  at: net.toml:13\n  help: did you mean AdamW?",
        ),
        ("[schedule]", "[shedule]", "shedule: there is no such section\n  at: net.toml:16"),
        ("epochs = 2", 'epochs = "two"', "train.epochs: 'two' is no int\n  at: net.toml:21"),
        ("epochs = 2", "epoch = 2", "train.epoch: there is no such key\n  at: net.toml:21"),
        ("hidden = [32]", "hiden = [32]", "model.hiden: there is no such key\n  at: net.toml:10"),
        ("seed = 1", "seed = true", "run.seed: True is no int\n  at: net.toml:3"),
        ('name = "digits"', "", "data: the key name is missing\n  at: net.toml:5"),
        ("lr = 0.01", "", "schedule: a schedule needs optimizer.lr"),
        ("warmup = 10", "warmup = 100", "schedule: "),
        ('"MLP"', '"mine.py:Net"', "model.name: there is no file mine.py\n  at: net.toml:9"),
        ("seed = 1", "seed = ", "the configuration is not TOML"),
    ],
)
def test_mistakes_have_a_line_and_a_way_out(
    file: str, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_of(file, old, new, capsys).startswith(said)


def test_mistakes_of_the_command_line(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", file, "--check", "--set", "train.epocs=3"]) == 1
    assert error_of(capsys) == (
        "UsageError: train.epocs: there is no such key\n  at: --set\n  help: did you mean epochs?"
    )
    assert main(["train", file, "--check", "--set", "epochs"]) == 1
    assert "--set takes section.key=value" in error_of(capsys)
    assert main(["train"]) == 1
    assert "train: which file?" in error_of(capsys)
    assert main(["eval", file]) == 1
    assert "help: lamina train makes them" in error_of(capsys)


def test_lbfgs_searches(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = FILE.replace('"AdamW"\nlr = 0.01', '"LBFGS"\nmax_iter = 3')
    Path(file).write_text(said[: said.index("[schedule]")] + "[train]\nepochs = 2\nbatch = 1400\n")
    assert main(["train", file]) == 0
    assert "train: 2 steps" in capsys.readouterr().out


def test_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    rows = ["height; colour;width;kind"]
    for _ in range(300):
        height, width = draw.normal(50.0, 10.0, 2)
        colour = draw.choice(["red", "green", "blue"])
        kind = "large" if height + width + 20.0 * (colour == "red") > 105.0 else "small"
        rows.append(
            f"{height:.2f};{colour};{'' if draw.random() < 0.02 else f'{width:.2f}'};{kind}"
        )
    Path("rows.csv").write_text("\n".join(rows) + "\n")
    data = '[data]\nname = "table"\nfile = "rows.csv"\ndelimiter = ";"\n'
    Path("run.toml").write_text(data + "[optimizer]\nlr = 0.01\n[train]\nepochs = 30\nbatch = 32\n")
    assert main(["train", "run.toml"]) == 0
    capsys.readouterr()
    assert main(["eval", "run.toml"]) == 0
    numbers = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(numbers["accuracy"]) > 0.9
    of_height = ["--set", "data.target=height", "--set", "run.folder=other"]
    assert main(["train", "run.toml", "--set", "train.epochs=2", *of_height]) == 0
    assert "val_accuracy" not in capsys.readouterr().out


def test_columns_of_a_table(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,b,c\n1,x,0.5\n3,y,1.5\n,x,2.5\n5,z,3.5\n")
    found = files.table(str(file), test=0.25, seed=3)
    order = np.random.default_rng(3).permutation(4)
    rows = np.concatenate([found.train_images, found.test_images])
    wanted = np.array([0.5, 1.5, 2.5, 3.5], np.float32)[order, None]
    np.testing.assert_array_equal(np.concatenate([found.train_labels, found.test_labels]), wanted)
    a = np.array([1.0, 3.0, np.nan, 5.0])[order]
    scaled = (a - np.nanmean(a[:3])) / np.nanstd(a[:3])
    np.testing.assert_allclose(rows[:, 0], np.nan_to_num(scaled), rtol=1e-6)
    words = np.array(["x", "y", "x", "z"])[order]
    hot = words[:, None] == np.unique(words[:3])
    np.testing.assert_array_equal(rows[:, 1:], hot)
    classes = files.table(str(file), target="b", test=0.25)
    assert classes.train_labels.dtype == np.int64
    wrong: list[dict[str, Any]] = [{"target": "d"}, {"test": 0.0}, {"target": "a"}]
    for options in [*wrong, {"task": "classes"}]:
        with pytest.raises(lm.UsageError):
            files.table(str(file), **options)


@pytest.mark.parametrize(
    "model",
    [
        'name = "LSTMLanguageModel"\nwidth = 32\nnum_layers = 1',
        'name = "GPT2"\nn_embd = 32\nn_layer = 1\nn_head = 2',
    ],
)
def test_a_text(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rhyme.txt").write_text("one two three four five, once I caught a fish alive.\n" * 60)
    said = f'[data]\nname = "text"\nfile = "rhyme.txt"\nlength = 32\n[model]\n{model}\n'
    Path("run.toml").write_text(said + "[optimizer]\nlr = 0.01\n[train]\nepochs = 25\nbatch = 16\n")
    assert main(["train", "run.toml"]) == 0
    capsys.readouterr()
    assert main(["eval", "run.toml"]) == 0
    numbers = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(numbers["accuracy"]) > 0.8


def test_windows_of_a_text(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("abcdefghij")
    found = files.text(str(file), length=2, test=0.25)
    np.testing.assert_array_equal(found.train_images, [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(found.train_labels, [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(found.test_images, [[6, 7]])
    assert files.is_text(found)
    with pytest.raises(lm.UsageError, match="others to test"):
        files.text(str(file), length=9)
