"""Schedule edits: Nest -> Nest with the same values. Each checks that it is legal here.

    nest = split(nest, "j", 16)              # j becomes j_outer and j_inner
    nest = vectorize(nest, "j_inner")
    nest = parallelize(nest, "i")

Where each element follows from its neighbours, no loop can run in parallel as it stands; the
elements of one diagonal can (Lamport, The parallel execution of DO loops, 1974):

    nest = wavefront(nest, "i", "j")         # diagonals outside, independent elements inside
    nest, sizes = launches(nest, "j_skewed")  # one launch for each diagonal
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
from lamina.backend.nest.dependence import distances, obstacle, reads, statements
from lamina.backend.nest.nodes import (
    LEAST_SIZE,
    MOST_SIZE,
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

    No two iterations may touch one element of which the second is later in `outer` and earlier
    in `inner`. Both bounds of the inner loop may grow with the outer variable, equally fast:

    Before:  for i in 0..4 { for t in i..i + 8 { ... } }
    After:   for t in 0..11 { for i in maximum(t - 7, 0)..minimum(t + 1, 4) { ... } }
    """
    title = f"reorder {outer}, {inner}"
    first, second = _pair(nest, outer, inner, title)
    if "parallel" in (first.kind, second.kind):
        raise UsageError(f"{title}: a parallel loop stays outermost")
    if first.kind == "vector" and any(isinstance(s, For | If) for s in second.body):
        raise UsageError(f"{title}: a vector loop moves in only to be innermost")
    reason = obstacle(nest, (first, second), ranges_of(nest), (1, -1))
    if reason:
        raise UsageError(f"{title}: the order matters", [reason])
    outside, inside = _swapped_bounds(nest, first, second, title)
    inside = replace(inside, body=second.body)
    return _put(nest, first, replace(outside, body=(inside,)))


def _swapped_bounds(nest: Nest, first: For, second: For, title: str) -> tuple[For, For]:
    """The two loops with the bounds that they have the other way round."""
    s = _builder(nest)
    rate = _rate(second, first.var)
    if rate == 0:
        return second, first
    if rate is None or rate < 0 or (first.step, second.step) != (1, 1):
        raise UsageError(f"{title}: the bounds of {second.var} depend on {first.var}")
    if first.kind == "unroll":
        raise UsageError(f"{title}: the bounds of {first.var}, to be unrolled, would be no numbers")
    shift = s.multiply(Var("i64", first.var), rate)
    start, stop = s.subtract(second.start, shift), s.subtract(second.stop, shift)
    moving = Var("i64", second.var)
    last = s.multiply(s.subtract(first.stop, 1), rate)
    outside = replace(
        second, start=s.add(start, s.multiply(first.start, rate)), stop=s.add(stop, last)
    )
    least = s.floor_divide(s.add(s.subtract(moving, stop), rate), rate)
    most = s.add(s.floor_divide(s.subtract(moving, start), rate), 1)
    inside = replace(first, start=s.maximum(first.start, least), stop=s.minimum(first.stop, most))
    return outside, inside


def _rate(loop: For, var: str) -> int | None:
    """How much both bounds of a loop grow when `var` does; None where that is not one number."""
    affine = Affine()
    rates = {affine.coefficient(loop.start, var), affine.coefficient(loop.stop, var)}
    return rates.pop() if len(rates) == 1 else None


def skew(nest: Nest, outer: str, inner: str, factor: int = 1) -> Nest:
    """Lets the inner of two loops begin `factor` later with each iteration of the outer one.

    Before:  for i in 0..4 { for j in 0..8 { y[i*8 + j] = x[i + j] } }
    After:   for i in 0..4 { for j_skewed in i..i + 8 { y[i*7 + j_skewed] = x[j_skewed] } }

    The order of the iterations stays. A distance (a, b) becomes (a, b + factor·a): where no second
    number is negative afterwards the loops may be swapped, or split and swapped to be tiles.
    """
    title = f"skew {outer}, {inner}"
    around, loop = _pair(nest, outer, inner, title)
    if around.kind == "vector" or loop.kind != "serial" or loop.step != 1 or factor < 0:
        raise UsageError(
            f"{title}: not by {factor}, or not these loops",
            [f"{outer}: {around.kind}", f"{inner}: {loop.kind}, step {loop.step}"],
            f"skew by 0 or more, before {outer} becomes lanes and {inner} anything but serial",
        )
    s = _builder(nest)
    shift = s.multiply(Var("i64", outer), factor)
    start, stop = s.add(loop.start, shift), s.add(loop.stop, shift)
    low, high = s.range_of(start)[0], s.range_of(stop)[1] - 1
    moved = s.bound(Var("i64", s.fresh(f"{inner}_skewed")), low, max(low, high))
    body = _Substitution(s, {inner: s.subtract(moved, shift)}).body(loop.body)
    return _put(nest, loop, replace(loop, var=moved.name, start=start, stop=stop, body=body))


