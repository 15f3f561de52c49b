"""Index arithmetic: an i64 expression as constant + Σ coefficient · atom, with ranges.

An atom is what the sum cannot look into: a loop variable, a quotient, a remainder, a load.
`Affine` reads expressions; `Indices` also builds them in simplified form:

    (i*1024 + j) // 1024  ->  i            where 0 <= j < 1024
    (i*1024 + j) % 1024   ->  j
    (x // a) // b         ->  x // (a*b)
    (x // n)*n + x % n    ->  x

i64 arithmetic wraps. A sum is *exact* when its range shows that it cannot wrap; only exact sums are
divided or compared through their terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd
from typing import NamedTuple

from lamina.backend.nest.nodes import Apply, Const, Expr, Load, Var

Range = tuple[int, int]
_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1
FULL: Range = (_LOWEST, _HIGHEST)

_LONGEST = 16  # sums of more terms stay as they were written
_OF_DTYPE: dict[str, Range] = {"bool": (0, 1), "i64": FULL, "u64": FULL} | {
    f"{sign}{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1)
    if sign == "i"
    else (0, (1 << bits) - 1)
    for sign in "iu"
    for bits in (8, 16, 32)
}


class Form(NamedTuple):
    """constant + Σ coefficient · atom; no coefficient is zero."""

    constant: int
    terms: dict[Expr, int]


def coefficient(expr: Expr, var: Var | str) -> int | None:
    """How much `expr` grows when `var` grows by one; None where that is not one number."""
    return Affine().coefficient(expr, var)


def range_of(expr: Expr, ranges: Mapping[str, Range] | None = None) -> Range:
    """Bounds, both inclusive, of an i64 expression, given those of the variables by name."""
    return Affine(ranges).range_of(expr)


def depends(expr: Expr, name: str) -> bool:
    """Whether the variable `name` occurs in the expression."""
    return Affine().depends(expr, name)


class Affine:
    """Reads index expressions; what it has found out about a node it keeps.

    Args:
        ranges: bounds of variables by name, both inclusive. The mapping is read, not copied, so
            that a builder may add variables later.
    """

    def __init__(self, ranges: Mapping[str, Range] | None = None):
        self.ranges = {} if ranges is None else ranges
        self._forms: dict[Expr, Form] = {}
        self._ranges: dict[Expr, Range] = {}
        self._names: dict[Expr, frozenset[str]] = {}
        self._variables: dict[str, Expr] = {}

    def form(self, e: Expr) -> Form:
        """The expression as a sum. Variables of one name are one atom."""
        found = self._forms.get(e)
        if found is None:
            found = self._forms[e] = self._read(e)
        return found

    def note(self, e: Expr, form: Form) -> None:
        """Says what sum `e` has been made from."""
        if len(form.terms) <= _LONGEST:
            self._forms.setdefault(e, form)

    def _read(self, e: Expr) -> Form:
        if isinstance(e, Const):
            return Form(int(e.value), {})
        if isinstance(e, Var):
            low, high = self.ranges.get(e.name, FULL)
            return (
                Form(low, {})
                if low == high
                else Form(0, {self._variables.setdefault(e.name, e): 1})
            )
        if not isinstance(e, Apply) or e.dtype != "i64":
            return Form(0, {e: 1})
        found = None
        if e.op in ("add", "subtract"):
            sign = 1 if e.op == "add" else -1
            found = plus(self.form(e.args[0]), self.form(e.args[1]), sign)
        elif e.op == "negative":
            found = times(self.form(e.args[0]), -1)
        elif e.op == "multiply":
            a, b = self.form(e.args[0]), self.form(e.args[1])
            if not b.terms:
                found = times(a, b.constant)
            elif not a.terms:
                found = times(b, a.constant)
        if found is None or len(found.terms) > _LONGEST:
            return Form(0, {e: 1})
        return found

    def range_of(self, e: Expr) -> Range:
        """Bounds of the expression, both inclusive."""
        found = self._ranges.get(e)
        if found is None:
            form = self.form(e)
            known = self.exact_range(form) if e not in form.terms else self._atom_range(e)
            found = self._ranges[e] = known or FULL
        return found

    def exact_range(self, form: Form) -> Range | None:
        """Bounds of a sum that cannot wrap; None where it might."""
        low, high = self.integer_range(form)
        return (low, high) if low >= _LOWEST and high <= _HIGHEST else None

    def integer_range(self, form: Form) -> Range:
        """Bounds of a sum as integers, wide ones included."""
        low = high = form.constant
        known = self._ranges
        for atom, c in form.terms.items():
            bottom, top = known.get(atom) or self.range_of(atom)
            if c > 0:
                low += c * bottom
                high += c * top
            else:
                low += c * top
                high += c * bottom
        return low, high

    def _atom_range(self, e: Expr) -> Range | None:
        if isinstance(e, Var):
            return self.ranges.get(e.name)
        if isinstance(e, Load):
            return _OF_DTYPE.get(e.dtype)
        if not isinstance(e, Apply):
            return None
        if e.op == "cast":
            source = e.args[0].dtype
            return self.range_of(e.args[0]) if source == "i64" else _OF_DTYPE.get(source)
        if e.op == "select":
            return hull(self.range_of(e.args[1]), self.range_of(e.args[2]))
        rule = _ATOM_RANGES.get(e.op)
        return None if rule is None else rule(*(self.range_of(a) for a in e.args))

    def names(self, e: Expr) -> frozenset[str]:
        """The names of the variables in an expression."""
        found = self._names.get(e)
        if found is None:
            if isinstance(e, Var):
                found = frozenset((e.name,))
            else:
                found = frozenset().union(*(self.names(a) for a in operands(e)))
            self._names[e] = found
        return found

    def depends(self, e: Expr, name: str) -> bool:
        """Whether the variable `name` occurs in the expression."""
        return name in self.names(e)

    def coefficient(self, e: Expr, var: Var | str) -> int | None:
        """How much `e` grows when `var` grows by one; None where that is not one number."""
        name = var if isinstance(var, str) else var.name
        if not self.depends(e, name):
            return 0
        found = 0
        for atom, c in self.form(e).terms.items():
            if isinstance(atom, Var):
                found += c if atom.name == name else 0
            elif self.depends(atom, name):
                return None
        return found


def operands(e: Expr) -> tuple[Expr, ...]:
    """The expressions that an expression is made of directly."""
    if isinstance(e, Apply):
        return e.args
    if isinstance(e, Load):
        return (e.offset,) if e.mask is None else (e.offset, e.mask)
    return ()


def plus(a: Form, b: Form, sign: int = 1) -> Form:
    """a + sign·b."""
    constant = wrap(a.constant + sign * b.constant)
    if not b.terms:
        return Form(constant, a.terms)
    if not a.terms and sign == 1:
        return Form(constant, b.terms)
    terms = dict(a.terms)
    for atom, c in b.terms.items():
        total = wrap(terms.get(atom, 0) + sign * c)
        if total:
            terms[atom] = total
        else:
            del terms[atom]
    return Form(constant, terms)


def times(a: Form, factor: int) -> Form:
    """factor · a."""
    if factor == 1:
        return a
    terms = {atom: product for atom, c in a.terms.items() if (product := wrap(c * factor))}
    return Form(wrap(a.constant * factor), terms)


def _first_positive(terms: list[tuple[Expr, int]]) -> int | None:
    return next((i for i, term in enumerate(terms) if term[1] > 0), None)


def wrap(value: int) -> int:
    """`value` as 64 bits hold it."""
    if _LOWEST <= value <= _HIGHEST:
        return value
    return (value - _LOWEST) % (1 << 64) + _LOWEST


def hull(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])


def _corners(a: Range, b: Range) -> Range | None:
    products = [x * y for x in a for y in b]
    low, high = min(products), max(products)
    return (low, high) if FULL[0] <= low and high <= FULL[1] else None


def _divided(a: Range, b: Range) -> Range | None:
    if b[0] <= 0:
        return None
    quotients = [x // y for x in a for y in b]
    return min(quotients), max(quotients)


def _remaining(a: Range, b: Range) -> Range | None:
    if b[0] <= 0:
        return None
    if b[0] == b[1] and a[0] // b[0] == a[1] // b[0]:
        return a[0] % b[0], a[1] % b[0]
    return 0, b[1] - 1


_ATOM_RANGES: dict[str, Callable[..., Range | None]] = {
    "multiply": _corners,
    "floor_divide": _divided,
    "remainder": _remaining,
    "minimum": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "maximum": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "sign": lambda a: (-1 if a[0] < 0 else 0, 1 if a[1] > 0 else 0),
    "and": lambda a, b: (0, min(a[1], b[1])) if min(a[0], b[0]) >= 0 else None,
}


class Indices:
    """Builds i64 expressions in simplified form.

    Args:
        affine: knows the ranges of the variables.
        make: the shared node of an operation, such as `make("add", (x, y))`.
        const: the shared node of an integer.
        serial: a number for each node; terms are written in its order.
    """

    def __init__(
        self,
        affine: Affine,
        make: Callable[[str, tuple[Expr, ...]], Expr],
        const: Callable[[int], Expr],
        serial: Callable[[Expr], int],
    ):
        self.affine = affine
        self.make = make
        self.const = const
        self.serial = serial

    def simplify(self, op: str, args: tuple[Expr, ...]) -> Expr | None:
        """The simplified i64 expression, or None where there is nothing to gain."""
        if op in ("add", "subtract"):
            a, b = self.affine.form(args[0]), self.affine.form(args[1])
            return self.expr(plus(a, b, 1 if op == "add" else -1))
        if op == "negative":
            return self.expr(times(self.affine.form(args[0]), -1))
        if op == "multiply":
            a, b = self.affine.form(args[0]), self.affine.form(args[1])
            if a.terms and b.terms:
                return None
            return self.expr(times(a, b.constant) if a.terms else times(b, a.constant))
        if op in ("floor_divide", "remainder"):
            return self._divide(op, *args)
        if op in ("minimum", "maximum"):
            a, b = args if op == "minimum" else args[::-1]
            if self.compare("less_equal", args[0], args[1]):
                return a
            return b if self.compare("less_equal", args[1], args[0]) else None
        return None

    def compare(self, op: str, a: Expr, b: Expr) -> bool | None:
        """What the ranges say of a comparison; None where they do not decide it."""
        left, right = self.affine.form(a), self.affine.form(b)
        difference = plus(right, left, -1)
        if op in ("equal", "not_equal") and not difference.terms:
            return (difference.constant == 0) == (op == "equal")
        difference = Form(right.constant - left.constant, difference.terms)
        if self.affine.exact_range(left) is None or self.affine.exact_range(right) is None:
            return None
        low, high = self.affine.integer_range(difference)
        if op in ("equal", "not_equal"):
            return op == "not_equal" if low > 0 or high < 0 else None
        if low > 0 or (low == 0 and op == "less_equal"):
            return True
        if high < 0 or (high == 0 and op == "less"):
            return False
        return None

    def expr(self, form: Form) -> Expr:
        """The expression of a sum: terms in order of their atoms, then the constant."""
        if len(form.terms) > 1:
            form = self._recombine(form)
        constant, terms = form
        if not terms:
            return self.const(constant)
        ordered = list(terms.items())
        if len(ordered) > 1:
            ordered.sort(key=self._place)
        first = 0 if ordered[0][1] > 0 else _first_positive(ordered)
        if first is not None:
            total = self._scaled(*ordered.pop(first))
        elif constant > 0:
            total, constant = self.const(constant), 0
        else:
            total = self._scaled(*ordered.pop(0))
        for atom, c in ordered:
            positive = c > 0 or c == _LOWEST
            term = self._scaled(atom, c if positive else -c)
            total = self.make("add" if positive else "subtract", (total, term))
        if constant > 0 or constant == _LOWEST:
            total = self.make("add", (total, self.const(constant)))
        elif constant:
            total = self.make("subtract", (total, self.const(-constant)))
        self.affine.note(total, form)
        return total

    def _place(self, term: tuple[Expr, int]) -> int:
        return self.serial(term[0])

    def _scaled(self, atom: Expr, c: int) -> Expr:
        if c == 1:
            return atom
        if c == -1:
            return self.make("negative", (atom,))
        return self.make("multiply", (atom, self.const(c)))

    def _recombine(self, form: Form) -> Form:
        """(x // n)·n·c + (x % n)·c is c·x."""
        for atom, c in form.terms.items():
            if not (isinstance(atom, Apply) and atom.op == "remainder"):
                continue
            x, n = atom.args
            if not (isinstance(n, Const) and n.value > 0 and c * n.value in form.terms.values()):
                continue
            constant, quotient = self.affine.form(self._divide("floor_divide", x, n))
            if constant or len(quotient) != 1:
                continue
            ((other, one),) = quotient.items()
            if one == 1 and form.terms.get(other) == c * n.value:
                rest = {a: k for a, k in form.terms.items() if a is not atom and a is not other}
                whole = plus(Form(form.constant, rest), times(self.affine.form(x), c))
                return self._recombine(whole)
        return form

    def _divide(self, op: str, a: Expr, b: Expr) -> Expr:
        divisor = self.affine.form(b)
        form = self.affine.form(a)
        if divisor.terms or divisor.constant <= 0 or self.affine.exact_range(form) is None:
            return self.make(op, (a, b))
        divide = self._quotient if op == "floor_divide" else self._remainder
        return self.expr(divide(form, divisor.constant))

    def _quotient(self, form: Form, n: int) -> Form:
        """form // n: whole multiples come out; the rest is decided by its range, or reduced."""
        whole = Form(form.constant // n, {a: c // n for a, c in form.terms.items() if c % n == 0})
        rest = Form(form.constant % n, {a: c for a, c in form.terms.items() if c % n})
        if not self._exact_parts(rest):
            whole, rest = Form(0, {}), form
        low, high = self.affine.integer_range(rest)
        if low // n == high // n:
            return plus(whole, Form(low // n, {}))
        split = self._split(rest, n)
        if split is not None:
            factor, upper, _ = split
            return plus(whole, self._quotient(upper, n // factor))
        inner = self._inner_quotient(rest)
        if inner is not None:
            form, m = inner
            return plus(whole, self._quotient(form, m * n))
        atom = self.make("floor_divide", (self.expr(rest), self.const(n)))
        return plus(whole, Form(0, {atom: 1}))

    def _remainder(self, form: Form, n: int) -> Form:
        """form % n: multiples of n drop out; the rest is decided by its range, or reduced."""
        rest = Form(form.constant % n, {a: c for a, c in form.terms.items() if c % n})
        rest = self._without_remainders(rest, n) if self._exact_parts(rest) else form
        low, high = self.affine.integer_range(rest)
        if low // n == high // n:
            return plus(rest, Form(-(low // n) * n, {}))
        split = self._split(rest, n)
        if split is not None:
            factor, upper, lower = split
            return plus(times(self._remainder(upper, n // factor), factor), lower)
        atom = self.make("remainder", (self.expr(rest), self.const(n)))
        return Form(0, {atom: 1})

    def _split(self, form: Form, n: int) -> tuple[int, Form, Form] | None:
        """form = factor·upper + lower with factor dividing n and 0 <= lower < factor."""
        for factor in sorted({gcd(c, n) for c in form.terms.values()} - {1}, reverse=True):
            upper = {a: c // factor for a, c in form.terms.items() if c % factor == 0}
            lower = {a: c for a, c in form.terms.items() if c % factor}
            part = Form(form.constant % factor, lower)
            low, high = self.affine.integer_range(part)
            carry = low // factor
            if carry == high // factor:
                above = Form(form.constant // factor + carry, upper)
                return factor, above, Form(part.constant - carry * factor, lower)
        return None

    def _inner_quotient(self, form: Form) -> tuple[Form, int] | None:
        """x // m + c as (x + c·m) // m, where the sum is exact."""
        if len(form.terms) != 1:
            return None
        ((atom, c),) = form.terms.items()
        if c != 1 or not (isinstance(atom, Apply) and atom.op == "floor_divide"):
            return None
        x, m = atom.args
        if not isinstance(m, Const) or m.value <= 0:
            return None
        whole = plus(self.affine.form(x), Form(form.constant * int(m.value), {}))
        return (whole, int(m.value)) if self._exact_parts(whole, self.affine.form(x)) else None

    def _without_remainders(self, form: Form, n: int) -> Form:
        """Under % n, c·(x % m) is c·x where n divides c·m."""
        for atom, c in form.terms.items():
            if (
                isinstance(atom, Apply)
                and atom.op == "remainder"
                and isinstance(atom.args[1], Const)
            ):
                x, m = self.affine.form(atom.args[0]), int(atom.args[1].value)
                rest = Form(form.constant, {a: k for a, k in form.terms.items() if a is not atom})
                whole = plus(rest, times(x, c))
                if m > 0 and c * m % n == 0 and self._exact_parts(whole, times(x, c)):
                    kept = {a: k for a, k in whole.terms.items() if k % n}
                    return self._without_remainders(Form(whole.constant % n, kept), n)
        return form

    def _exact_parts(self, *forms: Form) -> bool:
        return all(self.affine.exact_range(form) is not None for form in forms)
