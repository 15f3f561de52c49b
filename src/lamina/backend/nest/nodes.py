"""The nest language: loops, loads and stores over flat buffers. A dozen kinds, all on this page.

    kernel row_sum(x: f32[8192] in, y: f32[8] out) {
      parallel for i in 0..8 {
        acc s: f32 = add 0.0
        vector for j in 0..1024 {
          s <- x[i*1024 + j]
        }
        y[i] = s
      }
    }

A kernel is one loop nest over flat buffers (offsets count elements). Expressions have a dtype and
one value a lane. Index expressions are expressions of dtype i64. A loop kind says how its
iterations may run; it never changes the meaning:

    serial    one after the other
    parallel  in any order, split over threads; only as the outermost statement of a kernel
    vector    several at once, as lanes; loads, stores and accumulators become vectors
    unroll    written out one by one at compile time (the extent is a small constant)

A kernel may leave sizes open. They are i64 arguments, from 2 to 2^30 - 1, that the body reads as
variables; buffers whose size follows from them show none. So one kernel serves many shapes:

    kernel scale(x: f32[] in, y: f32[] out, n) {
      vector for i in 0..n {
        y[i] = x[i]*2.0
      }
    }

`Accumulate` combines a value into an accumulator. Combining is taken as associative and
commutative, so lanes and unrolled copies may have partial accumulators; that is the only
reassociation of floats in the whole back end.
"""

from __future__ import annotations

from dataclasses import dataclass

# ------------------------------------------------------------------ expressions


@dataclass(frozen=True, eq=False, slots=True)
class Expr:
    """Has one value a lane. Compared by identity: sharing a node means computing it once."""

    dtype: str


@dataclass(frozen=True, eq=False, slots=True)
class Const(Expr):
    """A number."""

    value: bool | int | float


@dataclass(frozen=True, eq=False, slots=True)
class Var(Expr):
    """A loop variable (i64), a `Let` name or an accumulator's current value."""

    name: str


@dataclass(frozen=True, eq=False, slots=True)
class Apply(Expr):
    """A lane operation of the vocabulary in `backend/codegen`, such as `multiply(a, b)`.

    `cast` and `bitcast` go to this node's dtype. `select` takes a bool first.
    """

    op: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Load(Expr):
    """`buffer[offset]`; under a `mask` that is false nothing is read and the value is zero."""

    buffer: str
    offset: Expr
    mask: Expr | None = None


# ------------------------------------------------------------------ statements


@dataclass(frozen=True, eq=False, slots=True)
class Stmt:
    pass


@dataclass(frozen=True, eq=False, slots=True)
class For(Stmt):
    """`kind for var in start..stop step step`. `copies` asks for that many unrolled copies of a
    serial or vector body (a hint; each copy has its own accumulators). The body may read `var`."""

    var: str
    start: Expr
    stop: Expr
    body: tuple[Stmt, ...]
    kind: str = "serial"
    step: int = 1
    copies: int = 1


@dataclass(frozen=True, eq=False, slots=True)
class Let(Stmt):
    """Names the value of an expression for the statements that follow in this body."""

    name: str
    value: Expr


@dataclass(frozen=True, eq=False, slots=True)
class Store(Stmt):
    """`buffer[offset] = value`, where the mask, if any, is true. `streaming` asks for a
    non-temporal store."""

    buffer: str
    offset: Expr
    value: Expr
    mask: Expr | None = None
    streaming: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Prefetch(Stmt):
    """Asks for the line of `buffer[offset]` in the nearest cache; of a vector loop, that of the
    first lane. Changes nothing else: the offset may lie outside of the buffer."""

    buffer: str
    offset: Expr


@dataclass(frozen=True, eq=False, slots=True)
class Accumulator(Stmt):
    """Declares `name`, which starts at the identity-like value `init` and combines with `op`
    (add, multiply, maximum, minimum, and, or). Read it with Var(name) after the loops."""

    name: str
    dtype: str
    op: str
    init: Expr


@dataclass(frozen=True, eq=False, slots=True)
class Accumulate(Stmt):
    """`name <- value`: combines `value` into the accumulator, where the mask, if any, is true."""

    name: str
    value: Expr
    mask: Expr | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Alloc(Stmt):
    """A local buffer of `size` elements (of scratch also an open size of the kernel) for the
    statements that follow in this body.

    space "register": small, only touched at offsets that are constant after unrolling, so that
    it becomes registers; contents start at zero.
    space "scratch": thread-local memory, `SCRATCH_ALIGN`ed; contents start undefined.
    """

    name: str
    dtype: str
    size: int | Var
    space: str = "scratch"


@dataclass(frozen=True, eq=False, slots=True)
class If(Stmt):
    """Runs the body where a uniform condition is true."""

    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Fault(Stmt):
    """Where the condition (per lane) is true, writes (code, value, limit) to the status, once.

    The kernel goes on; the runtime raises when the program has run. The statement must not be
    needed for memory safety: loads it guards are masked.
    """

    condition: Expr
    code: int
    value: Expr
    limit: Expr


# ------------------------------------------------------------------ the kernel

SCRATCH_ALIGN = 64  # bytes
LEAST_SIZE, MOST_SIZE = 2, (1 << 30) - 1  # of a size that a kernel leaves open; both inclusive


@dataclass(frozen=True, eq=False, slots=True)
class Param:
    """A buffer argument: `role` is "in", "out" or "inout"; `size` counts elements, and is None
    where it follows from open sizes.

    Distinct parameters do not overlap, except that an out may be the same memory as one of the ins
    that `may_alias` names, with spaces between them (in-place update: each element is read before
    it is written, in the same iteration)."""

    name: str
    dtype: str
    size: int | None
    role: str = "in"
    may_alias: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Nest:
    """A kernel. `body` is one parallel For (possibly after Allocs are inside it), or statements
    that run as one task. `checks` is true when it contains a Fault. `sizes` names those that are
    left open."""

    name: str
    params: tuple[Param, ...]
    body: tuple[Stmt, ...]
    checks: bool = False
    sizes: tuple[str, ...] = ()


def const(value: bool | int | float, dtype: str = "i64") -> Const:
    return Const(dtype, value)


def var(name: str, dtype: str = "i64") -> Var:
    return Var(dtype, name)
