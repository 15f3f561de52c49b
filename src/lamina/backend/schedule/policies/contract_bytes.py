"""Sums of products of bytes, four terms at a step: for processors that multiply bytes (VNNI).

    i32[i, j] = Σ_k i32(x[i, k]) · i32(y[k, j])      x, y: i8 or u8

A *word* is an i32 that holds four bytes which are neighbours in the sum; words are what is staged
and read, `dot4` what multiplies them. It takes unsigned bytes and signed ones. Where both operands
are of one kind, the top bit of the row operand's bytes is flipped: that adds 128 to each of them,
read as the other kind, or takes 128 away. What this adds to a sum is the word of such bytes times
the column, the same for all rows, and sums start at its negative. All of it wraps as i32 does, so
the results are those of widening.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lamina.backend.nest.nodes import Expr
from lamina.backend.schedule.policies.contract_axes import STEP, Axes, Reader
from lamina.backend.schedule.pull import Index
from lamina.backend.targets import Target
from lamina.graph.ir import Value
from lamina.graph.ops import Cast

TOGETHER = 4  # terms of a step
TOP_BITS = -0x7F7F7F80  # 0x80808080 as an i32


def byte_roles(value: Value, target: Target) -> Iterator[Axes]:
    """The roles of a contraction that the target sums four terms at a step; none where it cannot.

    The operands are bytes cast to i32, summed along one letter of each.
    """
    if not target.dots_bytes:
        return
    if str(value.dtype) != "i32" or not all(_is_byte(v) for v in value.operands):
        return
    axes = Axes(value)
    rows, columns, _ = axes.letters
    if len(axes.terms) == 1 and axes.terms[0] in rows and axes.terms[0] in columns:
        yield Axes(value, together=TOGETHER)
        yield Axes(value, swapped=True, together=TOGETHER)


def _is_byte(operand: Value) -> bool:
    return isinstance(operand.op, Cast) and str(operand.operands[0].dtype) in ("i8", "u8")


@dataclass(frozen=True)
class Bytes:
    """Reads words of a contraction's operands, and multiplies them.

    Attributes:
        reader: of the contraction itself.
    """

    reader: Reader

    @property
    def _dtypes(self) -> tuple[str, str]:
        """Of the bytes of the row operand and of the column operand."""
        rows, columns = (v.operands[0] for v in self.reader.axes.operands)
        return str(rows.dtype), str(columns.dtype)

    @property
    def flips(self) -> bool:
        """Whether the bytes of both operands are of one kind, and those of the rows are changed."""
        rows, columns = self._dtypes
        return rows == columns

    def row(self, batch: dict[str, Expr], m: dict[str, Expr], k: dict[str, Expr]) -> Expr:
        """The word of the row operand at a step of the sum."""
        word = self._word(0, batch | m | k)
        return self.reader.s.xor(word, self._top_bits) if self.flips else word

    def column(self, batch: dict[str, Expr], n: dict[str, Expr], k: dict[str, Expr]) -> Expr:
        """The word of the column operand at a step of the sum."""
        return self._word(1, batch | n | k)

    def result(self, *parts: Mapping[str, Expr]) -> Index:
        """The index tuple of the result."""
        return self.reader.result(*parts)

    def multiply_add(self, row: Expr, column: Expr, total: Expr) -> Expr:
        """The total and the four products of two words."""
        s, (_, columns) = self.reader.s, self._dtypes
        return s.dot4(row, column, total) if columns == "i8" else s.dot4(column, row, total)

    def added(self, column: Expr, total: Expr) -> Expr:
        """The total and what flipping adds to a sum at a word of the column operand."""
        return self.multiply_add(self._top_bits, column, total)

    @property
    def _top_bits(self) -> Expr:
        return self.reader.s.constant(TOP_BITS, "i32")

    def _word(self, which: int, at: dict[str, Expr]) -> Expr:
        """Four bytes, the first of them lowest; zeros past the end of the sum."""
        s, axes, pull = self.reader.s, self.reader.axes, self.reader.pull
        (letter,) = axes.terms
        source, extent = axes.operands[which].operands[0], axes.size_of[letter]
        first = s.multiply(at[STEP], TOGETHER)
        word: Expr = s.constant(0, "i32")
        for number in range(TOGETHER):
            term = s.add(first, number)
            there = {**at, letter: term}
            index = tuple(there[c] for c in axes.letters[which])
            exists = True if extent % TOGETHER == 0 else s.less(term, extent)
            zero = s.constant(0, str(source.dtype))
            byte = s.when(exists, lambda index=index: pull.element(source, index), zero)
            bits = s.cast(s.bitcast(byte, "u8"), "i32")
            word = s.or_(word, s.shift_left(bits, 8 * number))
        return word
