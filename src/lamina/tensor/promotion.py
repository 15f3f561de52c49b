"""How operands meet: promotion to one dtype and broadcasting to one shape, made explicit as ops.

Python numbers are weak: they take the dtype of the tensor they meet, except that a float with an
integer tensor makes float32, an int with a boolean tensor int64, and a complex number with a real
tensor the complex dtype of its width. Where `jit` traces a number,
a weak tensor stands for it, in 64 bits so that no digit is lost on the way to a float64 tensor;
what is computed of such numbers alone has 64 bits too, as in Python.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from lamina.base import dtypes
from lamina.base.dims import Dim
from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError, ShapeError
from lamina.graph.ir import emit
from lamina.graph.ops import Expand, Reshape
from lamina.tensor.conversion import (
    asarray,
    cast,
    constant_like,
    full_of,
    scalar_dtype,
    sizes_of,
)
from lamina.tensor.tensor import Tensor, apart

KIND_ORDER = {"bool": 0, "int": 1, "uint": 1, "float": 2, "complex": 3, "storage": 4}


def is_number(x: Any) -> bool:
    """Whether `x` is a Python number, or a size, which is one later."""
    return isinstance(x, bool | int | float | complex | Dim)


def is_weak(x: Any) -> bool:
    """Whether `x` is a Python number or stands for one."""
    return is_number(x) or (isinstance(x, Tensor) and x.weak)


def common_dtype(name: str, operands: tuple[Any, ...]) -> DType:
    """The dtype in which `operands` meet."""
    strong = [x.type.dtype for x in operands if isinstance(x, Tensor) and not x.weak]
    weak = [x.dtype if isinstance(x, Tensor) else scalar_dtype(x) for x in operands if is_weak(x)]
    try:
        found = reduce(dtypes.promote, strong) if strong else None
    except TypeError:
        facts = [f"operand {i}: {x.type}" for i, x in enumerate(operands) if isinstance(x, Tensor)]
        raise DTypeError(f"{name}: no common dtype", facts, "cast one of them") from None
    for w in weak:
        alone = not strong and found is not None and w.kind == found.kind and w.bits > found.bits
        if found is None or alone or KIND_ORDER[w.kind] > KIND_ORDER[found.kind]:
            found = _at_width(w, found) if strong and found is not None else w
    assert found is not None
    return _in_64_bits(found) if not strong and _any_tensor(operands) else found


def _any_tensor(operands: tuple[Any, ...]) -> bool:
    return any(isinstance(x, Tensor) for x in operands)


def _in_64_bits(dtype: DType) -> DType:
    """The dtype of a number of Python's of the kind of `dtype`."""
    if dtype.is_complex:
        return dtypes.complex128
    return dtypes.float64 if dtype.is_float else dtype


def _at_width(weak: DType, strong: DType) -> DType:
    """What a Python number of a higher kind makes of a tensor's dtype."""
    if weak.is_complex:
        return strong.complex
    return dtypes.float32 if weak.is_float else weak


def broadcast_shapes(name: str, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that all `shapes` broadcast to.

    Raises:
        ShapeError: two sizes of an axis differ and neither is 1.
    """
    rank = max(map(len, shapes), default=0)
    result = []
    for axis in range(-rank, 0):
        sizes = {s[axis] for s in shapes if len(s) >= -axis} - {1}
        if len(sizes) > 1:
            raise ShapeError(
                f"{name}: shapes do not broadcast",
                [f"operand {i}: {s}" for i, s in enumerate(shapes)],
                f"axis {axis} must have one size, or size 1 in all operands but one",
            )
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Tensor:
    """`x` repeated along new axes and axes of size 1 to have `shape`.

    Example:
        >>> broadcast_to(asarray([1.0, 2.0]), (2, 2)).shape
        (2, 2)

    Source: Python array API 2024.12, `broadcast_to`.
    """
    found = spread(asarray(x), sizes_of(shape))
    return apart(found, x)


def spread(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`broadcast_to`, which may give `x` itself."""
    old = x.type.shape
    if old == shape:
        return x
    lead = len(shape) - len(old)
    if lead < 0 or any(a not in (b, 1) for a, b in zip(old, shape[lead:], strict=True)):
        raise ShapeError(
            "broadcast_to: the shape does not broadcast", [f"tensor: {x.type}", f"wanted: {shape}"]
        )
    new = [i for i in range(len(shape)) if i < lead or old[i - lead] != shape[i]]
    kept = tuple([n for i, n in enumerate(shape) if i not in new])
    if kept != old:
        x = emit(Reshape(old, kept), x)
    axes = tuple([i - len(shape) for i in new])
    return emit(Expand(axes, tuple([shape[i] for i in new])), x)


def _takes(x: Tensor, number: Any) -> bool:
    """Whether `number` is a Python number that meets `x` in the dtype of `x`."""
    if x.weak:
        return False
    kind = x.type.dtype.kind
    if type(number) is int:
        return kind in ("int", "uint", "float", "complex")
    return kind == "complex" or (kind == "float" and type(number) is float)


def as_inexact(dtype: DType) -> DType:
    """`dtype` if it is floating or complex, float32 for integers and booleans."""
    return dtypes.float32 if dtype.is_integer or dtype.kind == "bool" else dtype


def meet(name: str, *operands: Any, floating: bool = False) -> tuple[Tensor, ...]:
    """`operands` with one dtype and one shape; with `floating`, integers become float32."""
    if len(operands) == 2 and not floating:
        x, y = operands
        if type(x) is Tensor:
            if type(y) is Tensor and x.type is y.type and not (x.weak or y.weak):
                return operands
            if is_number(y) and _takes(x, y):
                return x, constant_like(y, x.type)  # type: ignore[arg-type]
        elif type(y) is Tensor and is_number(x) and _takes(y, x):
            return constant_like(x, y.type), y
    given = tuple([x if is_number(x) or isinstance(x, Tensor) else asarray(x) for x in operands])
    dtype = common_dtype(name, given)
    if floating and not dtype.is_inexact:
        dtype = as_inexact(dtype)
        if all(map(is_weak, given)) and _any_tensor(given):
            dtype = dtypes.float64
    shapes = [x.type.shape for x in given if isinstance(x, Tensor)] or [()]
    shape = shapes[0] if len(shapes) == 1 else broadcast_shapes(name, shapes)
    return tuple(
        [
            spread(asarray(x, dtype=dtype) if x.weak else cast(x, dtype), shape)
            if isinstance(x, Tensor)
            else full_of(x, dtype, shape)
            for x in given
        ]
    )


def keep_weak(result: Tensor, *operands: Any) -> Tensor:
    """`result`, weak if all operands are: arithmetic of Python numbers gives one."""
    if any(type(x) is Tensor and x.weak for x in operands) and all(map(is_weak, operands)):
        result.weak = True
    return result


def result_type(*operands: Any) -> DType:
    """The dtype in which tensors, dtypes and Python numbers meet.

    Source: Python array API 2024.12, `result_type`.
    """
    strong = [x if isinstance(x, DType) else x.dtype for x in operands if not is_weak(x)]
    weak = tuple(x for x in operands if is_weak(x))
    if not strong:
        return common_dtype("result_type", weak)
    found = reduce(dtypes.promote, strong)
    return common_dtype("result_type", (full_of(0, found, ()), *weak))
