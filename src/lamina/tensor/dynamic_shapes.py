"""Which sizes of the arguments of a jitted function are symbols, and what they are in a call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.base.dims import Dim
from lamina.base.dtypes import dtype as dtype_of
from lamina.base.dtypes import float32
from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.graph.ir import TensorType
from lamina.graph.ir.sizes import sizes_from
from lamina.tensor import eager
from lamina.tensor.containers import contents, entries, map_tree, rebuilt
from lamina.tensor.conversion import asarray, sizes_of
from lamina.tensor.tensor import Tensor, placeholder

_SOURCE = eager.Source("jit")


def spec(shape: Any, dtype: Any = None) -> TensorType:
    """The type of a tensor that is not there, for `eval_shape` and for results of callbacks.

    Args:
        shape: integers, and symbols (`lm.Dim`) for sizes that are not known.
        dtype: the element type; float32 when not given.

    Example:
        >>> import lamina as lm
        >>> x = spec((lm.Dim("B"), 28, 28))
        >>> lm.eval_shape(lambda x: x.reshape((x.shape[0], -1)), x)
        f32[B,784]

    Source: as `jax.ShapeDtypeStruct`.
    """
    return TensorType(float32 if dtype is None else dtype_of(dtype), sizes_of(shape))


@frozen
class Fit:
    """A call with symbols in it.

    Attributes:
        call: the arguments, with a stand-in of a symbolic type for each tensor that has one.
        sizes: what the symbols are.
        types: the symbolic types of the stand-ins, which tell one such call from another.
    """

    call: list[Any]
    sizes: dict[str, int]
    types: tuple[TensorType, ...]


class DynamicShapes:
    """The `dynamic_shapes` of a jitted function.

    Args:
        f: the function.
        given: for each argument by its name: `{axis: size}` for a tensor, a tuple with a size or
            None for each of its axes, or containers of those like the argument.
    """

    def __init__(self, f: Callable[..., Any], given: Mapping[str, Any]):
        self.given = dict(given)
        try:
            parameters = inspect.signature(f).parameters
        except (TypeError, ValueError):  # some functions written in C have none
            parameters = {}
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        for name in self.given:
            if name not in parameters and not open_ended:
                raise UsageError(
                    f"jit: dynamic_shapes names no argument {name!r}",
                    [f"arguments: {', '.join(parameters)}"],
                )
        self._positions = [(i, n) for i, n in enumerate(parameters) if n in self.given]

    def _places(self, call: list[Any]) -> list[tuple[Any, Any, str]]:
        """For each argument of a call that has symbols: what holds it, at which key, its name."""
        kwargs = call[-1]
        found: list[tuple[Any, Any, str]] = [
            (call, i, name) for i, name in self._positions if i < len(call) - 1
        ]
        return found + [(kwargs, name, name) for name in self.given if name in kwargs]

    def take_arrays(self, call: list[Any]) -> None:
        """NumPy arrays in the arguments that have symbols become tensors."""
        for held, key, _ in self._places(call):
            value = held[key]
            if isinstance(value, np.ndarray):
                held[key] = asarray(value)
            elif not isinstance(value, Tensor) and _holds_array(value):
                held[key] = map_tree(_as_tensor, value)

    def fit(self, call: list[Any]) -> Fit:
        """The call with symbols.

        Raises:
            ShapeError: a tensor does not have the shape that is described, or a symbol would be
                two sizes at once.
        """
        given: list[Any] = [*call[:-1], dict(call[-1])]
        wanted: list[tuple[str, Any, Any]] = []  # a place, a symbolic size, the size that is there
        types: list[TensorType] = []
        known: dict[int, Tensor] = {}
        for held, key, name in self._places(given):
            held[key] = self._stand_ins(held[key], self.given[name], name, wanted, types, known)
        return Fit(given, sizes_from("jit", wanted), tuple(types))

    def _stand_ins(
        self,
        value: Any,
        spec: Any,
        name: str,
        wanted: list[tuple[str, Any, Any]],
        types: list[TensorType],
        known: dict[int, Tensor],
    ) -> Any:
        if spec is None:
            return value
        if isinstance(value, Tensor):
            shape = list(value.shape)
            for axis, size in _axes(spec, value, name):
                wanted.append((f"{name}: {value.type}, axis {axis}", size, shape[axis]))
                shape[axis] = size
            types.append(TensorType(value.dtype, shape))
            if id(value) not in known:
                known[id(value)] = placeholder(types[-1], _SOURCE)
            return known[id(value)]
        held = contents(value)
        if held is None:
            raise UsageError(
                f"jit: dynamic_shapes of {name}, which is no tensor",
                [f"given: {type(value).__name__}", f"dynamic_shapes: {spec!r}"],
            )
        inner = dict(entries(spec)) if isinstance(spec, dict | list | tuple) else {}
        keys = [key for key, _ in entries(held)]
        if not set(inner) <= set(keys):
            raise UsageError(
                f"jit: dynamic_shapes of {name} has another structure than the argument",
                [f"argument: {keys}", f"dynamic_shapes: {list(inner)}"],
            )
        if hasattr(value, "__dict__"):
            raise UsageError(
                f"jit: dynamic_shapes of {name}, which is a {type(value).__name__}",
                ["sizes of tensors in tuples, lists and dicts can be symbols"],
                "pass those tensors as arguments of their own",
            )
        parts = [
            self._stand_ins(child, inner.get(key), f"{name}[{key!r}]", wanted, types, known)
            for key, child in entries(held)
        ]
        return rebuilt(value, parts)


def _axes(spec: Any, x: Tensor, name: str) -> list[tuple[int, Any]]:
    """Axes from 0 on, with the size that each is said to have."""
    if isinstance(spec, Mapping):
        pairs = list(spec.items())
    elif isinstance(spec, Sequence) and not isinstance(spec, str) and len(spec) == x.ndim:
        pairs = list(enumerate(spec))
    else:
        raise UsageError(
            f"jit: dynamic_shapes of {name} does not describe its shape",
            [f"tensor: {x.type}", f"dynamic_shapes: {spec!r}"],
            'give {axis: lm.Dim("B")}, or a tuple with a size or None for each axis',
        )
    found = []
    for axis, size in pairs:
        if not isinstance(axis, int) or not -x.ndim <= axis < x.ndim:
            raise UsageError(
                f"jit: dynamic_shapes of {name} names no axis {axis!r}", [f"tensor: {x.type}"]
            )
        if not isinstance(size, int | Dim | None) or isinstance(size, bool):
            raise UsageError(
                f"jit: dynamic_shapes of {name}, axis {axis}: {size!r} is no size",
                ['sizes: lm.Dim("B"), sums and products of those, integers, None'],
            )
        if size is not None:
            found.append((axis % x.ndim, size))
    return found


def _as_tensor(x: Any) -> Any:
    return asarray(x) if isinstance(x, np.ndarray) else x


def _holds_array(tree: Any) -> bool:
    held = contents(tree)
    if held is None:
        return isinstance(tree, np.ndarray)
    return any(_holds_array(child) for _, child in entries(held))
