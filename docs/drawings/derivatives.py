"""A function and its first three derivatives, by `grad` of `grad` of `grad` under `vmap`."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm
from docs.drawings import style


def f(x: lm.Tensor) -> lm.Tensor:
    """A hump that leans to the right."""
    return lm.tanh(2.0 * x) * lm.exp(-x * x / 2.0)


def draw() -> Any:
    """Four curves over one axis."""
    x = np.linspace(-3, 3, 301, dtype=np.float32)
    figure, panel = style.figure(7.0, 3.0)
    derivative, names = f, ("f", "grad(f)", "grad(grad(f))", "grad(grad(grad(f)))")
    for order, name in enumerate(names):
        values = lm.jit(lm.vmap(derivative))(x).numpy()
        panel.plot(x, values / max(1.0, abs(values).max()), label=name, zorder=5 - order)
        derivative = lm.grad(derivative)
    panel.axhline(0, color=style.GREY, linewidth=0.6)
    panel.set(
        title="f = tanh(2x) exp(-x²/2), higher curves scaled to height 1", xlabel="x", yticks=[]
    )
    panel.legend()
    return figure
