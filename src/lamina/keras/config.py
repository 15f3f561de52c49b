"""Layers and models as Keras 3 writes them to JSON, and back."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from lamina.base.errors import FormatError, UsageError
from lamina.keras import activations
from lamina.keras.initializers import Initializer
from lamina.keras.layer import Layer, settings_of

_COMMON = ("name", "trainable", "dtype")
_WITHOUT_EFFECT = ("renorm_momentum", "zero_output_for_mask", "seed", "implementation")
_TRAINING = ("_regularizer", "_constraint")


def written(layer: Layer) -> dict[str, Any]:
    """A layer with everything inside as a config."""
    kind = type(layer)
    ours = kind.__module__.startswith("lamina.keras")
    in_layers = kind.__module__.startswith("lamina.keras.layers")
    return {
        "module": ("keras.layers" if in_layers else "keras") if ours else kind.__module__,
        "class_name": layer.config_name(),
        "config": {key: _written(value) for key, value in layer.get_config().items()},
        "registered_name": None if ours else kind.__name__,
    }


def _written(value: Any) -> Any:
    if isinstance(value, Layer):
        return written(value)
    if isinstance(value, Initializer):
        name, config = type(value).__name__, value.get_config()
        module = "keras.initializers"
        return {"module": module, "class_name": name, "config": config, "registered_name": None}
    if isinstance(value, list | tuple):
        return [_written(part) for part in value]
    if isinstance(value, dict):
        return {key: _written(part) for key, part in value.items()}
    return activations.serialize(value) if callable(value) else value


def read(config: Mapping[str, Any], custom_objects: Mapping[str, type] | None = None) -> Any:
    """The layer or model of a config.

    Args:
        config: what `written` gives, or Keras writes.
        custom_objects: classes of yours by name.

    Raises:
        FormatError: it is no config.
        UsageError: there is no such layer, or it has a setting that is not supported.
    """
    if not {"class_name", "config"} <= set(config):
        raise FormatError(
            "keras: this is no config of a layer", [f"keys: {', '.join(map(str, config))}"]
        )
    custom = dict(custom_objects or {})
    kind = _class_named(config["class_name"], custom)
    given = {key: _read(value, custom) for key, value in config["config"].items()}
    if kind.from_config.__func__ is Layer.from_config.__func__:
        given = _supported(kind, given)
    if "custom_objects" in inspect.signature(kind.from_config).parameters:
        return kind.from_config(given, custom)
    return kind.from_config(given)


def _read(value: Any, custom: Mapping[str, type]) -> Any:
    """A setting, a layer where it is the config of one."""
    is_config = isinstance(value, dict) and {"module", "class_name"} <= set(value)
    if is_config and (value["module"] == "keras.layers" or value["class_name"] in custom):
        return read(value, custom)
    return value


def _class_named(name: str, custom: Mapping[str, type]) -> Any:
    known = {kind.__name__: kind for kind in _below(Layer)}
    name = "Model" if name == "Functional" else name
    found = custom.get(name) or known.get(name)
    if found is None:
        raise UsageError(
            f"keras: there is no layer {name!r}",
            [f"there are: {', '.join(sorted(n for n in known if n[0] != '_'))}"],
            "pass a class of yours as custom_objects={name: class}",
        )
    return found


def _below(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("lamina.keras"):
            yield child
            yield from _below(child)


def _supported(kind: type, config: dict[str, Any]) -> dict[str, Any]:
    """The settings that a class knows; those it does not know must ask for nothing."""
    known = {*settings_of(kind), *_COMMON}
    if not kind.__module__.startswith("lamina.keras"):
        return config
    kept = {}
    for key, value in config.items():
        if key in known:
            kept[key] = value
        elif key not in _WITHOUT_EFFECT and not _asks_nothing(value):
            _refuse(kind.__name__, key, value)
    return kept


def _asks_nothing(value: Any) -> bool:
    """Whether a setting is what it is without being set."""
    if isinstance(value, list | tuple):
        return all(part == 1 for part in value)  # strides and the like
    return not value or value == "channels_last"


def _refuse(kind: str, key: str, value: Any) -> None:
    if key.endswith(_TRAINING):
        warnings.warn(
            f"{kind}: {key} is left out; it changes what is learned from here on, and no output",
            stacklevel=2,
        )
        return
    raise UsageError(f"{kind}: a setting that layers here do not have", [f"{key}: {value!r}"])
