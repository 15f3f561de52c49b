"""Modules made of modules, and modules made of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from lamina.base.errors import UsageError
from lamina.nn.module import Module
from lamina.tensor import Tensor


def require_name(container: Module, name: Any) -> str:
    """Refuse a name that no part can have: it would hide a method, or split a path."""
    taken = isinstance(name, str) and (hasattr(type(container), name) or name in _OWN)
    if not isinstance(name, str) or not name or "." in name or taken:
        raise UsageError(
            f"{type(container).__name__}: no part can be called {name!r}",
            ["a name is a text without dots, and not that of a method"],
            "choose another name",
        )
    return name


_OWN = ("training", "frozen")  # attributes of every module


class NumberedModules(Module):
    """What Sequential and ModuleList share: parts with an order; not a container by itself.

    Parts that were given no name are called by their number, which follows when others come or go.
    """

    def _put(self, parts: Iterable[tuple[str | None, Module]]) -> None:
        entries = list(parts)
        for name, _ in list(self.named_children()):
            delattr(self, name)
        for i, (name, part) in enumerate(entries):
            setattr(self, str(i) if name is None else require_name(self, name), part)

    def _parts(self) -> list[tuple[str | None, Module]]:
        """Names and parts, None in place of a number."""
        return [(None if n.isdecimal() else n, part) for n, part in self.named_children()]

    def _with(self, parts: Iterable[tuple[str | None, Module]]) -> Self:
        """Another container of this kind with these parts."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._put(parts)
        return other

    def append(self, module: Module) -> Self:
        """One more part at the end; the container itself."""
        self._put([*self._parts(), (None, module)])
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """More parts at the end; the container itself."""
        self._put([*self._parts(), *[(None, module) for module in modules]])
        return self

    def insert(self, i: int, module: Module) -> Self:
        """One more part before number `i`; the container itself."""
        parts = self._parts()
        parts.insert(i, (None, module))
        self._put(parts)
        return self

    def pop(self, i: int = -1) -> Module:
        """Take number `i` out; that part."""
        parts = self._parts()
        _, taken = parts.pop(i)
        self._put(parts)
        return taken

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __contains__(self, module: Any) -> bool:
        return any(part is module for part in self)

    @overload
    def __getitem__(self, i: int) -> Module: ...

    @overload
    def __getitem__(self, i: slice) -> Self: ...

    def __getitem__(self, i: int | slice) -> Module:
        parts = self._parts()
        if not isinstance(i, slice):
            return parts[i][1]
        return self._with(parts[i])

    def __setitem__(self, i: int, module: Module) -> None:
        parts = self._parts()
        parts[i] = (parts[i][0], module)
        self._put(parts)

    def __delitem__(self, i: int | slice) -> None:
        parts = self._parts()
        del parts[i]
        self._put(parts)

    def __add__(self, other: Iterable[Module]) -> Self:
        return self._with([*self._parts(), *[(None, module) for module in other]])


class Sequential(NumberedModules):
    """Layers applied one after the other; parameters are named "0.weight", "1.bias", and so on.

    Layers can be appended, inserted, replaced and deleted; their numbers follow. A dictionary of
    layers gives them names.

    Args:
        layers: in their order, or one dictionary of them.

    Raises:
        UsageError: a name has a dot, or is that of a method.

    Example:
        >>> import lamina as lm
        >>> net = lm.nn.Sequential(lm.nn.Linear(4, 8), lm.nn.ReLU(), lm.nn.Linear(8, 2))
        >>> del net[1]
        >>> [name for name, _ in net.named_parameters()]
        ['0.weight', '0.bias', '1.weight', '1.bias']
        >>> lm.nn.Sequential({"out": lm.nn.Linear(2, 1)}).out.weight.shape
        (1, 2)

    Source: PyTorch, `nn.Sequential`.
    """

    def __init__(self, *layers: Module | Mapping[str, Module]):
        super().__init__()
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            self._put(layers[0].items())
        else:
            self._put((None, layer) for layer in layers)  # type: ignore[misc]

    def forward(self, x: Any) -> Any:
        for layer in self:
            x = layer(x)
        return x


