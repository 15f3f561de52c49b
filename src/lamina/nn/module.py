"""Module: a layer or a composition of layers, a tree of parameters for `jit` and `grad`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Identity
from lamina.runtime import register_node
from lamina.tensor import Tensor


class Module:
    """Base of layers and models. Assign layers and tensors as attributes; write `forward`.

    A tensor attribute, also in a list or a dict, is a parameter, unless `register_buffer` made it a
    buffer (running statistics and the like: saved, but not trained). Anything else is a constant of
    the layer. Names come in the order of definition, a module's own parameters before those inside.

    One Tensor assigned at two places is one shared parameter: its gradient is the sum over both
    uses, it is listed once, under its first name, and what is put in its place is put in both.
    `copy.deepcopy` makes a model that shares nothing with this one.

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
    frozen: bool

    def __init__(self) -> None:
        self.training = True
        self.frozen = False
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
        """Whether `lm.grad` differentiates by the attribute: neither a buffer nor frozen."""
        return name not in self._buffer_names and not self.frozen

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy with tensors of its own; what was shared inside stays shared inside."""
        for place in self._places():
            memo.setdefault(id(place.tensor), emit(Identity(), place.tensor))
        other = object.__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return other

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

    def _places(self) -> Iterator[Place]:
        for prefix, module in self.named_modules():
            for name in module.__dict__:
                for path, holder, key in _slots(module.__dict__, name, name):
                    full = f"{prefix}.{path}" if prefix else path
                    yield Place(full, holder, key, name in module._buffer_names)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Each parameter with its path, such as "hidden.weight".

        Args:
            remove_duplicate: list a shared parameter once, rather than under each of its names.
        """
        seen: set[int] = set()
        for place in self._places():
            if not place.is_buffer and not (remove_duplicate and id(place.tensor) in seen):
                seen.add(id(place.tensor))
                yield place.path, place.tensor

    def parameters(self) -> Iterator[Tensor]:
        """Each parameter, shared ones once."""
        for _, tensor in self.named_parameters():
            yield tensor

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Each buffer with its path."""
        for place in self._places():
            if place.is_buffer:
                yield place.path, place.tensor

    def set_parameters(self, new: Mapping[str, Tensor]) -> None:
        """Replace parameters by path, wherever they are shared; optimisers do.

        Raises:
            UsageError: there is no parameter of that name.
        """
        places = {p.path: p for p in self._places() if not p.is_buffer}
        unknown = [path for path in new if path not in places]
        if unknown:
            raise UsageError(
                f"set_parameters: {type(self).__name__} has no such parameters",
                [f"unknown: {', '.join(unknown)}", f"known:   {', '.join(places)}"],
            )
        _replace(places.values(), {id(places[path].tensor): t for path, t in new.items()})

    # ------------------------------------------------------------ modes and state

    def train(self, mode: bool = True) -> Self:
        """Training mode for this module and all inside: dropout drops, batch norm measures."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Evaluation mode."""
        return self.train(False)

    def freeze(self, mode: bool = True) -> Self:
        """Exclude the parameters of this module and all inside from training.

        They keep their names and are saved, but have no gradient, and optimisers leave them alone;
        `freeze(False)` takes them back in.
        """
        for module in self.modules():
            module.frozen = mode
        return self

    def astype(self, dtype: Any) -> Self:
        """Convert floating parameters and buffers in place; the module itself."""
        floating = [p for p in self._places() if p.tensor.dtype.is_float]
        _replace(floating, {id(p.tensor): lm.astype(p.tensor, dtype) for p in floating})
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and buffers by path, with PyTorch's names; shared ones under each name."""
        return {place.path: place.tensor for place in self._places()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take copies of tensors or arrays by path; nothing changes unless everything fits.

        Args:
            state: arrays, Tensors, or anything NumPy reads. Of several for one shared parameter,
                the last in the order of the module counts.
            strict: refuse missing and unknown names.

        Raises:
            UsageError: names are missing or unknown.
            ShapeError, DTypeError: an array does not fit its place.
        """
        places = {place.path: place for place in self._places()}
        missing = [name for name in places if name not in state]
        unknown = [name for name in state if name not in places]
        if strict and (missing or unknown):
            raise UsageError(
                f"load_state_dict: the names differ from those of {type(self).__name__}",
                [
                    f"missing: {', '.join(missing) or 'none'}",
                    f"unknown: {', '.join(unknown) or 'none'}",
                ],
                "check the model's sizes and layers, or pass strict=False",
            )
        loaded = [(p, _fit(n, p.tensor, state[n])) for n, p in places.items() if n in state]
        shared = {id(p.tensor): tensor for p, tensor in loaded if not p.is_buffer}
        for place, tensor in loaded:
            if place.is_buffer:
                place.holder[place.key] = tensor
        _replace([p for p in places.values() if not p.is_buffer], shared)

    def extra_repr(self) -> str:
        """The layer's sizes, for `repr`."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({n}): " + repr(c).replace("\n", "\n  ") for n, c in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        inner = "\n  ".join(lines)
        return f"{type(self).__name__}(\n  {inner}\n)"


class Place(NamedTuple):
    """Where a module holds a tensor: at `holder[key]`.

    Attributes:
        path: its name from the root, such as "hidden.weight".
        holder: the attributes of a module, or a list or dict among them.
        key: where in it.
        is_buffer: whether it is saved but not trained.
    """

    path: str
    holder: Any
    key: Any
    is_buffer: bool

    @property
    def tensor(self) -> Tensor:
        """What stands there."""
        return self.holder[self.key]


def _replace(places: Iterable[Place], new: Mapping[int, Tensor]) -> None:
    """Put `new[id(tensor)]` wherever one of the places holds the tensor."""
    for place in places:
        found = new.get(id(place.tensor))
        if found is not None:
            place.holder[place.key] = found


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


def _slots(holder: Any, key: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Path, holder and key of each tensor at `holder[key]` or in lists and dicts there."""
    value = holder[key]
    if isinstance(value, Tensor):
        if isinstance(holder, tuple):
            raise UsageError(
                f"Module: {path} is a tensor in a tuple, where nothing can take its place",
                [f"tensor: {value.type}"],
                "keep parameters in a list or a dict",
            )
        yield path, holder, key
    elif isinstance(value, list | tuple):
        for i in range(len(value)):
            yield from _slots(value, i, f"{path}.{i}")
    elif isinstance(value, dict):
        for k in value:
            yield from _slots(value, k, f"{path}.{k}")


def _fit(name: str, old: Tensor, new: Any) -> Tensor:
    array = new if isinstance(new, Tensor) else lm.asarray(np.asarray(new), copy=True)
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
