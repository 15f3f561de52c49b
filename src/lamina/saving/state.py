"""What is saved of an object, and how it is put back.

An object that has `state_dict` and `load_state_dict` says so itself: modules, metrics, batches. A
random generator has `get_state` and `set_state`. Of other objects that `jit` looks into the
attributes that hold tensors are saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import UsageError
from lamina.tensor import Tensor, asarray
from lamina.tensor.containers import contents, is_node, tensors


def state_of(tree: Any) -> Any:
    """A tree of plain data: objects in it are replaced by their state.

    Raises:
        UsageError: the tree holds itself.

    Example:
        >>> import lamina as lm
        >>> sorted(state_of({"layer": lm.nn.Linear(2, 1), "epoch": 3})["layer"])
        ['bias', 'weight']
    """
    try:
        return _state(tree)
    except RecursionError:
        raise UsageError(
            "save: the tree is too deep, or holds itself", [f"given: {type(tree).__name__}"]
        ) from None


def _state(tree: Any) -> Any:
    if isinstance(tree, Tensor | np.ndarray | np.generic):
        return tree
    if isinstance(tree, dict):
        return {key: _state(part) for key, part in tree.items()}
    if isinstance(tree, list):
        return [_state(part) for part in tree]
    if isinstance(tree, tuple):
        return tuple(_state(part) for part in tree)
    if hasattr(tree, "state_dict"):
        return _state(tree.state_dict())
    if hasattr(tree, "get_state"):
        return tree.get_state()
    if is_node(tree):
        return {name: _state(part) for name, part in _attributes(tree).items()}
    return tree


def copied(state: Any) -> Any:
    """Plain data with arrays of its own: later steps may give the memory of these to others."""
    memo: dict[int, Any] = {}

    def one(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: one(value) for key, value in part.items()}
        if isinstance(part, list | tuple):
            parts = [one(value) for value in part]
            return parts if isinstance(part, list) else tuple(parts)
        if not isinstance(part, Tensor | np.ndarray):
            return part
        if id(part) not in memo:
            array = part.numpy() if isinstance(part, Tensor) else part
            fresh = np.array(array)
            memo[id(part)] = asarray(fresh, copy=False) if isinstance(part, Tensor) else fresh
        return memo[id(part)]

    return one(state)


def put_back(tree: Any, state: Any, path: str = "") -> Any:
    """A tree like `tree` with the leaves of `state`; objects in it take their state and stay.

    Raises:
        UsageError: the two differ in structure, or an object refuses its state.
    """
    if isinstance(tree, Tensor | np.ndarray | np.generic):
        return _leaf(tree, state, path)
    if isinstance(tree, dict):
        _same_keys(tree, state, path)
        return {k: put_back(part, state[k], f"{path}.{k}") for k, part in tree.items()}
    if isinstance(tree, list | tuple):
        if not isinstance(state, list | tuple) or len(state) != len(tree):
            raise _differs(path, f"{len(tree)} parts", _describe(state))
        parts = [put_back(t, s, f"{path}.{i}") for i, (t, s) in enumerate(zip(tree, state))]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if hasattr(tree, "load_state_dict"):
        tree.load_state_dict(state)
        return tree
    if hasattr(tree, "set_state"):
        tree.set_state(state)
        return tree
    if is_node(tree):
        held = _attributes(tree)
        _same_keys(held, state, path)
        for name, part in held.items():
            setattr(tree, name, put_back(part, state[name], f"{path}.{name}"))
        return tree
    return state


def _attributes(node: Any) -> dict[str, Any]:
    held = contents(node)
    return {k: v for k, v in held.items() if tensors(v)} if isinstance(held, dict) else {}


def _leaf(old: Any, new: Any, path: str) -> Any:
    if not hasattr(new, "dtype") or new.shape != old.shape:
        raise _differs(path, _describe(old), _describe(new))
    if isinstance(old, Tensor):
        return new if isinstance(new, Tensor) else asarray(new, copy=True)
    return np.array(new.numpy() if isinstance(new, Tensor) else new)


def _same_keys(tree: dict[Any, Any], state: Any, path: str) -> None:
    if not isinstance(state, dict) or set(state) != set(tree):
        raise _differs(path, _describe(tree), _describe(state))


def _describe(part: Any) -> str:
    if isinstance(part, dict):
        return ", ".join(map(str, part)) or "an empty dict"
    if hasattr(part, "shape"):
        return f"{part.dtype}{list(part.shape)}"
    return f"{len(part)} parts" if isinstance(part, list | tuple) else type(part).__name__


def _differs(path: str, wanted: str, found: str) -> UsageError:
    return UsageError(
        f"restore: {path.removeprefix('.') or 'the tree'} has another structure",
        [f"here:  {wanted}", f"saved: {found}"],
        "restore into what was saved, or take the parts that fit from saving.load",
    )
