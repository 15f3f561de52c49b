"""`and`, `or`, `not`, chained comparisons. What Python leaves out is not computed here either."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from lamina.base.errors import user_frames
from lamina.tensor.convert.operators.branch import traced_choice
from lamina.tensor.convert.operators.truth import is_traced, truth
from lamina.tensor.namespace.elementwise import logical_and, logical_not

Later = Callable[[], Any]

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "is_": operator.is_,
    "is_not": operator.is_not,
    "in_": lambda a, b: a in b,
    "not_in": lambda a, b: a not in b,
}


def both(first: Any, *others: Later) -> Any:
    """`first and second and ...`: the first one that is false, or the last."""
    for i, other in enumerate(others):
        if is_traced(first):
            with user_frames:
                rest = others[i:]
                then = lambda found=first: both(rest[0](), *rest[1:])  # noqa: B023
                return traced_choice("and", truth("and", first), then, lambda found=first: found)
        if not first:
            return first
        first = other()
    return first


def either(first: Any, *others: Later) -> Any:
    """`first or second or ...`: the first one that is true, or the last."""
    for i, other in enumerate(others):
        if is_traced(first):
            with user_frames:
                rest = others[i:]
                then = lambda found=first: either(rest[0](), *rest[1:])  # noqa: B023
                return traced_choice("or", truth("or", first), lambda found=first: found, then)
        if first:
            return first
        first = other()
    return first


def no(x: Any) -> Any:
    """`not x`."""
    if not is_traced(x):
        return not x
    with user_frames:
        return logical_not(truth("not", x))


def compare(left: Any, *links: tuple[str, Later]) -> Any:
    """`left < b < c`, each operand computed once."""
    (name, right), *others = links
    value = right()
    first = COMPARISONS[name](left, value)
    if not others:
        return first
    return both(first, lambda: compare(value, *others))


def none(*flags: Any) -> Any:
    """Whether no flag of a lowered jump is set."""
    if any(f is True for f in flags):
        return False
    traced = [f for f in flags if is_traced(f)]
    if not traced:
        return not any(flags)
    found = logical_not(traced[0])
    for flag in traced[1:]:
        found = logical_and(found, logical_not(flag))
    return found
