"""Cutting the letters of one role into blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Expr
from lamina.backend.schedule.policies.contract_axes import Letters


@dataclass(frozen=True)
class Block:
    """Where a block begins in each letter, and how many indices it has there."""

    start: Mapping[str, Expr]
    count: Mapping[str, Expr]


@dataclass(frozen=True)
class Cut:
    """Letters before `at` stand still in a block, that one runs through `size`, the rest are whole.

    Attributes:
        extents: the size of each letter.
    """

    letters: Letters
    extents: Mapping[str, int]
    at: int
    size: int

    @cached_property
    def rooms(self) -> dict[str, int]:
        """The most indices of each letter in a block."""
        found = dict.fromkeys(self.letters[: self.at], 1)
        found |= dict.fromkeys(self.letters[self.at : self.at + 1], self.size)
        return found | {c: self.extents[c] for c in self.letters[self.at + 1 :]}

    @cached_property
    def elements(self) -> int:
        """Of a full block."""
        return math.prod(self.rooms.values())

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Blocks along each of the letters that are cut."""
        return tuple(
            math.ceil(self.extents[c] / self.rooms[c]) for c in self.letters[: self.at + 1]
        )

    @property
    def blocks(self) -> int:
        return math.prod(self.counts)

    def block(self, s: Builder, number: Expr) -> Block:
        """The block of a number."""
        start: dict[str, Expr] = {}
        count: dict[str, Expr] = {}
        numbers = s.delinearize(number, self.counts)
        for c, n in zip(self.letters, numbers, strict=False):
            start[c] = s.multiply(n, self.rooms[c])
            count[c] = s.minimum(s.subtract(self.extents[c], start[c]), self.rooms[c])
        for c in self.letters[len(numbers) :]:
            start[c], count[c] = s.constant(0), s.constant(self.extents[c])
        return Block(start, count)


def even_sizes(extent: int, most: int) -> Iterator[int]:
    """Sizes, at most so large, that cut an extent into ever more even parts."""
    last = 0
    for parts in range(max(math.ceil(extent / most), 1), extent + 1):
        size = math.ceil(extent / parts)
        if size != last:
            yield size
        last = size


def cuts(
    letters: Letters, extents: Mapping[str, int], multiples: Mapping[str, int]
) -> Iterator[Cut]:
    """Ways to cut into even blocks, large ones first, each smaller than the one before by a third.

    Args:
        multiples: the size of a block is a multiple of this where a letter has one.
    """
    if not letters:
        yield Cut(letters, extents, 0, 1)
    for at, letter in enumerate(letters):
        multiple, last = multiples.get(letter, 1), math.inf
        for size in even_sizes(extents[letter], extents[letter]):
            size = math.ceil(size / multiple) * multiple
            if size <= 0.75 * last or size == 1:
                if size > 1 or at == len(letters) - 1:
                    yield Cut(letters, extents, at, size)
                last = size
