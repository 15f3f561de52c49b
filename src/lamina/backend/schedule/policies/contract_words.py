"""Sums of products of narrow integers, several terms at a step, where the target has that.

    i32[i, j] = Σ_k i32(x[i, k]) · i32(y[k, j])      x, y: i8, u8 or i16

A *word* is an i32 that holds terms which are neighbours in the sum; words are what is staged and
read. `Target.terms` says how many there are:

    4   bytes as they are (`dot4`, VNNI)
    2   numbers of 16 bits (`dot2`, PMADDWD), to which bytes are widened; memory that is packed
        once and read often keeps the bytes, and reading widens them

`dot4` takes unsigned bytes and signed ones. Where both operands are of one kind, the top bit of the
row operand's bytes is flipped: that adds 128 to each of them, read as the other kind, or takes 128
away. What this adds to a sum is the word of such bytes times the column, the same for all rows, and
sums start at its negative. All of it wraps as i32 does, so the results are those of widening.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lamina.backend.nest.nodes import Expr
from lamina.backend.schedule.policies.contract_axes import STEP, Axes, Reader
from lamina.backend.schedule.pull import Index
from lamina.backend.targets import Target
from lamina.base.dtypes import dtype
from lamina.graph.ir import Value
from lamina.graph.ops import Cast

PAIR = 2  # terms of a word whose bytes are widened
TOP_BITS = -0x7F7F7F80  # 0x80808080 as an i32


def word_roles(value: Value, target: Target) -> Iterator[Axes]:
    """The roles of a contraction that the target sums several terms at a step; none where it
    cannot.

    The operands are narrow integers cast to i32, summed along one letter of each.
    """
    if str(value.dtype) != "i32" or not all(isinstance(v.op, Cast) for v in value.operands):
        return
    together = target.terms(*(str(v.operands[0].dtype) for v in value.operands))
    axes = Axes(value)
    rows, columns, _ = axes.letters
    if together > 1 and len(axes.terms) == 1 and axes.terms[0] in rows and axes.terms[0] in columns:
        yield Axes(value, together=together)
        yield Axes(value, swapped=True, together=together)


def pair_roles(value: Value, target: Target) -> tuple[Axes, ...]:
    """Those of words of two terms, whose sums start at zero: for forms that know no other start."""
    return tuple(axes for axes in word_roles(value, target) if axes.together == PAIR)


@dataclass(frozen=True)
class Words:
    """Reads words of a contraction's operands, and multiplies them.

    Attributes:
        reader: of the contraction itself.
        lacking: whether a word may lack terms, at the end of the sum; they are zero then.
    """

    reader: Reader
    lacking: bool = True

    @property
    def whole(self) -> Words:
        """Reads words that are known to lack no terms."""
        return replace(self, lacking=False)

    @property
    def _dtypes(self) -> tuple[str, str]:
        """Of the terms of the row operand and of the column operand."""
        rows, columns = (v.operands[0] for v in self.reader.axes.operands)
        return str(rows.dtype), str(columns.dtype)

    @property
    def flips(self) -> bool:
        """Whether the bytes of both operands are of one kind, and those of the rows are changed."""
        rows, columns = self._dtypes
        return self.reader.axes.together != PAIR and rows == columns

    @property
    def widens(self) -> tuple[bool, bool]:
        """Whether the terms of the row operand, and of the column operand, are narrower than in a
        word."""
        rows, columns = (self._kept(d) != "i32" for d in self._dtypes)
        return rows, columns

    @property
    def kept_dtype(self) -> str:
        """Of a word of the column operand in memory that is packed once and read often."""
        return self._kept(self._dtypes[1])

    def row(self, batch: dict[str, Expr], m: dict[str, Expr], k: dict[str, Expr]) -> Expr:
        """The word of the row operand at a step of the sum."""
        word = self.widened(self._packed(0, batch | m | k))
        return self.reader.s.xor(word, self._top_bits) if self.flips else word

    def column(self, batch: dict[str, Expr], n: dict[str, Expr], k: dict[str, Expr]) -> Expr:
        """The word of the column operand at a step of the sum."""
        return self.widened(self.kept_column(batch, n, k))

    def kept_column(self, batch: dict[str, Expr], n: dict[str, Expr], k: dict[str, Expr]) -> Expr:
        """The same as memory keeps it, see `kept_dtype`."""
        return self._packed(1, batch | n | k)

    def widened(self, kept: Expr) -> Expr:
        """The word of what memory keeps of it."""
        return kept if kept.dtype == "i32" else self.reader.s.halves(kept)

    def result(self, *parts: Mapping[str, Expr]) -> Index:
        """The index tuple of the result."""
        return self.reader.result(*parts)

    def multiply_add(self, row: Expr, column: Expr, total: Expr) -> Expr:
        """The total and the products of two words."""
        s, (_, columns) = self.reader.s, self._dtypes
        if self.reader.axes.together == PAIR:
            return s.dot2(row, column, total)
        return s.dot4(row, column, total) if columns == "i8" else s.dot4(column, row, total)

    def added(self, column: Expr, total: Expr) -> Expr:
        """The total and what flipping adds to a sum at a word of the column operand."""
        return self.multiply_add(self._top_bits, column, total)

    @property
    def _top_bits(self) -> Expr:
        return self.reader.s.constant(TOP_BITS, "i32")

    def _kept(self, term: str) -> str:
        """The dtype of the terms of a word side by side: i32, or of two bytes i16 or u16."""
        bits = 8 * dtype(term).size_bytes * self.reader.axes.together
        return "i32" if bits == 32 else f"{term[0]}{bits}"

    def _packed(self, which: int, at: dict[str, Expr]) -> Expr:
        """The terms of a word side by side, the first lowest; zeros past the end of the sum."""
        s, axes, pull = self.reader.s, self.reader.axes, self.reader.pull
        (letter,) = axes.terms
        source, extent = axes.operands[which].operands[0], axes.size_of[letter]
        bits = 8 * source.dtype.size_bytes
        kept = self._kept(str(source.dtype))
        first = s.multiply(at[STEP], axes.together)
        word: Expr = s.constant(0, kept)
        for number in range(axes.together):
            term = s.add(first, number)
            there = {**at, letter: term}
            index = tuple(there[c] for c in axes.letters[which])
            lacking = self.lacking and extent % axes.together
            exists = s.less(term, extent) if lacking else True
            zero = s.constant(0, str(source.dtype))
            element = s.when(exists, lambda index=index: pull.element(source, index), zero)
            alone = s.cast(s.bitcast(element, f"u{bits}"), kept)
            word = s.or_(word, s.shift_left(alone, bits * number))
        return word
