"""The idx format: one array of numbers, big-endian, behind a header of its type and sizes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lamina.base.errors import UsageError

_TYPES = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MOST_AXES = 32
_MOST_DEFLATED = 1040
"""So many bytes at most come out of one byte of gzip."""


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an idx file; gzip is recognised by its first bytes.

    A file takes no more memory than its length allows, whatever its header says.

    Raises:
        UsageError: the file is not idx, or shorter or longer than its header says.

    Source: the format's description on the MNIST page of LeCun, Cortes and Burges.
    """
    path = Path(path)
    length = path.stat().st_size
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return _read(file, path.name, length)
        try:
            with gzip.open(file) as stream:
                return _read(stream, path.name, length * _MOST_DEFLATED)  # type: ignore[arg-type]
        except (OSError, EOFError, zlib.error) as damage:
            raise UsageError(f"read_idx: {path.name} is damaged", [f"gzip: {damage}"]) from None


def _read(stream: BinaryIO, name: str, most_bytes: int) -> np.ndarray:
    first = stream.read(4)
    rank = first[3] if len(first) == 4 else 0
    sizes = stream.read(4 * rank)
    known = first[:2] == b"\0\0" and len(first) == 4 and first[2] in _TYPES
    if not known or rank > _MOST_AXES or len(sizes) != 4 * rank:
        raise UsageError(
            f"read_idx: {name} is not an idx file",
            [f"first bytes: {first.hex(' ') or 'none'}", "expected:    00 00 type rank"],
        )
    shape = struct.unpack(f">{rank}I", sizes)
    dtype = _TYPES[first[2]]
    wanted = math.prod(shape) * dtype.itemsize
    body = stream.read(min(wanted, most_bytes) + 1)
    if len(body) != wanted:
        there = f"more than {wanted}" if len(body) > wanted else f"{len(body)}"
        raise UsageError(
            f"read_idx: {name} has another length than its header says",
            [f"header: {shape} = {wanted} bytes", f"file:   {there} bytes"],
        )
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
