"""`lm.debug`: looking into compiled programs while they run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backend import execution
from lamina.base.errors import CheckError, user_frames
from lamina.base.spans import Span
from lamina.graph.ir import Graph, TensorType, Value
from lamina.graph.ir.printer import op_text
from lamina.tensor.jit import Jitted
from lamina.tensor.modes import Comparison as Comparison
from lamina.tensor.modes import ModeCost as ModeCost
from lamina.tensor.modes import compare_modes as compare_modes
from lamina.tensor.printing import check_that as check_that
from lamina.tensor.printing import print as print


def check(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, computed op by op until the first one makes a NaN or an infinity.

    For hunting: every op runs by its NumPy reference, slowly, and names the user's line where
    numbers that were finite gave one that is not. Where none does, the compiled `f` runs.

    Args:
        f: a function of tensors, jitted or not.

    Raises:
        CheckError: names the op, the line, and how many elements.

    Example:
        >>> import lamina as lm
        >>> check(lambda x: lm.log(x) * 2.0)(lm.asarray([1.0, 0.0]))
        Traceback (most recent call last):
            ...
        lamina.base.errors.CheckError: check: log made -inf from finite numbers
          result: f32[2]
          made: 1 of 2 elements not finite, the first at index (1,)
          operand 0: f32[2], from 0.0 to 1.0
          at ...
    """
    jitted = f if isinstance(f, Jitted) else Jitted(f, (), False)

    @functools.wraps(f)
    def checked(*args: Any, **kwargs: Any) -> Any:
        with user_frames:
            graph, buffers = jitted.lowered(*args, **kwargs)
            arrays = [execution.array(b, v.type) for b, v in zip(buffers, graph.inputs)]
            _require_finite(graph, arrays)
            return jitted(*args, **kwargs)

    return checked


def _require_finite(graph: Graph, arrays: list[np.ndarray]) -> None:
    found: dict[int, Any] = {v.id: a for v, a in zip(graph.inputs, arrays, strict=True)}
    for v in graph.nodes:
        operands = [found[o.id] for o in v.operands]
        with np.errstate(all="ignore"):
            found[v.id] = v.op.reference(*operands)
        made = isinstance(v.type, TensorType) and not _is_finite(found[v.id])
        if made and operands and all(map(_is_finite, operands)):
            raise _not_finite(v, operands, np.asarray(found[v.id]))


def _is_finite(array: Any) -> bool:
    if isinstance(array, tuple):
        return all(map(_is_finite, array))
    array = np.asarray(array)
    if array.dtype.kind in "biu":
        return True
    return bool(np.isfinite(array.astype(np.complex128)).all())


def _not_finite(v: Value, operands: list[Any], result: np.ndarray) -> CheckError:
    wide = result.astype(np.complex128 if result.dtype.kind == "c" else np.float64)
    wrong = ~np.isfinite(wide)
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    facts = [
        f"result: {v.type}",
        f"made: {int(wrong.sum())} of {wrong.size} elements not finite, the first at index {first}",
    ]
    for i, (o, array) in enumerate(zip(v.operands, operands, strict=True)):
        if isinstance(array, np.ndarray) and array.size and array.dtype.kind == "f":
            facts.append(f"operand {i}: {o.type}, from {array.min()} to {array.max()}")
    name = op_text(v.op).split("(")[0]
    span: Span | None = v.span
    return CheckError(f"check: {name} made {wide[first]} from finite numbers", facts, "", span)
