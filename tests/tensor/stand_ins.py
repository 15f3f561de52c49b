"""A module small enough to read: what jit and grad need of one."""

from __future__ import annotations

import lamina as lm
from lamina.runtime import register_node


class Affine:
    """y = x * scale + shift, counting its calls in a tensor that is not trained."""

    def __init__(self, scale=2.0, shift=1.0):
        self.scale = lm.asarray(scale)
        self.shift = lm.asarray(shift)
        self.calls = lm.asarray(0.0)
        self.name = "affine"
        self.power = 1

    def __trainable__(self, name):
        return name != "calls"

    def __tree_flatten__(self):
        children = {n: v for n, v in vars(self).items() if v is None or isinstance(v, lm.Tensor)}

        def rebuild(new):
            other = object.__new__(type(self))
            other.__dict__.update(vars(self) | new)
            return other

        return children, rebuild

    def __call__(self, x):
        self.calls = self.calls + 1
        return x * self.scale + self.shift


register_node(Affine)
