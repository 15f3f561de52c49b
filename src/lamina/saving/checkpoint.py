"""Checkpoints: a folder with a manifest and safetensors files, written whole, checked when read.

    manifest.json              the tree, types and shapes of its tensors, checksums, metadata
    tensors.safetensors        the tensors; tensors-2.safetensors and so on where there are many

Nothing in a checkpoint is ever executed. The manifest carries the SHA-256 of every file, and one of
itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamina.base import dtypes, safetensors
from lamina.base.errors import DTypeError, FormatError, UsageError
from lamina.saving import disk
from lamina.saving.manifest import Writer, tree_of, typed
from lamina.saving.state import put_back, state_of

FORMAT = "lamina checkpoint"
VERSION = 1
MANIFEST = "manifest.json"
FILE_BYTES = 1 << 32  # of tensors in one file
_MANIFEST_LIMIT_BYTES = 1 << 28

Path_ = str | os.PathLike[str]


def save(path: Path_, tree: Any, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a checkpoint of `tree` to the folder `path`; what was there is replaced.

    A kill or a loss of power at any moment leaves the old checkpoint or the new one.

    Args:
        path: of the folder.
        tree: tensors, arrays, numbers, texts, modules, optimisers, generators and whatever has
            `state_dict`, in dicts, lists and tuples.
        metadata: numbers and texts that can be read without the tensors, see `metadata_of`.

    Raises:
        UsageError: the tree holds what cannot be saved, or `path` is something else.
        OSError: the disk refuses; nothing has changed then.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(3, 2)
        >>> lm.saving.save("model", {"model": model, "epoch": 4})
        >>> other = lm.nn.Linear(3, 2)
        >>> lm.saving.restore("model", {"model": other, "epoch": 0})["epoch"]
        4
        >>> bool((other.weight == model.weight).all())
        True
    """
    path = Path(path)
    if (
        path.exists()
        and not (path / MANIFEST).is_file()
        and (path.is_file() or any(path.iterdir()))
    ):
        raise UsageError(
            "save: the path is taken by something that is no checkpoint",
            [f"path: {path}"],
            "choose another name",
        )
    disk.put_folder(path, _files(state_of(tree), metadata or {}))


def load(path: Path_) -> Any:
    """The tree in a checkpoint: plain data, with the state of an object in its place.

    Raises:
        FormatError: there is no checkpoint, one of a later version, or a damaged file.

    Example:
        >>> import lamina as lm
        >>> lm.saving.save("point", {"x": lm.asarray([1.0, 2.0]), "names": ("a", "b")})
        >>> lm.saving.load("point")
        {'x': Tensor([1., 2.], shape=(2,), dtype=float32), 'names': ('a', 'b')}
    """
    folder = disk.standing(Path(path))
    manifest = _manifest(folder)
    arrays: dict[str, np.ndarray] = {}
    for name, said in manifest["files"].items():
        arrays |= safetensors.parse(folder / name, _checked(folder / name, said))[0]
    tensors = manifest["tensors"]
    if arrays.keys() != tensors.keys():
        missing = ", ".join(sorted(tensors.keys() ^ arrays.keys()))
        raise _damaged(folder, f"tensors in the manifest or the files only: {missing}")
    found = {name: typed(name, array, tensors[name]) for name, array in arrays.items()}
    return tree_of(manifest["tree"], found)


def restore(path: Path_, tree: Any) -> Any:
    """Put a checkpoint back into the objects that it was made of.

    Args:
        path: of the folder.
        tree: of the structure that was saved. Objects in it (modules, optimisers, ...) take their
            state; other leaves only say where something stands.

    Returns:
        A tree of the same structure: the same objects, and numbers and tensors as saved.

    Raises:
        FormatError: there is no checkpoint, one of a later version, or a damaged file.
        UsageError, ShapeError, DTypeError: what was saved does not fit.
    """
    return put_back(tree, load(path))


def metadata_of(path: Path_) -> dict[str, Any]:
    """The metadata of a checkpoint, without reading its tensors.

    Raises:
        FormatError: there is no checkpoint, one of a later version, or its manifest is damaged.
    """
    return tree_of(_manifest(disk.standing(Path(path)))["metadata"], {})


