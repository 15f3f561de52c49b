"""The rules of the nest language, checked. A nest that breaks one is a defect of what made it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

from lamina.backend.nest.affine import Affine, Range, operands
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
from lamina.backend.nest.printer import COMPARISONS, describe, expressions
from lamina.backend.nest.vocabulary import arity_of, takes
from lamina.base.dtypes import ALL
from lamina.base.errors import VerifyError

_DTYPES = frozenset(d.name for d in ALL)
_KINDS = frozenset({"serial", "parallel", "vector", "unroll"})
_COMBINERS = frozenset({"add", "multiply", "maximum", "minimum", "and", "or"})


def verify(nest: Nest) -> Nest:
    """The nest itself, after a check of every rule.

    Raises:
        VerifyError: the message names the rule and the statement.
    """
    _Verifier(nest).run()
    return nest


@dataclass(frozen=True)
class _Buffer:
    dtype: str
    size: int | None  # None where it is open
    space: str  # "param", "scratch" or "register"
    writable: bool


class _Verifier:
    def __init__(self, nest: Nest):
        self.nest = nest
        self.buffers: dict[str, _Buffer] = {}
        self.vars: dict[str, str] = {}  # name -> dtype
        self.accumulators: dict[str, str] = {}
        self.loops: list[For] = []
        self.ranges: dict[str, Range] = {}
        self.exact: set[str] = set()  # loop variables that reach both ends of their range
        self.affine = Affine(self.ranges)
        self.stmt: Stmt | None = None
        self.guarded = False  # inside an If, or in a loop that may not run at all
        self.leaves: dict[Expr, frozenset[Expr]] = {}
        self.checked: set[Expr] = set()

    def run(self) -> None:
        for p in self.nest.params:
            self.require(p.role in ("in", "out", "inout"), f"{p.name} has no role {p.role!r}")
            self.declare_buffer(p.name, _Buffer(p.dtype, p.size, "param", p.role != "in"))
        inputs = {p.name for p in self.nest.params if p.role == "in"}
        for p in self.nest.params:
            aliases = set(p.may_alias.split())
            aliased = not aliases or (aliases <= inputs and p.role == "out")
            self.require(aliased, f"{p.name} may alias {p.may_alias}: only an out aliases an in")
        for name in self.nest.sizes:
            self.declare(name)
            self.vars[name] = "i64"
            self.ranges[name] = (LEAST_SIZE, MOST_SIZE)
        self.body(self.nest.body)

    def fail(self, rule: str) -> VerifyError:
        dtypes = {name: b.dtype for name, b in self.buffers.items()} | self.vars
        facts = []
        if self.stmt is not None:
            facts.append(f"statement: {describe(self.stmt, dtypes)}")
        if self.loops:
            facts.append("inside: " + ", ".join(f"{f.kind} {f.var}" for f in self.loops))
        return VerifyError(f"kernel {self.nest.name}: {rule}", facts)

    def require(self, holds: bool, rule: str) -> None:
        if not holds:
            raise self.fail(rule)

    # -------------------------------------------------------------- names

    def declare(self, name: str) -> None:
        taken = name in self.buffers or name in self.vars
        self.require(name.isidentifier(), f"{name!r} is no name")
        self.require(not taken, f"{name} is declared already")

    def declare_buffer(self, name: str, buffer: _Buffer) -> None:
        self.declare(name)
        self.require(buffer.dtype in _DTYPES, f"there is no dtype {buffer.dtype!r}")
        self.require(buffer.size is None or buffer.size >= 0, f"{name} has size {buffer.size}")
        self.buffers[name] = buffer

    @contextmanager
    def scope(self):
        before = dict(self.buffers), dict(self.vars), dict(self.accumulators)
        guarded = self.guarded
        yield
        self.buffers, self.vars, self.accumulators = before
        self.guarded = guarded

    # -------------------------------------------------------------- statements

    def body(self, stmts: tuple[Stmt, ...]) -> None:
        for stmt in stmts:
            self.stmt = stmt
            for e in expressions(stmt):
                self.expr(e)
            self.one(stmt)

    def one(self, stmt: Stmt) -> None:
        match stmt:
            case For():
                self.loop(stmt)
            case If():
                self.condition(stmt)
            case Let(name, value):
                self.declare(name)
                self.vars[name] = value.dtype
            case Store():
                self.store(stmt)
            case Prefetch(buffer, offset):
                self.require(buffer in self.buffers, f"{buffer} is no buffer in scope")
                self.require(offset.dtype == "i64", "an offset is i64")
            case Accumulator(name, dtype, op, init):
                self.declare(name)
                self.require(op in _COMBINERS, f"nothing accumulates by {op!r}")
                self.require(init.dtype == dtype, f"{name} is {dtype}, starts at {init.dtype}")
                self.vars[name] = self.accumulators[name] = dtype
            case Accumulate(name, value):
                self.require(name in self.accumulators, f"{name} is no accumulator in scope")
                dtype = self.accumulators[name]
                self.require(value.dtype == dtype, f"{name} is {dtype}, gets {value.dtype}")
                self.mask(stmt.mask)
            case Alloc(name, dtype, size, space):
                self.require(space in ("scratch", "register"), f"there is no space {space!r}")
                self.declare_buffer(name, _Buffer(dtype, self.room(size, space), space, True))
            case Fault(condition, _, value, limit):
                self.require(self.nest.checks, "a kernel with a fault says so (checks)")
                self.require(condition.dtype == "bool", "the condition of a fault is a bool")
                i64 = value.dtype == limit.dtype == "i64"
                self.require(i64, "value and limit of a fault are i64")
            case _:
                self.require(False, f"no statement: {type(stmt).__name__}")

    def room(self, size: int | Var, space: str) -> int | None:
        if not isinstance(size, Var):
            return size
        is_open = size.name in self.nest.sizes and space == "scratch"
        self.require(is_open, "a local buffer has a constant size, or in scratch an open one")
        return None

    def loop(self, stmt: For) -> None:
        self.require(stmt.kind in _KINDS, f"there is no loop kind {stmt.kind!r}")
        self.require(stmt.step >= 1, f"the step of {stmt.var} is {stmt.step}; steps are positive")
        self.require(stmt.copies >= 1, f"{stmt.var} has {stmt.copies} copies")
        i64 = stmt.start.dtype == stmt.stop.dtype == "i64"
        self.require(i64, f"the bounds of {stmt.var} are i64")
        if stmt.kind == "parallel":
            alone = not self.loops and self.nest.body == (stmt,)
            self.require(alone, "a parallel loop is the only outermost statement of its kernel")
        if stmt.kind == "vector":
            nested = any(f.kind == "vector" for f in self.loops)
            self.require(not nested, "a vector loop stands in no other vector loop")
        for bound in (stmt.start, stmt.stop):
            self.require(self.uniform(bound), f"the bounds of {stmt.var} differ between lanes")
        if stmt.kind == "unroll":
            extent = self.extent(stmt)
            self.require(extent is not None, f"the extent of the unroll loop {stmt.var} is unknown")
        self.declare(stmt.var)
        with self.scope():
            self.vars[stmt.var] = "i64"
            self.bind(stmt)
            self.loops.append(stmt)
            self.body(stmt.body)
            self.loops.pop()
        self.stmt = stmt

    def bind(self, stmt: For) -> None:
        """Notes the range of a loop variable, for a new reader: the old one remembers too much."""
        first, last = self.affine.range_of(stmt.start)[0], self.affine.range_of(stmt.stop)[1] - 1
        self.exact.discard(stmt.var)
        constant = isinstance(stmt.start, Const) and isinstance(stmt.stop, Const)
        if constant and last >= first:
            last = first + (last - first) // stmt.step * stmt.step
            self.exact.add(stmt.var)
        if not constant or last < first:
            self.guarded = True
        self.ranges[stmt.var] = (first, max(first, last))
        self.affine = Affine(self.ranges)

    def extent(self, stmt: For) -> int | None:
        start, stop = self.affine.form(stmt.start), self.affine.form(stmt.stop)
        return stop.constant - start.constant if start.terms == stop.terms else None

    def condition(self, stmt: If) -> None:
        self.require(stmt.condition.dtype == "bool", "a condition is a bool")
        self.require(self.uniform(stmt.condition), "an if has one condition for all lanes")
        with self.scope():
            self.guarded = True
            self.body(stmt.body)
        self.stmt = stmt

    def uniform(self, e: Expr) -> bool:
        """Whether all lanes have the same value (as far as the vector variable tells)."""
        vectors = {f.var for f in self.loops if f.kind == "vector"}
        return not vectors & self.affine.names(e)

    def store(self, stmt: Store) -> None:
        buffer = self.buffers.get(stmt.buffer)
        if buffer is None:
            raise self.fail(f"{stmt.buffer} is no buffer in scope")
        self.require(buffer.writable, f"{stmt.buffer} is an input; it is not stored to")
        dtype = stmt.value.dtype
        self.require(dtype == buffer.dtype, f"{stmt.buffer} is {buffer.dtype}, gets {dtype}")
        self.mask(stmt.mask)
        self.access(stmt.buffer, buffer, stmt.offset, stmt.mask is not None)

    def mask(self, mask: Expr | None) -> None:
        self.require(mask is None or mask.dtype == "bool", "a mask is a bool")

    # -------------------------------------------------------------- expressions

    def expr(self, root: Expr) -> None:
        """Checks the names that an expression reads here, and once the dtypes inside it."""
        for leaf in self.leaves_of(root):
            if isinstance(leaf, Var):
                dtype = self.vars.get(leaf.name)
                self.require(dtype is not None, f"{leaf.name} is not defined here")
                self.require(dtype == leaf.dtype, f"{leaf.name} is {dtype}, read as {leaf.dtype}")
            elif isinstance(leaf, Load):
                buffer = self.buffers.get(leaf.buffer)
                if buffer is None:
                    raise self.fail(f"{leaf.buffer} is no buffer in scope")
                same = leaf.dtype == buffer.dtype
                self.require(same, f"{leaf.buffer} is {buffer.dtype}, read as {leaf.dtype}")
                self.mask(leaf.mask)
                self.access(leaf.buffer, buffer, leaf.offset, leaf.mask is not None)

    def leaves_of(self, root: Expr) -> frozenset[Expr]:
        """Variables and loads in an expression; the dtypes of its operations are checked once."""
        waiting = [root]
        while waiting:
            e = waiting[-1]
            missing = [x for x in operands(e) if x not in self.leaves]
            if e in self.leaves or missing:
                waiting.extend(missing)
                if e in self.leaves:
                    waiting.pop()
                continue
            waiting.pop()
            self.operation(e)
            own = frozenset([e]) if isinstance(e, Var | Load) else frozenset()
            self.leaves[e] = own.union(*(self.leaves[x] for x in operands(e)))
        return self.leaves[root]

    def operation(self, e: Expr) -> None:
        self.require(e.dtype in _DTYPES, f"there is no dtype {e.dtype!r}")
        if not isinstance(e, Apply):
            return
        arity = arity_of(e.op)
        if arity is None:
            raise self.fail(f"{e.op!r} is no lane operation")
        self.require(len(e.args) == arity, f"{e.op} takes {arity} operands, got {len(e.args)}")
        if e.op in ("cast", "bitcast"):
            return
        dtypes = [a.dtype for a in e.args]
        if e.op == "select":
            self.require(dtypes.pop(0) == "bool", "select takes a bool first")
        same = len(set(dtypes)) == 1
        self.require(same, f"{e.op}: operands differ in dtype: {', '.join(dtypes)}")
        result = "i32" if e.op == "halves" else "bool" if e.op in COMPARISONS else dtypes[0]
        self.require(e.dtype == result, f"{e.op} of {dtypes[0]} is {result}, not {e.dtype}")
        self.require(takes(e.op, dtypes[0]), f"{e.op} has no meaning for {dtypes[0]}")

    # -------------------------------------------------------------- memory

    def access(self, name: str, buffer: _Buffer, offset: Expr, masked: bool) -> None:
        self.require(offset.dtype == "i64", f"an offset is i64, not {offset.dtype}")
        if buffer.space == "register":
            written_out = {f.var for f in self.loops if f.kind in ("unroll", "vector")}
            free = sorted(self.affine.names(offset) - written_out)
            constant = not free and not self.reads_memory(offset)
            self.require(constant, f"{name} is in registers; its offsets are constants")
        if masked or self.guarded or buffer.size is None:
            return
        low, high = self.affine.range_of(offset)
        reached = all(
            isinstance(atom, Var) and atom.name in self.exact
            for atom in self.affine.form(offset).terms
        )
        outside = high >= buffer.size or low < 0 if reached else low >= buffer.size or high < 0
        self.require(not outside, f"{name}[{buffer.size}] is read or written at {low}..={high}")

    def reads_memory(self, e: Expr) -> bool:
        return any(isinstance(leaf, Load) for leaf in self.leaves_of(e))
