"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamina.nn.module import Module


class Sequential(Module):
    """Layers applied one after the other. Parameters are named "0.weight", as in PyTorch."""

    def __init__(self, *layers: Module):
        super().__init__()
        for i, layer in enumerate(layers):
            setattr(self, str(i), layer)

    def forward(self, x: Any) -> Any:
        for layer in self:
            x = layer(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __getitem__(self, i: int) -> Module:
        return list(self.children())[i]
