"""Whether a tensor decides, and which one boolean it stands for."""

from __future__ import annotations

from typing import Any

from lamina.base.dtypes import bool_
from lamina.base.errors import UsageError
from lamina.tensor.convert.operators.merge import strong
from lamina.tensor.namespace.elementwise import not_equal
from lamina.tensor.namespace.manipulation import reshape
from lamina.tensor.tensor import Tensor


def is_traced(x: Any) -> bool:
    """Whether `x` is a tensor without a value yet, so that Python cannot decide by it."""
    return isinstance(x, Tensor) and x.is_traced


def truth(name: str, x: Tensor) -> Tensor:
    """A boolean of rank 0 from a tensor of one element."""
    if x.size != 1:
        raise UsageError(
            f"{name}: only a tensor with one element is true or false",
            [f"condition: {x.type}"],
            "reduce it with all() or any(), or choose element by element with lm.where",
        )
    one = strong(x) if x.shape == () else reshape(x, ())
    return one if one.dtype is bool_ else not_equal(one, 0)
