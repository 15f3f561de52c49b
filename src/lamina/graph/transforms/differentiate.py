"""Derivatives: tangents pushed forward along a graph, cotangents pulled back through it.

Each op says how it varies in one of three ways (see `graph.ir.op`), and both modes and all higher
orders follow from that one. The results are ordinary values, so they are differentiated, batched
and compiled like any others.

A tangent or cotangent that is zero is None until somebody needs it as a value. Values that are
not floating have neither. Those of a value with several parts are tuples, part by part.

Source: Griewank & Walther 2008, Evaluating Derivatives, chapters 3 and 4; transposing a linear
program instead of writing reverse rules: Radul et al. 2022, "You only linearize once".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lamina.base.errors import UsageError
from lamina.base.spans import at
from lamina.graph.ir import Expression, Graph, TupleType, Value, placeholder, topological
from lamina.graph.ir import emit as record
from lamina.graph.ops import imag, item, lift, make_complex, real, zeros_like


def varies(v: Value) -> bool:
    """Whether a value has derivatives: floating and complex numbers have, and tuples with one."""
    parts = v.type.items if isinstance(v.type, TupleType) else (v.type,)
    return any(t.dtype.is_inexact for t in parts)


def scale(factor: Any, dot: Any) -> Any:
    """`factor * dot` where the factor is an Expression, a number, or None for zero."""
    if factor is None:
        return None
    if isinstance(factor, Expression):
        return factor * dot
    if factor == 1.0:
        return dot
    if factor == -1.0:
        return -dot
    if factor == 0.0:
        return None
    if dot.dtype.is_complex and not isinstance(factor, complex):
        scaled = [part * lift(factor, part) for part in (real(dot), imag(dot))]
        return make_complex(*scaled)
    return dot * lift(factor, dot)


def plus(a: Any, b: Any) -> Any:
    """a + b where None is zero."""
    if a is None or b is None:
        return a if b is None else b
    if isinstance(a, tuple):
        return tuple(plus(p, q) for p, q in zip(a, b, strict=True))
    return a + b


def _some(parts: Any) -> Any:
    """A tangent or cotangent, None where it is a tuple of nothing but zeros."""
    if not isinstance(parts, tuple | list):
        return parts
    return tuple(parts) if any(p is not None for p in parts) else None


# ------------------------------------------------------------------ forward mode


def push_forward(
    outputs: Sequence[Value], dots: dict[int, Any], emit: Callable[..., Any] = record
) -> list[Any]:
    """The tangents of `outputs`, given those of some values they depend on (forward mode).

    Args:
        outputs: recorded values.
        dots: tangent by the id of a value; the walk stops at these values.
        emit: applies an op to tangents.

    Returns:
        A tangent for each output, None where it is zero.
    """
    found: dict[int, Any] = dict(dots)
    ends = lambda v: v.id in dots or (v.op is not None and v.op.constant)
    for v in topological(outputs, stop=ends):
        if v.id in found or v.op is None or v.op.constant:
            continue
        if varies(v) and any(found.get(o.id) is not None for o in v.operands):
            with at(v.span):
                found[v.id] = _tangent(v, [found.get(o.id) for o in v.operands], emit)
    return [found.get(v.id) for v in outputs]


def _is_linear(op: Any, operands: Sequence[Value], moving: Iterable[int]) -> bool:
    """Whether the transpose of `op` says all there is about these operands.

    It does unless the op has a jvp too: then it is linear in some operands and not in others.
    """
    if op.transpose is None:
        return False
    return op.jvp is None or set(moving) <= set(op.linear_operands(len(operands)))


def _tangent(v: Value, dots: list[Any], emit: Callable[..., Any]) -> Any:
    """The tangent of one node from those of its operands."""
    op, operands = v.op, v.operands
    if op.push is not None:
        return _some(op.push(push_forward, operands, dots))
    if op.partials is not None:
        total = None
        for factor, dot in zip(op.partials(*operands, out=v), dots):
            total = plus(total, None if dot is None else scale(factor, dot))
        return total
    moving = [i for i, dot in enumerate(dots) if dot is not None]
    if op.jvp is not None and not _is_linear(op, operands, moving):
        return _some(op.jvp(operands, [_or_zero(d, o) for d, o in zip(dots, operands)], v))
    if op.transpose is None:
        raise _no_derivative(v)
    linear = set(op.linear_operands(len(operands)))
    if op.jointly:
        together = [_or_zero(d, o) if i in linear else o
                    for i, (d, o) in enumerate(zip(dots, operands))]  # fmt: skip
        return _parts(emit(op, *together), v)
    total = None
    for i in sorted(linear):
        if dots[i] is not None:
            one = emit(op, *operands[:i], dots[i], *operands[i + 1 :])
            total = plus(total, _parts(one, v))
    return total


def _parts(dot: Any, v: Value) -> Any:
    """A tangent that was computed as one value, as a tuple where `v` has several parts."""
    if not isinstance(v.type, TupleType):
        return dot
    types = v.type.items
    return tuple(item(dot, i) if t.dtype.is_inexact else None for i, t in enumerate(types))


def _or_zero(dot: Any, operand: Value) -> Any:
    """The tangent as a value; an operand without derivatives has none."""
    if dot is not None:
        return dot
    if isinstance(operand.type, TupleType):
        return (None,) * len(operand.type.items)
    return zeros_like(operand) if varies(operand) else None


def _no_derivative(v: Value) -> UsageError:
    return UsageError(
        f"{v.op.name if v.op else 'value'}: has no derivative",
        [f"value: {v!r}", "the op has none of partials, transpose and jvp"],
        "give the op one of them, or wrap its operand in stop_gradient",
        v.span,
    )


# ------------------------------------------------------------------ reverse mode


def pull_back(outputs: Sequence[Value], bars: Sequence[Any], wrt: Sequence[Value]) -> list[Any]:
    """The cotangents of `wrt`, given those of `outputs` (reverse mode).

    Walks from the outputs back to `wrt` and stops there; values that do not depend on `wrt` are
    skipped. A value that is used k times gets the sum of k contributions.

    Args:
        outputs: recorded values.
        bars: a cotangent for each, None for zero.
        wrt: values whose cotangents are wanted.

    Returns:
        A cotangent for each of `wrt`, None where it is zero.
    """
    wanted = {v.id for v in wrt}
    order = topological(outputs, stop=lambda v: v.id in wanted)
    active = _depending(order, wanted)
    found: dict[int, Any] = {}
    for v, bar in zip(outputs, bars, strict=True):
        if v.id in active and bar is not None:
            found[v.id] = plus(found.get(v.id), bar)
    for v in reversed(order):
        if v.id in wanted or v.id not in found:
            continue
        bar = found.pop(v.id)
        with at(v.span):
            for i, part in _contributions(v, bar, active):
                operand = v.operands[i]
                found[operand.id] = plus(found.get(operand.id), part)
    return [found.get(v.id) for v in wrt]


def _depending(order: Iterable[Value], wanted: set[int]) -> set[int]:
    """The ids of floating values that vary with the wanted ones."""
    active: set[int] = set()
    for v in order:
        if not varies(v):
            continue
        if v.id in wanted:
            active.add(v.id)
        elif v.op is None or v.op.constant:
            continue
        elif any(o.id in active for o in v.operands):
            active.add(v.id)
    return active


def _contributions(v: Value, bar: Any, active: set[int]) -> Iterable[tuple[int, Any]]:
    """What one node passes back to each of its active operands."""
    op, operands = v.op, v.operands
    moving = [i for i, o in enumerate(operands) if o.id in active]
    if op.pull is not None:
        back = op.pull(pull_back, operands, bar, moving)
        parts = [(i, back[i]) for i in moving]
    elif op.vjp is not None:
        bars = bar if isinstance(v.type, TupleType) else (bar,)
        back = op.vjp(bars, operands, v)
        parts = [(i, _some(back[i])) for i in moving]
    elif op.partials is not None:
        factors = op.partials(*operands, out=v)
        parts = [(i, scale(factors[i], bar)) for i in moving]
    elif _is_linear(op, operands, moving):
        linear = op.linear_operands(len(operands))
        parts = [(i, op.transpose(i, bar, *operands)) for i in moving if i in linear]
    elif op.jvp is not None:
        parts = _transposed_jvp(v, bar, moving)
    else:
        raise _no_derivative(v)
    return [(i, part) for i, part in parts if part is not None]


def _transposed_jvp(v: Value, bar: Any, moving: list[int]) -> list[tuple[int, Any]]:
    """The jvp of a node is a program linear in the tangents: pull the cotangent through it."""
    dots = {i: placeholder(v.operands[i].type) for i in moving}
    zero = [dots.get(i) if i in dots else _or_zero(None, o) for i, o in enumerate(v.operands)]
    tangent = v.op.jvp(v.operands, zero, v)
    several = isinstance(v.type, TupleType)
    pairs = zip(tangent, bar, strict=True) if several else [(tangent, bar)]
    used = [(t, b) for t, b in pairs if t is not None and b is not None]
    ends, bars = [t for t, _ in used], [b for _, b in used]
    return list(zip(dots, pull_back(ends, bars, list(dots.values()))))


# ------------------------------------------------------------------ graphs


def jvp(graph: Graph) -> Graph:
    """The graph with its directional derivative.

    inputs + a tangent for each floating input -> outputs + a tangent for each floating output.
    """
    moving = [v for v in graph.inputs if varies(v)]
    dots = [placeholder(v.type) for v in moving]
    rising = [v for v in graph.outputs if varies(v)]
    found = push_forward(rising, {v.id: dot for v, dot in zip(moving, dots)})
    made = [_or_zero(dot, v) for dot, v in zip(found, rising)]
    return Graph((*graph.inputs, *dots), (*graph.outputs, *made))


def vjp(graph: Graph, wrt: Sequence[int] | None = None) -> Graph:
    """The graph with the cotangents of its inputs.

    inputs + a cotangent for each floating output -> outputs + a cotangent for each input of `wrt`.

    Args:
        graph: a program.
        wrt: positions of floating inputs; all of them when not given.
    """
    chosen = [graph.inputs[i] for i in wrt] if wrt is not None else graph.inputs
    wanted = [v for v in chosen if varies(v)]
    if wrt is not None and len(wanted) != len(chosen):
        wrong = next(v for v in chosen if not varies(v))
        raise UsageError(
            "vjp: only floating inputs have derivatives",
            [f"asked for: {wrong.type}", f"inputs: {', '.join(str(v.type) for v in graph.inputs)}"],
            "leave it out of wrt, or cast it to a floating dtype outside",
        )
    rising = [v for v in graph.outputs if varies(v)]
    bars = [placeholder(v.type) for v in rising]
    found = pull_back(rising, bars, wanted)
    made = [_or_zero(bar, v) for bar, v in zip(found, wanted)]
    return Graph((*graph.inputs, *bars), (*graph.outputs, *made))


def saved_values(forward: Sequence[Value], backward: Sequence[Value]) -> list[Value]:
    """The values of the forward program that the backward program reads: what must be kept.

    Args:
        forward: outputs of the forward program.
        backward: outputs of the backward program (gradients).

    Returns:
        Inputs and nodes, without constants, in topological order.
    """
    ahead = topological(forward)
    ids = {v.id for v in ahead}
    read: set[int] = {v.id for v in backward if v.id in ids}
    for v in topological(backward, stop=lambda v: v.id in ids):
        if v.id not in ids:
            read.update(o.id for o in v.operands if o.id in ids)
    return [v for v in ahead if v.id in read and not (v.op is not None and v.op.arity == 0)]
