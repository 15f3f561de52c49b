"""Rewrite rules: equations between expressions, and functions on nodes of given ops.

An equation is a function of wildcards that returns both sides and is used left to right:

    @rule(exact=True)
    def double_negation(x): return -(-x), x

Applied to pattern terms it gives the left side to match; applied to the matched values it gives
the right side. A scalar on the left matches a constant with that value everywhere. Where
parameters such as axes matter, a rule is a function of the matched nodes:

    @structural_rule(Permute, Permute)
    def merge_permutes(outer, inner): return permute(inner.operands[0], ...)   # or None

A rule tests itself (`holds`): an equation on random numbers, an exact one also on signed zeros,
infinities, NaN and all their pairs; a structural rule on the Before and After of its docstring.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from lamina.base import dtypes
from lamina.base.dtypes import DType
from lamina.base.errors import VerifyError
from lamina.base.records import frozen
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.graph import Graph
from lamina.graph.ir.op import Op
from lamina.graph.ir.parser import before_after
from lamina.graph.ir.types import TensorType
from lamina.graph.ir.value import Expression, Value, placeholder

KINDS = {
    "bool": (dtypes.bool_,),
    "int": (dtypes.int8, dtypes.int32),
    "uint": (dtypes.uint8,),
    "float": (dtypes.float32, dtypes.float64),
}
"""The dtypes on which a rule of each kind is tried."""


@frozen
class Term(Expression):
    """A piece of a pattern: a wildcard with a name, a scalar, or an op applied to terms.

    An op of a pattern means the ops that equal it, unless it has terms among its own parameters:
    then its `meets(op, found)` says whether it means `op`, and adds what they stand for.
    """

    op: Op | None = None
    operands: tuple[Term, ...] = ()
    name: str = ""
    kinds: tuple[str, ...] = ()
    scalar: bool | int | float | None = None
    emit_level: ClassVar[int] = 2

    def __emit__(self, op: Op, operands: tuple[Any, ...]) -> Term:
        return Term(op, tuple(operands))

    def __lift__(self, scalar: bool | int | float) -> Term:
        """The scalar as an operand beside this term."""
        return Term(scalar=scalar)

    def matches(self, v: Value, found: dict[str, Any]) -> bool:
        """Whether `v` has this form; adds what the wildcards stand for to `found`."""
        mine = self.op
        if mine is not None:
            return (
                v.op is not None
                and (
                    type(v.op) is type(mine) and v.op == mine
                    if mine.meets is None
                    else mine.meets(v.op, found)
                )
                and all(t.matches(o, found) for t, o in zip(self.operands, v.operands))
            )
        if self.scalar is not None:
            return v.op is not None and same_scalar(splat(v), self.scalar)
        return v.dtype.kind in self.kinds and found.setdefault(self.name, v) is v


def splat(v: Value) -> bool | int | float | None:
    """The one value of a constant whose elements are all equal, else None."""
    return getattr(v.op, "splat", None)


def same_scalar(a: bool | int | float | None, b: bool | int | float) -> bool:
    """Equal numbers; zeros must have the same sign, a NaN is never meant."""
    return a is not None and a == b and math.copysign(1.0, a) == math.copysign(1.0, b)


@frozen
class Rule:
    """One simplification.

    Attributes:
        name: of the function that states it.
        roots: the op classes of the nodes it applies to.
        rewrite: the new value for a node, or None where the rule does not apply.
        exact: the same for all numbers, NaN and signed zeros included; else used only on request.
        holds: tries the rule; raises AssertionError where it is wrong.
    """

    name: str
    roots: tuple[type[Op], ...]
    rewrite: Callable[[Value], Value | None]
    exact: bool
    holds: Callable[[], None] = field(repr=False)

    def apply(self, v: Value) -> Value | None:
        """`rewrite`, with the result checked to be of the type of `v`."""
        w = self.rewrite(v)
        if w is not None and w.type is not v.type:
            facts = [f"was:  {v.type}", f"now:  {w.type}"]
            raise VerifyError(f"rule {self.name}: changes the type of {v!r}", facts, span=v.span)
        return w


def holds(rule: Rule) -> bool:
    """Whether both sides of `rule` agree on the numbers it is tried on."""
    rule.holds()
    return True


# ---------------------------------------------------------------------- equations


def rule(
    equation: Callable[..., tuple[Any, Any]] | None = None,
    *,
    exact: bool = False,
    rounding: bool = False,
    kinds: str = "float",
) -> Any:
    """Read `def f(x, y): return left, right` as the equation left = right, used left to right.

    Args:
        equation: the function; its parameters are the wildcards. The annotation `c: bool`, in a
            module with postponed annotations, restricts a wildcard to that dtype kind.
        exact: the sides agree bit for bit on all floats.
        rounding: exact but for the last bits, because the left side rounds more than once.
        kinds: the dtype kinds of wildcards without annotation, as in "int uint".
    """
    if equation is None:
        return lambda f: rule(f, exact=exact, rounding=rounding, kinds=kinds)
    f = equation
    wildcards = tuple(
        Term(name=p.name, kinds=(p.annotation,) if p.annotation in KINDS else tuple(kinds.split()))
        for p in inspect.signature(f).parameters.values()
    )
    left = f(*wildcards)[0]

    def rewrite(v: Value) -> Value | None:
        found: dict[str, Value] = {}
        return f(*[found[t.name] for t in wildcards])[1] if left.matches(v, found) else None

    attempt = lambda: _try(f, wildcards, exact, rounding)
    return Rule(f.__name__, (type(left.op),), rewrite, exact, attempt)


def _try(
    f: Callable[..., tuple[Any, Any]], wildcards: tuple[Term, ...], exact: bool, rounding: bool
) -> None:
    for typing in _typings(wildcards):
        arrays = _samples(typing, exact)
        inputs = [placeholder(TensorType(d, a.shape)) for d, a in zip(typing, arrays)]
        left, right = evaluate(Graph(inputs, f(*inputs)), *arrays)
        message = f"{f.__name__} on {', '.join(map(str, typing))}"
        assert left.dtype == right.dtype, message
        if exact and not rounding:
            assert_same_bits(left, right, message)
        else:
            np.testing.assert_allclose(left, right, 1e-4, 1e-4, err_msg=message)


def _typings(wildcards: tuple[Term, ...]) -> Iterator[list[DType]]:
    """The dtypes for the wildcards: those that take the same kinds share one."""
    groups = list(dict.fromkeys(t.kinds for t in wildcards))
    choices = [[d for kind in kinds for d in KINDS[kind]] for kinds in groups]
    for chosen in itertools.product(*choices):
        by_kinds = dict(zip(groups, chosen))
        yield [by_kinds[t.kinds] for t in wildcards]


def _samples(typing: list[DType], exact: bool) -> list[np.ndarray]:
    """Random elements; for exact rules also all combinations of the special ones."""
    rng = np.random.default_rng(0)
    columns = [_random(d, rng) for d in typing]
    if exact:
        special = list(itertools.product(*[_special(d) for d in typing]))
        columns = [[*c, *(row[i] for row in special)] for i, c in enumerate(columns)]
    return [np.array(c, d.numpy) for c, d in zip(columns, typing)]


def _random(d: DType, rng: np.random.Generator, count: int = 64) -> list[Any]:
    if d.is_float:
        return rng.standard_normal(count).tolist()
    low, high = (0, 2) if d.kind == "bool" else (0 if d.kind == "uint" else -100, 100)
    return rng.integers(low, high, count).tolist()


def _special(d: DType) -> list[Any]:
    if d.kind == "bool":
        return [False, True]
    if d.is_float:
        tiny = float(np.finfo(d.numpy).smallest_subnormal)
        huge = float(np.finfo(d.numpy).max)
        return [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, tiny, -tiny, huge, -huge]
    info = np.iinfo(d.numpy)
    return [0, 1, info.min, info.max, info.max - 1]


def assert_same_bits(a: np.ndarray, b: np.ndarray, message: str = "") -> None:
    """Equal element by element: zeros with their sign, and NaN equal to NaN."""
    np.testing.assert_array_equal(a, b, err_msg=message)
    if dtypes.dtype(a.dtype).is_float:
        numbers = ~np.isnan(a)
        np.testing.assert_array_equal(np.signbit(a[numbers]), np.signbit(b[numbers]), message)


# ---------------------------------------------------------------------- structural rules


def structural_rule(
    root: type[Op] | tuple[type[Op], ...],
    *below: type[Op],
    exact: bool = True,
    rounding: bool = False,
) -> Callable[[Callable[..., Value | None]], Rule]:
    """Read `def f(node, operand, ...)` as a rewriting of nodes of the ops `root`, `below`, ...

    The function gets the node, its first operand, that one's first operand and so on, one for
    each op class, with whatever parameters they have; it gives the new value or None. Its
    docstring has a Before and an After, on which the rule is tried.

    Args:
        root: the class, or classes, of the node.
        below: the classes along the first operands.
        exact: see Rule.
        rounding: exact but for the last bits, such as where only the order of a sum changes.
    """
    roots = root if isinstance(root, tuple) else (root,)

    def read(f: Callable[..., Value | None]) -> Rule:
        def rewrite(v: Value) -> Value | None:
            chain = [v]
            for kind in below:
                operand = chain[-1].operands[0]
                if not isinstance(operand.op, kind):
                    return None
                chain.append(operand)
            return f(*chain)

        close = rounding or not exact
        made = Rule(f.__name__, roots, rewrite, exact, lambda: _try_example(f, made, close))
        return made

    return read


def _try_example(f: Callable[..., Any], made: Rule, close: bool) -> None:
    graphs = before_after(f.__doc__)
    assert graphs is not None, f"{made.name}: the docstring has no Before and After"
    before, after = graphs
    root = before.outputs[0]
    got = made.apply(root) if isinstance(root.op, made.roots) else None
    assert got is not None, f"{made.name}: does not apply to its Before"
    rewritten = Graph(before.inputs, (got,))
    assert rewritten == after, f"{made.name}: gives another After\n{rewritten}\n{after}"
    for arrays in example_arrays(before):
        left, right = evaluate(before, *arrays)[0], evaluate(rewritten, *arrays)[0]
        if close:
            np.testing.assert_allclose(left, right, 1e-4, 1e-4, err_msg=made.name)
        else:
            assert_same_bits(left, right, made.name)


def example_arrays(graph: Graph, seeds: Iterable[int] = (0, 1)) -> Iterator[list[np.ndarray]]:
    """Random inputs for `graph`, one list for each seed."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        yield [
            np.array(_random(v.dtype, rng, v.type.size), v.dtype.numpy).reshape(v.shape)
            for v in graph.inputs
        ]
