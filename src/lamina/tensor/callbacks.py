"""Python functions inside programs: `pure_callback` and `io_callback`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.base.dtypes import dtype
from lamina.base.errors import DTypeError, user_frames
from lamina.graph.ir import TensorType
from lamina.graph.ops import Callback, Host
from lamina.tensor import effects
from lamina.tensor.containers import map_tree
from lamina.tensor.control.bodies import recorded, require_callable
from lamina.tensor.conversion import asarray, constant_like
from lamina.tensor.tensor import Tensor


def pure_callback(f: Callable[..., Any], result: Any, *args: Any) -> Any:
    """`f(*args)` computed by Python when the program runs, on NumPy arrays.

    `f` must be a pure function: it may be called once for several equal calls, or not at all where
    nobody needs the result. A derivative through it is an error; wrap it with `custom_jvp` or
    `custom_vjp` to give it one, or take `stop_gradient` of its operands or results. Under `vmap` it
    is called for each example.

    Args:
        f: takes arrays, returns an array or a tuple of arrays of the declared types.
        result: a tree of types (`shape` and `dtype`, such as `lm.eval_shape` gives, or tensors).
        args: tensors.

    Raises:
        CallError: `f` raised; its error is the cause.
        ShapeError, DTypeError: `f` returned something else than declared.
        UsageError: a result is differentiated.

    Example:
        >>> import numpy as np
        >>> import lamina as lm
        >>> x = lm.asarray([1.0, 4.0])
        >>> lm.jit(lambda x: pure_callback(np.sqrt, x, x) + 1.0)(x)
        Tensor([2., 3.], shape=(2,), dtype=float32)
    """
    with user_frames:
        require_callable("pure_callback", f=f)
        shape, gives = _declared("pure_callback", result)
        given = [asarray(a) for a in args] or [constant_like(0, effects.TOKEN)]
        host = Host(f) if args else Host(_without_operand(f))
        op = Callback(host, tuple(t.type for t in given), tuple(gives), False)
        parts = recorded(op, [t._value for t in given], len(gives))
        return _filled(shape, parts)


def io_callback(f: Callable[..., Any], result: Any, *args: Any, ordered: bool = True) -> Any:
    """`f(*args)` called by Python each time the program runs, for what it does.

    Outside of `jit` and loops it is called at once. A derivative through its results is an error,
    as with `pure_callback`.

    Args:
        f: takes NumPy arrays; returns None, or arrays of the declared types.
        result: a tree of types; None where nothing is returned.
        args: tensors.
        ordered: keep the order in which ordered callbacks stand in the program.

    Example:
        >>> import lamina as lm
        >>> seen = []
        >>> f = lm.jit(lambda x: (io_callback(seen.append, None, x), x * 2)[1])
        >>> f(lm.asarray(3)).tolist(), [int(x) for x in seen]
        (6, [3])
    """
    with user_frames:
        require_callable("io_callback", f=f)
        shape, gives = _declared("io_callback", result)
        before = effects.last() if ordered else constant_like(0, effects.TOKEN)
        given = [*map(asarray, args), before]
        host = Host(f if gives else _without_result(f))
        types = tuple(t.type for t in given)
        op = Callback(host, types, (*gives, effects.TOKEN), True)
        parts = recorded(op, [t._value for t in given], len(gives) + 1)
        effects.note(parts[-1])
        return _filled(shape, parts[:-1])


class _Place:
    """Where a result stands in the declared tree."""

    def __init__(self, index: int):
        self.index = index


def _declared(name: str, result: Any) -> tuple[Any, list[TensorType]]:
    """The tree of results, and their types in order."""
    types: list[TensorType] = []

    def note(leaf: Any) -> Any:
        if leaf is None:
            return None
        if isinstance(leaf, TensorType):
            types.append(leaf)
        elif hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
            types.append(_type_of(leaf))
        else:
            raise DTypeError(
                f"{name}: the declared result is no type",
                [f"given: {leaf!r}"],
                "give tensors, or what lm.eval_shape gives",
            )
        return _Place(len(types) - 1)

    return map_tree(note, result), types


def _type_of(leaf: Any) -> TensorType:
    if isinstance(leaf, Tensor):
        return leaf.type
    return TensorType(dtype(leaf.dtype), leaf.shape)


def _filled(shape: Any, parts: Sequence[Tensor]) -> Any:
    return map_tree(lambda x: parts[x.index] if isinstance(x, _Place) else x, shape)


def _without_result(f: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arrays: Any) -> tuple[()]:
        f(*arrays)
        return ()

    called.__name__ = getattr(f, "__name__", type(f).__name__)
    return called


def _without_operand(f: Callable[..., Any]) -> Callable[..., Any]:
    def called(_: Any) -> Any:
        return f()

    called.__name__ = getattr(f, "__name__", type(f).__name__)
    return called
