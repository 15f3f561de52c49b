"""Which iterations of loops touch one element, as far as affine offsets tell, and how far apart.

Iterations x and x + d touch one element of a buffer, and one of them writes it, where d is an
integer point of a small linear problem: the offset of the one access at x is that of the other at
x + d, and both iterations are inside the loops. Such a d is a distance; written so that the later
iteration is x + d, it is positive in lexicographic order.

    y[i*8 + j] = ...                                 no distance: i and j are independent
    y[i] = ...                                       for loops i, j: (0, 1), (0, 2), ...
    y[i*8 + j] = y[i*8 - 8 + j] + y[i*8 + j - 1]     (1, 0) and (0, 1)

A transformation of loops keeps the values if every distance stays positive: the iterations that
meet keep their order. Sources: Banerjee, Loop Transformations for Restructuring Compilers, 1993;
Wolf & Lam, A loop transformation theory and an algorithm to maximize parallelism, 1991.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lamina.backend.nest.affine import FULL, Affine, Form, Range, operands
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
    Apply,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    Nest,
    Stmt,
    Store,
    Var,
)
from lamina.backend.nest.printer import expressions
from lamina.base.errors import UsageError

Distance = tuple[int, ...]
MOST_TRIED = 20_000  # candidates for a distance, before iterations are taken to meet
MOST_DISTANCES = 1000


def obstacle(
    nest: Nest, loops: Sequence[For], ranges: Mapping[str, Range], signs: Sequence[int] = (1,)
) -> str:
    """Why two iterations so far apart cannot be shown independent; "" where they are.

    Args:
        loops: one inside the other. Iterations of the loops around them are not compared.
        ranges: bounds of the loop variables of the nest, both inclusive.
        signs: of the distance along each loop.
    """
    reason = _reads_sums(loops[-1])
    if reason:
        return reason
    spans = {f.var: _signed(ranges[f.var], sign) for f, sign in zip(loops, signs, strict=True)}
    meetings = _Meetings(nest, loops, ranges, spans)
    for memory in meetings.written:
        if meetings.unknown(memory) or any(True for _ in meetings.of(memory)):
            names = ", ".join(f.var for f in loops)
            return f"two iterations of {names} may touch one element of {memory}"
    return ""


def distances(nest: Nest, loops: Sequence[For], ranges: Mapping[str, Range]) -> list[Distance]:
    """How far apart iterations are that touch one element, each distance once, in order.

    Args:
        loops: one inside the other, the outermost first.

    Raises:
        UsageError: the offsets do not tell, or there are more than `MOST_DISTANCES`.
    """
    title = f"the distances of iterations of {', '.join(f.var for f in loops)} are not known"
    reason = _reads_sums(loops[-1])
    if reason:
        raise UsageError(title, [reason])
    meetings = _Meetings(nest, loops, ranges, {f.var: _wide(ranges[f.var]) for f in loops})
    found: set[Distance] = set()
    for memory in meetings.written:
        reason = meetings.unknown(memory)
        for distance in () if reason else meetings.of(memory):
            if distance is None or len(found) > MOST_DISTANCES:
                reason = "there are too many"
                break
            if any(distance):
                found.add(max(distance, tuple(-n for n in distance)))
        if reason:
            raise UsageError(title, [f"memory: {memory}", reason])
    return sorted(found)


def _reads_sums(loop: For) -> str:
    """Says so where an iteration reads what other iterations add to."""
    own = {s.name for s in statements(loop.body) if isinstance(s, Accumulator)}
    combined = {s.name for s in statements(loop.body) if isinstance(s, Accumulate)} - own
    read = {e.name for e in reads(loop.body) if isinstance(e, Var)} & combined
    return f"an iteration reads the accumulator {min(read)} of the others" if read else ""


def _wide(span: Range) -> Range:
    """All differences of two numbers of a range."""
    return span[0] - span[1], span[1] - span[0]


def _signed(span: Range, sign: int) -> Range:
    """The differences with this sign; without any, the first of the two is larger."""
    most = span[1] - span[0]
    return (1, most) if sign > 0 else (-most, -1) if sign < 0 else (0, 0)


class _Unknown(NamedTuple):
    """An unknown integer of the linear problem: its factor, its bounds, the loop it belongs to."""

    factor: int
    low: int
    high: int
    loop: str = ""


class _Side(NamedTuple):
    """A bound of a loop, both ends inclusive: factor·variable against constant + terms."""

    factor: int
    terms: dict[Expr, int]
    constant: int


class _Sum(NamedTuple):
    """A sum of multiples of loop variables, `var` the innermost, and its bounds, inclusive."""

    var: str
    factors: dict[str, int]
    low: int
    high: int


class _Meetings:
    """The iterations of the innermost of some loops that touch one element.

    Attributes:
        written: the memory that is written, by name.
    """

    def __init__(
        self,
        nest: Nest,
        loops: Sequence[For],
        ranges: Mapping[str, Range],
        spans: Mapping[str, Range],
    ):
        self.loops, self.spans, self.ranges = loops, spans, ranges
        self.affine = Affine(ranges)
        body = loops[-1].body
        inner = [s for s in statements(body) if isinstance(s, For)]
        self.inner = {f.var for f in inner}
        self.changing = {s.name for s in statements(body) if isinstance(s, Let | Accumulator)}
        self.sums: list[_Sum] = []
        for f in (*loops, *inner):
            self._note(f, nest)
        private = {s.name for s in statements(body) if isinstance(s, Alloc)}
        owner = memory_of(nest)
        self.accesses: dict[str, list[tuple[Form, bool]]] = {}
        for buffer, offset, store in _accesses(body):
            if buffer not in private:
                accesses = self.accesses.setdefault(owner.get(buffer, buffer), [])
                accesses.append((self.affine.form(offset), store))
        self.written = sorted(
            m for m, found in self.accesses.items() if any(store for _, store in found)
        )

    def unknown(self, memory: str) -> str:
        """Why nothing is known about the accesses to a memory; "" where something is."""
        forms = [form for form, _ in self.accesses[memory]]
        own = {f.var for f in self.loops}
        for form in forms:
            for atom in form.terms:
                names = self.affine.names(atom)
                loads = any(isinstance(e, Load) for e in reads((Let("", atom),)))
                if loads or names & self.changing:
                    return "an offset is computed from what is in memory, or named"
                if not isinstance(atom, Var) and names & (own | self.inner):
                    return "an offset is no sum of multiples of loop variables"
        fixed = [{a: c for a, c in f.terms.items() if not self._varies(a)} for f in forms]
        along = [[self._factor(f, var) for var in sorted(own)] for f in forms]
        if any(x != fixed[0] for x in fixed) or any(x != along[0] for x in along):
            return "two offsets differ by more than a number"
        return ""

    def of(self, memory: str) -> Iterator[Distance | None]:
        """Distances inside `spans`; None once where there are too many candidates."""
        accesses = self.accesses[memory]
        seen: set[tuple] = set()
        for i, (first, stored) in enumerate(accesses):
            for second, stored_too in accesses[i:]:
                if not (stored or stored_too):
                    continue
                for a, b in ((first, second), (second, first)):
                    unknowns = tuple(self._unknowns(a, b))
                    problem = unknowns, a.constant - b.constant
                    if problem not in seen:
                        seen.add(problem)
                        yield from self._solved(*problem)

    def _solved(self, unknowns: tuple[_Unknown, ...], total: int) -> Iterator[Distance | None]:
        for values in _solutions(unknowns, total):
            if values is None:
                yield None
                return
            apart = {u.loop: n for u, n in zip(unknowns, values) if u.loop}
            if all(self._fits(apart, known) for known in self.sums):
                yield tuple(apart[f.var] for f in self.loops)

    def _varies(self, atom: Expr) -> bool:
        return isinstance(atom, Var) and (atom.name in self.inner or atom.name in self.spans)

    def _factor(self, form: Form, name: str) -> int:
        found = (c for a, c in form.terms.items() if isinstance(a, Var) and a.name == name)
        return next(found, 0)

    def _unknowns(self, a: Form, b: Form) -> Iterator[_Unknown]:
        """The unknowns of: offset b, one iteration on, minus offset a is a number."""
        for f in self.loops:
            yield _Unknown(self._factor(b, f.var), *self.spans[f.var], f.var)
        for name in sorted(self.inner):
            here, there = self._factor(a, name), self._factor(b, name)
            if here == there and here:
                yield _Unknown(here, *_wide(self.ranges[name]), name)
            elif here != there:
                yield _Unknown(-here, *self.ranges[name])
                yield _Unknown(there, *self.ranges[name])

    def _note(self, loop: For, nest: Nest) -> None:
        """Keeps in which range the bounds of a loop hold sums of its variable and those outside."""
        if sum(isinstance(s, For) and s.var == loop.var for s in statements(nest.body)) > 1:
            return
        found: dict[frozenset[tuple[str, int]], list[int]] = {}
        lower = [(side, 0) for side in self._sides(loop.start, "maximum", 0)]
        upper = [(side, 1) for side in self._sides(loop.stop, "minimum", -1)]
        for side, end in lower + upper:
            if all(isinstance(a, Var) for a in side.terms):
                factors = {a.name: -c for a, c in side.terms.items() if isinstance(a, Var)}
                factors[loop.var] = side.factor
                span = found.setdefault(frozenset(factors.items()), [*self._range_of(factors)])
                span[end] = (max, min)[end](span[end], side.constant)
        for factors, (low, high) in found.items():
            self.sums.append(_Sum(loop.var, dict(factors), low, high))

    def _range_of(self, factors: Mapping[str, int]) -> Range:
        """Bounds of a sum, by those of its variables or of a sum that it is a multiple of, but for
        a rest."""
        low, high = self._box(factors)
        for known in self.sums:
            times, rest = divmod(factors.get(known.var, 0), known.factors[known.var])
            if times and not rest:
                names = {*factors, *known.factors}
                other = {x: factors.get(x, 0) - times * known.factors.get(x, 0) for x in names}
                ends = sorted((times * known.low, times * known.high))
                least, most = self._box(other)
                low, high = max(low, ends[0] + least), min(high, ends[1] + most)
        return low, high

    def _box(self, factors: Mapping[str, int]) -> Range:
        ends = [sorted(c * n for n in self.ranges.get(x, FULL)) for x, c in factors.items()]
        return sum(e[0] for e in ends), sum(e[1] for e in ends)

    def _sides(self, bound: Expr, op: str, more: int) -> Iterator[_Side]:
        """What a loop's variable is compared with: each operand of a maximum or a minimum.

        `more` is -1 for an upper bound, which the variable does not reach. Of a quotient x // n + c
        follows what bounds n times the variable.
        """
        if isinstance(bound, Apply) and bound.op == op:
            for x in bound.args:
                yield from self._sides(x, op, more)
            return
        form = self.affine.form(bound)
        constant = form.constant + more
        (atom, factor), *rest = form.terms.items() or [(bound, 0)]
        if not rest and factor == 1 and isinstance(atom, Apply) and atom.op == "floor_divide":
            divisor = atom.args[1]
            if isinstance(divisor, Const):
                inner, n = self.affine.form(atom.args[0]), int(divisor.value)
                least = 0 if more < 0 else 1 - n
                yield _Side(n, inner.terms, inner.constant + n * constant + least)
                return
        yield _Side(1, form.terms, constant)

    def _fits(self, apart: Mapping[str, int], known: _Sum) -> bool:
        """Whether a distance stays inside a sum's range; loops further out do not move."""
        moving = self.inner | set(self.spans)
        if any(name in moving and name not in apart for name in known.factors):
            return True
        moved = sum(c * apart.get(name, 0) for name, c in known.factors.items())
        return abs(moved) <= known.high - known.low


