"""`convert`: a function whose control flow over tensors becomes part of the graph."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from lamina.base.errors import UsageError, user_frames
from lamina.tensor.control.recursion import Recursive
from lamina.tensor.convert.operators import bindings as bindings
from lamina.tensor.convert.operators.calls import callee, converted
from lamina.tensor.convert.syntax.compiled import is_converted


def convert(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, rewritten from its source so that `if`, `while` and `for` over tensors can be traced.

    Inside `jit`, `vmap`, `scan` and the other transforms, where tensors have no values yet, `if`
    becomes `cond`, `while` and `for i in range(n)` become `while_loop`, and `for x in xs` becomes
    `scan`; so do `and`, `or`, `not`, chained comparisons, conditional expressions, `break`,
    `continue`, early `return` and `assert`. Where Python can decide it does, as without
    conversion. Functions and methods of yours that `f` calls are converted too; libraries are not.

    Args:
        f: a function, a method, or an object that is called, such as a module.

    Raises:
        UsageError: there is no source, or `f` is a generator. Later, while `f` is traced: a
            variable has a value on one side of a branch only, or a list grows in a loop.
        ShapeError, DTypeError: a variable has two types.

    Example:
        >>> import lamina as lm
        >>> def collatz(n):
        ...     steps = 0
        ...     while n != 1:
        ...         n = n // 2 if n % 2 == 0 else 3 * n + 1
        ...         steps += 1
        ...     return steps
        >>> lm.vmap(lm.convert(collatz))(lm.asarray([6, 7, 27]))
        Tensor([  8,  16, 111], shape=(3,), dtype=int64)

    Source: after Moldovan et al. 2019, "AutoGraph: imperative-style coding with graph-based
    performance".
    """
    with user_frames:
        if isinstance(f, FunctionType):
            return f if is_converted(f) else converted(f)
        if isinstance(f, MethodType) and isinstance(f.__func__, FunctionType):
            return MethodType(convert(f.__func__), f.__self__)
        if isinstance(f, functools.partial):
            return functools.partial(convert(f.func), *f.args, **f.keywords)
        if isinstance(f, Recursive):
            raise UsageError(
                "convert: does not change recursive functions",
                [f"given: recursive {getattr(f, '__name__', 'function')}"],
                "write the branches inside it with lm.cond or lm.switch; it may be called from "
                "functions that are converted",
            )
        found = callee(f) if callable(f) and not isinstance(f, type) else f
        if found is f:
            raise UsageError(
                "convert: takes a function with a source in Python",
                [f"given: {type(f).__name__}"],
                "convert the functions that it calls, one by one",
            )
        return found
