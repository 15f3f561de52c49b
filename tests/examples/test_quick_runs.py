"""Each example with `--quick`, on its real data: it learns, and says so in its last line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina import functional, nn
from tests.examples.loading import folder, load, numbers

Printed = pytest.CaptureFixture[str]


def test_stories(capsys: Printed) -> None:
    data = folder("models/stories260K")
    assert load("stories").main(["--data", data, "--quick"]) == 0
    same, letters, _ = numbers("stories: # of # letters as published, # s", capsys.readouterr().out)
    assert same == letters > 100


def test_another_story_is_noticed(capsys: Printed, tmp_path: Path) -> None:
    for path in Path(folder("models/stories260K")).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    published = (tmp_path / "expected-greedy.txt").read_text()
    (tmp_path / "expected-greedy.txt").write_text(published.replace("girl", "boy", 1))
    assert load("stories").main(["--data", str(tmp_path), "--quick"]) == 1
    same, _, _ = numbers("stories: # of # letters as published, # s", capsys.readouterr().out)
    assert same == published.index("girl")


def test_kmeans_digits(capsys: Printed) -> None:
    assert load("kmeans_digits").main(["--quick"]) == 0
    printed = capsys.readouterr().out
    assert "from the same centers: 1.000 with each other" in printed
    form = "kmeans_digits: adjusted mutual information #, scikit-learn #, # s"
    ours, theirs, _ = numbers(form, printed)
    assert ours > 0.7
    assert abs(ours - theirs) < 0.05


def test_airline(capsys: Printed, tmp_path: Path) -> None:
    picture = tmp_path / "forecast.svg"
    arguments = ["--data", folder("tabular"), "--quick", "--picture", str(picture)]
    assert load("airline").main(arguments) == 0
    form = "airline: 24 months, root mean squared error # thousand, mean error # %, # s"
    root, percent, _ = numbers(form, capsys.readouterr().out)
    assert root < 45  # last year's numbers are off by 77
    assert percent < 9
    assert picture.read_text().count("<polyline") == 2


def test_fashion_mnist(capsys: Printed) -> None:
    assert load("fashion_mnist").main(["--data", folder("fashion-mnist"), "--quick"]) == 0
    found, _ = numbers("fashion_mnist: test accuracy # %, # s", capsys.readouterr().out)
    assert found > 70


def test_fashion_images_move_whole_and_are_mirrored() -> None:
    images = np.zeros((200, 1, 28, 28), np.float32)
    images[:, 0, 10:13, 12:16] = np.arange(1, 13).reshape(3, 4)
    moved = load("fashion_mnist").varied(images, np.random.default_rng(0))
    np.testing.assert_array_equal(moved.sum(axis=(1, 2, 3)), images.sum(axis=(1, 2, 3)))
    rows = {tuple(image[0][image[0].any(axis=1)][0].astype(int)) for image in moved}
    found = {tuple(part for part in row if part) for row in rows}
    assert found == {(1, 2, 3, 4), (4, 3, 2, 1)}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: its others wait by spinning, which costs more than they give here."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_cifar10_beside_pytorch(capsys: Printed, one_thread: None) -> None:
    arguments = ["--data", folder("cifar10-subset"), "--quick", "--peer"]
    assert load("cifar10").main(arguments) == 0
    printed = capsys.readouterr().out
    form = "cifar10: test accuracy # %, PyTorch # %, standard error # %, # s"
    ours, theirs, _, _ = numbers(form, printed)
    assert ours > 22
    assert abs(ours - theirs) < 2
    assert_losses_agree(printed)


def test_char_gpt_beside_pytorch(capsys: Printed, one_thread: None) -> None:
    arguments = ["--data", folder("tiny-shakespeare"), "--quick", "--peer"]
    assert load("char_gpt").main(arguments) == 0
    printed = capsys.readouterr().out
    ours, theirs, _ = numbers("char_gpt: 60 steps, validation loss #, PyTorch #, # s", printed)
    assert ours < 3.6  # 4.17, the logarithm of 65 letters, before
    assert abs(ours - theirs) < 2e-3
    assert_losses_agree(printed)


def assert_losses_agree(printed: str) -> None:
    """The loss is the peer's before anything is learned, and near it after ten steps, in which
    differences of rounding grow."""
    found = re.findall(r"^step (\d+): loss (\d\.\d{6}), PyTorch (\d\.\d{6})$", printed, re.M)
    assert [number for number, _, _ in found] == ["1", "10"]
    for (_, ours, theirs), bound in zip(found, (1e-5, 2e-3), strict=True):
        assert abs(float(ours) - float(theirs)) < bound


def test_vae(capsys: Printed, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra: pictures)")
    picture = tmp_path / "vae.png"
    arguments = ["--data", folder("mnist"), "--quick", "--picture", str(picture)]
    assert load("vae").main(arguments) == 0
    found, _ = numbers("vae: bound on the test images # nats, # s", capsys.readouterr().out)
    assert found < 240  # 543, which is 784 log 2, before
    grid = np.asarray(image.open(picture))
    assert grid.shape == (8 * 28, 16 * 28)
    bands = grid[:56], grid[56:112], grid[112:]
    assert np.corrcoef(bands[0].ravel(), bands[1].ravel())[0, 1] > 0.4
    assert all(20 < band.mean() < 70 for band in bands)  # the mean of MNIST is 33


class TwoConvolutions(nn.Module):
    """Compiled in a second, where the U-Net of the example takes a quarter of a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x: Any, steps: Any, labels: Any) -> Any:
        return self.conv2(functional.silu(self.conv1(x)))


def test_ddpm(capsys: Printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra: pictures)")
    example, picture = load("ddpm"), tmp_path / "ddpm.png"
    monkeypatch.setattr(example, "network", lambda width, halvings: TwoConvolutions())
    arguments = ["--data", folder("mnist"), "--quick", "--picture", str(picture)]
    assert example.main(arguments) == 0
    found, _ = numbers("ddpm: loss on test images #, # s", capsys.readouterr().out)
    assert found < 0.75  # 1, the variance of the noise, before
    grid = np.asarray(image.open(picture))
    assert grid.shape == (6 * 16, 10 * 16)
    assert grid.std() > 20


def test_images_fit_the_network_of_ddpm() -> None:
    example = load("ddpm")
    images = np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
    assert example.prepared(images, 28).shape == (3, 1, 28, 28)
    small = example.prepared(images, 14)
    assert small.shape == (3, 1, 16, 16)
    expected = 2 * images[1, 0, 4:6, 10:12].mean() - 1
    assert small[1, 0, 3, 6] == pytest.approx(expected)
    assert (small[:, :, 0] == -1).all()


def test_keras_digits(capsys: Printed) -> None:
    assert load("keras_digits").main(["--quick"]) == 0
    found, _ = numbers("keras_digits: test accuracy # %, # s", capsys.readouterr().out)
    assert found > 93
