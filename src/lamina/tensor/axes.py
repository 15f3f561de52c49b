"""Trees of axes: which axis of each tensor in a tree counts examples, said as briefly as one likes.

A tree of axes is a prefix of the tree it speaks of: a number, or None for no axis, holds for all
that is below it. A module's attributes are named by a dict, in which those without an axis may be
left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.base.errors import UsageError
from lamina.tensor.containers import contents, entries, is_node
from lamina.tensor.tensor import Tensor

Axes = Any
"""A number, None, or a tuple, list, dict or module of them."""


@dataclass(frozen=True)
class Leaf:
    """A leaf of a tree and the axis that was given for it.

    Attributes:
        name: where it stands, for errors.
        value: the leaf; only tensors and arrays have axes.
        axis: as it was given; None where it has none.
    """

    name: str
    value: Any
    axis: int | None


def spread(function: str, name: str, axes: Axes, tree: Any) -> Iterator[Leaf]:
    """Each leaf of `tree`, in order, with its axis.

    Args:
        function: the transform, for errors.
        name: what the tree is called.
        axes: a prefix of the tree.
        tree: what it speaks of.

    Raises:
        UsageError: `axes` is no prefix of the tree, or something in it is no axis.
    """
    if axes is None or (isinstance(axes, int | np.integer) and not isinstance(axes, bool)):
        yield from _below(name, None if axes is None else int(axes), tree)
        return
    held, given = contents(tree), contents(axes)
    if held is None or given is None or isinstance(held, dict) != isinstance(given, dict):
        raise _unfit(function, name, axes, tree)
    found, known = dict(entries(given)), dict(entries(held))
    rest_left_out = is_node(tree) and not is_node(axes)
    if not found.keys() <= known.keys() or (len(found) < len(known) and not rest_left_out):
        raise _unfit(function, name, axes, tree)
    for key, child in known.items():
        yield from spread(function, _place(name, tree, key), found.get(key), child)


def _below(name: str, axis: int | None, tree: Any) -> Iterator[Leaf]:
    held = contents(tree)
    if held is None:
        yield Leaf(name, tree, axis if isinstance(tree, Tensor | np.ndarray) else None)
        return
    for key, child in entries(held):
        yield from _below(_place(name, tree, key), axis, child)


def _place(name: str, tree: Any, key: Any) -> str:
    return f"{name}.{key}" if is_node(tree) else f"{name}[{key!r}]"


def _unfit(function: str, name: str, axes: Axes, tree: Any) -> UsageError:
    return UsageError(
        f"{function}: the axes do not fit {name}",
        [f"axes: {_described(axes)}", f"{name}: {_described(tree)}"],
        "give a number, None, or the same structure with numbers and None in place of tensors",
    )


def _described(tree: Any) -> str:
    """One level of a tree."""
    held = contents(tree)
    if held is None:
        return str(tree.type) if isinstance(tree, Tensor) else repr(tree)
    if isinstance(held, dict):
        return f"{type(tree).__name__} with {', '.join(map(str, held)) or 'nothing'}"
    return f"{type(tree).__name__} of {len(held)}"
