"""Python's functions of numbers, where the number is a tensor without a value."""

from __future__ import annotations

import builtins
from typing import Any

from lamina.base.dtypes import float64, int64
from lamina.base.errors import UsageError
from lamina.graph.ir import TensorType
from lamina.tensor.conversion import cast, constant_like
from lamina.tensor.convert.operators.merge import is_number, strong
from lamina.tensor.convert.operators.truth import is_traced, truth
from lamina.tensor.namespace.elementwise import where
from lamina.tensor.namespace.manipulation import reshape
from lamina.tensor.printing import print as print_later
from lamina.tensor.tensor import Tensor, as_number


def _number(name: str, x: Tensor, dtype: Any) -> Tensor:
    """The only element of a tensor, standing for a Python number."""
    if x.size != 1:
        raise UsageError(
            f"{name}(): only a tensor with one element is a number",
            [f"tensor: {x.type}"],
            "index or reduce it first",
        )
    one = strong(x) if x.shape == () else reshape(x, ())
    return as_number(cast(one, dtype))


def int_(*args: Any, **kwargs: Any) -> Any:
    """`int`: towards zero."""
    if len(args) == 1 and not kwargs and is_traced(args[0]):
        return _number("int", args[0], int64)
    return builtins.int(*args, **kwargs)


def float_(*args: Any) -> Any:
    """`float`."""
    if len(args) == 1 and is_traced(args[0]):
        return _number("float", args[0], float64)
    return builtins.float(*args)


def bool_(*args: Any) -> Any:
    """`bool`."""
    if len(args) == 1 and is_traced(args[0]):
        return truth("bool()", args[0])
    return builtins.bool(*args)


def max_(*args: Any, **kwargs: Any) -> Any:
    """`max` of several numbers."""
    return _extreme(builtins.max, lambda a, b: b > a, args, kwargs)


def min_(*args: Any, **kwargs: Any) -> Any:
    """`min` of several numbers."""
    return _extreme(builtins.min, lambda a, b: b < a, args, kwargs)


def _extreme(f: Any, better: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    values: list[Any] = [*args]
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = [*values[0]]
    if kwargs or len(values) < 2 or not any(map(is_traced, values)):
        return f(*args, **kwargs)
    found = values[0]
    for x in values[1:]:
        found = _chosen(better(found, x), x, found)
    return found


def _chosen(condition: Any, x: Any, y: Any) -> Any:
    """`x if condition else y` of numbers and tensors of one element."""
    if not is_traced(condition):
        return x if condition else y
    if is_number(x) and is_number(y):
        a, b = _wide(x), _wide(y)
        return as_number(where(truth("max()", condition), a, b))
    return where(truth("max()", condition), x, y)


def _wide(x: Any) -> Tensor:
    if isinstance(x, Tensor):
        return strong(x)
    return constant_like(x, TensorType(float64 if isinstance(x, float) else int64))


def print_(*args: Any, **kwargs: Any) -> None:
    """`print`, when the program runs."""
    if not any(map(is_traced, args)) or not kwargs.keys() <= {"sep"}:
        builtins.print(*args, **kwargs)
        return
    between = kwargs.get("sep") or " "
    between = between.replace("{", "{{").replace("}", "}}")
    print_later(between.join("{}" for _ in args), *args)
