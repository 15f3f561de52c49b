"""The embedded digits, MNIST folders, and batches."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina import data
from lamina.base.errors import LaminaError
from lamina.base.spans import at
from tests.data.test_idx import idx


def message(f: Callable[[], Any]) -> str:
    with at(None), pytest.raises(LaminaError) as caught:
        f()
    return f"{type(caught.value).__name__}: {caught.value}"


# ------------------------------------------------------------------ digits


def test_digits() -> None:
    digits = data.digits()
    assert digits.train_images.shape == (1437, 1, 8, 8)
    assert digits.test_images.shape == (360, 1, 8, 8)
    assert digits.train_images.dtype == digits.test_images.dtype == np.float32
    assert digits.train_labels.dtype == digits.test_labels.dtype == np.int64
    images = np.concatenate([digits.train_images, digits.test_images])
    assert (images.min(), images.max()) == (0.0, 1.0)
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert images.astype(np.float64).sum() * 16 == 561718.0


def test_digits_are_split_without_loss() -> None:
    def rows(split: data.Split) -> list[bytes]:
        images = np.concatenate([split.test_images, split.train_images])
        labels = np.concatenate([split.test_labels, split.train_labels])
        return [i.tobytes() + n.tobytes() for i, n in zip(images, labels, strict=True)]

    first, again, other = data.digits(), data.digits(), data.digits(test=100, seed=1)
    assert rows(first) == rows(again)
    assert rows(first) != rows(other)
    assert sorted(rows(first)) == sorted(rows(other))
    assert len(other.test_images) == 100
    assert len(data.digits(test=0).train_images) == data.datasets.DIGITS
    assert message(lambda: data.digits(test=1798)) == (
        "UsageError: digits: there are 1797 images\n  test: 1798"
    )


# ------------------------------------------------------------------ mnist


def fill(folder: Path, part: str, count: int, labels: int | None = None) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 28, 28))
    (folder / f"{part}-images-idx3-ubyte").write_bytes(idx("uint8", images))
    named = rng.integers(0, 10, count if labels is None else labels)
    packed = gzip.compress(idx("uint8", named))
    (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(packed)


def test_mnist(tmp_path: Path) -> None:
    fill(tmp_path, "train", 7)
    fill(tmp_path, "t10k", 3)
    split = data.mnist(tmp_path)
    assert split.train_images.shape == (7, 1, 28, 28)
    assert split.test_images.shape == (3, 1, 28, 28)
    assert split.train_images.dtype == np.float32
    assert 0.0 <= split.train_images.min() <= split.train_images.max() <= 1.0
    assert split.train_labels.dtype == np.int64
    assert split.train_labels.shape == (7,)


def test_mnist_that_is_not_there(tmp_path: Path) -> None:
    fill(tmp_path, "train", 7)
    assert message(lambda: data.mnist(tmp_path)) == (
        "UsageError: mnist: no t10k-images-idx3-ubyte\n"
        f"  looked in: {tmp_path}\n"
        "  for:       t10k-images-idx3-ubyte.gz or t10k-images-idx3-ubyte\n"
        "  help: name the folder with --data or in LAMINA_DATA"
    )


def test_mnist_that_does_not_fit(tmp_path: Path) -> None:
    fill(tmp_path, "train", 7, labels=6)
    assert message(lambda: data.mnist(tmp_path)) == (
        "UsageError: mnist: pictures and one label for each are needed in train\n"
        "  images: (7, 28, 28)\n"
        "  labels: (6,)"
    )


# ------------------------------------------------------------------ batches


IMAGES, LABELS = np.arange(20).reshape(10, 2), np.arange(10)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("seed", [None, 0])
def test_batches(size: int, seed: int | None) -> None:
    found = list(data.batches(IMAGES, LABELS, size, seed))
    assert len(found) == 10 // size
    assert all(images.shape == (size, 2) and labels.shape == (size,) for images, labels in found)
    for images, labels in found:
        np.testing.assert_array_equal(images[:, 0], 2 * labels)
    seen = np.concatenate([labels for _, labels in found]).tolist()
    assert len(set(seen)) == len(seen)
    if seed is None:
        assert seen == sorted(seen)


def test_a_seed_is_an_order() -> None:
    def order(seed: int) -> list[int]:
        return np.concatenate([b for _, b in data.batches(IMAGES, LABELS, 2, seed)]).tolist()

    assert order(1) == order(1)
    assert order(1) != order(2)


@pytest.mark.parametrize("size", [0, -1, 11])
def test_no_full_batch(size: int) -> None:
    assert message(lambda: data.batches(IMAGES, LABELS, size)) == (
        "UsageError: batches: there is no full batch\n"
        f"  size:   {size}\n"
        "  images: 10\n"
        "  help: take a batch size between 1 and the number of images"
    )


def test_labels_for_all() -> None:
    assert message(lambda: data.batches(IMAGES, LABELS[:9], 2)) == (
        "UsageError: batches: as many labels as images are needed\n  images: 10\n  labels: 9"
    )