class ModuleList(NumberedModules):
    """A list of modules; parameters are named "0.weight", "1.bias", and so on.

    A plain list of modules in an attribute serves as well; this one has PyTorch's methods.

    Args:
        modules: in their order.

    Example:
        >>> import lamina as lm
        >>> layers = lm.nn.ModuleList(lm.nn.Linear(2, 2) for _ in range(3))
        >>> len(layers[1:]), [name for name, _ in layers.named_children()]
        (2, ['0', '1', '2'])

    Source: PyTorch, `nn.ModuleList`.
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        self._put((None, module) for module in modules)


class NamedParts(Module):
    """What ModuleDict and ParameterDict share: parts by name; not a container by itself."""

    def _names(self) -> list[str]:
        return [n for n in self.__dict__ if n not in _OWN and not n.startswith("_")]

    def update(self, parts: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Put in all of them, in place of those with the same names."""
        for name, part in dict(parts).items():
            self[name] = part

    def keys(self) -> Iterable[str]:
        """The names, in the order they came."""
        return self._names()

    def values(self) -> Iterable[Any]:
        """The parts."""
        return [self.__dict__[name] for name in self._names()]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and parts."""
        return [(name, self.__dict__[name]) for name in self._names()]

    def pop(self, name: str) -> Any:
        """Take a part out; that part."""
        part = self[name]
        del self[name]
        return part

    def clear(self) -> None:
        """Take all parts out."""
        for name in self._names():
            delattr(self, name)

    def __getitem__(self, name: str) -> Any:
        if name not in self._names():
            raise KeyError(name)
        return self.__dict__[name]

    def __setitem__(self, name: str, part: Any) -> None:
        setattr(self, require_name(self, name), part)

    def __delitem__(self, name: str) -> None:
        if name not in self._names():
            raise KeyError(name)
        delattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, name: Any) -> bool:
        return name in self._names()


class ModuleDict(NamedParts):
    """Modules by name; the parameters of "enc" are named "enc.weight" and so on.

    Args:
        modules: a dictionary, or pairs.

    Raises:
        UsageError: a name has a dot, or is that of a method.

    Example:
        >>> import lamina as lm
        >>> heads = lm.nn.ModuleDict({"age": lm.nn.Linear(2, 1)})
        >>> heads["size"] = lm.nn.Linear(2, 1)
        >>> list(heads), "age" in heads
        (['age', 'size'], True)

    Source: PyTorch, `nn.ModuleDict`.
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()):
        super().__init__()
        self.update(modules)


class ParameterDict(NamedParts):
    """Parameters by name.

    Args:
        parameters: a dictionary, or pairs.

    Raises:
        UsageError: a name has a dot, or is that of a method.

    Example:
        >>> import lamina as lm
        >>> scales = lm.nn.ParameterDict({"left": lm.ones(2)})
        >>> [name for name, _ in scales.named_parameters()]
        ['left']

    Source: PyTorch, `nn.ParameterDict`.
    """

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] = ()):
        super().__init__()
        self.update(parameters)


class ParameterList(Module):
    """A list of parameters, named "0", "1", and so on.

    A plain list of tensors in an attribute serves as well; this one has PyTorch's methods.

    Args:
        parameters: in their order.

    Example:
        >>> import lamina as lm
        >>> weights = lm.nn.ParameterList([lm.ones(2)]).append(lm.zeros(3))
        >>> [name for name, _ in weights.named_parameters()], weights[1].shape
        (['0', '1'], (3,))

    Source: PyTorch, `nn.ParameterList`.
    """

    def __init__(self, parameters: Iterable[Tensor] = ()):
        super().__init__()
        self.extend(parameters)

    def append(self, parameter: Tensor) -> ParameterList:
        """One more at the end; the list itself."""
        setattr(self, str(len(self)), parameter)
        return self

    def extend(self, parameters: Iterable[Tensor]) -> ParameterList:
        """More at the end; the list itself."""
        for parameter in parameters:
            self.append(parameter)
        return self

    def __len__(self) -> int:
        return sum(name.isdecimal() for name in self.__dict__)

    def __iter__(self) -> Iterator[Tensor]:
        return (self.__dict__[str(i)] for i in range(len(self)))

    def __getitem__(self, i: int) -> Tensor:
        return self.__dict__[self._place(i)]

    def __setitem__(self, i: int, parameter: Tensor) -> None:
        setattr(self, self._place(i), parameter)

    def _place(self, i: int) -> str:
        return str(range(len(self))[i])
