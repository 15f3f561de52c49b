"""Module: a layer or a composition of layers, a tree of parameters that `jit` and `grad` understand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.runtime import register_node
from lamina.tensor import Tensor


class Module:
    """Base of layers and models. Assign layers and tensors as attributes; write `forward`.

    A tensor attribute is a parameter, unless `register_buffer` made it a buffer (running
    statistics and the like: saved, but not trained). Anything else is a constant of the layer.

    Example:
        >>> import lamina as lm
        >>> class MLP(lm.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = lm.nn.Linear(4, 8)
        ...         self.out = lm.nn.Linear(8, 2)
        ...     def forward(self, x):
        ...         return self.out(lm.functional.relu(self.hidden(x)))
        >>> [name for name, _ in MLP().named_parameters()]
        ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    training: bool

    def __init__(self) -> None:
        self.training = True
        self._buffer_names: tuple[str, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes; `module(x)` calls it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if "_buffer_names" not in self.__dict__ and not name.startswith("__"):
            raise UsageError(
                f"{type(self).__name__}: used before Module.__init__ ran",
                [f"attribute: {name}"],
                "call super().__init__() first in __init__",
            )
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    # ------------------------------------------------------------ the tree

    def __tree_flatten__(self) -> tuple[dict[str, Any], Callable[[dict[str, Any]], Self]]:
        """Children for `lamina.tree`: tensors, modules and containers of them, by attribute."""
        children = {k: v for k, v in self.__dict__.items() if _is_tree(v)}

        def rebuild(new: dict[str, Any]) -> Self:
            other = object.__new__(type(self))
            other.__dict__.update(self.__dict__ | new)
            return other

        return children, rebuild

    def __trainable__(self, name: str) -> bool:
        """Whether the attribute is a parameter rather than a buffer."""
        return name not in self._buffer_names

    def register_buffer(self, name: str, tensor: Tensor | None) -> None:
        """Keep `tensor` as an attribute that is saved with the module but not trained."""
        self._buffer_names = (*self._buffer_names, name)
        setattr(self, name, tensor)

    def children(self) -> Iterator[Module]:
        """The modules directly inside, in the order of definition."""
        for _, child in self.named_children():
            yield child

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names; "layers.0" for one in a list."""
        for name, value in self.__dict__.items():
            for path, item in _items(name, value):
                if isinstance(item, Module):
                    yield path, item

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all inside, with their paths."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This module and all inside."""
        for _, module in self.named_modules():
            yield module

    def _tensors(self, trained: bool) -> Iterator[tuple[str, dict[str, Any] | list[Any], Any]]:
        for prefix, module in self.named_modules():
            for name, value in module.__dict__.items():
                if module.__trainable__(name) is not trained:
                    continue
                for path, holder, key in _places(module.__dict__, name, value):
                    if isinstance(holder[key], Tensor):
                        yield (f"{prefix}.{path}" if prefix else path), holder, key

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Each parameter with its path, such as "hidden.weight"."""
        for path, holder, key in self._tensors(trained=True):
            yield path, holder[key]

    def parameters(self) -> Iterator[Tensor]:
        """Each parameter."""
        for _, tensor in self.named_parameters():
            yield tensor

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Each buffer with its path."""
        for path, holder, key in self._tensors(trained=False):
            yield path, holder[key]

    def set_parameters(self, new: Mapping[str, Tensor]) -> None:
        """Replace parameters by path; optimisers do."""
        places = {path: (holder, key) for path, holder, key in self._tensors(trained=True)}
        for path, tensor in new.items():
            holder, key = places[path]
            holder[key] = tensor

    # ------------------------------------------------------------ modes and state

    def train(self, mode: bool = True) -> Self:
        """Training mode for this module and all inside: dropout drops, batch norm measures."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Evaluation mode."""
        return self.train(False)

    def astype(self, dtype: Any) -> Self:
        """Convert floating parameters and buffers in place; the module itself."""
        for trained in (True, False):
            for _, holder, key in list(self._tensors(trained)):
                if holder[key].dtype.is_float:
                    holder[key] = lm.astype(holder[key], dtype)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and buffers by path, with PyTorch's names."""
        return dict(self.named_parameters()) | dict(self.named_buffers())

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take tensors or arrays by path; nothing changes unless everything fits.

        Args:
            state: arrays, Tensors, or anything NumPy reads.
            strict: refuse missing and unknown names.

        Raises:
            UsageError: names are missing or unknown.
            ShapeError, DTypeError: an array does not fit its place.
        """
        places = {
            path: (holder, key)
            for trained in (True, False)
            for path, holder, key in self._tensors(trained)
        }
        missing = [name for name in places if name not in state]
        unknown = [name for name in state if name not in places]
        if strict and (missing or unknown):
            raise UsageError(
                f"load_state_dict: the names differ from those of {type(self).__name__}",
                [f"missing: {', '.join(missing) or 'none'}", f"unknown: {', '.join(unknown) or 'none'}"],
                "check the model's sizes and layers, or pass strict=False",
            )
        loaded = {n: _fit(n, places[n][0][places[n][1]], state[n]) for n in places if n in state}
        for name, tensor in loaded.items():
            holder, key = places[name]
            holder[key] = tensor

    def extra_repr(self) -> str:
        """The layer's sizes, for `repr`."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({n}): " + repr(c).replace("\n", "\n  ") for n, c in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        inner = "\n  ".join(lines)
        return f"{type(self).__name__}(\n  {inner}\n)"


def _is_tree(value: Any) -> bool:
    if isinstance(value, Tensor | Module):
        return True
    if isinstance(value, dict):
        return any(_is_tree(v) for v in value.values())
    return isinstance(value, list | tuple) and any(_is_tree(v) for v in value)


def _items(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _items(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _items(f"{name}.{key}", item)
    else:
        yield name, value


def _places(holder: Any, key: Any, value: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    path = path or str(key)
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _places(value, i, item, f"{path}.{i}")
    elif isinstance(value, dict):
        for k, item in value.items():
            yield from _places(value, k, item, f"{path}.{k}")
    else:
        yield path, holder, key


def _fit(name: str, old: Tensor, new: Any) -> Tensor:
    array = new if isinstance(new, Tensor) else lm.asarray(np.asarray(new))
    if array.shape != old.shape:
        raise ShapeError(
            f"load_state_dict: {name} has another shape",
            [f"module: {old.type}", f"state:  {array.type}"],
            "check the model's sizes",
        )
    if array.dtype.is_float != old.dtype.is_float:
        raise DTypeError(
            f"load_state_dict: {name} has another kind of dtype",
            [f"module: {old.type}", f"state:  {array.type}"],
            "convert the state first",
        )
    return lm.astype(array, old.dtype)


register_node(Module)
