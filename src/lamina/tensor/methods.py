"""Operators and methods of Tensor: the functions of the namespace under their own names.

They are attached here because the functions are written with Tensors themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from lamina.base.dims import Dim
from lamina.tensor.conversion import astype
from lamina.tensor.namespace import (
    cumulative,
    elementwise,
    linear_algebra,
    manipulation,
    reductions,
    searching,
    sorting,
)
from lamina.tensor.namespace.indexing import picking, read, update
from lamina.tensor.promotion import broadcast_to
from lamina.tensor.tensor import Tensor

OPERATORS: dict[str, Callable[[Any, Any], Tensor]] = {
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "mul": elementwise.multiply,
    "truediv": elementwise.divide,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder,
    "pow": elementwise.pow,
    "matmul": linear_algebra.matmul,
    "and": elementwise.bitwise_and,
    "or": elementwise.bitwise_or,
    "xor": elementwise.bitwise_xor,
    "lshift": elementwise.bitwise_left_shift,
    "rshift": elementwise.bitwise_right_shift,
}

COMPARISONS: dict[str, Callable[[Any, Any], Tensor]] = {
    "eq": elementwise.equal,
    "ne": elementwise.not_equal,
    "lt": elementwise.less,
    "le": elementwise.less_equal,
    "gt": elementwise.greater,
    "ge": elementwise.greater_equal,
}

METHODS: tuple[Callable[..., Any], ...] = (
    astype,
    broadcast_to,
    cumulative.cumprod,
    cumulative.cumsum,
    elementwise.clip,
    elementwise.cos,
    elementwise.exp,
    elementwise.log,
    elementwise.maximum,
    elementwise.minimum,
    elementwise.pow,
    elementwise.rsqrt,
    elementwise.sin,
    elementwise.sqrt,
    elementwise.square,
    elementwise.tanh,
    elementwise.isnan,
    elementwise.isinf,
    elementwise.isfinite,
    picking.take,
    linear_algebra.matmul,
    manipulation.expand_dims,
    manipulation.flatten,
    manipulation.flip,
    manipulation.moveaxis,
    manipulation.permute_dims,
    manipulation.repeat,
    manipulation.roll,
    manipulation.split,
    manipulation.squeeze,
    manipulation.swapaxes,
    manipulation.tile,
    reductions.all,
    reductions.any,
    reductions.argmax,
    reductions.argmin,
    reductions.max,
    reductions.mean,
    reductions.min,
    reductions.prod,
    reductions.std,
    reductions.sum,
    reductions.var,
    searching.nonzero,
    sorting.argsort,
    sorting.searchsorted,
    sorting.sort,
)

AXIS_BY_POSITION = (
    "all",
    "any",
    "argmax",
    "argmin",
    "max",
    "mean",
    "min",
    "prod",
    "sum",
    "sort",
    "argsort",
)


_OPERANDS = (bool, int, float, complex, Tensor, Dim)


def _known(x: Any) -> bool:
    return type(x) is Tensor or isinstance(x, _OPERANDS) or hasattr(x, "__array__")


def _forward(f: Callable[[Any, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    def method(self: Tensor, other: Any, /) -> Tensor:
        return f(self, other) if _known(other) else NotImplemented

    return method


def _backward(f: Callable[[Any, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    def method(self: Tensor, other: Any, /) -> Tensor:
        return f(other, self) if _known(other) else NotImplemented

    return method


def _by_position(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Such a function as a method also takes its axis as a positional argument, as in NumPy."""

    usual = inspect.signature(f).parameters["axis"].default

    def method(self: Tensor, axis: Any = usual, **options: Any) -> Tensor:
        return f(self, axis=axis, **options)

    method.__doc__ = f.__doc__
    method.__name__ = f.__name__
    return method


def _reshape(self: Tensor, *shape: Any) -> Tensor:
    """`reshape(x, shape)`; the sizes may also be given one by one."""
    return manipulation.reshape(self, shape[0] if len(shape) == 1 else shape)


def _transpose(self: Tensor, *axes: Any) -> Tensor:
    """`transpose(x, axes)`; the axes may also be given one by one."""
    if not axes:
        return manipulation.transpose(self)
    return manipulation.permute_dims(self, axes[0] if len(axes) == 1 else axes)


def _reversed(self: Tensor) -> Tensor:
    """The matrix with its two axes exchanged; all axes reversed for other ranks."""
    return manipulation.transpose(self)


def attach() -> None:
    """Give Tensor its operators and methods."""
    for name, f in OPERATORS.items():
        setattr(Tensor, f"__{name}__", _forward(f))
        setattr(Tensor, f"__r{name}__", _backward(f))
    for name, f in COMPARISONS.items():
        setattr(Tensor, f"__{name}__", _forward(f))
    for f in METHODS:
        positional = f.__name__ in AXIS_BY_POSITION
        setattr(Tensor, f.__name__, _by_position(f) if positional else f)
    members: dict[str, Any] = {
        "__getitem__": read.index,
        "__setitem__": update.assign,
        "at": property(update.at),
        "__neg__": elementwise.negative,
        "__pos__": elementwise.positive,
        "__abs__": elementwise.abs,
        "__invert__": elementwise.bitwise_invert,
        "abs": elementwise.abs,
        "reshape": _reshape,
        "transpose": _transpose,
        "T": property(_reversed),
        "mT": property(manipulation.matrix_transpose),
    }
    for name, member in members.items():
        setattr(Tensor, name, member)


attach()