def _files(state: Any, metadata: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The content of every file of a checkpoint, in parts; the manifest is the last."""
    writer = Writer()
    tree = writer.node(state)
    described: dict[str, Any] = {}
    files: dict[str, list[Any]] = {}
    for arrays in _grouped(writer.arrays):
        number = len(files) + 1
        name = "tensors.safetensors" if number == 1 else f"tensors-{number}.safetensors"
        files[name] = safetensors.encode(arrays, {"format": "pt"})
        for key, array in arrays.items():
            kind = dtypes.dtype(array.dtype.newbyteorder("=")).name
            described[key] = {"dtype": kind, "shape": list(array.shape), "file": name}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "tree": tree,
        "tensors": described,
        "files": {name: _sums(parts) for name, parts in files.items()},
        "metadata": Writer().node(dict(metadata)),
    }
    manifest["checksum"] = _checksum(manifest)
    return files | {MANIFEST: [json.dumps(manifest, indent=1).encode()]}


def _grouped(arrays: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """The arrays in groups of at most `FILE_BYTES`, or of one array."""
    group: dict[str, np.ndarray] = {}
    size_bytes = 0
    for name, array in arrays.items():
        if not dtypes.is_known(array.dtype):
            raise DTypeError(f"save: {name} has elements of no known type", [f"{array.dtype}"])
        if group and size_bytes + array.nbytes > FILE_BYTES:
            yield group
            group, size_bytes = {}, 0
        group[name] = array
        size_bytes += array.nbytes
    if group:
        yield group


def _sums(parts: Sequence[Any]) -> dict[str, Any]:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return {"bytes": sum(memoryview(part).nbytes for part in parts), "sha256": found.hexdigest()}


def _checksum(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, checked."""
    path = folder / MANIFEST
    if not path.is_file():
        raise FormatError(
            "load: there is no checkpoint here",
            [f"path: {folder}", f"a checkpoint is a folder with a file {MANIFEST}"],
            "saving.save(path, ...) makes one",
        )
    if path.stat().st_size > _MANIFEST_LIMIT_BYTES:
        raise _damaged(path, f"a manifest of {path.stat().st_size} bytes")
    try:
        found = json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it cannot be read: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise _damaged(path, "it is no manifest of a checkpoint")
    if found.get("version") != VERSION:
        raise FormatError(
            "load: another version of the format",
            [f"file: {path}, version {found.get('version')!r}", f"known: version {VERSION}"],
            "load it with the Lamina that made it",
        )
    if found.get("checksum") != _checksum(found):
        raise _damaged(path, "its checksum is another")
    if not _is_well_formed(found):
        raise _damaged(path, "it does not say what a manifest says")
    return found


def _is_well_formed(manifest: Mapping[str, Any]) -> bool:
    """Whether everything in a manifest is of its kind, and its files lie beside it."""
    files, tensors = manifest.get("files"), manifest.get("tensors")
    if not isinstance(files, dict) or not isinstance(tensors, dict):
        return False
    return (
        {"tree", "metadata"} <= manifest.keys()
        and all(_has(said, bytes=int, sha256=str) for said in files.values())
        and all(_has(said, dtype=str, shape=list, file=str) for said in tensors.values())
        and all(Path(name).name == name for name in files)
    )


def _has(said: Any, **kinds: type) -> bool:
    return isinstance(said, dict) and all(isinstance(said.get(k), t) for k, t in kinds.items())


def _checked(path: Path, said: Mapping[str, Any]) -> bytes:
    """The content of a file, which is what the manifest says."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _damaged(path, "it is missing") from None
    if len(data) != said["bytes"]:
        raise _damaged(path, f"{len(data)} bytes, where {said['bytes']} were written")
    if hashlib.sha256(data).hexdigest() != said["sha256"]:
        raise _damaged(path, "its checksum is another")
    return data


def _damaged(path: Path, fact: str) -> FormatError:
    return FormatError(
        "load: a file of the checkpoint is damaged",
        [f"file: {path}", fact],
        "load an earlier checkpoint, or get another copy of this one",
    )
