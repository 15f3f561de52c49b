"""Single steps of recurrent networks: RNNCell, LSTMCell, GRUCell."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.functional.recurrent import simple_step
from lamina.nn.linear import uniform_fan_in
from lamina.nn.module import Module
from lamina.tensor import Tensor


class _Cell(Module):
    """The weights of a step with so many gates."""

    def __init__(self, gates: int, input_size: int, hidden_size: int, bias: bool, dtype: Any):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        rows = gates * hidden_size
        self.weight_ih = uniform_fan_in((rows, input_size), hidden_size, dtype)
        self.weight_hh = uniform_fan_in((rows, hidden_size), hidden_size, dtype)
        self.bias_ih = uniform_fan_in((rows,), hidden_size, dtype) if bias else None
        self.bias_hh = uniform_fan_in((rows,), hidden_size, dtype) if bias else None

    def _zeros(self, x: Any) -> Tensor:
        x = lm.asarray(x)
        dtype = lm.result_type(x, self.weight_ih)
        return lm.zeros((*x.shape[:-1], self.hidden_size), dtype=dtype)

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _sizes(self) -> str:
        bias = "" if self.bias_ih is not None else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or the same with relu.

    Shapes: `x: [*B, I], h: [*B, H] -> [*B, H]`; `weight_ih: [H, I], weight_hh: [H, H]`,
    `bias_ih, bias_hh: [H]`. Without h, it is 0.

    Source: Elman 1990, "Finding structure in time"; PyTorch's names, shapes and initialisation.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = lm.float32,
    ):
        super().__init__(1, input_size, hidden_size, bias, dtype)
        simple_step("RNNCell", nonlinearity)
        self.nonlinearity = nonlinearity

    def forward(self, x: Any, h: Any = None) -> Tensor:
        state = self._zeros(x) if h is None else h
        return functional.rnn_cell(x, state, *self._weights(), nonlinearity=self.nonlinearity)

    def extra_repr(self) -> str:
        said = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return self._sizes() + said


class LSTMCell(_Cell):
    """One step of long short-term memory: c' = f c + i g, h' = o tanh(c').

    Shapes: `x: [*B, I], state: ([*B, H], [*B, H]) -> ([*B, H], [*B, H])`, the state being (h, c),
    zeros when it is not given; `weight_ih: [4 H, I], weight_hh: [4 H, H]`, biases `[4 H]` in the
    order i, f, g, o.

    Source: Hochreiter and Schmidhuber 1997, "Long short-term memory"; PyTorch's names, shapes and
    initialisation.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = lm.float32
    ):
        super().__init__(4, input_size, hidden_size, bias, dtype)

    def forward(self, x: Any, state: tuple[Any, Any] | None = None) -> tuple[Tensor, Tensor]:
        given = (self._zeros(x), self._zeros(x)) if state is None else state
        return functional.lstm_cell(x, given, *self._weights())

    def extra_repr(self) -> str:
        return self._sizes()


class GRUCell(_Cell):
    """One step of a gated recurrent unit: h' = (1 - z) n + z h.

    Shapes: `x: [*B, I], h: [*B, H] -> [*B, H]`; `weight_ih: [3 H, I], weight_hh: [3 H, H]`, biases
    `[3 H]` in the order r, z, n. Without h, it is 0.

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder"; PyTorch's
    names, shapes and initialisation.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = lm.float32
    ):
        super().__init__(3, input_size, hidden_size, bias, dtype)

    def forward(self, x: Any, h: Any = None) -> Tensor:
        return functional.gru_cell(x, self._zeros(x) if h is None else h, *self._weights())

    def extra_repr(self) -> str:
        return self._sizes()
