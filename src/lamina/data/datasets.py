"""Small data sets as NumPy arrays."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lamina.base.errors import UsageError
from lamina.data.idx import read_idx

DIGITS = 1797


class Split(NamedTuple):
    """Images `f32[N, 1, H, W]` in 0..1 and labels `i64[N]`, for training and for testing."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def digits(test: int = 360, seed: int = 0) -> Split:
    """The UCI optical digits: 1,797 images of 8 x 8 that come with Lamina.

    Args:
        test: how many images are kept for testing.
        seed: of the shuffle before the split.

    Source: Alpaydin and Kaynak, 1998 (CC BY 4.0; the licence lies beside the data).

    Example:
        >>> digits().train_images.shape
        (1437, 1, 8, 8)
    """
    if not 0 <= test <= DIGITS:
        raise UsageError(f"digits: there are {DIGITS} images", [f"test: {test}"])
    packed = resources.files("lamina.data").joinpath("digits", "digits.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode().splitlines(), delimiter=",")
    images = (table[:, :-1] / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = table[:, -1].astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    images, labels = images[order], labels[order]
    return Split(images[test:], labels[test:], images[:test], labels[:test])


def mnist(folder: str | Path) -> Split:
    """MNIST, or a set in its format, from the four idx files in `folder` (gzipped or not).

    Raises:
        UsageError: a file is missing, is not what its header says, or does not fit the others.

    Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", 1998.
    """
    found = []
    for part in ("train", "t10k"):
        images = read_idx(_find(Path(folder), f"{part}-images-idx3-ubyte"))
        labels = read_idx(_find(Path(folder), f"{part}-labels-idx1-ubyte"))
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise UsageError(
                f"mnist: pictures and one label for each are needed in {part}",
                [f"images: {images.shape}", f"labels: {labels.shape}"],
            )
        found.append((images[:, None].astype(np.float32) / 255.0, labels.astype(np.int64)))
    return Split(*found[0], *found[1])


def _find(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise UsageError(
        f"mnist: no {name}",
        [f"looked in: {folder}", f"for:       {name}.gz or {name}"],
        "name the folder with --data or in LAMINA_DATA",
    )


def batches(
    images: np.ndarray, labels: np.ndarray, size: int, seed: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Full batches of `size`, in order or shuffled by `seed`; what is left over is dropped.

    Raises:
        UsageError: there is not one full batch, or not one label for each image.
    """
    if len(images) != len(labels):
        raise UsageError(
            "batches: as many labels as images are needed",
            [f"images: {len(images)}", f"labels: {len(labels)}"],
        )
    if not 1 <= size <= len(images):
        raise UsageError(
            "batches: there is no full batch",
            [f"size:   {size}", f"images: {len(images)}"],
            "take a batch size between 1 and the number of images",
        )
    order = np.arange(len(images))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(images))
    starts = range(0, len(images) - size + 1, size)
    return ((images[chosen], labels[chosen]) for chosen in (order[i : i + size] for i in starts))
