"""Schedule edits: Nest -> Nest with the same values. Each checks that it is legal here.

    nest = split(nest, "j", 16)              # j becomes j_outer and j_inner
    nest = vectorize(nest, "j_inner")
    nest = parallelize(nest, "i")

Loops are named by their variables, so an edit needs a variable of its own for each loop it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from operator import is_

from lamina.backend.nest.affine import Affine, Range, hull, operands
from lamina.backend.nest.build import Builder
from lamina.backend.nest.dependence import obstacle, reads, statements
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
    Apply,
    Const,
    Expr,
    Fault,
    For,
    If,
    Let,
    Load,
    Nest,
    Prefetch,
    Stmt,
    Store,
    Var,
)
from lamina.base.errors import UsageError

LARGEST_UNROLL = 64


def split(nest: Nest, var: str, factor: int) -> Nest:
    """Cuts a loop into blocks of `factor` iterations; a last block may be shorter.

    Before:  for i in 0..10 { y[i] = x[i] }
    After:   for i_outer in 0..3 { for i_inner in 0..minimum(10 - i_outer*4, 4) {
               y[i_outer*4 + i_inner] = x[i_outer*4 + i_inner] } }

    A parallel loop stays parallel outside, a vector loop inside.
    """
    loop = find(nest, var)
    start, extent = _counted(loop, "split")
    if factor < 1:
        raise UsageError(f"split {var}: a block has at least one iteration, not {factor}")
    s = _builder(nest)
    blocks = -(-extent // factor)
    outer, inner = s.loop(f"{var}_outer", blocks), s.loop(f"{var}_inner", min(factor, extent))
    kinds = {"parallel": ("parallel", "serial"), "vector": ("serial", "vector")}
    outside, inside = kinds.get(loop.kind, (loop.kind, loop.kind))
    begin = s.multiply(outer, factor)
    stop = s.minimum(s.subtract(extent, begin), factor)
    if inside == "unroll" and not isinstance(stop, Const):
        raise UsageError(
            f"split {var}: an unrolled loop needs blocks of one size",
            [f"iterations: {extent}", f"block: {factor}"],
        )
    position = s.add(begin, s.add(inner, start))
    body = _Substitution(s, {var: position}).body(loop.body)
    zero = s.constant(0)
    block = For(inner.name, zero, stop, body, inside, 1, loop.copies)
    return _put(nest, loop, For(outer.name, zero, s.constant(blocks), (block,), outside))


def reorder(nest: Nest, outer: str, inner: str) -> Nest:
    """Swaps two loops, of which the inner one is all the outer one contains.

    Before:  for i in 0..4 { for j in 0..8 { y[i*8 + j] = x[j*4 + i] } }
    After:   for j in 0..8 { for i in 0..4 { y[i*8 + j] = x[j*4 + i] } }
    """
    first = find(nest, outer)
    if len(first.body) != 1 or not isinstance(first.body[0], For) or first.body[0].var != inner:
        raise UsageError(f"reorder {outer}, {inner}: {inner} is not all that {outer} contains")
    second = first.body[0]
    if "parallel" in (first.kind, second.kind):
        raise UsageError(f"reorder {outer}, {inner}: a parallel loop stays outermost")
    names = {e.name for e in _nodes((second.start, second.stop)) if isinstance(e, Var)}
    if outer in names:
        raise UsageError(f"reorder {outer}, {inner}: the bounds of {inner} depend on {outer}")
    if first.kind == "vector" and any(isinstance(s, For | If) for s in second.body):
        raise UsageError(f"reorder {outer}, {inner}: a vector loop moves in only to be innermost")
    ranges = ranges_of(nest)
    reason = obstacle(nest, first, ranges) and obstacle(nest, second, ranges, also=outer)
    if reason:
        raise UsageError(f"reorder {outer}, {inner}: the order matters", [reason])
    return _put(nest, first, replace(second, body=(replace(first, body=second.body),)))


def vectorize(nest: Nest, var: str) -> Nest:
    """Runs several iterations of a loop at once, as lanes."""
    loop = find(nest, var)
    _independent(nest, loop, "vectorize")
    if loop.kind != "serial":
        raise UsageError(f"vectorize {var}: the loop is {loop.kind} already")
    around = [f for f in statements(nest.body) if isinstance(f, For) and f.kind == "vector"]
    if any(f in statements(loop.body) or loop in statements(f.body) for f in around):
        raise UsageError(f"vectorize {var}: a vector loop stands in no other vector loop")
    for stmt in statements(loop.body):
        bounds = (stmt.start, stmt.stop) if isinstance(stmt, For) else ()
        tests = (stmt.condition,) if isinstance(stmt, If) else bounds
        if any(isinstance(e, Var) and e.name == var for e in _nodes(tests)):
            raise UsageError(f"vectorize {var}: lanes would take different ways inside")
        if isinstance(stmt, Alloc):
            raise UsageError(f"vectorize {var}: lanes would share the buffer {stmt.name}")
    return _put(nest, loop, replace(loop, kind="vector"))


def unroll(nest: Nest, var: str) -> Nest:
    """Writes the iterations of a loop out at compile time."""
    loop = find(nest, var)
    _, extent = _counted(loop, "unroll")
    if loop.kind not in ("serial", "unroll"):
        raise UsageError(f"unroll {var}: the loop is {loop.kind}")
    if extent > LARGEST_UNROLL:
        raise UsageError(
            f"unroll {var}: too many copies",
            [f"iterations: {extent}", f"at most: {LARGEST_UNROLL}"],
            "split the loop, and unroll the inner part",
        )
    return _put(nest, loop, replace(loop, kind="unroll"))


def parallelize(nest: Nest, var: str) -> Nest:
    """Splits the iterations of the outermost loop over threads."""
    loop = find(nest, var)
    if nest.body != (loop,):
        raise UsageError(f"parallelize {var}: it is not the only outermost statement")
    if loop.kind not in ("serial", "parallel"):
        raise UsageError(f"parallelize {var}: the loop is {loop.kind}")
    _independent(nest, loop, "parallelize")
    return _put(nest, loop, replace(loop, kind="parallel"))


def fuse_loops(nest: Nest, first: str, second: str) -> Nest:
    """Makes one loop of two neighbours with the same bounds.

    Before:  for i in 0..8 { y[i] = x[i] }  for j in 0..8 { z[j] = y[j] }
    After:   for i in 0..8 { y[i] = x[i]  z[i] = y[i] }
    """
    one, other = find(nest, first), find(nest, second)
    title = f"fuse_loops {first}, {second}"
    if not _neighbours(nest.body, one, other):
        raise UsageError(f"{title}: {second} does not follow right after {first}")
    (start, extent), counted = _counted(one, title), _counted(other, title)
    if (start, extent, one.kind) != (*counted, other.kind):
        raise UsageError(
            f"{title}: the loops differ",
            [f"{first}: {one.kind} {start}..{start + extent}"]
            + [f"{second}: {other.kind} {counted[0]}..{sum(counted)}"],
        )
    s = _builder(nest)
    moved = _Substitution(s, {second: Var("i64", first)}).body(other.body)
    inside = set().union(*(_declared(s) for s in statements(moved)))
    taken = inside & {first}.union(*(_declared(s) for s in one.body if not isinstance(s, For)))
    if taken:
        raise UsageError(f"{title}: both declare {min(taken)}")
    fused = replace(one, body=one.body + moved)
    edited = _put(_put(nest, other, None), one, fused)
    reason = obstacle(edited, fused, ranges_of(edited))
    if reason:
        raise UsageError(f"{title}: the order matters", [reason])
    return edited


def find(nest: Nest, var: str) -> For:
    """The loop over `var`."""
    found = [s for s in statements(nest.body) if isinstance(s, For) and s.var == var]
    if len(found) != 1:
        problem = "there is no such loop" if not found else f"there are {len(found)} such loops"
        raise UsageError(f"loop {var}: {problem}", [f"loops: {', '.join(loops(nest))}"])
    return found[0]


def loops(nest: Nest) -> tuple[str, ...]:
    """The loop variables, outer ones first."""
    return tuple(s.var for s in statements(nest.body) if isinstance(s, For))


def ranges_of(nest: Nest) -> Mapping[str, Range]:
    """Bounds of all loop variables, both inclusive; of loops with one name together."""
    found: dict[str, Range] = {}

    def visit(stmts: tuple[Stmt, ...], around: dict[str, Range]) -> None:
        affine = Affine(around)
        for stmt in stmts:
            if isinstance(stmt, For):
                low = affine.range_of(stmt.start)[0]
                own = low, max(low, affine.range_of(stmt.stop)[1] - 1)
                found[stmt.var] = hull(own, found.get(stmt.var, own))
                visit(stmt.body, around | {stmt.var: own})
            elif isinstance(stmt, If):
                visit(stmt.body, around)

    visit(nest.body, {})
    return found


def _builder(nest: Nest) -> Builder:
    """A builder that knows the names of a nest, and how far its loops go."""
    s = Builder()
    for p in nest.params:
        s.fresh(p.name)
    for stmt in statements(nest.body):
        if isinstance(stmt, Let | Alloc | Accumulator):
            s.fresh(stmt.name)
    for name, (low, high) in ranges_of(nest).items():
        s.bound(Var("i64", name), low, high)
    return s


def _counted(loop: For, edit: str) -> tuple[int, int]:
    """Start and number of iterations of a loop with constant bounds and step 1."""
    if isinstance(loop.start, Const) and isinstance(loop.stop, Const) and loop.step == 1:
        start = int(loop.start.value)
        return start, max(int(loop.stop.value) - start, 0)
    raise UsageError(f"{edit}: the loop over {loop.var} has no constant bounds with step 1")


def _independent(nest: Nest, loop: For, edit: str) -> None:
    reason = obstacle(nest, loop, ranges_of(nest))
    if reason:
        raise UsageError(f"{edit} {loop.var}: the iterations are not independent", [reason])


def _nodes(roots: tuple[Expr, ...]) -> list[Expr]:
    return list(reads(tuple(Let("", root) for root in roots)))


def _declared(stmt: Stmt) -> set[str]:
    """The name that a statement declares."""
    if isinstance(stmt, Let | Alloc | Accumulator):
        return {stmt.name}
    return {stmt.var} if isinstance(stmt, For) else set()


def _neighbours(stmts: tuple[Stmt, ...], one: For, other: For) -> bool:
    if any(a is one and b is other for a, b in pairwise(stmts)):
        return True
    return any(_neighbours(s.body, one, other) for s in stmts if isinstance(s, For | If))


def _put(nest: Nest, loop: For, new: Stmt | None) -> Nest:
    """The nest with another statement, or none, in the place of a loop; the others stay."""

    def put(stmt: Stmt) -> tuple[Stmt, ...]:
        if stmt is loop:
            return () if new is None else (new,)
        if not isinstance(stmt, For | If):
            return (stmt,)
        edited = body(stmt.body)
        same = len(edited) == len(stmt.body) and all(map(is_, edited, stmt.body))
        return (stmt,) if same else (replace(stmt, body=edited),)

    def body(stmts: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return tuple(kept for stmt in stmts for kept in put(stmt))

    return replace(nest, body=body(nest.body))


class _Substitution:
    """Writes statements again with expressions for variables; shared nodes stay shared."""

    def __init__(self, s: Builder, values: Mapping[str, Expr]):
        self.s = s
        self.values = values
        self.known: dict[Expr, Expr] = {}

    def body(self, stmts: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return tuple(self.stmt(stmt) for stmt in stmts)

    def stmt(self, stmt: Stmt) -> Stmt:
        e = self.expr
        match stmt:
            case For():
                body = self.body(stmt.body)
                return replace(stmt, start=e(stmt.start), stop=e(stmt.stop), body=body)
            case If():
                return If(e(stmt.condition), self.body(stmt.body))
            case Let():
                return replace(stmt, value=e(stmt.value))
            case Store():
                mask = self.mask(stmt.mask)
                return replace(stmt, offset=e(stmt.offset), value=e(stmt.value), mask=mask)
            case Prefetch():
                return replace(stmt, offset=e(stmt.offset))
            case Accumulator():
                return replace(stmt, init=e(stmt.init))
            case Accumulate():
                return replace(stmt, value=e(stmt.value), mask=self.mask(stmt.mask))
            case Fault():
                value, limit = e(stmt.value), e(stmt.limit)
                return replace(stmt, condition=e(stmt.condition), value=value, limit=limit)
        return stmt

    def mask(self, mask: Expr | None) -> Expr | None:
        return None if mask is None else self.expr(mask)

    def expr(self, root: Expr) -> Expr:
        known = self.known
        waiting = [root]
        while waiting:
            e = waiting[-1]
            missing = [x for x in operands(e) if x not in known]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if e not in known:
                known[e] = self.rebuilt(e, tuple(known[x] for x in operands(e)))
        return known[root]

    def rebuilt(self, e: Expr, args: tuple[Expr, ...]) -> Expr:
        if isinstance(e, Var):
            return self.values.get(e.name, e)
        if all(a is b for a, b in zip(args, operands(e))):
            return e
        if isinstance(e, Load):
            return Load(e.dtype, e.buffer, args[0], args[1] if len(args) > 1 else None)
        assert isinstance(e, Apply)
        return self.s.apply(e.op, args, e.dtype)
