"""Layouts: in which order, and in which blocks, the elements of an array lie in memory.

NCHW        ((n C + c) H + h) W + w                          images, channels outside
NHWC        ((n H + h) W + w) C + c                          channels inside
nChw8c      (((n ⌈C/8⌉ + c//8) H + h) W + w) 8 + c%8         blocks of 8 channels inside
KN, NK      k N + n,  n K + k                                a right operand, and transposed
nK16n       ((n//16) K + k) 16 + n%16                        panels of 16 columns of it
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from lamina.base.errors import ShapeError, UsageError
from lamina.base.records import frozen


@frozen
class Layout:
    """The axes of an array in memory, the outermost first.

    Attributes:
        axes: (letter, block) for each axis in memory. Block 0 stands for an axis, or for its
            blocks where a later entry has the same letter and their size.

    Example:
        >>> layout = Layout.parse("nChw8c")
        >>> layout.shape({"n": 1, "c": 20, "h": 5, "w": 5})
        (1, 3, 5, 5, 8)
        >>> layout.offset({"n": 0, "c": 11, "h": 0, "w": 2}, {"n": 1, "c": 20, "h": 5, "w": 5})
        219
    """

    axes: tuple[tuple[str, int], ...]

    @staticmethod
    def parse(text: str) -> Layout:
        """The layout of a name: letters, each an axis; behind a number the letter of a block.

        Upper and lower case are the same. Each letter stands once without a number, and at most
        once behind one.

        Raises:
            UsageError: the text is no such name.

        Source: oneDNN, "Understanding memory formats": `nChw16c`, which Ascend calls 5HD or
        NC1HWC0.
        """
        found = re.findall(r"(\d*)([a-z])", text.lower())
        axes = tuple((letter, int(number or 0)) for number, letter in found)
        whole = [letter for letter, block in axes if not block]
        blocks = [letter for letter, block in axes if block]
        read = sum(len(number) + 1 for number, _ in found) == len(text)
        once = len(set(whole)) == len(whole) and len(set(blocks)) == len(blocks)
        if not (read and once and whole and set(blocks) <= set(whole)):
            raise UsageError(
                f"layout {text!r}: no such name",
                help="write each axis once, then blocks behind their size: NHWC, nChw8c, nK16n",
            )
        return Layout(axes)

    @property
    def letters(self) -> tuple[str, ...]:
        """The axes without their blocks, in the order in which they, or their blocks, lie."""
        return tuple(letter for letter, block in self.axes if not block)

    @property
    def blocks(self) -> dict[str, int]:
        """The size of the blocks of each axis that has some."""
        return {letter: block for letter, block in self.axes if block}

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape of an array in memory; the last block of an axis may hold less than it can.

        Args:
            sizes: of each axis, by its lower-case letter.
        """
        blocks = self.blocks
        return tuple(
            block or (-(-sizes[letter] // blocks[letter]) if letter in blocks else sizes[letter])
            for letter, block in self.axes
        )

    def offset(self, index: Mapping[str, int], sizes: Mapping[str, int]) -> int:
        """Where an element lies, in elements from the first."""
        blocks, total = self.blocks, 0
        for (letter, block), size in zip(self.axes, self.shape(sizes), strict=True):
            i = index[letter]
            if letter in blocks:
                i = i % block if block else i // blocks[letter]
            total = total * size + i
        return total

    def elements(self, sizes: Mapping[str, int]) -> int:
        """Elements of memory, those that fill the last blocks included."""
        return math.prod(self.shape(sizes))

    def sizes(self, shape: Sequence[int]) -> dict[str, int]:
        """The sizes of the axes of an array that has this shape in memory, whole blocks counted.

        Raises:
            ShapeError: the shape has not the axes, or not the blocks, of the layout.
        """
        blocks = self.blocks
        fits = len(shape) == len(self.axes)
        if not fits or any(b and b != n for (_, b), n in zip(self.axes, shape)):
            raise ShapeError(
                f"layout {self}: the shape does not fit",
                [f"shape: {tuple(shape)}", f"axes in memory: {len(self.axes)}"]
                + [f"blocks: {n} of {letter}" for letter, n in blocks.items()],
            )
        whole = [(letter, n) for (letter, block), n in zip(self.axes, shape) if not block]
        return {letter: n * blocks.get(letter, 1) for letter, n in whole}

    def __str__(self) -> str:
        blocks = self.blocks
        if not blocks:
            return "".join(self.letters).upper()
        parts = [f"{n}{a}" if n else a.upper() if a in blocks else a for a, n in self.axes]
        return "".join(parts)
