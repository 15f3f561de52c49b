"""Recurrent layers over whole sequences: RNN, LSTM, GRU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError, UsageError
from lamina.functional.recurrent import RecurrentWeights, Step, simple_step
from lamina.nn.linear import uniform_fan_in
from lamina.nn.module import Module
from lamina.tensor import Tensor

KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


class _Recurrent(Module):
    """Layers on layers of one kind of step, in one direction or both."""

    def __init__(
        self,
        step: Step,
        gates: int,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        dtype: Any,
    ):
        super().__init__()
        name = type(self).__name__
        if hidden_size < 1 or num_layers < 1 or not 0 <= proj_size < hidden_size:
            raise UsageError(
                f"{name}: sizes are at least 1, and proj_size is less than hidden_size",
                [
                    f"hidden_size: {hidden_size}",
                    f"num_layers: {num_layers}",
                    f"proj_size: {proj_size}",
                ],
            )
        if not 0.0 <= dropout <= 1.0:
            raise UsageError(f"{name}: dropout is not a probability", [f"dropout: {dropout}"])
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._step = step
        rows = gates * hidden_size
        for layer, suffix in self._parts():
            width = self._width() * self._directions() if layer else input_size
            shapes: list[tuple[int, ...]] = [(rows, width), (rows, self._width())]
            shapes += [(rows,), (rows,)] if bias else []
            kinds = KINDS[: len(shapes)]
            if proj_size:
                shapes, kinds = [*shapes, (proj_size, hidden_size)], (*kinds, KINDS[-1])
            for kind, shape in zip(kinds, shapes, strict=True):
                setattr(self, kind + suffix, uniform_fan_in(shape, hidden_size, dtype))

    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _width(self) -> int:
        """Of the output in one direction."""
        return self.proj_size or self.hidden_size

    def _parts(self) -> Iterator[tuple[int, str]]:
        """Each layer and direction, with the end of its names."""
        for layer in range(self.num_layers):
            yield layer, f"_l{layer}"
            if self.bidirectional:
                yield layer, f"_l{layer}_reverse"

    def _run(
        self, x: Any, widths: tuple[int, ...], hx: tuple[Any, ...] | None, lengths: Any
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Output and last states; `widths` are those of the tensors of a state."""
        x = lm.asarray(x)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: these are no sequences for the layer",
                [f"x: {x.type}", f"input_size: {self.input_size}"],
                "x is [B, T, input_size]" if self.batch_first else "x is [T, B, input_size]",
            )
        alone = x.ndim == 2
        time = 0 if alone or not self.batch_first else 1
        steps = lm.expand_dims(x, axis=1) if alone else lm.moveaxis(x, time, 0)
        states = self._first_states(steps, widths, hx, alone)
        inside = None if lengths is None else self._inside(steps, lengths, alone)
        y, last = self._layers(steps, states, inside)
        if alone:
            return lm.squeeze(y, axis=1), tuple(lm.squeeze(part, axis=1) for part in last)
        return lm.moveaxis(y, 0, time), last

    def _layers(
        self, y: Tensor, states: tuple[Tensor, ...], inside: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        last: list[tuple[Tensor, ...]] = []
        outs: list[Tensor] = []
        for at, (_, suffix) in enumerate(self._parts()):
            if len(outs) == self._directions():
                y, outs = lm.concat(outs, axis=-1), []
                y = functional.dropout(y, self.dropout, self.training)
            weights = RecurrentWeights(*[getattr(self, kind + suffix, None) for kind in KINDS])
            reverse = self.bidirectional and at % 2 == 1
            first = tuple([part[at] for part in states])
            out, end = functional.recurrent(
                self._step, y, first, weights, inside=inside, reverse=reverse
            )
            outs.append(out)
            last.append(end)
        return lm.concat(outs, axis=-1), tuple(lm.stack(p) for p in zip(*last, strict=True))

    def _first_states(
        self, steps: Tensor, widths: tuple[int, ...], hx: tuple[Any, ...] | None, alone: bool
    ) -> tuple[Tensor, ...]:
        count, batch = self.num_layers * self._directions(), steps.shape[1]
        if hx is None:
            dtype = lm.result_type(steps, self.weight_ih_l0)
            return tuple(lm.zeros((count, batch, w), dtype=dtype) for w in widths)
        states = []
        for part, width in zip(hx, widths, strict=True):
            state = lm.expand_dims(lm.asarray(part), axis=1) if alone else lm.asarray(part)
            if state.shape != (count, batch, width):
                raise ShapeError(
                    f"{type(self).__name__}: the state does not fit",
                    [f"state: {state.type}", f"wanted: {(count, batch, width)}"],
                    "a state is [layers * directions, B, width]",
                )
            states.append(state)
        return tuple(states)

    def _inside(self, steps: Tensor, lengths: Any, alone: bool) -> Tensor:
        given = lm.asarray(lengths)
        given = lm.reshape(given, (1,)) if alone else given
        if given.shape != (steps.shape[1],) or not given.dtype.is_integer:
            raise ShapeError(
                f"{type(self).__name__}: there is not one length for each sequence",
                [f"lengths: {given.type}", f"sequences: {steps.shape[1]}"],
            )
        place = lm.arange(steps.shape[0], dtype=given.dtype)
        return lm.expand_dims(place, axis=1) < given

    def extra_repr(self) -> str:
        usual = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        said = [
            f"{n}={getattr(self, n)}" for n, value in usual.items() if getattr(self, n) != value
        ]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *said])


