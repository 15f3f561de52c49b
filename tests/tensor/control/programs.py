"""Pairs of programs: one with a loop in the graph, one with the loop in Python."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm

RNG = np.random.default_rng(0)


def array(*shape: int, dtype: str = "float64") -> Any:
    """Normal numbers of a shape."""
    return lm.asarray(RNG.standard_normal(shape).astype(dtype))


def cell(params: Any, state: Any, x: Any) -> Any:
    """An LSTM cell."""
    h, c = state
    gates = x @ params["w"] + h @ params["u"] + params["b"]
    i, f, g, o = lm.split(gates, 4, axis=-1)
    c = lm.functional.sigmoid(f) * c + lm.functional.sigmoid(i) * lm.tanh(g)
    h = lm.functional.sigmoid(o) * lm.tanh(c)
    return (h, c)


def lstm_arguments(length: int, batch: int = 2, inputs: int = 3, width: int = 4) -> Any:
    """Parameters and a sequence."""
    params = {
        "w": array(inputs, 4 * width) * 0.5,
        "u": array(width, 4 * width) * 0.5,
        "b": array(4 * width) * 0.1,
    }
    return params, array(length, batch, inputs)


def lstm_scan(params: Any, xs: Any, reverse: bool = False, unroll: int = 1) -> Any:
    """A loss over all outputs, by `scan`."""
    zero = lm.zeros((xs.shape[1], params["u"].shape[0]), dtype=xs.dtype)

    def step(state: Any, x: Any) -> Any:
        state = cell(params, state, x)
        return state, state[0]

    state, hs = lm.scan(step, (zero, zero), xs, reverse=reverse, unroll=unroll)
    return (hs * hs).sum() + (state[1] * 0.3).sum()


def lstm_python(params: Any, xs: Any, reverse: bool = False) -> Any:
    """The same, unrolled."""
    h = c = lm.zeros((xs.shape[1], params["u"].shape[0]), dtype=xs.dtype)
    total = lm.asarray(0.0, dtype=xs.dtype)
    order = range(xs.shape[0])
    for t in reversed(order) if reverse else order:
        h, c = cell(params, (h, c), xs[t])
        total = total + (h * h).sum()
    return total + (c * 0.3).sum()
