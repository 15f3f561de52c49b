"""Recurrent layers over `[B, T, C]`, and layers around layers."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.functional.recurrent import RecurrentWeights, Step
from lamina.keras import activations, initializers
from lamina.keras.layer import Layer
from lamina.tensor import Tensor

State = tuple[Tensor, ...]


class _Recurrent(Layer):
    """What SimpleRNN, LSTM and GRU share; not a layer by itself."""

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    stored_in = "cell/vars"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        **options: Any,
    ):
        super().__init__(**options)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.dropout = dropout
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards

    def build(self, input_shape: Any) -> None:
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        width = self.gates * self.units
        self.kernel = self.add_weight((shape[-1], width), self.kernel_initializer)
        self.recurrent_kernel = self.add_weight((self.units, width), self.recurrent_initializer)
        if self.use_bias:
            self.bias = self._first_bias(width)

    def _first_bias(self, width: int) -> Tensor:
        return self.add_weight((width,), self.bias_initializer)

    def _biases(self) -> tuple[Tensor | None, Tensor | None]:
        """Of the input, and of the state."""
        return (self.bias if self.use_bias else None), None

    def _step(self) -> Step:
        """One step of the cell."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def call(self, x: Tensor, initial_state: Any = None) -> Any:
        if self.training and self.dropout:  # one mask for all steps of a sequence
            x = x * functional.dropout(lm.ones_like(x[:, :1]), self.dropout, True)
        steps = lm.moveaxis(lm.flip(x, axis=1) if self.go_backwards else x, 1, 0)
        zeros = lm.zeros((x.shape[0], self.units), dtype=self.kernel.dtype)
        given = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
        start = (zeros,) * self.states if initial_state is None else tuple(given)
        kernels = lm.matrix_transpose(self.kernel), lm.matrix_transpose(self.recurrent_kernel)
        weights = RecurrentWeights(*kernels, *self._biases())
        out, last = functional.recurrent(self._step(), steps, start, weights)
        y = lm.moveaxis(out, 0, 1) if self.return_sequences else last[0]
        return [y, *last] if self.return_state else y


class SimpleRNN(_Recurrent):
    """h_t = activation(x_t kernel + h_(t-1) recurrent_kernel + bias).

    Args:
        units: width of the state.
        activation: a name or a function.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: of the first values.
        dropout: of inputs, while training.
        return_sequences: give the outputs of all steps rather than the last one.
        return_state: give the last state too, in a list behind the output.
        go_backwards: from the last step to the first; outputs come in that order.
        options: those of `Layer`.

    Shapes: `x: [B, T, C] -> [B, units]`, or `[B, T, units]` for all steps.

    Source: Keras 3, `layers.SimpleRNN`.
    """

    gates = 1

    def _step(self) -> Step:
        def step(given: Tensor, state: State, weights: RecurrentWeights) -> State:
            return (self.activation(given + functional.linear(state[0], weights.hh)),)

        return step


class LSTM(_Recurrent):
    """Long short-term memory: c' = f c + i g, h' = o activation(c'), with the gates i, f, g, o.

    Args:
        units: width of the state.
        activation: of g and of the cell.
        recurrent_activation: of i, f and o.
        unit_forget_bias: begin with a bias of 1 for f.
        options: those of `SimpleRNN`.

    Shapes: `x: [B, T, C] -> [B, units]`, or `[B, T, units]` for all steps;
    `kernel: [C, 4 units], recurrent_kernel: [units, 4 units], bias: [4 units]`.

    Source: Hochreiter and Schmidhuber 1997; Keras 3, `layers.LSTM`.
    """

    gates = 4
    states = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        unit_forget_bias: bool = True,
        **options: Any,
    ):
        super().__init__(units, activation, **options)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def _first_bias(self, width: int) -> Tensor:
        bias = super()._first_bias(width)
        if not self.unit_forget_bias:
            return bias
        i, _, rest = bias[: self.units], None, bias[2 * self.units :]
        return lm.concat([i, lm.ones((self.units,), dtype=bias.dtype), rest])

    def _step(self) -> Step:
        def step(given: Tensor, state: State, weights: RecurrentWeights) -> State:
            h, c = state
            i, f, g, o = lm.split(given + functional.linear(h, weights.hh), 4, axis=-1)
            gate = self.recurrent_activation
            c = gate(f) * c + gate(i) * self.activation(g)
            return gate(o) * self.activation(c), c

        return step