def _solutions(unknowns: Sequence[_Unknown], total: int) -> Iterator[Distance | None]:
    """All integers inside the bounds whose sum, each times its factor, is `total`.

    After `MOST_TRIED` candidates comes None.
    """
    numbers = sorted(range(len(unknowns)), key=lambda k: -abs(unknowns[k].factor))
    order = [unknowns[k] for k in numbers]
    reach = [(0, 0)]  # of what follows
    for u in reversed(order):
        ends = sorted((u.factor * u.low, u.factor * u.high))
        reach.append((reach[-1][0] + ends[0], reach[-1][1] + ends[1]))
    reach.reverse()
    waiting: list[tuple[Distance, int]] = [((), total)]
    tried = 0
    while waiting:
        found, rest = waiting.pop()
        if len(found) == len(order):
            if not rest:
                yield tuple(n for _, n in sorted(zip(numbers, found)))
            continue
        u, (least, most) = order[len(found)], reach[len(found) + 1]
        low, high = u.low, u.high
        if u.factor:
            size = abs(u.factor)
            ends = (rest - most, rest - least) if u.factor > 0 else (least - rest, most - rest)
            low, high = max(low, -(-ends[0] // size)), min(high, ends[1] // size)
        elif rest:
            continue
        tried += max(0, high - low + 1)
        if tried > MOST_TRIED:
            yield None
            return
        waiting += [((*found, n), rest - u.factor * n) for n in range(low, high + 1)]


def memory_of(nest: Nest) -> dict[str, str]:
    """For each parameter, the name of the memory it may lie in: one for all that may overlap."""
    owner = {p.name: p.name for p in nest.params}
    for p in nest.params:
        for other in p.may_alias.split():
            kept, lost = owner[other], owner[p.name]
            owner = {name: kept if o == lost else o for name, o in owner.items()}
    return owner


def statements(stmts: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """All statements, those inside loops and conditions included."""
    for stmt in stmts:
        yield stmt
        if isinstance(stmt, For | If):
            yield from statements(stmt.body)


def reads(stmts: tuple[Stmt, ...]) -> Iterator[Expr]:
    """All expression nodes of the statements, each once."""
    seen: set[Expr] = set()
    for stmt in statements(stmts):
        waiting = list(expressions(stmt))
        while waiting:
            e = waiting.pop()
            if e not in seen:
                seen.add(e)
                yield e
                waiting.extend(operands(e))


def _accesses(stmts: tuple[Stmt, ...]) -> Iterator[tuple[str, Expr, bool]]:
    """Buffer, offset and whether it is a store, for every access."""
    for e in reads(stmts):
        if isinstance(e, Load):
            yield e.buffer, e.offset, False
    for stmt in statements(stmts):
        if isinstance(stmt, Store):
            yield stmt.buffer, stmt.offset, True
