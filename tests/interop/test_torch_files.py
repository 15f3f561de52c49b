"""Files of torch.save: read as torch reads them, and nothing in them is executed."""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import interop, nn
from lamina.interop import Unread, load_torch


def archive(path: Path, description: bytes, **members: bytes) -> Path:
    """A zip archive as torch.save makes it, of a description and storages."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", description)
        for name, data in members.items():
            file.writestr(f"archive/data/{name[1:]}", data)
    return path


def test_everything_that_torch_saves(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the tests against PyTorch need the test extra")
    kinds = [
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.complex64, torch.complex128, torch.float8_e4m3fn,
    ]  # fmt: skip
    base = torch.arange(24).reshape(4, 6)
    saved = {
        "kinds": {str(k): base.to(k) for k in kinds},
        "views": [base.T, base[1:, ::2], base[:, :1].expand(4, 3), base[0, 0], base[:0], base[2]],
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "ordered": collections.OrderedDict(a=1, b=2.5),
        "numbers": (1, -1, 2**40, 2**80, True, None, "text", b"bytes", {3}),
        "size": torch.Size([2, 3]),
    }
    torch.save(saved, tmp_path / "a.pt")
    found = load_torch(tmp_path / "a.pt")
    for name, tensor in saved["kinds"].items():
        wide = torch.complex128 if tensor.is_complex() else torch.float64
        assert str(found["kinds"][name].dtype) == name.removeprefix("torch.")
        kind = np.complex128 if tensor.is_complex() else np.float64
        np.testing.assert_array_equal(found["kinds"][name].astype(kind), tensor.to(wide).numpy())
    for array, tensor in zip(found["views"], saved["views"], strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())
    assert found["parameter"].tolist() == [1, 1, 1]
    assert found["ordered"] == {"a": 1, "b": 2.5} and found["size"] == (2, 3)
    assert found["numbers"] == saved["numbers"]


def test_a_model_of_torch_loads_by_name(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the tests against PyTorch need the test extra")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(theirs.parameters())
    theirs(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    whole = {"epoch": 1, "model": theirs.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(whole, tmp_path / "a.pt")
    assert interop.load_weights(ours, tmp_path / "a.pt") == ([], [])
    for name, tensor in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name].numpy(), tensor.numpy())
    assert load_torch(tmp_path / "a.pt")["optimizer"]["state"][0]["exp_avg"].shape == (4, 3)

    torch.save(theirs, tmp_path / "object.pt")  # the module itself: its class is not read
    assert isinstance(load_torch(tmp_path / "object.pt"), Unread)
    with pytest.raises(lm.UsageError, match="no arrays by name"):
        interop.read_weights(tmp_path / "object.pt")
    torch.save(theirs.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(lm.FormatError):
        interop.read_weights(tmp_path / "old.pt")


class Attack:
    """Unpickled, it would make a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.mkdir, ("made",)


def test_nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in (2, 4):
        description = pickle.dumps({"a": Attack(), "b": 1}, protocol)
        found = load_torch(archive(tmp_path / "a.pt", description))
        assert found["b"] == 1 and found["a"].name.endswith(".mkdir")
    assert not (tmp_path / "made").exists()


class Stored:
    """Stands for a storage of float32 in a description."""

    def __init__(self, key: str, count: Any, kind: str = "FloatStorage"):
        self.identity = ("storage", _Named("torch", kind), key, "cpu", count)


class _Named:
    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes names of functions without importing them."""

    def persistent_id(self, obj: Any) -> Any:
        return obj.identity if isinstance(obj, Stored) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, _Named):
            self.write(b"c" + obj.module.encode() + b"\n" + obj.name.encode() + b"\n")
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(b"R")
        else:
            super().save(obj, save_persistent_id)


class Call:
    def __init__(self, module: str, name: str, *arguments: Any):
        self.function, self.arguments = _Named(module, name), arguments


def described(obj: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, 2).dump(obj)
    return stream.getvalue()


def tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Call:
    return Call("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, {})


GOOD = Stored("0", 6)
LIES = {
    "beyond the end": tensor(GOOD, 0, (7,), (1,)),
    "by its offset": tensor(GOOD, 3, (4,), (1,)),
    "by its strides": tensor(GOOD, 0, (2, 2), (5, 1)),
    "a negative stride": tensor(GOOD, 5, (2,), (-1,)),
    "a negative size": tensor(GOOD, 0, (-2,), (1,)),
    "a negative offset": tensor(GOOD, -1, (2,), (1,)),
    "sizes that overflow": tensor(GOOD, 0, (2**61, 2**61), (0, 0)),
    "a huge expansion": tensor(GOOD, 0, (2**40,), (0,)),
    "sizes of text": tensor(GOOD, 0, ("a",), (1,)),
    "other strides than axes": tensor(GOOD, 0, (2,), (1, 1)),
    "no storage": tensor(None, 0, (2,), (1,)),
    "a storage that is too short": tensor(Stored("0", 7), 0, (2,), (1,)),
    "a storage of nowhere": tensor(Stored("1", 6), 0, (2,), (1,)),
    "a storage outside": tensor(Stored("../data.pkl", 1), 0, (1,), (1,)),
    "an unknown storage": tensor(Stored("0", 6, "QInt8Storage"), 0, (2,), (1,)),
    "no arguments": Call("torch._utils", "_rebuild_tensor_v2"),
}


def test_a_described_tensor(tmp_path: Path) -> None:
    data = np.arange(6, dtype=np.float32).tobytes()
    path = archive(tmp_path / "a.pt", described({"x": tensor(GOOD, 1, (2, 2), (3, 1))}), _0=data)
    assert load_torch(path)["x"].tolist() == [[1, 2], [4, 5]]


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_description_that_lies(lie: Any, tmp_path: Path) -> None:
    with pytest.raises(lm.FormatError, match="load_torch: the file cannot be read"):
        load_torch(archive(tmp_path / "a.pt", described({"x": lie}), _0=bytes(24)))


@pytest.mark.parametrize(
    "description", [b"", b".", b"R.", b"(u.", b"h\x05.", b"]q\x00h\x00", b"\xff"]
)
def test_a_description_that_is_none(description: bytes, tmp_path: Path) -> None:
    with pytest.raises(lm.FormatError, match="load_torch"):
        load_torch(archive(tmp_path / "a.pt", description))


def test_every_flipped_byte(tmp_path: Path) -> None:
    data = np.arange(6, dtype=np.float32).tobytes()
    path = archive(tmp_path / "a.pt", described({"x": tensor(GOOD, 0, (6,), (1,))}), _0=data)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            load_torch(path)
        except lm.FormatError:
            pass
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(lm.FormatError):
            load_torch(path)


def test_an_archive_that_expands(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"\x80\x02N." + bytes(10_000_000))
    with pytest.raises(lm.FormatError, match="is compressed"):
        load_torch(tmp_path / "a.pt")
