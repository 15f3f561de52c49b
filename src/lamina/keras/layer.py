"""Layer: an `nn.Module` whose weights are made when it first sees its input."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import numpy as np

import lamina.tensor as lm
from lamina import nn
from lamina.base.errors import ShapeError, UsageError
from lamina.keras import initializers
from lamina.keras.naming import unique_name
from lamina.keras.symbols import (
    Call,
    Symbol,
    flattened,
    joined_shape,
    mapped,
    symbols_in,
    trial_shapes,
)
from lamina.tensor import Tensor

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_DTYPES = ("float16", "bfloat16", "float32", "float64")


class Layer(nn.Module):
    """Base of all layers here, and of your own: write `build` and `call`.

    Called with tensors or arrays, a layer computes; called with symbols (`Input`), it is described:
    the result is a symbol, which `Model` makes models of. Layers and models evaluate unless they
    are in `fit`, or are called with `training=True`.

    Args:
        name: unique in a model; made of the class by default.
        trainable: whether its weights are trained.
        dtype: of its weights.
        input_shape: of one example, to make the weights at once as the first of a `Sequential`.

    Example:
        >>> import lamina as lm
        >>> from lamina import keras
        >>> class Scale(keras.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight((input_shape[-1],), "ones")
        ...     def call(self, x):
        ...         return x * self.factor
        >>> Scale()(lm.ones((2, 3))).shape
        (2, 3)

    Source: Keras 3, `layers.Layer`.
    """

    stored_in: ClassVar[str] = "vars"
    """Where the files of Keras keep the weights of such a layer."""

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
        input_shape: tuple[int | None, ...] | None = None,
    ):
        super().__init__()
        self.name = name or unique_name(type(self).__name__)
        self.dtype = _dtype_name(dtype)
        self.input_shape = None if input_shape is None else tuple(input_shape)
        self.built = False
        self.training = False
        self.trainable = trainable

    # ------------------------------------------------------------ what a layer is

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of that shape (a list of shapes for several inputs)."""

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes. With an argument `training` it is told whether it trains."""
        raise NotImplementedError(f"{type(self).__name__} has no call")

    def add_weight(
        self,
        shape: tuple[int, ...] = (),
        initializer: Any = "glorot_uniform",
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> Tensor:
        """First values of a weight; assign them to an attribute.

        Args:
            shape: of the weight.
            initializer: a name, a config, or a function of shape and dtype.
            dtype: of the weight; that of the layer when None.
            trainable: whether it is trained; if not, `name` it, and the attribute is made here.
            name: of the attribute.

        Raises:
            UsageError: a weight that is not trained has no name.
        """
        made = initializers.get(initializer)(tuple(shape), dtype or self.dtype)
        if name is not None and not trainable:
            self.register_buffer(name, made)
        elif not trainable:
            raise UsageError(
                f"{self.name}: a weight that is not trained needs a name",
                ["name: None"],
                'add_weight(shape, "zeros", trainable=False, name="total") makes self.total',
            )
        return made

    # ------------------------------------------------------------ calls

    def __call__(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        if symbols_in([args, kwargs]):
            return self._described(args, kwargs)
        args, kwargs = mapped(self._taken, args), mapped(self._taken, kwargs)
        self._build_for(args, kwargs)
        if training is None or training == self.training:
            return super().__call__(*args, **kwargs)
        modes = [(module, module.training) for module in self.modules()]
        self.train(training)
        try:
            return super().__call__(*args, **kwargs)
        finally:
            for module, mode in modes:
                module.training = mode

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """`call`, told whether it trains if it asks."""
        if "training" in inspect.signature(self.call).parameters:
            kwargs.setdefault("training", self.training)
        return self.call(*args, **kwargs)

    def _taken(self, value: Any) -> Any:
        """An argument as a tensor: floating arrays in the dtype of the layer."""
        if not isinstance(value, np.ndarray | Tensor):
            return value
        tensor = lm.asarray(value)
        wanted = self.dtype
        return lm.astype(tensor, wanted) if tensor.dtype.is_float else tensor

    def _build_for(self, args: Any, kwargs: Any) -> None:
        if self.built:
            return
        tensors = [t for t in flattened([args, kwargs]) if isinstance(t, Tensor)]
        if any(t.is_traced for t in tensors):
            raise UsageError(
                f"{self.name}: its weights would be made inside of a compiled function",
                ["built: False", f"x: {tensors[0].type}"],
                "call the model once before, or describe it with keras.Input",
            )
        shapes = mapped(lambda t: t.shape if isinstance(t, Tensor) else None, args)
        self.build(shapes[0] if len(shapes) == 1 else list(shapes))
        self.built = True
        self.trainable = self.trainable  # for what was made

    def _described(self, args: Any, kwargs: Any) -> Any:
        """Symbols of what the layer gives, found with zeros that nobody computes."""
        call = Call(self, args, kwargs)
        one, other = (self(*_zeros(args, k), **_zeros(kwargs, k)) for k in (0, 1))
        pairs = zip(flattened(one), flattened(other), strict=True)
        for index, (a, b) in enumerate(pairs):
            shape = joined_shape(a.shape, b.shape)
            call.outputs.append(Symbol(shape, a.dtype.long_name, call, index))
        found = iter(call.outputs)
        return mapped(lambda _: next(found), one)

    # ------------------------------------------------------------ weights

    @property
    def trainable(self) -> bool:
        """Whether the weights are trained; set it for the layer and all inside."""
        return not self.frozen

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.freeze(not value)

    def nested(self) -> dict[str, Layer]:
        """The layers directly inside, by where the files of Keras keep them."""
        return {path: part for path, part in self.named_children() if isinstance(part, Layer)}

    def own_weights(self) -> list[str]:
        """The attributes with weights of this layer alone, those that are not trained last."""
        names = [name for name, value in self.__dict__.items() if isinstance(value, Tensor)]
        return sorted(names, key=lambda name: name in self._buffer_names)

    @property
    def weights(self) -> list[Tensor]:
        """All weights, those of a layer before those of the layers inside."""
        own = [getattr(self, name) for name in self.own_weights()]
        return own + [w for part in self.nested().values() for w in part.weights]

    def get_weights(self) -> list[np.ndarray]:
        """All weights as arrays, in the order of `weights`."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Take arrays in the order of `weights`.

        Raises:
            UsageError: there are too many or too few.
            ShapeError: one has another shape.
        """
        if len(weights) != len(self.weights):
            raise UsageError(
                f"{self.name}: another number of weights",
                [f"given: {len(weights)}", f"there: {len(self.weights)}"],
                "build the layer first by calling it once",
            )
        rest = list(weights)
        for name in self.own_weights():
            self._set_weight(name, rest.pop(0))
        for part in self.nested().values():
            count = len(part.weights)
            part.set_weights(rest[:count])
            del rest[:count]

    def _set_weight(self, name: str, value: Any) -> None:
        old, new = getattr(self, name), lm.asarray(np.asarray(value))
        if old.shape != new.shape:
            raise ShapeError(
                f"{self.name}: {name} has another shape",
                [f"layer: {old.type}", f"given: {new.type}"],
            )
        setattr(self, name, lm.astype(new, old.dtype))

    def count_params(self) -> int:
        """How many numbers its weights have."""
        return sum(weight.size for weight in self.weights)

    # ------------------------------------------------------------ configs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as Keras names them; see `from_config`."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype,
        }
        return config | {name: getattr(self, name) for name in settings_of(type(self))}

    def config_name(self) -> str:
        """The name of the class in configs."""
        return type(self).__name__

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer of what `get_config` gave."""
        return cls(**config)

    def extra_repr(self) -> str:
        return f"name={self.name!r}"


def settings_of(kind: type) -> list[str]:
    """The arguments of a class of layers, and of those it rests on, beside those that all have."""
    common = ("self", "name", "trainable", "dtype", "input_shape")
    found: dict[str, None] = {}
    for base in kind.__mro__:
        if not issubclass(base, Layer) or "__init__" not in base.__dict__ or base is Layer:
            continue
        parameters = inspect.signature(base.__init__).parameters.values()
        found |= {p.name: None for p in parameters if p.kind in _NAMED}
    return [name for name in found if name not in common]


def _zeros(structure: Any, trial: int) -> Any:
    def zeros(value: Any) -> Any:
        if not isinstance(value, Symbol):
            return value
        return lm.zeros(trial_shapes(value.shape)[trial], dtype=value.dtype)

    return mapped(zeros, structure)


def _dtype_name(dtype: Any) -> str:
    """The name of a dtype, also out of the policy that Keras writes to configs."""
    if isinstance(dtype, dict):
        dtype = dtype["config"]["name"]
    name = "float32" if dtype is None else str(dtype).rpartition(".")[2]
    if name not in _DTYPES:
        raise UsageError(
            f"keras: layers compute in one floating dtype, which is no {name!r}",
            [f"there are: {', '.join(_DTYPES)}"],
            "for 16-bit products over 32-bit weights see train.Trainer(precision=...)",
        )
    return name
