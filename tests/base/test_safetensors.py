"""safetensors files: every dtype there and back, and every damage found."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.base import dtypes, safetensors
from lamina.base.errors import DTypeError, FormatError


def written(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_arrays_of_all_dtypes_come_back(tmp_path: Path) -> None:
    arrays = {d.name: np.arange(6).reshape(2, 3).astype(d.numpy) for d in dtypes.ALL}
    arrays["big"] = np.arange(3, dtype=">i4")
    arrays["empty"] = np.zeros((0, 2), np.float32)
    arrays["scalar"] = np.array(2.5)
    arrays["columns"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    safetensors.save(tmp_path / "a", arrays, {"made": "by a test"})
    found, metadata = safetensors.load(tmp_path / "a")
    assert metadata == {"made": "by a test"} and list(found) == list(arrays)
    for name, array in arrays.items():
        if array.dtype.kind == "c":
            array = np.stack([array.real, array.imag], -1)
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=")
    assert not found["scalar"].flags.writeable
    assert os.listdir(tmp_path) == ["a"]


def test_files_of_the_other_implementation(tmp_path: Path) -> None:
    other = pytest.importorskip("safetensors.numpy")
    arrays = {"x": np.arange(4, dtype=np.float32), "y": np.ones((2, 2), np.int64)}
    other.save_file(arrays, tmp_path / "theirs")
    found, _ = safetensors.load(tmp_path / "theirs")
    safetensors.save(tmp_path / "ours", arrays, {})
    for read in (found, other.load_file(tmp_path / "ours")):
        assert {n: a.tolist() for n, a in read.items()} == {
            n: a.tolist() for n, a in arrays.items()
        }


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    safetensors.save(tmp_path / "a", {"x": np.ones(2)}, {})
    with pytest.raises(DTypeError, match="no name for these elements"):
        safetensors.save(tmp_path / "a", {"x": np.array(["text"])}, {})
    assert safetensors.load(tmp_path / "a")[0]["x"].tolist() == [1.0, 1.0]
    assert os.listdir(tmp_path) == ["a"]


GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BAD = {
    "no object": [1],
    "metadata of numbers": {"__metadata__": {"a": 1}},
    "an entry that is no object": {"x": 3},
    "another dtype": {"x": {**GOOD, "dtype": "Q7"}},
    "a dtype that is no text": {"x": {**GOOD, "dtype": []}},
    "a negative size": {"x": {**GOOD, "shape": [-2]}},
    "a boolean size": {"x": {**GOOD, "shape": [True]}},
    "a huge size": {"x": {**GOOD, "shape": [2**80]}},
    "sizes that overflow": {"x": {**GOOD, "shape": [2**61, 2**61]}},
    "too few bytes": {"x": {**GOOD, "shape": [3]}},
    "offsets out of order": {"x": {**GOOD, "data_offsets": [8, 0]}},
    "a hole": {"x": {**GOOD, "data_offsets": [4, 12]}},
    "an overlap": {"x": GOOD, "y": GOOD},
    "beyond the end": {"x": {**GOOD, "shape": [9], "data_offsets": [0, 36]}},
    "bytes of nobody": {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "deep nesting": b"[" * 200_000,
}


@pytest.mark.parametrize("header", BAD.values(), ids=BAD.keys())
def test_a_header_that_lies(header: Any, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="the file cannot be read"):
        safetensors.load(written(tmp_path / "a", header, bytes(8)))


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    safetensors.save(tmp_path / "whole", {"x": np.arange(5.0)}, {"a": "b"})
    whole = (tmp_path / "whole").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "part").write_bytes(whole[:length])
        with pytest.raises(FormatError):
            safetensors.load(tmp_path / "part")


def test_the_message(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    with pytest.raises(FormatError) as caught:
        safetensors.load(tmp_path / "a")
    assert str(caught.value).split("\n  at ")[0] == (
        "safetensors: the file cannot be read\n"
        f"  file: {tmp_path / 'a'}\n"
        "  5 bytes are too few for a header\n"
        "  the file is cut off\n"
        "  help: write it again, or get another copy"
    )
