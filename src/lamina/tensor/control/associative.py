"""`associative_scan`: all prefixes of an associative operation in few, large rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.base.errors import ShapeError, UsageError, user_frames
from lamina.tensor.control.bodies import Tree, require_callable
from lamina.tensor.namespace.manipulation import concat, flip, moveaxis, normal_axis, reshape, stack
from lamina.tensor.tensor import Tensor

Combine = Callable[[Sequence[Tensor], Sequence[Tensor]], list[Tensor]]


def associative_scan(
    fn: Callable[[Any, Any], Any], elems: Any, *, reverse: bool = False, axis: int = 0
) -> Any:
    """All prefixes of `elems` combined by `fn`: y_t = fn(... fn(x_0, x_1) ..., x_t).

    `fn` is applied to about 2 n elements in 2 log2(n) rounds, each of which is one array operation;
    where `scan` does n rounds of one element.

    Args:
        fn: associative, and element by element along `axis`: it gets slices of many elements.
        elems: a tree of tensors with equally long axes `axis`.
        reverse: from the last element to the first: y_t = fn(... fn(x_n, x_n-1) ..., x_t).
        axis: the axis of the elements.

    Example:
        >>> import lamina as lm
        >>> associative_scan(lambda a, b: a * b, lm.arange(1, 6))
        Tensor([1, 2, 6, 24, 120], shape=(5,), dtype=int64)

    Source: Blelloch 1990, "Prefix sums and their applications".
    """
    with user_frames:
        require_callable("associative_scan", fn=fn)
        tree = Tree.of(elems)
        if not tree.leaves:
            raise UsageError("associative_scan: there is no tensor", [f"elems: {elems!r}"])
        axes = [normal_axis("associative_scan", axis, t.ndim) for t in tree.leaves]
        xs = [moveaxis(t, a, 0) for t, a in zip(tree.leaves, axes, strict=True)]
        if len({x.shape[0] for x in xs}) > 1:
            raise ShapeError(
                "associative_scan: the axes differ in size",
                [f"elems: {t.type}" for t in tree.leaves],
                "each counts the elements",
            )

        def combine(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
            return Tree.of(fn(tree.filled(a), tree.filled(b))).leaves

        if reverse:
            xs = [flip(x, axis=0) for x in xs]
        ys = _prefixes(combine, xs)
        if reverse:
            ys = [flip(y, axis=0) for y in ys]
        return tree.filled([moveaxis(y, 0, a) for y, a in zip(ys, axes, strict=True)])


def _prefixes(combine: Combine, xs: list[Tensor]) -> list[Tensor]:
    """Prefixes of pairs give every second result; one more element each gives the others."""
    count = xs[0].shape[0]
    if count < 2:
        return xs
    whole = count // 2 * 2
    pairs = [reshape(x[:whole], (count // 2, 2, *x.shape[1:])) for x in xs]
    odd = _prefixes(combine, combine([p[:, 0] for p in pairs], [p[:, 1] for p in pairs]))
    if count == 2:
        return [concat([x[:1], o]) for x, o in zip(xs, odd, strict=True)]
    later = [p[1:, 0] for p in pairs]
    if count % 2:
        later = [concat([a, x[whole:]]) for a, x in zip(later, xs, strict=True)]
    even = combine([o[: (count - 1) // 2] for o in odd], later)
    even = [concat([x[:1], e]) for x, e in zip(xs, even, strict=True)]
    return [_interleaved(e, o) for e, o in zip(even, odd, strict=True)]


def _interleaved(even: Tensor, odd: Tensor) -> Tensor:
    """Elements of both in turn; `even` may have one more."""
    count = odd.shape[0]
    both = reshape(stack([even[:count], odd], axis=1), (2 * count, *odd.shape[1:]))
    return concat([both, even[count:]]) if even.shape[0] > count else both
