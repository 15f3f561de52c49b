"""What is saved comes back, and every damage is found and named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim, saving
from lamina.base import dtypes
from lamina.saving import checkpoint


def same(found: Any, wanted: Any) -> None:
    """The two trees agree, in types too."""
    assert type(found) is type(wanted)
    if isinstance(wanted, lm.Tensor):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())
    elif isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key, part in wanted.items():
            same(found[key], part)
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    else:
        assert found == wanted or (math.isnan(found) and math.isnan(wanted))


def test_trees_come_back_as_they_were(tmp_path: Path) -> None:
    floats = [1.5, 0.1, -0.0, math.inf, -math.inf, math.nan, 5e-324]
    tree = {
        "arrays": {d.name: np.arange(6).reshape(2, 3).astype(d.numpy) for d in dtypes.ALL},
        "tensors": [lm.ones((2,), dtype=d) for d in dtypes.ALL if d.kind != "storage"],
        "numbers": (1, True, None, "text", 2**70, *floats),
        "empty": [{}, [], (), np.zeros((0, 3)), lm.zeros(())],
        1: {2: "keys that are integers"},
        "a.b": {"c": np.ones(1)},
        "a": {"b.c": np.zeros(1)},
        "strided": np.arange(12.0).reshape(3, 4)[:, ::2],
        "big end first": np.arange(3, dtype=">f4").astype(">f4"),
    }
    saving.save(tmp_path / "c", tree, {"step": 3, "loss": math.inf})
    wanted = tree | {"big end first": np.arange(3, dtype="<f4")}
    same(saving.load(tmp_path / "c"), wanted)
    assert saving.metadata_of(tmp_path / "c") == {"step": 3, "loss": math.inf}


def test_one_tensor_at_two_places_is_one(tmp_path: Path) -> None:
    shared = lm.ones(3)
    saving.save(tmp_path / "c", {"x": shared, "y": shared})
    found = saving.load(tmp_path / "c")
    assert found["x"] is found["y"]
    assert list(json.loads((tmp_path / "c/manifest.json").read_text())["tensors"]) == ["x"]


def test_the_tensors_are_a_file_that_others_read(tmp_path: Path) -> None:
    other = pytest.importorskip("safetensors.numpy")
    model = nn.Linear(3, 2)
    saving.save(tmp_path / "c", model)
    found = other.load_file(tmp_path / "c/tensors.safetensors")
    np.testing.assert_array_equal(found["weight"], model.weight.numpy())


def test_many_tensors_go_to_several_files(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(checkpoint, "FILE_BYTES", 1000)
    tree = [np.full(100, i, np.float64) for i in range(4)] + [np.arange(10)]
    saving.save(tmp_path / "c", tree)
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == [
        "manifest.json",
        "tensors-2.safetensors",
        "tensors-3.safetensors",
        "tensors-4.safetensors",
        "tensors.safetensors",
    ]
    same(saving.load(tmp_path / "c"), tree)


class Pair(NamedTuple):
    model: Any
    note: str


def test_objects_take_their_state_back(tmp_path: Path) -> None:
    def made(seed: int) -> tuple[Pair, Any, lm.random.Generator]:
        lm.random.seed(seed)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        return (
            Pair(model, f"of {seed}"),
            optim.Adam(model, lr=0.1 * (seed + 1)),
            lm.random.Generator(seed),
        )

    def train(pair: Pair, optimizer: Any, generator: lm.random.Generator) -> None:
        x = lm.random.normal((8, 3), key=generator.next_key())
        grads = lm.grad(lambda m: (m(x) ** 2).mean())(pair.model)
        optimizer.update(pair.model, grads)

    first, second = made(0), made(1)
    train(*first)
    saving.save(tmp_path / "c", first)
    back = saving.restore(tmp_path / "c", second)
    assert back[0].model is second[0].model and back[0].note == "of 0"
    assert isinstance(back[0], Pair)
    assert second[1].lr == first[1].lr and int(second[1].steps) == 1
    for objects in (first, second):
        train(*objects)
    for one, other in zip(first[0].model.parameters(), second[0].model.parameters(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    saving.save(tmp_path / "c", {"model": nn.Linear(3, 2), "x": np.ones(3), "l": [1, 2]})
    cases = [
        ({"model": nn.Linear(3, 3), "x": np.ones(3), "l": [0, 0]}, "weight has another shape"),
        ({"model": nn.Linear(3, 2), "x": np.ones(4), "l": [0, 0]}, "restore: x has another"),
        ({"model": nn.Linear(3, 2), "x": np.ones(3), "l": [0]}, "restore: l has another"),
        ({"model": nn.Linear(3, 2), "x": np.ones(3)}, "restore: the tree has another structure"),
    ]
    for tree, message in cases:
        with pytest.raises(lm.LaminaError, match=message):
            saving.restore(tmp_path / "c", tree)
    with pytest.raises(lm.UsageError, match=r"save: a\.0 is nothing that can be saved"):
        saving.save(tmp_path / "d", {"a": [object()]})
    with pytest.raises(lm.UsageError, match="a key of the tree is no text"):
        saving.save(tmp_path / "d", {1.5: 2})
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(lm.UsageError, match="too deep, or holds itself"):
        saving.save(tmp_path / "d", endless)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(lm.UsageError, match="taken by something that is no checkpoint"):
        saving.save(tmp_path / "file", 1)
    assert not (tmp_path / "d").exists()


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    saving.save(tmp_path / "c", {"x": np.arange(5.0), "n": 3})
    for name in ("manifest.json", "tensors.safetensors"):
        path = tmp_path / "c" / name
        whole = path.read_bytes()
        for at in range(0, len(whole), 7):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            try:
                found = saving.load(tmp_path / "c")
            except lm.FormatError as error:
                assert name in str(error)
            else:  # white space between the words of the manifest
                assert name == "manifest.json"
                same(found, {"x": np.arange(5.0), "n": 3})
        for length in range(0, len(whole), 11):
            path.write_bytes(whole[:length])
            with pytest.raises(lm.FormatError, match=name):
                saving.load(tmp_path / "c")
        path.unlink()
        with pytest.raises(lm.FormatError, match=name):
            saving.load(tmp_path / "c")
        path.write_bytes(whole)


def signed(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest | {"checksum": checkpoint._checksum(manifest)})


LIES: dict[str, Any] = {
    "no files": lambda m: m | {"files": 3},
    "files elsewhere": lambda m: m | {"files": {"../x": {"bytes": 1, "sha256": ""}}},
    "no tensors": lambda m: m | {"tensors": {}},
    "another dtype": lambda m: m | {"tensors": {"x": m["tensors"]["x"] | {"dtype": "i64"}}},
    "another shape": lambda m: m | {"tensors": {"x": m["tensors"]["x"] | {"shape": [1, 5]}}},
    "an unknown dtype": lambda m: m | {"tensors": {"x": m["tensors"]["x"] | {"dtype": "q9"}}},
    "an unknown node": lambda m: m | {"tree": {"call": "os.system"}},
    "a tensor of nowhere": lambda m: m | {"tree": {"tensor": "y"}},
    "pairs that are none": lambda m: m | {"tree": {"dict": [[1, 2, 3]]}},
    "no metadata": lambda m: {k: v for k, v in m.items() if k != "metadata"},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_manifest_that_lies(lie: Any, tmp_path: Path) -> None:
    saving.save(tmp_path / "c", {"x": np.arange(5.0)})
    path = tmp_path / "c/manifest.json"
    path.write_text(signed(lie(json.loads(path.read_text()))))
    with pytest.raises(lm.LaminaError):
        saving.load(tmp_path / "c")


def test_other_versions_and_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(lm.FormatError, match="there is no checkpoint here"):
        saving.load(tmp_path)
    saving.save(tmp_path / "c", 1)
    path = tmp_path / "c/manifest.json"
    path.write_text(signed(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(lm.FormatError, match="another version"):
        saving.load(tmp_path / "c")
    path.write_text("[" * 100_000)
    with pytest.raises(lm.FormatError, match=r"manifest\.json"):
        saving.load(tmp_path / "c")


def test_the_message(tmp_path: Path) -> None:
    saving.save(tmp_path / "c", np.zeros(4))
    path = tmp_path / "c/tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(lm.FormatError) as caught:
        saving.load(tmp_path / "c")
    assert str(caught.value).split("\n  at ")[0] == (
        "load: a file of the checkpoint is damaged\n"
        f"  file: {path}\n"
        "  its checksum is another\n"
        "  help: load an earlier checkpoint, or get another copy of this one"
    )
