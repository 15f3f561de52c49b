"""Sequential: layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.keras import config as configs
from lamina.keras.layer import Layer
from lamina.keras.layers.dense import InputLayer
from lamina.keras.model import Model
from lamina.keras.symbols import Symbol, trial_shapes


class Sequential(Model):
    """Layers one after the other. Behind a `keras.Input` their weights are made at once.

    Args:
        layers: in their order.
        options: `name` and the others of `Layer`.

    Example:
        >>> from lamina import keras
        >>> model = keras.Sequential([keras.layers.Dense(64, activation="relu")])
        >>> model.add(keras.layers.Dense(10))
        >>> model.predict([[1.0, 2.0]]).shape
        (1, 10)

    Source: Keras 3, `Sequential`.
    """

    def __init__(self, layers: Iterable[Any] = (), **options: Any):
        super().__init__(**options)
        self.parts: dict[str, Layer] = {}
        for layer in layers:
            self._put(layer)
        self._make_weights()

    def add(self, layer: Any) -> None:
        """One more layer at the end.

        Raises:
            UsageError: there is one of its name.
        """
        self._put(layer)
        self._make_weights()

    def pop(self) -> Layer:
        """Take the last layer out; that layer."""
        return self.parts.pop(list(self.parts)[-1])

    def _put(self, layer: Any) -> None:
        if isinstance(layer, Symbol):
            layer = layer.call.layer
        if isinstance(layer, InputLayer):
            self.shapes = ((layer.batch_shape, layer.input_dtype),)
            return
        if layer.name in self.parts:
            raise UsageError(
                f"{self.name}: two layers have one name", [f"name: {layer.name!r}"], "name one anew"
            )
        if not self.parts and layer.input_shape is not None:
            self.shapes = (((None, *layer.input_shape), "float32"),)
        self.parts[layer.name] = layer

    def _make_weights(self) -> None:
        if self.shapes and self.parts:
            shape, dtype = self.shapes[0]
            self(lm.zeros(trial_shapes(shape)[0], dtype=dtype))

    def call(self, x: Any) -> Any:
        for layer in self.parts.values():
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        """The layers, an `InputLayer` first where the shape is known."""
        entries = [configs.written(InputLayer(*entry)) for entry in self.shapes]
        entries += [configs.written(layer) for layer in self.parts.values()]
        return {"name": self.name, "trainable": self.trainable, "layers": entries}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Mapping[str, type] | None = None
    ) -> Sequential:
        """A model of what `get_config` gave, or Keras wrote."""
        layers = [configs.read(entry, custom_objects) for entry in config["layers"]]
        return cls(layers, name=config.get("name"))