def wavefront(nest: Nest, outer: str, inner: str) -> Nest:
    """Skews two loops no more than it takes, and swaps them: then `outer` is independent inside.

    Before:  for i in 1..4 { for j in 1..9 { y[i*9 + j] = y[i*9 + j - 9] + y[i*9 + j - 1] } }
    After:   for j_skewed in 2..12 { for i in maximum(j_skewed - 8, 1)..minimum(j_skewed, 4) {
               y[i*8 + j_skewed] = y[i*8 + j_skewed - 9] + y[i*8 + j_skewed - 1] } }
    """
    loops = _pair(nest, outer, inner, f"wavefront {outer}, {inner}")
    found = distances(nest, loops, ranges_of(nest))
    factor = max((-((b - 1) // a) for a, b in found if a), default=0)
    if factor <= 0:
        return reorder(nest, outer, inner)
    return reorder(skew(nest, outer, inner, factor), outer, f"{inner}_skewed")


def launches(nest: Nest, var: str) -> tuple[Nest, tuple[int, ...]]:
    """Leaves the variable of the outermost loop open: a launch of the kernel for each iteration.

    Before:  kernel k(y: f32[8] inout) { for t in 1..4 { for i in 0..8 { ... t ... } } }
    After:   kernel k(y: f32[8] inout, launch) { for i in 0..8 { ... launch - 1 ... } }

    The launches follow one another, so a loop inside may be made parallel although the outer one is
    not.

    Returns:
        (nest, sizes): the value of the open size for each launch, in order.
    """
    loop = find(nest, var)
    if nest.body != (loop,) or nest.sizes or loop.kind != "serial":
        raise UsageError(f"launches {var}: it is not the only outermost statement, and serial")
    start, extent = _counted(loop, f"launches {var}")
    s = _builder(nest)
    number = s.bound(Var("i64", s.fresh("launch")), LEAST_SIZE, LEAST_SIZE + max(extent - 1, 0))
    at = s.add(s.subtract(number, LEAST_SIZE), start)
    body = _Substitution(s, {var: at}).body(loop.body)
    sizes = tuple(range(LEAST_SIZE, LEAST_SIZE + extent))
    return replace(nest, body=body, sizes=(number.name,)), sizes


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
    """Splits the iterations of the outermost loop over threads.

    Where its bounds are no numbers, the threads skip what is outside of them:

    Before:  for i in n..minimum(n + 4, 8) { y[i] = x[i] }
    After:   parallel for i in 0..8 { if n <= i and i < minimum(n + 4, 8) { y[i] = x[i] } }
    """
    loop = find(nest, var)
    if nest.body != (loop,):
        raise UsageError(f"parallelize {var}: it is not the only outermost statement")
    if loop.kind not in ("serial", "parallel"):
        raise UsageError(f"parallelize {var}: the loop is {loop.kind}")
    _independent(nest, loop, "parallelize")
    if isinstance(loop.start, Const) and isinstance(loop.stop, Const):
        return _put(nest, loop, replace(loop, kind="parallel"))
    return _put(nest, loop, _guarded(nest, loop))


def _guarded(nest: Nest, loop: For) -> For:
    """A parallel loop from 0 that does nothing outside of the bounds of `loop`."""
    low, high = ranges_of(nest)[loop.var]
    if low < 0 or high > MOST_SIZE or loop.step != 1:
        raise UsageError(f"parallelize {loop.var}: the loop has no bounds that are numbers")
    s = _builder(nest)
    i = s.bound(Var("i64", loop.var), 0, high)
    inside = s.and_(s.less_equal(loop.start, i), s.less(i, loop.stop))
    body = (If(inside, loop.body),)
    return replace(loop, start=s.constant(0), stop=s.constant(high + 1), body=body, kind="parallel")


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
    reason = obstacle(edited, (fused,), ranges_of(edited))
    if reason:
        raise UsageError(f"{title}: the order matters", [reason])
    return edited


def _pair(nest: Nest, outer: str, inner: str, title: str) -> tuple[For, For]:
    """Two loops, of which the inner one is all the outer one contains."""
    first = find(nest, outer)
    if len(first.body) != 1 or not isinstance(first.body[0], For) or first.body[0].var != inner:
        raise UsageError(f"{title}: {inner} is not all that {outer} contains")
    return first, first.body[0]


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
    """Bounds of all loop variables and open sizes, inclusive; of loops with one name together."""
    found: dict[str, Range] = dict.fromkeys(nest.sizes, (LEAST_SIZE, MOST_SIZE))

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

    visit(nest.body, dict(found))
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
    reason = obstacle(nest, (loop,), ranges_of(nest))
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
