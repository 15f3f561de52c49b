"""What the policies share: parameters of a kernel, stores, and how much work is enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import (
    Expr,
    Fault,
    For,
    If,
    Nest,
    Param,
    Stmt,
    Store,
)
from lamina.backend.schedule.pull import Element, Index, Pull
from lamina.backend.targets import Target
from lamina.graph.ir import Graph, Value, topological
from lamina.graph.ops import Contract, Reduction, checking

CHUNK_WORK = 16384  # element-operations that are worth waking a thread for


def params(body: Graph, in_place: Callable[[Value], bool] | None = None) -> tuple[Param, ...]:
    """`in0`, ... and `out0`, ...; an output may be the memory of an input it can replace.

    `in_place(output)` says whether nothing reads the inputs after that output has been written.
    """
    pairs = in_place_pairs(body)
    if in_place is not None:
        pairs = [p if in_place(v) else () for p, v in zip(pairs, body.outputs, strict=True)]
    ins = [Param(f"in{i}", str(v.dtype), v.type.size) for i, v in enumerate(body.inputs)]
    outs = [
        Param(f"out{j}", str(v.dtype), v.type.size, "out", " ".join(f"in{i}" for i in pairs[j]))
        for j, v in enumerate(body.outputs)
    ]
    return (*ins, *outs)


def kernel_name(policy: str, body: Graph) -> str:
    """A name that says what is inside: `rows_max_subtract_exp_sum_divide`."""
    skipped = ("constant", "expand", "reshape", "permute", "cast")
    ops = dict.fromkeys(v.op.name for v in body.nodes if v.op and v.op.name not in skipped)
    return "_".join([policy, *list(ops)[:6]])


def kernel(
    policy: str, body: Graph, statements: Sequence[Stmt], named: tuple[Param, ...] | None = None
) -> Nest:
    """The nest of a group's statements, its parameters and name taken from the group."""
    inside = tuple(statements)
    return Nest(kernel_name(policy, body), named or params(body), inside, _has_fault(inside))


def _has_fault(statements: Sequence[Stmt]) -> bool:
    return any(
        isinstance(x, Fault) or (isinstance(x, For | If) and _has_fault(x.body)) for x in statements
    )


def in_place_pairs(body: Graph) -> list[tuple[int, ...]]:
    """For each output, the inputs whose memory it may take.

    An input qualifies when its type is that of the output and it is read only at the element where
    the loops are: through elementwise ops, or by a reduction, which is complete before the element
    is written. What a view or a contraction reads, it reads anywhere.
    """
    anywhere: set[int] = set()
    for v in body.nodes:
        if v.op.lane is None and not isinstance(v.op, Reduction):
            anywhere.update(u.id for u in topological(v.operands, stop=_is_complete))
    return [
        tuple(i for i, v in enumerate(body.inputs) if v.id not in anywhere and v.type is out.type)
        for out in body.outputs
    ]


def _is_complete(v: Value) -> bool:
    return isinstance(v.op, Reduction | Contract)


def bind_inputs(pull: Pull, body: Graph) -> None:
    """The inputs of `body` lie in `in0`, ...; what it checks is numbered in its own order."""
    pull.number(checking(body))
    for i, v in enumerate(body.inputs):
        pull.bind_buffer(v, f"in{i}")


def work_of(body: Graph) -> float:
    """Operations for one element of the largest space, loads included."""
    size = max((v.type.size for v in body.values), default=1) or 1
    total = sum(v.op.cost * v.type.size for v in body.nodes if v.op is not None)
    total += sum(v.type.size for v in (*body.inputs, *body.outputs))
    return max(1.0, total / size)


def passes_caches(body: Graph, target: Target) -> bool:
    """Whether the outputs are too large to be found in a cache later, and better bypass them."""
    total = sum(v.type.size_bytes for v in (*body.inputs, *body.outputs))
    return total > 2 * target.l3_share_bytes


def accumulator_dtype(v: Value) -> str:
    """Halves are summed in f32 and rounded once."""
    return "f32" if str(v.dtype) in ("f16", "bf16") else str(v.dtype)


def grain_for(elements: int, work: float) -> int:
    """Parallel iterations of `elements` each that make a chunk worth a thread."""
    return max(1, math.ceil(CHUNK_WORK / max(1.0, elements * work)))


def at_loops(e: Expr) -> Element:
    """Reads one expression at every index: it already is the value where the loops are."""
    return lambda index: e


def faults(s: Builder) -> list[Stmt]:
    """The checks that pulling asked for since the last call."""
    found: list[Stmt] = [Fault(f.condition, f.code, f.value, f.limit) for f in s.faults]
    s.faults.clear()
    return found


def space_of(v: Value) -> tuple[int, ...]:
    """The shape of the loops that store `v`."""
    in_pieces = v.op is not None and v.op.pieces is not None
    return v.operands[0].type.shape if in_pieces else v.type.shape


def _pieces(
    s: Builder, number: int, v: Value, index: Index
) -> list[tuple[str, Value, Index, tuple[int, ...]]]:
    """What is stored for output `number` at an index of its loops: buffer, value, place, shape."""
    if v.op is None or v.op.pieces is None:
        return [(f"out{number}", v, index, v.type.shape)]
    places = v.op.pieces(s, index)
    return [(f"out{number}", o, p, v.type.shape) for o, p in zip(v.operands, places, strict=True)]


def stores(s: Builder, pull: Pull, outs: Sequence[tuple[int, Value]], index: Index) -> list[Stmt]:
    """Compute every output at `index`, then store them: an output may overwrite an input."""
    lets: list[Stmt] = []
    writes: list[Stmt] = []
    stored = [piece for number, v in outs for piece in _pieces(s, number, v, index)]
    for buffer, v, place, shape in stored:
        value = pull.element(v, index)
        if len(stored) > 1:
            let, value = s.let("r", value)
            lets.append(let)
        writes.append(Store(buffer, s.linearize(place, shape), value))
    return [*faults(s), *lets, *writes]
