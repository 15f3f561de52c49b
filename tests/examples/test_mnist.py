"""`examples/mnist.py` on a small set in MNIST's format, made of the embedded digits."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lamina import data
from tests.data.test_idx import idx
from tests.examples.loading import load


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return load("mnist")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each pixel of the digits three times as large, with a frame: 28 x 28."""
    made = tmp_path_factory.mktemp("mnist")
    digits = data.digits()
    for part, images, labels in (
        ("train", digits.train_images, digits.train_labels),
        ("t10k", digits.test_images, digits.test_labels),
    ):
        large = np.kron(images[:, 0], np.ones((3, 3)))
        framed = np.pad(np.round(255 * large), ((0, 0), (2, 2), (2, 2)))
        (made / f"{part}-images-idx3-ubyte").write_bytes(idx("uint8", framed))
        (made / f"{part}-labels-idx1-ubyte").write_bytes(idx("uint8", labels))
    return made


def test_a_short_run(example: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert example.main(["--data", str(folder), "--epochs", "2", "--batch", "32"]) == 0
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert len([line for line in lines if re.match(r"epoch \d: test accuracy ", line)]) == 2
    form = r"mnist: test accuracy (\d+\.\d\d) %, \d+\.\d s, \d+ steps/s"
    found = re.fullmatch(form, lines[-1])
    assert found is not None
    assert float(found[1]) > 85.0


def test_images_move_whole(example: ModuleType) -> None:
    images = np.zeros((200, 1, 28, 28), np.float32)
    images[:, 0, 10:13, 20:24] = np.arange(1, 13).reshape(3, 4)
    moved = example.shifted(images, np.random.default_rng(0))
    assert moved.shape == images.shape
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved.sum(axis=(1, 2, 3)), images.sum(axis=(1, 2, 3)))
    tops = {int(image[0].any(axis=1).argmax()) for image in moved}
    assert tops == set(range(10 - example.SHIFT, 11 + example.SHIFT))


def test_the_rate_rises_and_falls(example: ModuleType) -> None:
    rates = [example.learning_rate(1.0, i / 100) for i in range(101)]
    assert rates[0] == 0.0
    assert max(rates) == rates[20] == 1.0
    assert rates[-1] == pytest.approx(0.0)
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_missing_data(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example.main(["--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.split("\n  at ")[0] == (
        "UsageError: mnist: no train-images-idx3-ubyte\n"
        f"  looked in: {tmp_path}\n"
        "  for:       train-images-idx3-ubyte.gz or train-images-idx3-ubyte\n"
        "  help: name the folder with --data or in LAMINA_DATA"
    )


def test_the_folder_in_the_environment(
    example: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAMINA_DATA", str(tmp_path))
    assert example.main([]) == 1
    assert f"looked in: {tmp_path / 'mnist'}" in capsys.readouterr().err
    monkeypatch.delenv("LAMINA_DATA")
    with pytest.raises(SystemExit):
        example.main([])
    assert "the following arguments are required: --data" in capsys.readouterr().err
