"""Tensors inside the user's objects: found, replaced for a while, and put back.

Tuples, lists, dicts and instances of registered classes (modules, optimisers) are containers; their
`__dict__` is what an instance holds. Transforms replace tensors in place, so that functions see the
objects they know, and restore them afterwards; what the function itself assigned can be read off.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.runtime import flatten, register_leaf
from lamina.runtime import register_node as register_node
from lamina.tensor.tensor import Tensor

_is_node: dict[type, bool] = {}


def is_node(obj: Any) -> bool:
    """Whether `obj` is an instance of a class that `register_node` made a container."""
    kind = type(obj)
    known = _is_node.get(kind)
    if known is None:
        plain = obj is None or isinstance(obj, Tensor | str | int | float | dict | list | tuple)
        known = _is_node[kind] = not plain and flatten(obj).key[:1] == b"N"
    return known


def contents(obj: Any) -> dict[Any, Any] | list[Any] | tuple[Any, ...] | None:
    """What a container holds, or None for a leaf."""
    if isinstance(obj, dict | list | tuple):
        return obj
    return vars(obj) if is_node(obj) else None


def entries(held: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and children of what a container holds."""
    return iter(list(held.items() if isinstance(held, dict) else enumerate(held)))


def rebuilt(obj: Any, children: list[Any]) -> Any:
    """A container like `obj` with other children in the same order."""
    if isinstance(obj, tuple):
        return type(obj)(*children) if hasattr(obj, "_fields") else tuple(children)
    if isinstance(obj, list):
        return children
    if isinstance(obj, dict):
        return dict(zip(obj, children, strict=True))
    other = copy.copy(obj)
    other.__dict__.update(zip(vars(obj), children, strict=True))
    return other


@dataclass
class Place:
    """A mutable container met on the way, and how to reach it again.

    Attributes:
        owner: the object itself.
        held: its dict or list.
        path: keys from the root.
        before: a copy of what it held.
        installed: a copy of what it held while the function ran.
        values: those of the tensors in it, by key.
    """

    owner: Any
    held: Any
    path: tuple[Any, ...]
    before: Any
    installed: Any = None
    values: dict[Any, Any] = field(default_factory=dict)

    def install(self) -> None:
        """Note what it holds now, and the values of its tensors, into which may be assigned."""
        self.installed = copy.copy(self.held)
        self.values = {k: v._value for k, v in entries(self.held) if isinstance(v, Tensor)}

    def changes(self) -> list[tuple[Any, Any]]:
        """Keys and new children that the function assigned, or assigned into."""
        missing = object()
        at = self.installed.get if isinstance(self.held, dict) else self._item
        return [
            (k, v) for k, v in entries(self.held) if at(k, missing) is not v or self._rebound(k, v)
        ]

    def _rebound(self, key: Any, child: Any) -> bool:
        """Whether the function assigned into the elements of a tensor that it found there."""
        return isinstance(child, Tensor) and self.values.get(key) is not child._value

    def _item(self, index: int, missing: Any) -> Any:
        return self.installed[index] if index < len(self.installed) else missing

    def removed(self) -> list[Any]:
        """Keys of a dict that the function deleted."""
        if isinstance(self.held, dict):
            return [k for k in self.installed if k not in self.held]
        return list(range(len(self.held), len(self.installed)))

    def restore(self) -> None:
        """Hold again what it held before."""
        if isinstance(self.held, dict):
            if len(self.held) != len(self.before) or self._differs():
                self.held.clear()
                self.held.update(self.before)
        else:
            self.held[:] = self.before

    def _differs(self) -> bool:
        pairs = zip(self.held.items(), self.before.items(), strict=True)
        return any(a != b or x is not y for (a, x), (b, y) in pairs)


Replace = Callable[[Any, Any, tuple[Any, ...]], Any]


class Substitution:
    """Leaves of a tree replaced in place.

    Args:
        root: the tree.
        replace: `replace(leaf, node, path)` gives what stands in its place; `node` is the nearest
            registered object around the leaf, or None, and `path` the way from there.

    Attributes:
        root: the tree to use: `root` itself, or another tuple where a tuple held a leaf.
        places: every mutable container, with what it held before.
    """

    def __init__(self, root: Any, replace: Replace):
        self.places: list[Place] = []
        self._known: dict[int, Place] = {}
        self._replace = replace
        self.root = self._visit(root, (), None, 0)
        for place in self.places:
            place.install()

    def _visit(self, obj: Any, path: tuple[Any, ...], node: Any, depth: int) -> Any:
        held = contents(obj)
        if held is None:
            return self._replace(obj, node, path[depth:])
        if is_node(obj):
            node, depth = obj, len(path)
        if isinstance(held, tuple):
            children = [self._visit(c, (*path, i), node, depth) for i, c in enumerate(held)]
            same = all(a is b for a, b in zip(children, held, strict=True))
            return obj if same else rebuilt(obj, children)
        place = self._known.get(id(held))
        if place is None:
            place = self._known[id(held)] = Place(obj, held, path, copy.copy(held))
            self.places.append(place)
        for key, child in entries(place.before):  # at a second meeting too: `held` has changed
            other = self._visit(child, (*path, key), node, depth)
            if other is not child:
                held[key] = other
        return obj

    def place_of(self, obj: Any) -> Place | None:
        """The place of a container that was met, if `obj` is one."""
        held = contents(obj)
        found = self._known.get(id(held)) if held is not None else None
        return found

    def restore(self) -> None:
        """Every container as it was before."""
        for place in self.places:
            place.restore()

    def restore_unassigned(self) -> None:
        """Every leaf as it was before, except where the function assigned something."""
        for place in self.places:
            before = dict(entries(place.before))
            assigned = {key for key, _ in place.changes()}
            for key, child in entries(place.held):
                if key in before and key not in assigned and before[key] is not child:
                    place.held[key] = before[key]


def is_leaf(obj: Any) -> bool:
    """Whether `obj` is data that changes from call to call."""
    return isinstance(obj, Tensor | np.ndarray | np.generic)


def map_tree(f: Callable[[Any], Any], tree: Any) -> Any:
    """Containers like those of `tree` with `f(leaf)` for every leaf."""
    held = contents(tree)
    if held is None:
        return f(tree)
    return rebuilt(tree, [map_tree(f, child) for _, child in entries(held)])


def map_tree_with_node(f: Callable[[Any, Any], Any], tree: Any, node: Any = None) -> Any:
    """`map_tree` with `f(leaf, node)`, where `node` is the module around the leaf, or None."""
    held = contents(tree)
    if held is None:
        return f(tree, node)
    inside = tree if is_node(tree) else node
    parts = [map_tree_with_node(f, child, inside) for _, child in entries(held)]
    return rebuilt(tree, parts)


def tensors(tree: Any) -> list[Tensor]:
    """The tensors of a tree, in order."""
    held = contents(tree)
    if held is None:
        return [tree] if isinstance(tree, Tensor) else []
    return [t for _, child in entries(held) for t in tensors(child)]


def _describe(array: Any) -> tuple[str, tuple[int, ...]]:
    return array.dtype.str if array.dtype.kind != "V" else array.dtype.name, array.shape


register_leaf(Tensor)
register_leaf(np.ndarray, _describe)
register_leaf(np.generic, _describe)