class GRU(_Recurrent):
    """Gated recurrent units: h' = z h + (1 - z) n, with the gates z, r and the candidate n.

    Args:
        units: width of the state.
        activation: of n.
        recurrent_activation: of z and r.
        reset_after: r is applied behind the product with the state, rather than before it.
        options: those of `SimpleRNN`.

    Shapes: `x: [B, T, C] -> [B, units]`, or `[B, T, units]` for all steps; `kernel: [C, 3 units],
    recurrent_kernel: [units, 3 units]`, `bias: [2, 3 units]`, or `[3 units]` without `reset_after`.

    Source: Cho et al. 2014; Keras 3, `layers.GRU`.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        reset_after: bool = True,
        **options: Any,
    ):
        super().__init__(units, activation, **options)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def _first_bias(self, width: int) -> Tensor:
        shape = (2, width) if self.reset_after else (width,)
        return self.add_weight(shape, self.bias_initializer)

    def _biases(self) -> tuple[Tensor | None, Tensor | None]:
        if self.use_bias and self.reset_after:
            return self.bias[0], self.bias[1]
        return super()._biases()

    def _step(self) -> Step:
        return self._after if self.reset_after else self._before

    def _after(self, given: Tensor, state: State, weights: RecurrentWeights) -> State:
        (h,) = state
        z_x, r_x, n_x = lm.split(given, 3, axis=-1)
        z_h, r_h, n_h = lm.split(functional.linear(h, weights.hh, weights.bias_hh), 3, axis=-1)
        r = self.recurrent_activation(r_x + r_h)
        return self._mixed(z_x + z_h, n_x + r * n_h, h)

    def _before(self, given: Tensor, state: State, weights: RecurrentWeights) -> State:
        (h,) = state
        z_x, r_x, n_x = lm.split(given, 3, axis=-1)
        of_gates, of_candidate = weights.hh[: 2 * self.units], weights.hh[2 * self.units :]
        z_h, r_h = lm.split(functional.linear(h, of_gates), 2, axis=-1)
        r = self.recurrent_activation(r_x + r_h)
        return self._mixed(z_x + z_h, n_x + functional.linear(r * h, of_candidate), h)

    def _mixed(self, z: Tensor, n: Tensor, h: Tensor) -> State:
        z = self.recurrent_activation(z)
        return (z * h + (1.0 - z) * self.activation(n),)


class Bidirectional(Layer):
    """A recurrent layer forwards, and another of the kind backwards.

    Args:
        layer: the first one; the second is made like it.
        merge_mode: how both outputs are joined: "concat", "sum", "mul", "ave", or None for a list.
        options: those of `Layer`.

    Raises:
        UsageError: there is no such mode, or the states are asked for too.

    Source: Schuster and Paliwal 1997; Keras 3, `layers.Bidirectional`.
    """

    def __init__(self, layer: Any, merge_mode: str | None = "concat", **options: Any):
        super().__init__(**options)
        if merge_mode not in (*_JOINS, None) or layer.return_state:
            raise UsageError(
                "Bidirectional: outputs are joined, and states are not given out",
                [f"merge_mode: {merge_mode!r}", f"return_state: {layer.return_state}"],
                f"modes: {', '.join(_JOINS)}, None",
            )
        config, name = layer.get_config(), layer.name.removeprefix("forward_")
        back = config | {"name": f"backward_{name}", "go_backwards": not layer.go_backwards}
        self.merge_mode = merge_mode
        self.forward_layer = layer
        self.backward_layer = type(layer).from_config(back)
        layer.name = f"forward_{name}"

    def call(self, x: Tensor) -> Any:
        one, other = self.forward_layer(x), self.backward_layer(x)
        if self.forward_layer.return_sequences:
            other = lm.flip(other, axis=1)
        return [one, other] if self.merge_mode is None else _JOINS[self.merge_mode](one, other)

    def get_config(self) -> dict[str, Any]:
        own = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        parts = {"layer": self.forward_layer, "backward_layer": self.backward_layer}
        return own | parts | {"merge_mode": self.merge_mode}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Bidirectional:
        return cls(**{k: v for k, v in config.items() if k != "backward_layer"})


_JOINS = {
    "concat": lambda one, other: lm.concat([one, other], axis=-1),
    "sum": lm.add,
    "mul": lm.multiply,
    "ave": lambda one, other: (one + other) / 2,
}


class TimeDistributed(Layer):
    """A layer for each step by itself.  Shapes: `x: [B, T, *A] -> [B, T, *C]`.

    Args:
        layer: takes `[B * T, *A]`.
        options: those of `Layer`.
    """

    def __init__(self, layer: Any, **options: Any):
        super().__init__(**options)
        self.layer = layer

    def call(self, x: Tensor) -> Tensor:
        batch, steps = x.shape[:2]
        y = self.layer(lm.reshape(x, (batch * steps, *x.shape[2:])))
        return lm.reshape(y, (batch, steps, *y.shape[1:]))
