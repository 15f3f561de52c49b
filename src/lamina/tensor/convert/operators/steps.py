"""What `for` goes along in the graph: tensors, several of them, and numbers up to a tensor."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lamina.base.dtypes import int64
from lamina.base.errors import UsageError
from lamina.graph.ir import TensorType
from lamina.tensor.conversion import asarray, constant_like
from lamina.tensor.convert.operators.merge import strong
from lamina.tensor.convert.operators.truth import is_traced
from lamina.tensor.namespace.creation import arange
from lamina.tensor.namespace.elementwise import floor_divide, maximum, sign
from lamina.tensor.tensor import Tensor, as_number


@dataclass(frozen=True)
class Steps:
    """Slices of tensors along their first axes.

    Attributes:
        count: how many.
        inputs: a tree of tensors.
        item: what the loop's target gets from a tree of slices.
        reverse: from the last to the first.
    """

    count: int
    inputs: Any
    item: Callable[[Any], Any]
    reverse: bool = False

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items())

    def __len__(self) -> int:
        return self.count

    def items(self) -> list[Any]:
        """What the target gets in each step, all at once."""
        order = range(self.count - 1, -1, -1) if self.reverse else range(self.count)
        return [self.item(_sliced(self.inputs, i)) for i in order]

    def parted(self) -> tuple[Any, Steps]:
        """What the target gets in the first step, and the steps after it."""
        first = self.count - 1 if self.reverse else 0
        kept = slice(0, self.count - 1) if self.reverse else slice(1, None)
        rest = Steps(self.count - 1, _sliced(self.inputs, kept), self.item, self.reverse)
        return self.item(_sliced(self.inputs, first)), rest


@dataclass(frozen=True)
class Counted:
    """`range` with a tensor among its bounds."""

    start: Any
    step: Any
    count: Tensor

    def item(self, k: Any) -> Any:
        """The number of step `k`."""
        return self.start + k * self.step if self.step != 1 else self.start + k

    def number(self, k: int) -> Tensor:
        """A number of the program, as Python's in all else."""
        return as_number(constant_like(k, TensorType(int64)))

    def __iter__(self) -> Iterator[Any]:
        raise UsageError(
            "range: a tensor says how many numbers there are",
            [f"steps: {self.count.type}"],
            "go along it with a for statement of a converted function",
        )


def _sliced(tree: Any, key: Any) -> Any:
    if isinstance(tree, tuple):
        return tuple(_sliced(t, key) for t in tree)
    return tree[key] if isinstance(tree, Tensor) else tree


def as_steps(items: Any) -> Steps | Counted | None:
    """The steps of a loop in the graph, or None for a loop of Python's."""
    if isinstance(items, Steps | Counted):
        return items
    if is_traced(items) and items.ndim:
        return Steps(items.shape[0], items, lambda x: x)
    return None


def range_(*bounds: Any) -> Any:
    """`range`, also up to a tensor."""
    if not any(is_traced(b) for b in bounds) or len(bounds) > 3:
        return builtins.range(*bounds)
    for b in bounds:
        if isinstance(b, Tensor) and (b.size != 1 or not b.dtype.is_integer):
            raise TypeError(f"range takes integers, this is {b.type}")
    start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    if isinstance(step, int) and step == 0:
        raise ValueError("range() arg 3 must not be zero")
    wide = [asarray(strong(b) if isinstance(b, Tensor) else b, dtype=int64) for b in (start, stop)]
    along = asarray(strong(step), dtype=int64) if isinstance(step, Tensor) else step
    unit = sign(along) if isinstance(along, Tensor) else (1 if along > 0 else -1)
    count = (
        wide[1] - wide[0] if step == 1 else floor_divide(wide[1] - wide[0] + along - unit, along)
    )
    numbers = [as_number(x) if isinstance(x, Tensor) else x for x in (start, along)]
    return Counted(numbers[0], numbers[1], maximum(count, 0))


def enumerate_(items: Any, start: int = 0) -> Any:
    """`enumerate`, also of a tensor."""
    steps = as_steps(items)
    if not isinstance(steps, Steps) or isinstance(start, Tensor):
        return builtins.enumerate(items, start)
    numbers = arange(start, start + steps.count, dtype=int64)
    if steps.reverse:
        numbers = numbers[::-1]
    inner = steps.item
    return Steps(
        steps.count,
        (numbers, steps.inputs),
        lambda x: (as_number(x[0]), inner(x[1])),
        steps.reverse,
    )


def zip_(*items: Any, strict: bool = False) -> Any:
    """`zip`, also of tensors."""
    all_ = [as_steps(x) for x in items]
    known = [s for s in all_ if isinstance(s, Steps) and not s.reverse]
    counts = {s.count for s in known}
    if not items or len(known) < len(items) or (strict and len(counts) > 1):
        return builtins.zip(*items, strict=strict)
    count = min(counts)
    inputs = tuple(_sliced(s.inputs, slice(0, count)) for s in known)
    return Steps(
        count, inputs, lambda x: tuple(s.item(y) for s, y in builtins.zip(known, x, strict=True))
    )


def reversed_(items: Any) -> Any:
    """`reversed`, also of a tensor."""
    steps = as_steps(items)
    if not isinstance(steps, Steps):
        return builtins.reversed(items)
    return Steps(steps.count, steps.inputs, steps.item, not steps.reverse)
