"""Module: a layer or a composition of layers, a tree of parameters for `jit` and `grad`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Self

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Identity
from lamina.nn.hooks import AFTER, BEFORE, Handle, add_hook, call_with_hooks
from lamina.runtime import register_node
from lamina.tensor import Tensor
from lamina.tensor.convert.active import forward_of


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
    _frozen_names: tuple[str, ...] = ()
    _passing_buffers: tuple[str, ...] = ()  # those that are not saved

    def __init__(self) -> None:
        self.training = True
        self.frozen = False
        self._buffer_names: tuple[str, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes; `module(x)` calls it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if AFTER in self.__dict__ or BEFORE in self.__dict__:
            return call_with_hooks(self, args, kwargs)
        return forward_of(self.forward)(*args, **kwargs)

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
        fixed = self.frozen or name in self._frozen_names or name in self._buffer_names
        return not fixed

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy with tensors of its own; what was shared inside stays shared inside."""
        for place in self._places():
            memo.setdefault(id(place.tensor), emit(Identity(), place.tensor))
        other = object.__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return other

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep `tensor` as an attribute that is not trained.

        Args:
            name: of the attribute.
            tensor: what it holds.
            persistent: whether it is saved with the module.
        """
        self._buffer_names = (*self._buffer_names, name)
        if not persistent:
            self._passing_buffers = (*self._passing_buffers, name)
        setattr(self, name, tensor)

    def register_parameter(self, name: str, tensor: Tensor | None) -> None:
        """The same as assigning a tensor to the attribute, for code that has the name as text."""
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as assigning a module to the attribute; "0" and the like are names too."""
        setattr(self, name, module)

    def get_submodule(self, path: str) -> Module:
        """The module at a path such as "encoder.layers.0"; the module itself for "".

        Raises:
            UsageError: there is no module at the path.
        """
        known = dict(self.named_modules(remove_duplicate=False))
        if path not in known:
            raise self._unknown("get_submodule", "module", path, known)
        return known[path]

    def get_parameter(self, path: str) -> Tensor:
        """The parameter at a path such as "encoder.layers.0.weight".

        Raises:
            UsageError: there is no parameter at the path.
        """
        known = dict(self.named_parameters(remove_duplicate=False))
        if path not in known:
            raise self._unknown("get_parameter", "parameter", path, known)
        return known[path]

    def get_buffer(self, path: str) -> Tensor:
        """The buffer at a path such as "norm.running_mean".

        Raises:
            UsageError: there is no buffer at the path.
        """
        known = dict(self.named_buffers())
        if path not in known:
            raise self._unknown("get_buffer", "buffer", path, known)
        return known[path]

    def _unknown(self, name: str, kind: str, path: str, known: Iterable[str]) -> UsageError:
        return UsageError(
            f"{name}: {type(self).__name__} has no {kind} {path!r}",
            [f"known: {', '.join(n for n in known if n) or 'none'}"],
        )

    # ------------------------------------------------------------ the modules inside

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

    def named_modules(
        self, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all inside, with their paths.

        Args:
            prefix: put before each path.
            remove_duplicate: list a shared module once, rather than under each of its names.
        """
        seen: set[int] = set()
        for path, module in self._walk(prefix):
            if not (remove_duplicate and id(module) in seen):
                seen.add(id(module))
                yield path, module

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This module and all inside."""
        for _, module in self.named_modules():
            yield module

    def apply(self, f: Callable[[Module], Any]) -> Self:
        """`f` of each module inside and of this one last, as for drawing other first weights."""
        for module in reversed(list(self.modules())):
            f(module)
        return self

    # ------------------------------------------------------------ the tensors inside

    def _places(self) -> Iterator[Place]:
        for prefix, module in self._walk(""):
            for name in module.__dict__:
                for path, holder, key in _slots(module.__dict__, name, name):
                    full = f"{prefix}.{path}" if prefix else path
                    is_buffer = name in module._buffer_names
                    yield Place(full, holder, key, is_buffer, name in module._passing_buffers)

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

    def trainable_parameters(self) -> Iterator[Tensor]:
        """Each parameter that has a gradient, that is, is not frozen; shared ones once."""
        seen: set[int] = set()
        for module in self.modules():
            for name in module.__dict__:
                for _, holder, key in _slots(module.__dict__, name, name):
                    if module.__trainable__(name) and id(holder[key]) not in seen:
                        seen.add(id(holder[key]))
                        yield holder[key]

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Each buffer with its path."""
        for place in self._places():
            if place.is_buffer:
                yield place.path, place.tensor

    def buffers(self) -> Iterator[Tensor]:
        """Each buffer."""
        for _, tensor in self.named_buffers():
            yield tensor

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

    # ------------------------------------------------------------ modes and precision

    def train(self, mode: bool = True) -> Self:
        """Training mode for this module and all inside: dropout drops, batch norm measures."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Evaluation mode."""
        return self.train(False)

    def freeze(self, mode: bool = True, names: str | Sequence[str] | None = None) -> Self:
        """Exclude parameters of this module and all inside from training.

        They keep their names and are saved, but have no gradient, and optimisers leave them alone;
        `freeze(False)` takes them back in.

        Args:
            mode: whether they are excluded.
            names: which parameters, as paths or patterns such as "encoder.*" and "*.bias"; all when
                None. Tensors in one list or dict are excluded together.

        Raises:
            UsageError: a pattern fits no parameter.

        Example:
            >>> import lamina as lm
            >>> net = lm.nn.Linear(2, 1).freeze(names="bias")
            >>> lm.grad(lambda net: net(lm.ones((1, 2))).sum())(net).bias is None
            True
        """
        if names is None:
            for module in self.modules():
                module.frozen = mode
                module.__dict__.pop("_frozen_names", None)
            return self
        patterns = [names] if isinstance(names, str) else list(names)
        paths = [path for path, _ in self.named_parameters(remove_duplicate=False)]
        for pattern in patterns:
            if not any(fnmatchcase(path, pattern) for path in paths):
                raise self._unknown("freeze", "parameter", pattern, paths)
        for prefix, module in self._walk(""):
            for name in list(module.__dict__):
                slots = _slots(module.__dict__, name, name)
                if any(_fits(patterns, prefix, path) for path, _, _ in slots):
                    others = tuple(n for n in module._frozen_names if n != name)
                    module._frozen_names = (*others, name) if mode else others
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """`freeze(not requires_grad)`, under PyTorch's name."""
        return self.freeze(not requires_grad)

    def astype(self, dtype: Any) -> Self:
        """Convert floating parameters and buffers in place; the module itself."""
        floating = [p for p in self._places() if p.tensor.dtype.is_float]
        _replace(floating, {id(p.tensor): lm.astype(p.tensor, dtype) for p in floating})
        return self

    def half(self) -> Self:
        """`astype(float16)`."""
        return self.astype(lm.float16)

    def bfloat16(self) -> Self:
        """`astype(bfloat16)`."""
        return self.astype(lm.bfloat16)

    def float(self) -> Self:
        """`astype(float32)`."""
        return self.astype(lm.float32)

    def double(self) -> Self:
        """`astype(float64)`."""
        return self.astype(lm.float64)

    def copy(self) -> Self:
        """Another module with the same numbers, which shares nothing with this one."""
        return copy.deepcopy(self)

    # ------------------------------------------------------------ hooks

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args, result)` after each call; what it returns replaces the result.

        Hooks belong to the structure of the module: a jitted function that takes it has a program
        of its own for each set of hooks, in which they are traced like the rest.

        Args:
            hook: returns None to keep the result.
            prepend: before the hooks that are there already, rather than after them.
            with_kwargs: call `hook(module, args, kwargs, result)`.

        Returns:
            A handle, whose `remove()` takes the hook away.

        Example:
            >>> import lamina as lm
            >>> layer = lm.nn.Linear(2, 2)
            >>> with layer.register_forward_hook(lambda layer, args, y: y * 0.0):
            ...     print(layer(lm.ones(2)))
            [0. 0.]
        """
        return add_hook(self, AFTER, hook, prepend, with_kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args)` before each call; what it returns replaces the arguments.

        Args:
            hook: returns None to keep them, else one argument or a tuple of them.
            prepend: before the hooks that are there already, rather than after them.
            with_kwargs: call `hook(module, args, kwargs)`, which returns None or (args, kwargs).

        Returns:
            A handle, whose `remove()` takes the hook away.
        """
        return add_hook(self, BEFORE, hook, prepend, with_kwargs)

    # ------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and buffers by path, with PyTorch's names; shared ones under each name."""
        return {place.path: place.tensor for place in self._places() if not place.is_passing}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadReport:
        """Take copies of tensors or arrays by path; nothing changes unless everything fits.

        Args:
            state: arrays, Tensors, or anything NumPy reads. Of several for one shared parameter,
                the last in the order of the module counts.
            strict: refuse missing and unknown names.

        Returns:
            `missing_keys`, names of the module that the state lacks, and `unexpected_keys`, names
            of the state that the module lacks; both are empty when strict.

        Raises:
            UsageError: names are missing or unknown.
            ShapeError, DTypeError: an array does not fit its place.
        """
        places = {place.path: place for place in self._places() if not place.is_passing}
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
        return LoadReport(missing, unknown)

    def extra_repr(self) -> str:
        """The layer's sizes, for `repr`."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({n}): " + repr(c).replace("\n", "\n  ") for n, c in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        inner = "\n  ".join(lines)
        return f"{type(self).__name__}(\n  {inner}\n)"


class LoadReport(NamedTuple):
    """What `load_state_dict` left out: names that only the module or only the state has."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Place(NamedTuple):
    """Where a module holds a tensor: at `holder[key]`.

    Attributes:
        path: its name from the root, such as "hidden.weight".
        holder: the attributes of a module, or a list or dict among them.
        key: where in it.
        is_buffer: whether it is a buffer, which is not trained.
        is_passing: whether it is a buffer that is not saved.
    """

    path: str
    holder: Any
    key: Any
    is_buffer: bool
    is_passing: bool

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


def _fits(patterns: Sequence[str], prefix: str, path: str) -> bool:
    full = f"{prefix}.{path}" if prefix else path
    return any(fnmatchcase(full, pattern) for pattern in patterns)


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
