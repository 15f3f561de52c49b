"""Whether the iterations of a loop may run in any order, as far as affine offsets tell.

Two iterations are independent when no buffer element is written by one and touched by the other.
That is shown for a buffer when all its accesses have one offset up to a constant, and that offset
tells the iterations apart: sorted by size, each coefficient exceeds all that the smaller ones can
add up to, as digits of a number do.

    y[i*8 + j] = ...          i and j independent: 8 > 1 * 7
    y[i] = ...                i independent, j not
    y[i] = y[i + 1] ...       neither is shown
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lamina.backend.nest.affine import Affine, Range, operands
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
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


def obstacle(nest: Nest, loop: For, ranges: Mapping[str, Range], also: str = "") -> str:
    """Why the iterations of `loop` cannot be shown independent; "" where they are.

    Args:
        ranges: bounds of the loop variables of the nest, both inclusive.
        also: a loop around this one, whose variable may differ between the iterations too.
    """
    inner = {loop.var, also} | {s.var for s in statements(loop.body) if isinstance(s, For)}
    private = {s.name for s in statements(loop.body) if isinstance(s, Alloc)}
    own = {s.name for s in statements(loop.body) if isinstance(s, Accumulator)}
    combined = {s.name for s in statements(loop.body) if isinstance(s, Accumulate)} - own
    read = {e.name for e in reads(loop.body) if isinstance(e, Var)}
    if combined & read:
        return f"an iteration reads the accumulator {min(combined & read)} of the others"
    owner = memory_of(nest)
    accesses: dict[str, list[Expr]] = {}
    written: set[str] = set()
    for buffer, offset, store in _accesses(loop.body):
        if buffer not in private:
            name = owner.get(buffer, buffer)
            accesses.setdefault(name, []).append(offset)
            if store:
                written.add(name)
    unknown = own | {s.name for s in statements(loop.body) if isinstance(s, Let)}
    affine = Affine(ranges)
    for name in sorted(written):
        if not _separates(accesses[name], loop.var, inner, unknown, affine):
            return f"two iterations of {loop.var} may touch one element of {name}"
    return ""


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


def _separates(
    offsets: list[Expr], var: str, inner: set[str], unknown: set[str], affine: Affine
) -> bool:
    """Whether offsets of different values of `var` never meet, whatever the inner variables are.

    `unknown` variables may have any value in each iteration.
    """
    forms = [affine.form(offset) for offset in offsets]
    if any(form.terms != forms[0].terms for form in forms):
        return False
    digits: list[tuple[int, int]] = []  # size of a coefficient, how far its variable goes
    seen = False
    for atom, c in forms[0].terms.items():
        names = affine.names(atom)
        if names & unknown or any(isinstance(e, Load) for e in reads((Let("", atom),))):
            return False
        if not isinstance(atom, Var):
            if names & inner:
                return False  # a quotient, or the like
            continue
        if atom.name in inner:
            low, high = affine.ranges[atom.name]
            digits.append((abs(c), high - low))
            seen = seen or atom.name == var
    low, high = affine.ranges[var]
    if low == high:
        return True
    constants = [form.constant for form in forms]
    reach = max(constants) - min(constants)
    for size, extent in sorted(digits):
        if size <= reach:
            return False
        reach += size * extent
    return seen
