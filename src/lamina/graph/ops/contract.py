"""Contraction: sums of products over named axes. Matrix products of every kind are this one op."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit, same_dtype
from lamina.graph.ops.elementwise import NUMBERS, in_single
from lamina.graph.ops.pairs import Parts, interleave
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.shape import concatenate, permute

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Axes(NamedTuple):
    """The letters of a contraction, one for each named axis of x, y and the result."""

    left: str
    right: str
    out: str

    @staticmethod
    @cache
    def parse(spec: str) -> Axes:
        """Read "ik,kj->ij".

        Raises:
            ShapeError: the text is not a contraction of two operands.
        """
        match = re.fullmatch(r"([a-zA-Z]*),([a-zA-Z]*)->([a-zA-Z]*)", spec.replace(" ", ""))
        if match is None:
            raise ShapeError(
                f'contract "{spec}": not a contraction of two operands',
                ["form: letters,letters->letters", f"given: {spec}"],
                'write one letter an axis, as in "ik,kj->ij"',
            )
        axes = Axes(*match.groups())
        for letters in axes:
            if len(set(letters)) != len(letters):
                raise ShapeError(
                    f'contract "{spec}": a letter stands twice in one place',
                    [f"letters: {letters}", f"spec: {spec}"],
                    "give each axis of an operand its own letter",
                )
        unknown = set(axes.out) - set(axes.left) - set(axes.right)
        if unknown:
            raise ShapeError(
                f'contract "{spec}": the result has an axis that no operand has',
                [f"operands: {axes.left}, {axes.right}", f"result: {axes.out}"],
                "expand an operand first",
            )
        return axes

    @property
    def batch(self) -> str:
        """Letters in both operands and the result."""
        return "".join(c for c in self.out if c in self.left and c in self.right)

    @property
    def m(self) -> str:
        """Letters of x and the result only."""
        return "".join(c for c in self.out if c in self.left and c not in self.right)

    @property
    def n(self) -> str:
        """Letters of y and the result only."""
        return "".join(c for c in self.out if c in self.right and c not in self.left)

    @property
    def k(self) -> str:
        """Letters of both operands that are summed."""
        return "".join(c for c in self.left if c in self.right and c not in self.out)

    @property
    def left_only(self) -> str:
        """Letters of x alone, which are summed."""
        return "".join(c for c in self.left if c not in self.right and c not in self.out)

    @property
    def right_only(self) -> str:
        """Letters of y alone, which are summed."""
        return "".join(c for c in self.right if c not in self.left and c not in self.out)


@frozen
class Contract(Op):
    """Sum of products over named axes, such as "ik,kj->ij".  Inputs: two numbers of one dtype.

    Leading axes without a name are shared by both operands and the result. A letter that is not in
    the result is summed, also if only one operand has it. f16 and bf16 accumulate in f32.
    Source: Einstein 1916; the form is NumPy's einsum.  A contraction transposes to a contraction.
    """

    arity = 2
    cost = 2
    spec: str

    @property
    def axes(self) -> Axes:
        """The letters of x, y and the result: type, loops, cost and sharding all read this."""
        return Axes.parse(self.spec)

    def sizes(self, x: TensorType, y: TensorType) -> dict[str, int]:
        """The size of each letter."""
        left, right, _ = self.axes
        first = dict(zip(left, x.shape[x.rank - len(left) :]))
        second = dict(zip(right, y.shape[y.rank - len(right) :]))
        for letter in left:
            if letter in second and first[letter] != second[letter]:
                width = max(len(str(x)), len(str(y)))
                raise ShapeError(
                    f'contract "{self.spec}": axis {letter} has two sizes',
                    [
                        f"x: {str(x).ljust(width)}  {letter} = {first[letter]}",
                        f"y: {str(y).ljust(width)}  {letter} = {second[letter]}",
                    ],
                    "check the layer sizes, or transpose one operand",
                )
        return first | second

    def infer(self, *types: TensorType) -> TensorType:
        self.require(NUMBERS, *types)
        dtype = same_dtype(self, types)
        x, y = types
        left, right, out = self.axes
        for name, t, letters in (("x", x, left), ("y", y, right)):
            if t.rank < len(letters):
                raise ShapeError(
                    f'contract "{self.spec}": {name} has too few axes',
                    [f"{name}: {t}", f"letters: {letters}"],
                    "add the missing axes, or name fewer",
                )
        sizes = self.sizes(x, y)
        lead = x.shape[: x.rank - len(left)]
        other = y.shape[: y.rank - len(right)]
        if lead != other:
            raise ShapeError(
                f'contract "{self.spec}": the leading axes differ',
                [f"x: {x}    leading axes {lead}", f"y: {y}    leading axes {other}"],
                "axes without a letter are shared: expand one operand, or name them",
            )
        return TensorType(dtype, lead + tuple(sizes[c] for c in out))

    def reference(self, *arrays: Any) -> np.ndarray:
        left, right, out = self.axes
        return in_single(
            lambda x, y: np.einsum(f"...{left},...{right}->...{out}", x, y, optimize=True), *arrays
        )

    def transpose(self, i: int, bar: Any, x: Any, y: Any) -> Any:
        left, right, out = self.axes
        own, other, lost = (left, right, self.axes.left_only)
        operand = x
        if i == 1:
            own, other, lost, operand = right, left, self.axes.right_only, y
        kept = "".join(c for c in own if c not in lost)
        if i == 0:
            result = contract(bar, y, f"{out},{other}->{kept}")
        else:
            result = contract(x, bar, f"{other},{out}->{kept}")
        places = tuple(own.index(c) - len(own) for c in own if c in lost)
        return expand(result, places, tuple(operand.shape[a] for a in places))

    def split(self, x: Parts, y: Parts) -> Parts:
        """One real contraction, of pairs with the matrices [[re, im], [-im, re]].

        Four products a pair, like four contractions of parts, but in one kernel whose operand and
        result lie in memory as complex numbers do. Three products (Gauss) would save a quarter and
        lose digits by cancellation. The operand that becomes matrices grows: the smaller one.
        """
        left, right, out = self.axes
        p, q = [c for c in LETTERS if c not in left + right][:2]
        if y.re.type.size <= x.re.type.size:
            letters, matrices = _as_matrices(self.axes, right, self.axes.n, y, p, q)
            return Parts.of(contract(x.joined, matrices, f"{left}{p},{letters}->{out}{q}"))
        letters, matrices = _as_matrices(self.axes, left, self.axes.m, x, p, q)
        return Parts.of(contract(matrices, y.joined, f"{letters},{right}{p}->{out}{q}"))

    def batch(self, size: int, operands: tuple[Any, ...], is_batched: tuple[bool, ...]) -> Any:
        """One operand batched: its new axis gets a letter, and the other is read as it is."""
        x, y = operands
        if all(is_batched):
            return contract(x, y, self.spec)
        left, right, out = self.axes
        plain, letters = (x, left) if is_batched[1] else (y, right)
        lead = plain.rank - len(letters)
        free = [c for c in LETTERS if c not in left + right]
        shared, new = "".join(free[:lead]), free[lead]
        first, second = (new if b else "" for b in is_batched)
        return contract(x, y, f"{first}{shared}{left},{second}{shared}{right}->{new}{shared}{out}")


def _as_matrices(axes: Axes, own: str, free: str, z: Parts, p: str, q: str) -> tuple[str, Any]:
    """Each number z of an operand as the matrix [[re, im], [-im, re]] over new axes p and q.

    Args:
        axes: the letters of the contraction.
        own: those of the operand.
        free: those that it gives to the result alone.
        z: the operand.
        p: the new letter that is summed; it goes behind the letters that are.
        q: the new letter of the result; it goes behind `free`.

    Returns:
        The letters of the operand of real numbers, and this operand.
    """
    rows = [interleave(z.re, z.im), interleave(-z.im, z.re)]
    stacked = concatenate([expand(row, (-2,), (1,)) for row in rows], -2)
    letters = own
    for new, after in ((p, axes.k), (q, free)):
        place = max([letters.index(c) for c in letters if c in after], default=len(letters) - 1)
        letters = letters[: place + 1] + new + letters[place + 1 :]
    order = tuple((own + p + q).index(c) - len(letters) for c in letters)
    return letters, permute(stacked, order)


def contract(x: Any, y: Any, spec: str) -> Any:
    """The sum of products of x and y over named axes, as in einsum: "ik,kj->ij"."""
    return emit(Contract(spec), x, y)
