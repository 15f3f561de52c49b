"""Inputs, products with a matrix, rows of a table."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.keras import activations, initializers
from lamina.keras.layer import Layer
from lamina.keras.symbols import Call, Symbol
from lamina.tensor import Tensor


class InputLayer(Layer):
    """Where a tensor enters a model; `keras.Input` makes one and gives its symbol.

    Args:
        batch_shape: with the batch in front, None for what is left open.
        input_dtype: of what enters.
        name: of the input.
    """

    def __init__(
        self,
        batch_shape: tuple[int | None, ...],
        input_dtype: str = "float32",
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.batch_shape = tuple(batch_shape)
        self.input_dtype = input_dtype
        self.built = True

    def symbol(self) -> Symbol:
        """The symbol of what enters."""
        call = Call(self, (), {})
        call.outputs.append(Symbol(self.batch_shape, self.input_dtype, call))
        return call.outputs[0]

    def call(self, x: Any) -> Any:
        return x

    def get_config(self) -> dict[str, Any]:
        named = {"batch_shape": list(self.batch_shape), "dtype": self.input_dtype}
        return named | {"sparse": False, "ragged": False, "name": self.name, "optional": False}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputLayer:
        return cls(tuple(config["batch_shape"]), config["dtype"] or "float32", config["name"])


class Dense(Layer):
    """y = activation(x kernel + bias).

    Args:
        units: width of the output.
        activation: a name or a function.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: of the first values.
        options: those of `Layer`.

    Shapes: `x: [B, ..., I] -> [B, ..., units]`; `kernel: [I, units], bias: [units]`.

    Source: Keras 3, `layers.Dense`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ):
        super().__init__(**options)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight((self.units,), self.bias_initializer)

    def call(self, x: Tensor) -> Tensor:
        y = lm.matmul(lm.astype(x, self.kernel.dtype), self.kernel)
        return self.activation(y + self.bias if self.use_bias else y)


class Embedding(Layer):
    """y[..., :] = embeddings[x[...], :].

    Args:
        input_dim: rows of the table.
        output_dim: width of a row.
        embeddings_initializer: of the first values.
        mask_zero: not supported; False.
        options: those of `Layer`.

    Shapes: `x: integers [B, ...] -> [B, ..., output_dim]`.

    Raises:
        UsageError: a mask is asked for.

    Source: Keras 3, `layers.Embedding`.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        mask_zero: bool = False,
        **options: Any,
    ):
        super().__init__(**options)
        if mask_zero:
            raise UsageError(
                "Embedding: layers here pass no masks on",
                ["mask_zero: True"],
                "pad sequences on the left, or write the model with nn.LSTM and its lengths",
            )
        self.input_dim = input_dim
        self.output_dim = output_dim
        uniform = embeddings_initializer == "uniform"
        drawn = initializers.RandomUniform() if uniform else embeddings_initializer
        self.embeddings_initializer = initializers.get(drawn)
        self.mask_zero = False

    def build(self, input_shape: Any) -> None:
        shape = (self.input_dim, self.output_dim)
        self.embeddings = self.add_weight(shape, self.embeddings_initializer)

    def call(self, x: Tensor) -> Tensor:
        numbers = lm.astype(x, lm.int32) if x.dtype.is_float else x
        return functional.embedding(numbers, self.embeddings)
