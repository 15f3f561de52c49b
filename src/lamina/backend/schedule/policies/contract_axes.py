"""The letters of a contraction by their role, and the elements of its operands.

    "bhqd,bhkd->bhqk"    batch b h;  rows M = q;  columns N = k;  summed K = d

The *row operand* holds M and K, the *column operand* K and N; columns are what vectors run along.
Several letters of one role count as one flat index, the last letter fastest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Apply, Expr, Load, Var
from lamina.backend.schedule.pull import Index, Pull
from lamina.graph.ir import Graph, Value
from lamina.graph.ops import Contract

Letters = tuple[str, ...]
HALVES = ("f16", "bf16")
STEP = "step"  # the letter of the sum where several of its terms are one step


def contraction_of(graph: Graph) -> Value | None:
    """The one contraction of a body; None where there are none or several."""
    found = [v for v in graph.nodes if isinstance(v.op, Contract)]
    return found[0] if len(found) == 1 else None


def accumulates_in(dtype: str) -> str:
    """The dtype of the sums: f32 for halves, else the dtype itself."""
    return "f32" if dtype in HALVES else dtype


@dataclass(frozen=True)
class Axes:
    """The roles of a contraction's letters.

    Attributes:
        value: the contraction.
        swapped: the left operand is the column operand.
        together: how many terms of the sum are one step of it; the last step may lack some.
    """

    value: Value
    swapped: bool = False
    together: int = 1

    @cached_property
    def letters(self) -> tuple[Letters, Letters, Letters]:
        """Of the row operand, the column operand and the result; leading axes are 0, 1, ..."""
        terms, out = self.value.op.spec.replace(" ", "").split("->")
        left, right = terms.split(",")
        lead = tuple(str(i) for i in range(self.value.rank - len(out)))
        x, y = (*lead, *left), (*lead, *right)
        rows, columns = (y, x) if self.swapped else (x, y)
        return rows, columns, (*lead, *out)

    @property
    def operands(self) -> tuple[Value, Value]:
        """The row operand and the column operand."""
        x, y = self.value.operands
        return (y, x) if self.swapped else (x, y)

    @cached_property
    def size_of(self) -> dict[str, int]:
        """The extent of each letter."""
        sizes: dict[str, int] = {}
        for letters, operand in zip(self.letters, self.operands, strict=False):
            sizes |= dict(zip(letters, operand.shape, strict=True))
        if self.together > 1:
            terms = math.prod(sizes[c] for c in self.terms)
            sizes[STEP] = math.ceil(terms / self.together)
        return sizes

    @cached_property
    def batch(self) -> Letters:
        """Letters of both operands, and those that would break up the vectors of the result."""
        return tuple(c for c in self.letters[2] if c not in self.m and c not in self.n)

    @cached_property
    def m(self) -> Letters:
        """Letters of the row operand alone."""
        return self._alone(self.letters[0], self.letters[1])

    @cached_property
    def n(self) -> Letters:
        """Letters of the column operand alone."""
        return self._alone(self.letters[1], self.letters[0])

    def _alone(self, own: Letters, other: Letters) -> Letters:
        """Letters of the result that only one operand has: where they end the result, so many that
        they are neighbours there."""
        out = self.letters[2]
        found = tuple(c for c in out if c in own and c not in other)
        if not found or found[-1] != out[-1]:
            return found
        return tuple(c for i, c in enumerate(out) if set(out[i:]) <= set(found))

    @property
    def k(self) -> Letters:
        """What a sum steps through: its letters, or one that counts steps of several terms."""
        return self.terms if self.together == 1 else (STEP,)

    @cached_property
    def terms(self) -> Letters:
        """Summed letters, in the order of the larger operand; those it lacks come first."""
        rows, columns, out = self.letters
        first, second = columns, rows
        if self.operands[0].type.size > self.operands[1].type.size:
            first, second = rows, columns
        own = tuple(c for c in first if c not in out)
        return (*(c for c in second if c not in out and c not in own), *own)

    def extent(self, letters: Letters) -> int:
        return math.prod(self.size_of[c] for c in letters)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Batch, M, N, K."""
        return (
            self.extent(self.batch), self.extent(self.m), self.extent(self.n), self.extent(self.k)
        )  # fmt: skip

    def split(self, s: Builder, letters: Letters, flat: Expr) -> dict[str, Expr]:
        """The index of each letter at a flat index."""
        shape = [self.size_of[c] for c in letters]
        return dict(zip(letters, s.delinearize(flat, shape), strict=True)) if letters else {}

    def runs(
        self, s: Builder, letters: Letters, cut: int, outer: Expr, inner: Expr
    ) -> dict[str, Expr]:
        """The same where the flat index is given in two parts: letters before `cut`, and after."""
        return self.split(s, letters[:cut], outer) | self.split(s, letters[cut:], inner)


@dataclass(frozen=True)
class Reader:
    """Reads operands and results of a contraction at flat indices."""

    s: Builder
    pull: Pull
    axes: Axes

    def row(self, batch: dict[str, Expr], m: dict[str, Expr], k: dict[str, Expr]) -> Expr:
        """The element of the row operand, in the dtype of the sums."""
        return self._operand(0, batch | m | k)

    def column(self, batch: dict[str, Expr], n: dict[str, Expr], k: dict[str, Expr]) -> Expr:
        """The element of the column operand, in the dtype of the sums."""
        return self._operand(1, batch | n | k)

    def _operand(self, which: int, at: dict[str, Expr]) -> Expr:
        index = tuple(at[c] for c in self.axes.letters[which])
        value = self.pull.element(self.axes.operands[which], index)
        return self.s.cast(value, accumulates_in(value.dtype)) if value.dtype in HALVES else value

    def result(self, *parts: Mapping[str, Expr]) -> Index:
        """The index tuple of the result."""
        at = {c: e for part in parts for c, e in part.items()}
        return tuple(at[c] for c in self.axes.letters[2])


@dataclass(frozen=True)
class Access:
    """How an element is read as one flat index grows.

    Attributes:
        step: by how much each load's offset grows: 0 nowhere, 1 for the next element, more for a
            stride; None where that changes from place to place.
        plain: nothing but one load, perhaps with a cast, whose offset does not depend on memory.
    """

    step: int | None
    plain: bool

    @property
    def unit(self) -> bool:
        return self.step == 1


def access(s: Builder, element: Expr, var: Var, together: int = 1) -> Access:
    """How `element` is read along `var`, where that steps over so many terms at a time."""
    found = list(loads(element))
    steps = {s.coefficient(load.offset, var) for load in found}
    steps.discard(0)
    steps = {c if c is None or c % together else c // together for c in steps}
    plain = len(found) == 1 and found[0].mask is None and _is_load(element)
    plain = plain and not any(loads(found[0].offset))
    if None in steps:
        return Access(None, plain)
    return Access(max((abs(c) for c in steps if c is not None), default=0), plain)


def _is_load(e: Expr) -> bool:
    if isinstance(e, Apply) and e.op == "cast":
        e = e.args[0]
    return isinstance(e, Load)


def loads(e: Expr) -> Iterator[Load]:
    """The loads in an expression, each once."""
    seen: set[int] = set()
    stack = [e]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Load):
            yield node
        elif isinstance(node, Apply):
            stack.extend(node.args)
