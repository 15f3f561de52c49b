"""Weights as they are published: safetensors, in one file or in shards with an index.

An index is a JSON file, `model.safetensors.index.json`, whose `weight_map` says for each tensor in
which file beside it it is.

Source: https://huggingface.co/docs/safetensors and the files of `save_pretrained`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.base import safetensors
from lamina.base.errors import FormatError, UsageError
from lamina.tensor import Tensor

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
_INDEX_LIMIT_BYTES = 1 << 28


def load_safetensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, or of all shards of a model.

    Args:
        path: a file, an index, or a folder with `model.safetensors` or its index.

    Raises:
        FormatError: a file is damaged, or the index names what is not there.
        UsageError: the folder has neither.

    Example:
        >>> import lamina as lm
        >>> lm.interop.save_safetensors("model.safetensors", lm.nn.Linear(2, 1).state_dict())
        >>> {name: array.shape for name, array in load_safetensors(".").items()}
        {'weight': (1, 2), 'bias': (1,)}
    """
    path = Path(path)
    if path.is_dir():
        path = _chosen(path)
    if not path.name.endswith(".json"):
        return safetensors.load(path)[0]
    places = _places(path)
    found: dict[str, np.ndarray] = {}
    for name in dict.fromkeys(places.values()):
        shard = path.parent / name
        if not shard.is_file():
            raise _damaged(path, f"it names {name}, which is not there")
        arrays = safetensors.load(shard)[0]
        wanted = [tensor for tensor, file in places.items() if file == name]
        missing = [tensor for tensor in wanted if tensor not in arrays]
        if missing:
            raise _damaged(path, f"{name} has no {', '.join(missing)}")
        found |= {tensor: arrays[tensor] for tensor in wanted}
    return {tensor: found[tensor] for tensor in places}


def save_safetensors(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write tensors by name to one file that PyTorch, JAX and others read.

    The file is there whole or not at all. For models, optimisers and progress see `lm.saving`.

    Args:
        path: of the file.
        state: tensors or arrays by name, as `model.state_dict()` gives.

    Raises:
        DTypeError: an array of elements that Lamina does not know.
    """
    arrays = {n: t.numpy() if isinstance(t, Tensor) else np.asarray(t) for n, t in state.items()}
    safetensors.save(path, arrays, {"format": "pt"})


def _chosen(folder: Path) -> Path:
    for name in (WHOLE, INDEX):
        if (folder / name).is_file():
            return folder / name
    raise UsageError(
        "load_safetensors: the folder holds no weights",
        [f"folder: {folder}", f"looked for {WHOLE} and {INDEX}"],
        "name the file itself",
    )


def _places(path: Path) -> dict[str, str]:
    """In which file each tensor is, by the index."""
    if path.stat().st_size > _INDEX_LIMIT_BYTES:
        raise _damaged(path, f"an index of {path.stat().st_size} bytes")
    try:
        found = json.loads(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it cannot be read: {error}") from None
    places = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(places, dict) or not all(isinstance(v, str) for v in places.values()):
        raise _damaged(path, "it has no weight_map from tensors to files")
    for name in places.values():
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise _damaged(path, f"it names {name!r}, which is no safetensors file beside it")
    return places


def _damaged(path: Path, fact: str) -> FormatError:
    return FormatError(
        "load_safetensors: the index does not fit",
        [f"file: {path}", fact],
        "get all files of the model again",
    )
