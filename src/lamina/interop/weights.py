"""Weights of any known format into a module, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lamina.base.errors import UsageError
from lamina.interop.hugging_face import load_safetensors
from lamina.interop.torch_files import load_torch
from lamina.tensor import Tensor


class Loading(Protocol):
    """What is needed of a model; every `nn.Module` has it."""

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Any: ...


def read_weights(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Arrays by name from a safetensors file, a folder of shards, or a file of `torch.save`.

    Of a PyTorch checkpoint of several parts the one named "state_dict", "model_state_dict" or
    "model" is taken.

    Raises:
        FormatError: the file is damaged or of no known format.
        UsageError: there are no weights by name in it.
    """
    path = Path(path)
    if path.is_dir() or path.name.endswith((".safetensors", ".json")) or not _is_zip(path):
        return load_safetensors(path)
    found = load_torch(path)
    for part in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(part), dict):
            found = found[part]
            break
    arrays = dict(_arrays(found)) if isinstance(found, dict) else {}
    if not arrays:
        held = ", ".join(map(str, found)) if isinstance(found, dict) else type(found).__name__
        raise UsageError(
            "read_weights: no arrays by name in this file",
            [f"file: {path}", f"holds: {held}"],
            "take the part that has them from interop.load_torch(path)",
        )
    return arrays


def load_weights(
    model: Loading, path: str | os.PathLike[str], *, strict: bool = True, prefix: str = ""
) -> Any:
    """Load a file of weights into a module by name; nothing changes unless everything fits.

    A parameter that is shared in the module may stand under one of its names only.

    Args:
        model: takes the weights.
        path: see `read_weights`.
        strict: refuse missing and unknown names.
        prefix: taken from the names in the file; those without it are left out.

    Returns:
        The report of `load_state_dict`: `missing_keys` and `unexpected_keys`.

    Raises:
        FormatError: the file is damaged or of no known format.
        UsageError, ShapeError, DTypeError: the weights do not fit the module.

    Example:
        >>> import lamina as lm
        >>> first, second = lm.nn.Linear(2, 1), lm.nn.Linear(2, 1)
        >>> lm.interop.save_safetensors("linear.safetensors", first.state_dict())
        >>> load_weights(second, "linear.safetensors")
        LoadReport(missing_keys=[], unexpected_keys=[])
    """
    found = read_weights(path)
    state = {n.removeprefix(prefix): a for n, a in found.items() if n.startswith(prefix)}
    places = model.state_dict()
    given = {id(places[name]): array for name, array in state.items() if name in places}
    shared = {n: given[id(t)] for n, t in places.items() if n not in state and id(t) in given}
    return model.load_state_dict(state | shared, strict)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _arrays(tree: dict[Any, Any]) -> Iterator[tuple[str, np.ndarray]]:
    return ((k, v) for k, v in tree.items() if isinstance(k, str) and isinstance(v, np.ndarray))
