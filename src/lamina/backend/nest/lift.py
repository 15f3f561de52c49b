"""Leave the sizes of a nest open: its integer constants become arguments of the kernel.

Before:
    kernel scale(x: f32[37] in, y: f32[37] out) {
      vector for i in 0..37 {
        y[i] = x[i]*2.0
      }
    }
After, with 37:
    kernel scale(x: f32[] in, y: f32[] out, n0) {
      vector for i in 0..n0 {
        y[i] = x[i]*2.0
      }
    }

Nests of one structure become one nest, and so one kernel, whatever their sizes. Nothing else
changes: given the numbers, the lifted nest computes what the nest did, in the same order.

Each constant in the nest is an argument of its own, also where another one is equal: in the next
shape it may not be. A shared node is one place, so addresses that are computed once still are.
What shapes the code stays: numbers below 2, tiles in registers with the loops over them, and small
numbers that say which elements neighbouring lanes read.
"""

from __future__ import annotations

from dataclasses import replace

from lamina.backend.nest.affine import operands
from lamina.backend.nest.dependence import reads, statements
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

WIDEST_STRIDE = 4
"""Lanes that lie so far apart are read with whole loads and shuffles, if the code knows how."""

_INDEX_OPS = frozenset(
    {"add", "subtract", "multiply", "negative", "floor_divide", "remainder", "minimum", "maximum"}
    | {"select", "cast", "equal", "not_equal", "less", "less_equal"}
)
_STEPS = frozenset({"add", "subtract", "multiply", "floor_divide", "remainder"})


def lift(nest: Nest) -> tuple[Nest, tuple[int, ...]]:
    """The nest with its sizes open, and their values in this one."""
    lifting = _Lifting()
    body = lifting.body(nest.body, True)
    if not lifting.values:
        return nest, ()
    params = tuple(replace(p, size=None) for p in nest.params)
    names = tuple(f"n{i}" for i in range(len(lifting.values)))
    return Nest(nest.name, params, body, nest.checks, names), tuple(lifting.values)


