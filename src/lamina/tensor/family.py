"""Families: pending values that hang together by their operands, and the living Tensors among them.

When one of a family is computed, others may be worth computing along; which, `eager` decides. That
it need not look at the Tensors of other families keeps a look at one of thousands cheap.
"""

from __future__ import annotations

import weakref
from typing import Any


class Family:
    """A set of pending values that grows and merges (union by size, with path halving)."""

    __slots__ = ("_holders", "_limit", "_merged")

    def __init__(self) -> None:
        self._merged: Family | None = None
        self._holders: list[weakref.ref[Any]] = []
        self._limit = 256

    def root(self) -> Family:
        """The family that this one has become part of."""
        family = self
        while family._merged is not None:
            if family._merged._merged is not None:
                family._merged = family._merged._merged
            family = family._merged
        return family

    def joined(self, other: Family) -> Family:
        """This family and another one as one; both are roots."""
        if self is other:
            return self
        small, large = sorted((self, other), key=lambda f: len(f._holders))
        large._holders += small._holders
        small._holders = []
        small._merged = large
        return large

    @property
    def alone(self) -> bool:
        """Whether it is a root, and at most one Tensor was ever noted."""
        return self._merged is None and len(self._holders) < 2

    def add(self, holder: weakref.ref[Any]) -> None:
        """Note a Tensor; dead and computed ones are dropped now and then."""
        self._holders.append(holder)
        if len(self._holders) > self._limit:
            self.living()
            self._limit = max(256, 2 * len(self._holders))

    def living(self) -> list[Any]:
        """The Tensors that live and are pending, in the order in which they came."""
        found = []
        kept = []
        for holder in list(self._holders):
            tensor = holder()
            if tensor is not None and tensor.is_pending:
                kept.append(holder)
                found.append(tensor)
        self._holders = kept
        return found