class RNN(_Recurrent):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), layer on layer.

    Args:
        input_size: width I of an input.
        hidden_size: width H of the state.
        num_layers: layers L, each over the outputs of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: inputs and outputs are `[B, T, ...]` rather than `[T, B, ...]`.
        dropout: between layers, while training.
        bidirectional: a second set of layers goes backwards; D = 2, else 1.
        dtype: of the parameters.

    Call it with `(x, hx=None, lengths=None)`: the inputs, the first state (zeros by default), and
    the length of each sequence in the batch. Beyond its length a sequence has outputs 0, and its
    last state is that at its end: what packed sequences give in PyTorch.

    Shapes: `x: [T, B, I], hx: [L D, B, H], lengths: [B] -> ([T, B, D H], [L D, B, H])`, or without
    B throughout; `weight_ih_l0: [H, I], weight_hh_l0: [H, H], bias_ih_l0, bias_hh_l0: [H]`,
    with `_l1`, ... for further layers and `_reverse` at the end for the way back.

    Source: Elman 1990, "Finding structure in time"; PyTorch's names, shapes and initialisation.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = lm.float32,
    ):
        step = simple_step("RNN", nonlinearity)
        super().__init__(
            step,
            1,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            dtype,
        )
        self.nonlinearity = nonlinearity

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Tensor]:
        y, last = self._run(x, (self.hidden_size,), None if hx is None else (hx,), lengths)
        return y, last[0]


class LSTM(_Recurrent):
    """Long short-term memory: c' = f c + i g, h' = o tanh(c'), layer on layer.

    The gates are i, f, o = sigmoid(W x + b + W' h + b') and g with tanh in its place.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as in `RNN`.
        proj_size: project the output to this width, h' = W_hr (o tanh(c')); 0 for none.
        dtype: of the parameters.

    Call it with `(x, hx=None, lengths=None)`, see `RNN`; here hx is the pair (h, c).

    Shapes: `x: [T, B, I], hx: ([L D, B, P], [L D, B, H]) -> ([T, B, D P], hx)`, P being
    `proj_size` or H; `weight_ih_l0: [4 H, I], weight_hh_l0: [4 H, P]`, biases `[4 H]` in the order
    i, f, g, o, and `weight_hr_l0: [P, H]`.

    Example:
        >>> import lamina as lm
        >>> y, (h, c) = lm.nn.LSTM(3, 5, num_layers=2)(lm.ones((7, 2, 3)))
        >>> y.shape, h.shape, c.shape
        ((7, 2, 5), (2, 2, 5), (2, 2, 5))

    Source: Hochreiter and Schmidhuber 1997, "Long short-term memory"; PyTorch's names, shapes and
    initialisation.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        dtype: Any = lm.float32,
    ):
        super().__init__(
            functional.lstm_step,
            4,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            dtype,
        )

    def forward(
        self, x: Any, hx: tuple[Any, Any] | None = None, lengths: Any = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        y, (h, c) = self._run(x, (self._width(), self.hidden_size), hx, lengths)
        return y, (h, c)


class GRU(_Recurrent):
    """Gated recurrent units: h' = (1 - z) n + z h, layer on layer.

    The gates are r, z = sigmoid(W x + b + W' h + b'), and n = tanh(W x + b + r (W' h + b')).

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as in `RNN`.
        dtype: of the parameters.

    Call it with `(x, hx=None, lengths=None)`, see `RNN`.

    Shapes: as in `RNN`; `weight_ih_l0: [3 H, I], weight_hh_l0: [3 H, H]`, biases `[3 H]` in the
    order r, z, n.

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder"; PyTorch's
    names, shapes and initialisation.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = lm.float32,
    ):
        super().__init__(
            functional.gru_step,
            3,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            dtype,
        )

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Tensor]:
        y, last = self._run(x, (self.hidden_size,), None if hx is None else (hx,), lengths)
        return y, last[0]
