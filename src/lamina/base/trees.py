"""Trees: nested tuples, lists, dicts and registered objects, taken apart and put together again.

`None` is a tree without leaves. Dicts keep their insertion order. A class becomes a node of the
tree by having `__tree_flatten__(self) -> (children, rebuild)` where `children` maps names to
subtrees and `rebuild(children) -> object` makes another object like it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lamina.base.errors import UsageError


def _open(tree: Any) -> tuple[dict[Any, Any], Callable[[dict[Any, Any]], Any]] | None:
    """Children by name and the way back, or None for a leaf."""
    if tree is None:
        return {}, lambda _: None
    kind = type(tree)
    if kind is dict:
        return tree, dict
    if kind is list:
        return dict(enumerate(tree)), lambda c: list(c.values())
    if isinstance(tree, tuple):
        if hasattr(tree, "_fields"):
            return dict(zip(tree._fields, tree, strict=True)), lambda c: kind(*c.values())  # type: ignore[attr-defined]
        return dict(enumerate(tree)), lambda c: tuple(c.values())
    if hasattr(kind, "__tree_flatten__"):
        return tree.__tree_flatten__()
    return None


def leaves(tree: Any) -> list[Any]:
    """The leaves of `tree`, in order."""
    return [leaf for _, leaf in paths(tree)]


def paths(tree: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each leaf with its path, such as `("layers", 0, "weight")`."""
    opened = _open(tree)
    if opened is None:
        yield prefix, tree
        return
    for name, child in opened[0].items():
        yield from paths(child, (*prefix, name))


def map(f: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree of `f(leaf, *other_leaves)`; the others must have the structure of the first.

    Raises:
        UsageError: two trees differ in structure.
    """
    opened = _open(tree)
    if opened is None:
        return f(tree, *others)
    children, rebuild = opened
    rest = [_open(other) for other in others]
    for other, its in zip(others, rest, strict=True):
        if its is None or list(its[0]) != list(children):
            raise UsageError(
                "tree map: the trees differ in structure",
                [f"first:  {describe(tree)}", f"other:  {describe(other)}"],
                "pass trees with the same keys in the same order",
            )
    return rebuild({n: map(f, c, *(its[0][n] for its in rest if its)) for n, c in children.items()})


def flatten(tree: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """The leaves, and the function that rebuilds the tree from as many other leaves."""
    found = leaves(tree)

    def rebuild(new: Sequence[Any]) -> Any:
        if len(new) != len(found):
            raise UsageError(
                "tree rebuild: another number of leaves",
                [f"tree:   {len(found)} leaves", f"given:  {len(new)} leaves"],
            )
        it = iter(new)
        return map(lambda _: next(it), tree)

    return found, rebuild


def describe(tree: Any) -> str:
    """The structure in one line, with `*` for a leaf."""
    opened = _open(tree)
    if opened is None:
        return "*"
    inner = ", ".join(f"{name}: {describe(child)}" for name, child in opened[0].items())
    return f"{type(tree).__name__}({inner})" if inner else "None" if tree is None else "()"
