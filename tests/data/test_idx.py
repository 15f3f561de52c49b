"""The reader of idx files: every type, and files that are not what they say."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from lamina import data
from lamina.base.errors import LaminaError
from lamina.base.spans import at

KINDS = {
    "uint8": (0x08, ">u1"),
    "int8": (0x09, ">i1"),
    "int16": (0x0B, ">i2"),
    "int32": (0x0C, ">i4"),
    "float32": (0x0D, ">f4"),
    "float64": (0x0E, ">f8"),
}


def idx(kind: str, array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """The file of an array, with a header that may lie about its shape."""
    code, order = KINDS[kind]
    said = array.shape if shape is None else shape
    head = struct.pack(f">BBBB{len(said)}I", 0, 0, code, len(said), *said)
    return head + array.astype(order).tobytes()


def written(folder: Path, content: bytes, name: str = "a-idx") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def message(path: Path) -> str:
    with at(None), pytest.raises(LaminaError) as caught:
        data.read_idx(path)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_type(tmp_path: Path, kind: str, packed: bool) -> None:
    array = (np.arange(24).reshape(2, 3, 4) - 3 * (kind != "uint8")).astype(kind)
    content = idx(kind, array)
    found = data.read_idx(written(tmp_path, gzip.compress(content) if packed else content))
    assert found.dtype == kind
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("shape", [(), (0,), (0, 28, 28), (1,), (1, 1, 1, 1, 1)], ids=str)
def test_odd_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.uint8)
    assert data.read_idx(str(written(tmp_path, idx("uint8", array)))).shape == shape


WHOLE = idx("uint8", np.arange(6).reshape(2, 3))


@pytest.mark.parametrize(
    "content, expected",
    [
        (
            WHOLE[:-1],
            "UsageError: read_idx: a-idx has another length than its header says\n"
            "  header: (2, 3) = 6 bytes\n"
            "  file:   5 bytes",
        ),
        (
            WHOLE + b"\0\0",
            "UsageError: read_idx: a-idx has another length than its header says\n"
            "  header: (2, 3) = 6 bytes\n"
            "  file:   more than 6 bytes",
        ),
        (
            gzip.compress(WHOLE + b"\0"),
            "UsageError: read_idx: a-idx has another length than its header says\n"
            "  header: (2, 3) = 6 bytes\n"
            "  file:   more than 6 bytes",
        ),
        (
            WHOLE[:9],
            "UsageError: read_idx: a-idx is not an idx file\n"
            "  first bytes: 00 00 08 02\n"
            "  expected:    00 00 type rank",
        ),
        (
            b"",
            "UsageError: read_idx: a-idx is not an idx file\n"
            "  first bytes: none\n"
            "  expected:    00 00 type rank",
        ),
        (
            b"\0\0\x08",
            "UsageError: read_idx: a-idx is not an idx file\n"
            "  first bytes: 00 00 08\n"
            "  expected:    00 00 type rank",
        ),
        (
            b"\x89PNG\r\n\x1a\n" + bytes(100),
            "UsageError: read_idx: a-idx is not an idx file\n"
            "  first bytes: 89 50 4e 47\n"
            "  expected:    00 00 type rank",
        ),
        (
            b"\0\0\x0a\x01\0\0\0\x01\0",
            "UsageError: read_idx: a-idx is not an idx file\n"
            "  first bytes: 00 00 0a 01\n"
            "  expected:    00 00 type rank",
        ),
        (
            b"\0\0\x08\xff" + bytes(4 * 255),
            "UsageError: read_idx: a-idx is not an idx file\n"
            "  first bytes: 00 00 08 ff\n"
            "  expected:    00 00 type rank",
        ),
        (
            idx("float64", np.zeros(2), (4_000_000_000,) * 4),
            "UsageError: read_idx: a-idx has another length than its header says\n"
            "  header: (4000000000, 4000000000, 4000000000, 4000000000) = "
            f"{8 * 4_000_000_000**4} bytes\n"
            "  file:   16 bytes",
        ),
    ],
    ids=[
        *("truncated", "too long", "too long in gzip", "truncated header", "empty", "three bytes"),
        *("a picture", "no such type", "255 axes", "a header that claims too much"),
    ],
)
def test_damage(tmp_path: Path, content: bytes, expected: str) -> None:
    assert message(written(tmp_path, content)) == expected


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(idx("uint8", np.random.default_rng(0).integers(0, 256, (50, 50))))
    said = "UsageError: read_idx: a-idx is damaged\n  gzip: "
    cut = message(written(tmp_path, packed[:-100]))
    assert cut == said + "Compressed file ended before the end-of-stream marker was reached"
    for position in (3, 12, len(packed) // 2, len(packed) - 6):
        flipped = bytearray(packed)
        flipped[position] ^= 0xFF
        path = written(tmp_path, bytes(flipped))
        with pytest.raises(LaminaError, match=r"^read_idx: a-idx "):
            data.read_idx(path)


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """Neither a header nor gzip makes the reader take much more than the file holds."""
    bomb = gzip.compress(idx("uint8", np.zeros(50_000_000, np.uint8), (10,)))
    claim = gzip.compress(idx("uint8", np.zeros(10, np.uint8), (4_000_000_000,)))
    for content in (bomb, claim):
        path = written(tmp_path, content)
        tracemalloc.start()
        assert "another length" in message(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 2_000_000


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        data.read_idx(tmp_path / "nothing")