class _Lifting:
    def __init__(self) -> None:
        self.values: list[int] = []
        self.lifted: dict[Expr, Expr] = {}
        self.lanes: set[str] = set()  # variables that differ between lanes
        self.varying: dict[Expr, bool] = {}
        self.registers: set[str] = set()
        self.unrolled = False  # the statement is the only one of an unrolled loop
        self.tiles: dict[str, frozenset[float]] = {}  # extents inside the loops that are kept

    def size(self, value: int) -> Var:
        """A new argument."""
        self.values.append(value)
        return Var("i64", f"n{len(self.values) - 1}")

    # -------------------------------------------------------------- statements

    def body(self, stmts: tuple[Stmt, ...], once: bool = False) -> tuple[Stmt, ...]:
        """Statements; `once` says that code generation writes them once."""
        return tuple([self.stmt(s, once) for s in stmts])

    def stmt(self, s: Stmt, once: bool) -> Stmt:
        match s:
            case For():
                return self.loop(s)
            case If():
                return If(self.expr(s.condition), self.body(s.body))
            case Let():
                value = self.expr(s.value)
                if self.varies(s.value):
                    self.lanes.add(s.name)
                return replace(s, value=value)
            case Store():
                offset = s.offset if s.buffer in self.registers else self.expr(s.offset)
                return replace(s, offset=offset, value=self.expr(s.value), mask=self.mask(s.mask))
            case Prefetch():
                return replace(s, offset=self.expr(s.offset))
            case Accumulate():
                return replace(s, value=self.expr(s.value), mask=self.mask(s.mask))
            case Alloc():
                return self.room(s, once)
            case Fault():
                condition, value, limit = map(self.expr, (s.condition, s.value, s.limit))
                return replace(s, condition=condition, value=value, limit=limit)
            case Accumulator():
                return s
        raise TypeError(f"no statement: {s!r}")

    def loop(self, s: For) -> For:
        if s.kind == "vector":
            self.lanes.add(s.var)
        if s.kind == "unroll" or (s.kind == "vector" and self.in_tile(s)):
            self.tiles[s.var] = self.extents(s.body)
            around, self.unrolled = self.unrolled, s.kind == "unroll" and len(s.body) == 1
            body = self.body(s.body)
            self.unrolled = around
            return replace(s, body=body)
        start, stop = self.expr(s.start), self.expr(s.stop)
        return replace(s, start=start, stop=stop, body=self.body(s.body, s.kind == "parallel"))

    def in_tile(self, s: For) -> bool:
        """Whether a vector loop goes over the rows of a tile."""
        return self.unrolled or self.in_registers(s.body)

    def in_registers(self, stmts: tuple[Stmt, ...]) -> bool:
        """Whether statements read or write a tile that is held in registers."""
        touched = {s.buffer for s in statements(stmts) if isinstance(s, Store)}
        touched.update(e.buffer for e in reads(stmts) if isinstance(e, Load))
        return not touched.isdisjoint(self.registers)

    def extents(self, stmts: tuple[Stmt, ...]) -> frozenset[float]:
        """How many lanes the vectors of a tile have."""
        loops = [s for s in statements(stmts) if isinstance(s, For) and s.kind == "vector"]
        return frozenset(s.stop.value for s in loops if isinstance(s.stop, Const))

    def room(self, s: Alloc, once: bool) -> Alloc:
        if s.space == "register":
            self.registers.add(s.name)
            return s
        assert isinstance(s.size, int)
        lifts = once and LEAST_SIZE <= s.size <= MOST_SIZE
        return replace(s, size=self.size(s.size)) if lifts else s

    def mask(self, mask: Expr | None) -> Expr | None:
        return None if mask is None else self.expr(mask)

    # -------------------------------------------------------------- expressions

    def expr(self, root: Expr) -> Expr:
        """The lifted expression, where a shared node stays one. Operands first: chains are deep."""
        if isinstance(root, Const):
            return self.size(int(root.value)) if _is_size(root) else root
        lifted = self.lifted
        waiting = [root]
        while waiting:
            e = waiting[-1]
            if e not in lifted:
                missing = [x for x in self.inner(e) if x not in lifted]
                if missing:
                    waiting.extend(reversed(missing))
                    continue
                lifted[e] = self.rebuilt(e)
            waiting.pop()
        return lifted[root]

    def inner(self, e: Expr) -> tuple[Expr, ...]:
        """The operands of `e` that are lifted before it; its constants are lifted with it."""
        if isinstance(e, Load) and e.buffer in self.registers:
            return () if e.mask is None else (e.mask,)
        return tuple([x for x in operands(e) if not isinstance(x, Const)])

    def rebuilt(self, e: Expr) -> Expr:
        if isinstance(e, Load):
            kept = e.buffer in self.registers
            offset = e.offset if kept else self.operand(e.offset)
            mask = None if e.mask is None else self.operand(e.mask)
            same = offset is e.offset and mask is e.mask
            return e if same else Load(e.dtype, e.buffer, offset, mask)
        if not isinstance(e, Apply):
            return e
        kept = e.op not in _INDEX_OPS or self.shapes(e)
        args = tuple([x if kept and isinstance(x, Const) else self.operand(x) for x in e.args])
        same = all(x is y for x, y in zip(e.args, args, strict=True))
        return e if same else Apply(e.dtype, e.op, args)

    def operand(self, e: Expr) -> Expr:
        if isinstance(e, Const):
            return self.size(int(e.value)) if _is_size(e) else e
        return self.lifted[e]

    def shapes(self, e: Apply) -> bool:
        """Whether code for the lanes of x * step, x // step or x + step has to know the step."""
        x, step = e.args[0], e.args[-1]
        if e.op not in _STEPS or not isinstance(step, Const):
            return False
        if isinstance(x, Var) and step.value in self.tiles.get(x.name, ()):
            return True
        return step.value <= WIDEST_STRIDE and self.varies(x)

    def varies(self, root: Expr) -> bool:
        """Whether an expression may differ between lanes."""
        varying = self.varying
        waiting = [root]
        while waiting:
            e = waiting[-1]
            if e not in varying:
                missing = [x for x in operands(e) if x not in varying]
                if missing:
                    waiting.extend(missing)
                    continue
                own = isinstance(e, Var) and e.name in self.lanes
                varying[e] = own or any(varying[x] for x in operands(e))
            waiting.pop()
        return varying[root]


def _is_size(e: Const) -> bool:
    return e.dtype == "i64" and LEAST_SIZE <= e.value <= MOST_SIZE
