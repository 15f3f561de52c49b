"""Model: layers between inputs and outputs, with `compile`, `fit`, `evaluate` and `predict`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import nn
from lamina.base.errors import UsageError
from lamina.keras import archive, config, functional_config
from lamina.keras.layer import Layer
from lamina.keras.layers.dense import InputLayer
from lamina.keras.naming import numbered, snake_case
from lamina.keras.plan import Plan, plan_of
from lamina.keras.symbols import Symbol, flattened, trial_shapes
from lamina.keras.training import Compiled, History, batches_of, split_off
from lamina.tensor import Tensor


def Input(
    shape: Sequence[int | None] | None = None,
    batch_shape: Sequence[int | None] | None = None,
    dtype: str | None = None,
    name: str | None = None,
) -> Symbol:
    """A symbol for what enters a model.

    Args:
        shape: of one example; None for sizes that are left open.
        batch_shape: with the batch, in place of `shape`.
        dtype: of what enters; "float32" when None.
        name: of the input.

    Raises:
        UsageError: there is neither of the shapes, or both.

    Example:
        >>> from lamina import keras
        >>> keras.Input((28, 28, 1)).shape
        (None, 28, 28, 1)
    """
    if (shape is None) == (batch_shape is None):
        raise UsageError(
            "Input: one of shape and batch_shape is needed",
            [f"shape: {shape}", f"batch_shape: {batch_shape}"],
        )
    full = (None, *shape) if shape is not None else tuple(batch_shape or ())
    return InputLayer(full, dtype or "float32", name).symbol()


class Model(Layer):
    """Layers between inputs and outputs: of symbols, or a class of yours with `call`.

    Args:
        inputs: symbols of `Input`, one or a list or a dict; None for a class of yours.
        outputs: symbols that layers gave.
        options: `name` and the others of `Layer`.

    Attributes:
        parts: the layers by name, of a model of symbols.

    Raises:
        UsageError: the outputs do not rest on the inputs, or two layers have one name.

    Example:
        >>> from lamina import keras
        >>> x = keras.Input((4,))
        >>> h = keras.layers.Dense(8, activation="relu")(x)
        >>> model = keras.Model(x, keras.layers.Concatenate()([x, h]))
        >>> model.predict([[1.0, 2.0, 3.0, 4.0]]).shape
        (1, 12)

    Source: Keras 3, `Model`.
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, **options: Any):
        super().__init__(**options)
        self.plan: Plan | None = None
        self.compiled: Compiled | None = None
        self._wanted: dict[str, Any] | None = None
        self.shapes: tuple[tuple[tuple[int | None, ...], str], ...] = ()
        if inputs is not None:
            self.plan, self.parts = plan_of(inputs, outputs)
            self.shapes = tuple((s.shape, s.dtype) for s in self.plan.symbols)
            self.built = True

    # ------------------------------------------------------------ calls

    def call(self, *inputs: Any) -> Any:
        if self.plan is None:
            raise NotImplementedError(f"{type(self).__name__} has no call")
        given = list(flattened(inputs))
        wanted = len(self.plan.symbols)
        if len(given) != wanted:
            raise UsageError(
                f"{self.name}: another number of inputs",
                [f"given: {len(given)}", f"inputs: {wanted}"],
            )
        return self.plan.run(self.parts, given)

    def _build_for(self, args: Any, kwargs: Any) -> None:
        if not self.shapes:
            tensors = [t for t in flattened(args) if isinstance(t, Tensor)]
            self.shapes = tuple(((None, *t.shape[1:]), t.dtype.long_name) for t in tensors)
        super()._build_for(args, kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside."""
        return list(self.nested().values())

    def get_layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises:
            UsageError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise UsageError(f"{self.name}: no layer {name!r}", [f"there are: {known}"])

    def nested(self) -> dict[str, Layer]:
        if self.plan is None and not hasattr(self, "parts"):
            return super().nested()
        taken: Any = _Names()
        names = [numbered(snake_case(p.config_name()), taken) for p in self.parts.values()]
        return {f"layers/{n}": part for n, part in zip(names, self.parts.values(), strict=True)}

    # ------------------------------------------------------------ training

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Sequence[Any] = (),
        *,
        run_eagerly: bool = False,
        **options: Any,
    ) -> None:
        """Choose how the model is trained and judged.

        Args:
            optimizer: a name, one of `keras.optimizers`, or a function of the model that gives an
                optimiser of `lamina.optim`.
            loss: a name, one of `keras.losses`, or a function of y_true and y_pred.
            metrics: names, functions of y_true and y_pred, or objects of `lamina.metrics`, which
                only evaluations update.
            run_eagerly: op by op rather than compiled, for looking inside.
            options: further arguments of `train.Trainer`, such as `precision`, `clip_norm`.

        Raises:
            UsageError: there is no loss.
        """
        if loss is None:
            raise UsageError("compile: a loss is needed", ["loss: None"])
        self.compiled = None
        self._wanted = {
            "optimizer": optimizer,
            "loss": loss,
            "measures": list(metrics),
            "jit": not run_eagerly,
            "options": options,
        }

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: bool | int = True,
        callbacks: Sequence[Any] = (),
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
    ) -> History:
        """Train for some epochs more, by `train.Trainer`.

        Args:
            x: an array of examples, or a list of arrays for a model of several inputs.
            y: their targets.
            batch_size: examples in a batch; the last batch of an epoch may have fewer.
            epochs: how often to go through the data.
            verbose: print a line for each epoch.
            callbacks: of `lamina.train`.
            validation_split: the share of examples at the end that are kept for validation.
            validation_data: inputs and targets for it.
            shuffle: in another order in each epoch; it follows `lm.random.seed`.

        Returns:
            The numbers of each epoch, in its `history`.

        Raises:
            UsageError: the model was not compiled.
        """
        x, y, split = split_off(x, y, validation_split)
        given = validation_data or split
        validation = None if given is None else batches_of(*given, batch_size)
        seed = int(lm.random.randint(2**31 - 1)) if shuffle else None
        batches = batches_of(x, y, batch_size, seed)
        compiled = self._compiled_for(batches)
        history = History(bool(verbose), epochs)
        self.train()
        try:
            compiled.fit(batches, validation, history, callbacks)
        finally:
            self.eval()
        return history

    def evaluate(self, x: Any, y: Any, batch_size: int = 32, *, return_dict: bool = False) -> Any:
        """The loss and the metrics of examples.

        Args:
            x, y, batch_size: as for `fit`.
            return_dict: give them by name.

        Returns:
            The loss, a list of the loss and the metrics, or a dict of them.

        Raises:
            UsageError: the model was not compiled.
        """
        batches = batches_of(x, y, batch_size)
        found = self._compiled_for(batches).trainer.evaluate(batches)
        found = {"loss": found["loss"], **found}
        if return_dict:
            return found
        return list(found.values()) if len(found) > 1 else found["loss"]

    def predict(self, x: Any, batch_size: int = 32) -> Any:
        """The outputs for examples, in compiled batches, as NumPy arrays.

        Args:
            x: an array, or a list of arrays for a model of several inputs.
            batch_size: examples in a batch.
        """
        several = isinstance(x, list | tuple) and len(self.shapes) > 1
        given = [np.asarray(part) for part in x] if several else np.asarray(x)
        batches = batches_of(given, None, batch_size)
        self._ensure_built(batches)
        found = [_predicted(self, inputs) for (inputs,) in batches]
        rows = [list(flattened(result)) for result in found]
        joined = [np.concatenate([t.numpy() for t in column]) for column in zip(*rows)]
        return joined if isinstance(found[0], list | tuple) else joined[0]

    def _ensure_built(self, batches: Any) -> None:
        if not all(layer.built for layer in self.modules() if isinstance(layer, Layer)):
            inputs, *_ = batches.batch(0, 0)
            self(inputs)

    def _compiled_for(self, batches: Any) -> Compiled:
        if self._wanted is None:
            raise UsageError(
                f"{self.name}: it was not compiled",
                ["optimizer, loss: None"],
                'call model.compile(optimizer="adam", loss=...) first',
            )
        self._ensure_built(batches)
        if self.compiled is None:
            self.compiled = Compiled(self, **self._wanted)
        return self.compiled

    # ------------------------------------------------------------ looking, configs, files

    def summary(self) -> None:
        """Print the layers with their outputs for one example, parameters and arithmetic.

        Raises:
            UsageError: the shapes of the inputs are not known yet.
        """
        if not self.shapes:
            raise UsageError(
                f"{self.name}: the shapes of its inputs are not known yet",
                ["built: False"],
                "begin with keras.Input, or call the model once",
            )
        zeros = [
            lm.zeros((1, *trial_shapes(shape)[0][1:]), dtype=dtype) for shape, dtype in self.shapes
        ]
        print(nn.summary(self, *zeros))

    def config_name(self) -> str:
        return "Functional" if self.plan is not None else type(self).__name__

    def get_config(self) -> dict[str, Any]:
        """The layers and how they are connected; for a class of yours write your own."""
        if self.plan is None:
            return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        own = {"name": self.name, "trainable": self.trainable}
        return own | functional_config.written(self.plan, self.parts)

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Mapping[str, type] | None = None
    ) -> Any:
        """A model of what `get_config` gave, or Keras wrote."""
        if "input_layers" not in config:
            return super().from_config(config)
        inputs, outputs, order = functional_config.read(config, custom_objects)
        model = cls(inputs, outputs, name=config.get("name"))
        model.parts = {name: model.parts[name] for name in order if name in model.parts}
        return model

    def to_json(self, **options: Any) -> str:
        """The architecture as Keras 3 writes it.

        Args:
            options: of `json.dumps`.
        """
        return json.dumps(config.written(self), **options)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights to a `.weights.h5` file in Keras's layout; needs h5py."""
        archive.write_weights(self, path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Take the weights of a `.weights.h5` file, of this model here or in Keras; needs h5py.

        Raises:
            FormatError: it is none.
            UsageError: its layers are others.
        """
        archive.read_weights(self, path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write architecture and weights to a `.keras` file; needs h5py."""
        archive.write(self, path)


class _Names(dict):
    """Counts of names, 0 at first."""

    def __missing__(self, name: str) -> int:
        return 0


def _predict(model: Any, inputs: Any) -> Any:
    return model(inputs)


_predicted = lm.jit(_predict)


def model_from_json(text: str, custom_objects: Mapping[str, type] | None = None) -> Any:
    """The model that `to_json` wrote, here or in Keras 3, with fresh weights.

    Args:
        text: JSON.
        custom_objects: classes of yours by name.

    Raises:
        FormatError: it is no config of a model.
        UsageError: there is no such layer, or it has a setting that is not supported.

    Example:
        >>> from lamina import keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> [layer.units for layer in keras.model_from_json(model.to_json()).layers]
        [2]
    """
    return config.read(json.loads(text), custom_objects)


def load_model(
    path: str | os.PathLike[str], custom_objects: Mapping[str, type] | None = None
) -> Any:
    """The model in a `.keras` file, written here or by Keras 3, with its weights; needs h5py.

    How it was compiled is not read: call `compile` to train it further.

    Args:
        path: of the file.
        custom_objects: classes of yours by name.

    Raises:
        FormatError: it is no such file, or is damaged.
        UsageError: there is a layer or a setting that is not supported.
    """
    return archive.read(path, lambda found: config.read(found, custom_objects))
