"""Small data sets as NumPy arrays."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lamina.base.errors import UsageError


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
        UsageError: a file is missing or is not what its header says.
    """
    found = []
    for part in ("train", "t10k"):
        images = read_idx(_find(Path(folder), f"{part}-images-idx3-ubyte"))
        labels = read_idx(_find(Path(folder), f"{part}-labels-idx1-ubyte"))
        if len(images) != len(labels):
            raise UsageError(
                f"mnist: as many labels as images are needed in {part}",
                [f"images: {len(images)}", f"labels: {len(labels)}"],
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


_IDX_TYPES = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an idx file; gzip is recognised by its first bytes.

    Raises:
        UsageError: the file is not idx, or shorter or longer than its header says.

    Source: the format's description on the MNIST page of LeCun, Cortes and Burges.
    """
    path = Path(path)
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as damage:
            raise UsageError(f"read_idx: {path.name} is damaged", [f"gzip: {damage}"]) from None
    known = len(data) >= 4 and data[:2] == b"\0\0" and data[2] in _IDX_TYPES
    if not known or len(data) < 4 + 4 * data[3]:
        raise UsageError(
            f"read_idx: {path.name} is not an idx file",
            [f"first bytes: {data[:4].hex(' ') or 'none'}", "expected:    00 00 type rank"],
        )
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    dtype = _IDX_TYPES[data[2]]
    body = data[4 + 4 * data[3] :]
    wanted = math.prod(shape) * dtype.itemsize
    if len(body) != wanted:
        raise UsageError(
            f"read_idx: {path.name} has another length than its header says",
            [f"header: {shape} = {wanted} bytes", f"file:   {len(body)} bytes"],
        )
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def batches(
    images: np.ndarray, labels: np.ndarray, size: int, seed: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Full batches of `size`, in order or shuffled by `seed`; what is left over is dropped."""
    order = np.arange(len(images))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(images))
    for start in range(0, len(images) - size + 1, size):
        chosen = order[start : start + size]
        yield images[chosen], labels[chosen]
