"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, overload

from lamina.nn.module import Module


class Sequential(Module):
    """Layers applied one after the other; parameters are named "0.weight", "1.bias", and so on.

    Layers can be appended, inserted, replaced and deleted; their numbers follow.

    Example:
        >>> import lamina as lm
        >>> net = lm.nn.Sequential(lm.nn.Linear(4, 8), lm.nn.ReLU(), lm.nn.Linear(8, 2))
        >>> del net[1]
        >>> [name for name, _ in net.named_parameters()]
        ['0.weight', '0.bias', '1.weight', '1.bias']

    Source: PyTorch, `nn.Sequential`.
    """

    def __init__(self, *layers: Module):
        super().__init__()
        self._number(layers)

    def _number(self, layers: Iterable[Module]) -> None:
        for name, _ in list(self.named_children()):
            delattr(self, name)
        for i, layer in enumerate(layers):
            setattr(self, str(i), layer)

    def forward(self, x: Any) -> Any:
        for layer in self:
            x = layer(x)
        return x

    def append(self, layer: Module) -> Sequential:
        """One more layer at the end; the sequence itself."""
        self._number([*self, layer])
        return self

    def insert(self, i: int, layer: Module) -> Sequential:
        """One more layer before number `i`; the sequence itself."""
        layers = list(self)
        layers.insert(i, layer)
        self._number(layers)
        return self

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    @overload
    def __getitem__(self, i: int) -> Module: ...

    @overload
    def __getitem__(self, i: slice) -> Sequential: ...

    def __getitem__(self, i: int | slice) -> Module:
        layers = list(self)
        return Sequential(*layers[i]) if isinstance(i, slice) else layers[i]

    def __setitem__(self, i: int, layer: Module) -> None:
        layers = list(self)
        layers[i] = layer
        self._number(layers)

    def __delitem__(self, i: int | slice) -> None:
        layers = list(self)
        del layers[i]
        self._number(layers)
