"""Recurrent networks: one step of each kind of cell, and a layer of steps as one loop.

In a layer the products with the inputs of all steps are one contraction before the loop; inside it
only the product with the state is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lamina.base.errors import ShapeError, UsageError
from lamina.functional.activations import sigmoid
from lamina.functional.linear import linear
from lamina.functional.rectifiers import relu
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, astype, scan, split, tanh, where

State = tuple[Tensor, ...]


class RecurrentWeights(NamedTuple):
    """The weights of one layer in one direction; G gates of width H, a state of width P.

    Attributes:
        ih: of the input, `[G * H, I]`.
        hh: of the state, `[G * H, P]`.
        bias_ih: `[G * H]`, or None.
        bias_hh: `[G * H]`, or None.
        hr: the projection of an LSTM's output, `[P, H]`, or None where P = H.
    """

    ih: Any
    hh: Any
    bias_ih: Any = None
    bias_hh: Any = None
    hr: Any = None


Step = Callable[[Tensor, State, RecurrentWeights], State]


def rnn_step(given: Tensor, state: State, weights: RecurrentWeights) -> State:
    """h' = tanh(given + W_hh h + b_hh).  Shapes: `given: [*B, H], state: ([*B, H],)`."""
    return (tanh(given + linear(state[0], weights.hh, weights.bias_hh)),)


def relu_step(given: Tensor, state: State, weights: RecurrentWeights) -> State:
    """h' = max(given + W_hh h + b_hh, 0).  Shapes: `given: [*B, H], state: ([*B, H],)`."""
    return (relu(given + linear(state[0], weights.hh, weights.bias_hh)),)


def lstm_step(given: Tensor, state: State, weights: RecurrentWeights) -> State:
    """c' = f c + i g and h' = W_hr (o tanh(c')), with the gates i, f, g, o.

    Shapes: `given: [*B, 4 H], state: ([*B, P], [*B, H])`
    """
    h, c = state
    i, f, g, o = split(given + linear(h, weights.hh, weights.bias_hh), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return (h if weights.hr is None else linear(h, weights.hr), c)


def gru_step(given: Tensor, state: State, weights: RecurrentWeights) -> State:
    """h' = (1 - z) n + z h with n = tanh(given_n + r (W_hn h + b_hn)) and the gates r, z.

    Shapes: `given: [*B, 3 H], state: ([*B, H],)`
    """
    (h,) = state
    r_x, z_x, n_x = split(given, 3, axis=-1)
    r_h, z_h, n_h = split(linear(h, weights.hh, weights.bias_hh), 3, axis=-1)
    z = sigmoid(z_x + z_h)
    n = tanh(n_x + sigmoid(r_x + r_h) * n_h)
    return (n + z * (h - n),)


def rnn_cell(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    nonlinearity: str = "tanh",
) -> Tensor:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or the same with relu.

    Shapes: `x: [*B, I], h: [*B, H], weight_ih: [H, I], weight_hh: [H, H] -> [*B, H]`

    Source: Elman 1990, "Finding structure in time".
    """
    weights = RecurrentWeights(weight_ih, weight_hh, bias_ih, bias_hh)
    step = simple_step("rnn_cell", nonlinearity)
    return step(linear(x, weight_ih, bias_ih), (asarray(h),), weights)[0]


def lstm_cell(
    x: Any,
    state: tuple[Any, Any],
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    weight_hr: Any = None,
) -> tuple[Tensor, Tensor]:
    """One step of long short-term memory; see `lstm_step`.

    Shapes: `x: [*B, I], state: ([*B, P], [*B, H]), weight_ih: [4 H, I], weight_hh: [4 H, P],
    weight_hr: [P, H] -> ([*B, P], [*B, H])`

    Source: Hochreiter and Schmidhuber 1997, "Long short-term memory", with the forget gate of
    Gers, Schmidhuber and Cummins 2000; projections after Sak, Senior and Beaufays 2014.
    """
    weights = RecurrentWeights(weight_ih, weight_hh, bias_ih, bias_hh, weight_hr)
    h, c = state
    h, c = lstm_step(linear(x, weight_ih, bias_ih), (asarray(h), asarray(c)), weights)
    return h, c


def gru_cell(
    x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None
) -> Tensor:
    """One step of a gated recurrent unit; see `gru_step`.

    Shapes: `x: [*B, I], h: [*B, H], weight_ih: [3 H, I], weight_hh: [3 H, H] -> [*B, H]`

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder".
    """
    weights = RecurrentWeights(weight_ih, weight_hh, bias_ih, bias_hh)
    return gru_step(linear(x, weight_ih, bias_ih), (asarray(h),), weights)[0]


def simple_step(name: str, nonlinearity: str) -> Step:
    """`rnn_step` for "tanh" and `relu_step` for "relu"."""
    steps = {"tanh": rnn_step, "relu": relu_step}
    if nonlinearity not in steps:
        raise UsageError(
            f"{name}: no nonlinearity {nonlinearity!r}", ['there are "tanh" and "relu"']
        )
    return steps[nonlinearity]


def recurrent(
    step: Step,
    x: Any,
    state: State,
    weights: RecurrentWeights,
    *,
    inside: Any = None,
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """One layer in one direction: `step` over the first axis of `x`.

    Args:
        step: `rnn_step`, `relu_step`, `lstm_step`, `gru_step`, or another of that kind.
        x: the inputs of all steps.
        state: the first state; its first tensor is what the layer gives out.
        weights: those of the layer.
        inside: which steps belong to a sequence. At others the state stays as it is and the output
            is 0, so sequences of different length may stand in one batch.
        reverse: from the last step to the first.

    Shapes: `x: [T, B, I], state: tensors [B, ...], inside: [T, B] -> ([T, B, P], last state)`

    Raises:
        ShapeError: `inside` does not say so for each step and sequence.
    """
    given = linear(x, weights.ih, weights.bias_ih)  # (T, B, G * H)
    start = tuple(astype(part, given.dtype) for part in state)
    if inside is None:

        def plain(old: State, now: Tensor) -> tuple[State, Tensor]:
            new = step(now, old, weights)
            return new, new[0]

        last, out = scan(plain, start, given, reverse=reverse)
        return out, last
    mask = asarray(inside)
    if mask.shape != given.shape[:2]:
        raise ShapeError(
            "recurrent: the mask is not one of steps and sequences",
            [f"x: {asarray(x).type}", f"inside: {mask.type}"],
            "inside is [T, B]",
        )

    def masked(old: State, now: tuple[Tensor, Tensor]) -> tuple[State, Tensor]:
        keep = now[1]
        new = tuple(where(keep, n, o) for n, o in zip(step(now[0], old, weights), old, strict=True))
        return new, where(keep, new[0], 0.0)

    last, out = scan(masked, start, (given, mask[..., None]), reverse=reverse)
    return out, last
