"""Products of tensors: matmul, einsum, tensordot. All of them are one contraction."""

from __future__ import annotations

import string
from collections.abc import Container, Sequence
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Contract, conj
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis, permute_dims, reshape
from lamina.tensor.namespace.reductions import sum
from lamina.tensor.promotion import broadcast_shapes, broadcast_to, common_dtype
from lamina.tensor.tensor import Tensor

_ROWS = string.ascii_letters.replace("y", "").replace("z", "")


def _pair(name: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    a, b = asarray(x), asarray(y)
    dtype = common_dtype(name, (a, b))
    return cast(a, dtype), cast(b, dtype)


def matmul(x: Any, y: Any, /) -> Tensor:
    """The matrix product, sum over k of x[..., i, k] * y[..., k, j].

    Shapes: `x: [*B, M, K], y: [*B, K, N] -> [*B, M, N]`; the leading axes broadcast; a vector
    stands for a matrix with one row on the left and one column on the right.

    Integers are summed in their own dtype, which wraps. For bytes, cast both operands to int32:
    inside `jit` the casts cost nothing, and processors that multiply bytes do so.

    Raises:
        ShapeError: the inner sizes differ.

    Example:
        >>> import lamina as lm
        >>> x = lm.asarray([[100, 100]], dtype=lm.int8)
        >>> y = lm.asarray([[2], [3]], dtype=lm.int8)
        >>> lm.matmul(lm.astype(x, lm.int32), lm.astype(y, lm.int32)).tolist()
        [[500]]

    Source: Python array API 2024.12, `matmul`.
    """
    a, b = _pair("matmul", x, y)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError("matmul: an operand has no axes", [f"x: {a.type}", f"y: {b.type}"])
    inner = b.shape[0] if b.ndim == 1 else b.shape[-2]
    if a.shape[-1] != inner:
        raise ShapeError(
            "matmul: the inner sizes differ",
            [f"x: {a.type}    last axis {a.shape[-1]}", f"y: {b.type}    inner axis {inner}"],
            "check the layer sizes, or transpose one operand",
        )
    if b.ndim == 1:
        free = _ROWS[: a.ndim - 1]
        return emit(Contract(f"{free}z,z->{free}"), a, b)
    if b.ndim == 2:  # no batch on the right: every leading axis of x is a row axis
        free = _ROWS[: a.ndim - 1]
        return emit(Contract(f"{free}z,zy->{free}y"), a, b)
    if a.ndim == 1:
        return emit(Contract("k,kj->j"), broadcast_to(a, (*b.shape[:-2], a.shape[0])), b)
    lead = broadcast_shapes("matmul", [a.shape[:-2], b.shape[:-2]])
    a = broadcast_to(a, (*lead, *a.shape[-2:]))
    b = broadcast_to(b, (*lead, *b.shape[-2:]))
    return emit(Contract("ik,kj->ij"), a, b)


def tensordot(x: Any, y: Any, /, *, axes: int | Sequence[Sequence[int]] = 2) -> Tensor:
    """The product summed over pairs of axes.

    Args:
        x: left operand.
        y: right operand.
        axes: how many last axes of x and first axes of y, or the two lists of axes.

    Source: Python array API 2024.12, `tensordot`.
    """
    a, b = _pair("tensordot", x, y)
    if isinstance(axes, int):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left = [normal_axis("tensordot", i, a.ndim) for i in axes[0]]
        right = [normal_axis("tensordot", i, b.ndim) for i in axes[1]]
    names = iter(string.ascii_letters)
    in_a = [next(names) for _ in a.shape]
    in_b = [in_a[left[right.index(i)]] if i in right else next(names) for i in range(b.ndim)]
    free = [c for i, c in enumerate(in_a) if i not in left]
    free += [c for i, c in enumerate(in_b) if i not in right]
    return emit(Contract(f"{''.join(in_a)},{''.join(in_b)}->{''.join(free)}"), a, b)


def vecdot(x: Any, y: Any, /, *, axis: int = -1) -> Tensor:
    """The sum of conj(x) * y over `axis`, counted from the end in both, in their common dtype.

    Raises:
        ShapeError: the sizes of the axis differ.

    Source: Python array API 2024.12, `vecdot`.
    """
    a, b = _pair("vecdot", x, y)
    places = [normal_axis("vecdot", axis, v.ndim) - v.ndim for v in (a, b)]
    if a.shape[places[0]] != b.shape[places[1]]:
        raise ShapeError("vecdot: the axis has two sizes", [f"x: {a.type}", f"y: {b.type}"])
    product = moveaxis(conj(a), places[0], -1) * moveaxis(b, places[1], -1)
    return sum(product, axis=-1, dtype=a.dtype)


def outer(x: Any, y: Any, /) -> Tensor:
    """x[i] * y[j]. Source: NumPy, `outer` of vectors."""
    return einsum("i,j->ij", x, y)


def einsum(spec: str, *operands: Any) -> Tensor:
    """Sum of products over named axes, as in `einsum("bik,bkj->bij", x, y)`.

    Several operands are contracted from left to right. "..." names all further axes. A letter twice
    in one operand takes its diagonal: "ii->i"; without it in the result its sum, the trace: "ii->".

    Raises:
        UsageError: the specification does not fit the operands.
        ShapeError: an axis has two sizes.

    Example:
        >>> import lamina as lm
        >>> lm.einsum("ii->i", lm.asarray([[1.0, 2.0], [3.0, 4.0]]))
        Tensor([1., 4.], shape=(2,), dtype=float32)

    Source: NumPy, `einsum`.
    """
    if not isinstance(spec, str):
        raise UsageError(
            "einsum: the specification is no text",
            [f"given: {type(spec).__name__}"],
            'it comes first, as in einsum("ij,jk->ik", x, y)',
        )
    given = [asarray(x) for x in operands]
    inputs, output = _parse(spec, given)
    for i, x in enumerate(given):
        given[i], inputs[i] = _diagonals(spec, x, inputs[i])
    names, current = inputs[0], given[0]
    for i in range(1, len(given)):
        needed = set(output).union(*inputs[i + 1 :])
        left = i == len(given) - 1
        kept = output if left else "".join(c for c in _merged(names, inputs[i]) if c in needed)
        current, other = _pair("einsum", current, given[i])
        current, names = _summed(current, names, needed.union(inputs[i]))
        other, second = _summed(other, inputs[i], needed.union(names))
        current = emit(Contract(f"{names},{second}->{kept}"), current, other)
        names = kept
    return _arranged(current, names, output)


def _merged(left: str, right: str) -> str:
    return left + "".join(c for c in right if c not in left)


def _diagonals(spec: str, x: Tensor, names: str) -> tuple[Tensor, str]:
    """`x` with one axis for each letter: of axes with one letter only the diagonal."""
    for c in dict.fromkeys(names):
        while names.count(c) > 1:
            first, second = names.index(c), names.rindex(c)
            n, other = x.shape[first], x.shape[second]
            if n != other:
                raise ShapeError(
                    f'einsum "{spec}": axis {c} has two sizes in one operand',
                    [f"operand: {x.type}", f"{c} = {n} and {other}"],
                    "name axes of different size by different letters",
                )
            rest = [i for i in range(x.ndim) if i not in (first, second)]
            moved = permute_dims(x, [*rest, first, second])
            x = reshape(moved, (*moved.shape[:-2], n * n))[..., :: n + 1]
            names = "".join(names[i] for i in rest) + c
    return x, names


def _summed(x: Tensor, names: str, wanted: Container[str]) -> tuple[Tensor, str]:
    """`x` without the axes that nobody wants, and the names of the others.

    Summed first, they are not multiplied with every element of the other operand.
    """
    gone = [i for i, c in enumerate(names) if c not in wanted]
    if gone:
        x = sum(x, axis=gone, dtype=x.dtype)
    return x, "".join(c for c in names if c in wanted)


def _arranged(x: Tensor, names: str, output: str) -> Tensor:
    x, left = _summed(x, names, output)
    return permute_dims(x, [left.index(c) for c in output])


def _require_letters(spec: str, output: str, inputs: str) -> None:
    """Each letter of the result is there once, and in an operand."""
    for c in output:
        if c not in inputs or output.count(c) > 1:
            problem = "is named twice in the result" if c in inputs else "is in no operand"
            raise UsageError(
                f'einsum "{spec}": axis {c} {problem}',
                [f"result: {output}"],
                "name in the result, once, axes that the operands have",
            )


def _parse(spec: str, operands: list[Tensor]) -> tuple[list[str], str]:
    text = spec.replace(" ", "")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise UsageError(
            f'einsum "{spec}": another number of operands',
            [f"named: {len(inputs)}", f"given: {len(operands)}"],
        )
    free = [c for c in string.ascii_letters if c not in text]
    extra = 0
    for i, (names, x) in enumerate(zip(inputs, operands, strict=True)):
        count = x.ndim - len(names.replace("...", ""))
        if count < 0 or (count > 0 and "..." not in names):
            raise UsageError(
                f'einsum "{spec}": operand {i} has another number of axes',
                [f"named: {names}", f"operand: {x.type}"],
            )
        extra = max(extra, count)
        inputs[i] = names.replace("...", "".join(free[len(free) - count :]) if count else "")
    dots = "".join(free[len(free) - extra :]) if extra else ""
    if arrow:
        _require_letters(spec, output.replace("...", ""), "".join(inputs))
    else:
        joined = "".join(inputs)
        once = sorted(c for c in set(joined) if joined.count(c) == 1 and c not in dots)
        return inputs, dots + "".join(once)
    return inputs, output.replace("...", dots)
