"""Files of named arrays in the safetensors format: read with every bound checked, written whole.

A file is the length of its header (8 bytes, little-endian), the header (JSON), and the elements.
Nothing in it is ever executed. Complex numbers, which the format has no name for, are stored as
pairs of real ones with a last axis of two; who reads them back knows their type.

Source: the format's specification, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import os
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError, FormatError

HEADER_LIMIT_BYTES = 100_000_000
ALIGNMENT_BYTES = 64
_METADATA = "__metadata__"
_SPECIAL = {"bool": "BOOL", "bf16": "BF16", "f8e4m3fn": "F8_E4M3", "f8e5m2": "F8_E5M2"}
_NAME_OF = {d: _SPECIAL.get(d.name, d.name.upper()) for d in dtypes.ALL if not d.is_complex}
_DTYPE_OF = {name: d for d, name in _NAME_OF.items()}


def save(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write `arrays` and `metadata` to a file that is there whole or not at all.

    The bytes go to a file beside it, which takes its name once they are on the disk.

    Raises:
        DTypeError: an array of elements that Lamina does not know.
    """
    write_whole(path, encode(arrays, metadata))


def encode(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> list[Any]:
    """The bytes of a file of `arrays`, in parts that lie over the arrays' own memory.

    Raises:
        DTypeError: an array of elements that Lamina does not know.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    parts: list[memoryview] = []
    offset = 0
    for name, array in arrays.items():
        plain = _as_stored(np.asarray(array))
        parts.append(plain.reshape(-1).view(np.uint8).data)
        end = offset + plain.nbytes
        kind = _NAME_OF[dtypes.dtype(plain.dtype)]
        header[name] = {"dtype": kind, "shape": list(plain.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT_BYTES)
    return [struct.pack("<Q", len(text)), text, *parts]


def write_whole(path: str | os.PathLike[str], parts: list[Any]) -> None:
    """Put `parts` after one another into the file `path`, which nobody sees half written."""
    path = Path(path)
    number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name too is on the disk
    finally:
        os.close(folder)


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found


def _as_stored(array: np.ndarray) -> np.ndarray:
    if not dtypes.is_known(array.dtype):
        raise DTypeError(
            "safetensors: no name for these elements",
            [f"dtype: {array.dtype}"],
            "save arrays of numbers or booleans",
        )
    array = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    if array.dtype.kind == "c":
        return array.reshape(*array.shape, 1).view(dtypes.dtype(array.dtype).part.numpy)
    return array


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a file, read-only, and its metadata.

    Raises:
        FormatError: the file is no safetensors file, is cut off, or its parts overlap.
    """
    path = Path(path)
    return parse(path, path.read_bytes())


def parse(path: Path, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """What `load` gives for a file of these bytes; `path` names it in errors."""
    header, metadata = _header(path, data)
    start = 8 + struct.unpack_from("<Q", data)[0]
    body = memoryview(data)[start:]
    found: dict[str, np.ndarray] = {}
    expected = 0
    by_offset = sorted(header.items(), key=lambda entry: _offsets(path, *entry))
    for name, entry in by_offset:
        begin, end = _offsets(path, name, entry)
        kind, shape = _type_of(path, name, entry)
        size_bytes = math.prod(shape) * kind.size_bytes
        if begin != expected or end - begin != size_bytes:
            raise _damaged(path, f"tensor {name!r}: bytes {begin} to {end} for {kind}{list(shape)}")
        if end > len(body):
            raise _damaged(
                path, f"tensor {name!r} ends at byte {end} of {len(body)}", "the file is cut off"
            )
        array = np.frombuffer(body, np.uint8, size_bytes, begin)
        found[name] = array.view(kind.numpy).reshape(shape)
        expected = end
    if expected != len(body):
        raise _damaged(path, f"{len(body) - expected} bytes belong to no tensor")
    return {name: found[name] for name in header}, metadata


def _header(path: Path, data: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    if len(data) < 8:
        raise _damaged(path, f"{len(data)} bytes are too few for a header", "the file is cut off")
    (length,) = struct.unpack_from("<Q", data)
    if length > HEADER_LIMIT_BYTES:
        raise _damaged(path, f"a header of {length} bytes")
    if 8 + length > len(data):
        raise _damaged(path, f"a header of {length} bytes in {len(data)}", "the file is cut off")
    try:
        header = json.loads(data[8 : 8 + length].decode())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"the header cannot be read: {error}") from None
    metadata = header.pop(_METADATA, {}) if isinstance(header, dict) else None
    texts = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not isinstance(header, dict) or not texts:
        raise _damaged(path, "the header is no table of tensors")
    return header, metadata  # type: ignore[return-value]


def _offsets(path: Path, name: str, entry: Any) -> tuple[int, int]:
    pair = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_size, pair)):
        raise _damaged(path, f"tensor {name!r} has no offsets")
    return pair[0], pair[1]


def _type_of(path: Path, name: str, entry: dict[str, Any]) -> tuple[DType, tuple[int, ...]]:
    kind, shape = entry.get("dtype"), entry.get("shape")
    if not isinstance(kind, str) or kind not in _DTYPE_OF:
        raise _damaged(path, f"tensor {name!r} has elements of an unknown kind: {kind!r}")
    if not isinstance(shape, list) or len(shape) > 64 or not all(map(_is_size, shape)):
        raise _damaged(path, f"tensor {name!r} has no shape")
    return _DTYPE_OF[kind], tuple(shape)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _damaged(path: Path, fact: str, more: str = "") -> FormatError:
    facts = [f"file: {path}", fact, *([more] if more else [])]
    help = "write it again, or get another copy"
    return FormatError("safetensors: the file cannot be read", facts, help)
