"""Files of Keras 3: `.weights.h5`, weights by layer, and `.keras`, which has the config too."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import numpy as np

from lamina.base.errors import FormatError, UsageError
from lamina.keras import config
from lamina.keras.layer import Layer

_PARTS = ("metadata.json", "config.json", "model.weights.h5")
_VERSION = "3.0.0"  # of Keras, whose layout this is


def write_weights(model: Layer, target: Any) -> None:
    """Write the weights of a model to a path or a file."""
    with _h5py().File(target, "w") as file:
        for path, layer in _walk(model, ""):
            group = file.require_group(f"{path}/{layer.stored_in}" if path else layer.stored_in)
            group.attrs["name"] = layer.name
            for i, name in enumerate(layer.own_weights()):
                group[str(i)] = getattr(layer, name).numpy()


def read_weights(model: Layer, source: Any) -> None:
    """Take the weights of a path or a file.

    Raises:
        FormatError: it is no file of HDF5.
        UsageError: a layer of the model is not in it, or has other weights.
    """
    h5py = _h5py()
    try:
        file = h5py.File(source, "r")
    except OSError as error:
        raise FormatError("load_weights: this is no HDF5 file", [str(error)]) from error
    with file:
        found: list[tuple[Layer, str, np.ndarray]] = []
        for path, layer in _walk(model, ""):
            names = layer.own_weights()
            place = f"{path}/{layer.stored_in}" if path else layer.stored_in
            there = file.get(place, {})
            if names and len(there) != len(names):
                raise UsageError(
                    f"load_weights: the file has other weights for {layer.name}",
                    [f"file:  {len(there)} at {place}", f"layer: {len(names)}: {', '.join(names)}"],
                    "build the model as it was when it was saved, and call it once",
                )
            found += [(layer, name, there[str(i)][()]) for i, name in enumerate(names)]
        for layer, name, array in found:
            layer._set_weight(name, array)


def write(model: Any, path: str | os.PathLike[str]) -> None:
    """Write architecture and weights of a model to a `.keras` file."""
    weights = io.BytesIO()
    write_weights(model, weights)
    said = {"keras_version": _VERSION, "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}
    contents = (json.dumps(said), json.dumps(config.written(model)), weights.getvalue())
    with zipfile.ZipFile(path, "w") as file:
        for name, part in zip(_PARTS, contents, strict=True):
            file.writestr(name, part)


def read(path: str | os.PathLike[str], made: Callable[[Any], Any]) -> Any:
    """The model in a `.keras` file.

    Args:
        path: of the file.
        made: gives the model of a config.

    Raises:
        FormatError: it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as file:
            parts = {name: file.read(name) for name in _PARTS}
    except (zipfile.BadZipFile, KeyError) as error:
        raise FormatError(
            "load_model: this is no .keras file",
            [f"path: {os.fspath(path)}", str(error)],
            "files of Keras 2 (.h5) are written anew by Keras 3: model.save('model.keras')",
        ) from error
    model = made(json.loads(parts["config.json"]))
    read_weights(model, io.BytesIO(parts["model.weights.h5"]))
    return model


def _walk(layer: Layer, path: str) -> Iterator[tuple[str, Layer]]:
    """A layer and all inside, with where each is kept."""
    yield path, layer
    for name, part in layer.nested().items():
        yield from _walk(part, f"{path}/{name}" if path else name)


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise UsageError(
            "keras: files of weights need h5py",
            ["it is not installed"],
            'pip install "lamina[keras]", or use lm.saving.save',
        ) from error
    return h5py
