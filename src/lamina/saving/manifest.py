"""Trees of plain data as JSON, with the arrays in them named and kept apart.

| in the tree | in the manifest |
|---|---|
| None, booleans, integers, texts, finite numbers | themselves |
| infinities and NaN | `{"float": "inf"}` |
| a list, a tuple, a dict | `{"list": [...]}`, `{"tuple": [...]}`, `{"dict": [[key, value], ...]}` |
| a Tensor, a NumPy array | `{"tensor": name}`, `{"array": name}` |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import FormatError, UsageError
from lamina.tensor import Tensor, asarray

_DEEPEST = 200


class Writer:
    """The node of a tree, and the arrays that it names.

    Attributes:
        arrays: by name, in order; what stands at two places of the tree is there once.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._names: dict[int, str] = {}
        self._seen: list[Any] = []  # kept, so that no number in `_names` is used again

    def node(self, tree: Any, path: tuple[str, ...] = ()) -> Any:
        """What stands for `tree` in the manifest.

        Raises:
            UsageError: it holds something that is no plain data.
        """
        if tree is None or isinstance(tree, bool | str):
            return tree
        if isinstance(tree, Tensor):
            return {"tensor": self._name(tree, path)}
        if isinstance(tree, np.ndarray | np.generic):
            return {"array": self._name(tree, path)}
        if isinstance(tree, int):
            return int(tree)
        if isinstance(tree, float):
            return tree if math.isfinite(tree) else {"float": str(tree)}
        if isinstance(tree, dict):
            return {"dict": [[_key(k, path), self._inside(v, path, k)] for k, v in tree.items()]}
        if isinstance(tree, list | tuple):
            kind = "list" if isinstance(tree, list) else "tuple"
            return {kind: [self._inside(v, path, i) for i, v in enumerate(tree)]}
        raise UsageError(
            f"save: {'.'.join(path) or 'the tree'} is nothing that can be saved",
            [f"given: {type(tree).__name__}"],
            "save tensors, arrays, numbers, texts, lists, tuples and dicts of them, or objects "
            "that have state_dict and load_state_dict",
        )

    def _inside(self, tree: Any, path: tuple[str, ...], key: Any) -> Any:
        if len(path) >= _DEEPEST:
            raise UsageError("save: the tree is too deep, or holds itself", [".".join(path[:5])])
        return self.node(tree, (*path, str(key)))

    def _name(self, leaf: Any, path: tuple[str, ...]) -> str:
        name = self._names.get(id(leaf))
        if name is None:
            first = name = ".".join(path) or "value"
            count = 1
            while name in self.arrays:
                count += 1
                name = f"{first}-{count}"
            self._names[id(leaf)] = name
            self._seen.append(leaf)
            self.arrays[name] = leaf.numpy() if isinstance(leaf, Tensor) else np.asarray(leaf)
        return name


def _key(key: Any, path: tuple[str, ...]) -> str | int:
    if isinstance(key, str) or type(key) is int:
        return key
    raise UsageError(
        f"save: a key of {'.'.join(path) or 'the tree'} is no text and no integer",
        [f"key: {key!r}"],
    )


def tree_of(node: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The tree that a node stands for.

    Raises:
        FormatError: it stands for none.
    """
    return _Reader(arrays).tree(node, 0)


class _Reader:
    """Trees of nodes; a tensor that is named twice is one tensor."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._arrays = arrays
        self._tensors: dict[str, Tensor] = {}
        self._kinds: dict[str, Callable[[Any, int], Any]] = {
            "float": self._float,
            "list": self._list,
            "tuple": lambda value, depth: tuple(self._list(value, depth)),
            "dict": self._dict,
            "tensor": lambda value, _: self._tensor(value),
            "array": lambda value, _: self._array(value),
        }

    def tree(self, node: Any, depth: int) -> Any:
        if node is None or isinstance(node, bool | int | float | str):
            return node
        if not isinstance(node, dict) or len(node) != 1 or depth > _DEEPEST:
            raise _unreadable(node)
        ((kind, value),) = node.items()
        if kind not in self._kinds:
            raise _unreadable(node)
        return self._kinds[kind](value, depth + 1)

    def _float(self, value: Any, _: int) -> float:
        if value not in ("inf", "-inf", "nan"):
            raise _unreadable(value)
        return float(value)

    def _list(self, value: Any, depth: int) -> list[Any]:
        if not isinstance(value, list):
            raise _unreadable(value)
        return [self.tree(part, depth) for part in value]

    def _dict(self, value: Any, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for pair in value if isinstance(value, list) else [value]:
            if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) not in (str, int):
                raise _unreadable(pair)
            found[pair[0]] = self.tree(pair[1], depth)
        return found

    def _array(self, name: Any) -> np.ndarray:
        if not isinstance(name, str) or name not in self._arrays:
            raise FormatError("load: the manifest names a tensor that is nowhere", [f"{name!r}"])
        return self._arrays[name]

    def _tensor(self, name: Any) -> Tensor:
        array = self._array(name)
        if name not in self._tensors:
            self._tensors[name] = asarray(array, copy=True)
        return self._tensors[name]


def _unreadable(node: Any) -> FormatError:
    return FormatError("load: the manifest holds no tree", [f"at: {str(node)[:60]}"])


def typed(name: str, array: np.ndarray, said: Mapping[str, Any]) -> np.ndarray:
    """An array of a file as the manifest describes it, complex numbers put together again.

    Raises:
        FormatError: it is described otherwise.
    """
    kind, shape = said["dtype"], tuple(said["shape"])
    dtype = dtypes.dtype(kind)
    if dtype.is_complex and array.dtype == dtype.part.numpy and array.shape[-1:] == (2,):
        array = array.view(dtype.numpy)[..., 0]
    if array.dtype != dtype.numpy or array.shape != shape:
        found = f"{dtypes.dtype(array.dtype)}{list(array.shape)}"
        raise FormatError(
            f"load: tensor {name!r} is not what the manifest says",
            [f"manifest: {kind}{list(shape)}", f"file:     {found}"],
        )
    return array
