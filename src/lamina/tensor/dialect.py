"""Dialects: operators of users under one name, what they all require, and rules between them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from lamina.base.errors import LaminaError, ShapeError, UsageError, user_frames
from lamina.graph.ir import Graph, TensorType, Value, emit, placeholder
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.graph import inline
from lamina.graph.ir.pattern import Rule, Term
from lamina.graph.ops import Foreign, Item, lift
from lamina.tensor.control.bodies import require_callable
from lamina.tensor.conversion import asarray
from lamina.tensor.custom_op import CustomOp
from lamina.tensor.lowering import for_examples, traced

KNOWN_GRAPHS = 256  # of one replacement, by the types and attributes it was traced for


class Dialect:
    """Operators of a user's under one name: `name.op` in graphs, messages and `explain`.

    Each is a `CustomOp`, made by `op` of its type rule. `verify` adds what all of them require,
    `rule` an equation that the compiler uses from left to right. What an operator is made of, in
    operators of this dialect, of another, or of Lamina, its `deflower` says.

    Args:
        name: an identifier.

    Attributes:
        ops: the operators by name.

    Example:
        >>> import lamina as lm
        >>> affine = Dialect("affine")
        >>> @affine.op
        ... def scale(x, *, by):
        ...     return x
        >>> @scale.deflower
        ... def _(x, *, by):
        ...     return x * by
        >>> @affine.rule(lambda x, a, b: scale(scale(x, by=a), by=b))
        ... def scales_merge(x, a, b):
        ...     return scale(x, by=a * b)
        >>> lm.jit(lambda x: scale(scale(x, by=2.0), by=3.0))(lm.asarray([1.0, 2.0]))
        Tensor([ 6., 12.], shape=(2,), dtype=float32)
        >>> scales_merge.holds(lm.asarray([1.0, 2.0]), 2.0, 3.0)
        True

    Source: the idea of dialects, Lattner et al. 2021, "MLIR: scaling compiler infrastructure for
    domain specific computation".
    """

    def __init__(self, name: str):
        if not isinstance(name, str) or not name.isidentifier():
            raise UsageError("Dialect: the name is no identifier", [f"given: {name!r}"])
        self.name = name
        self.ops: dict[str, CustomOp] = {}
        self._requirements: list[Callable[..., None]] = []

    def op(self, rule: Callable[..., Any] | None = None, *, outputs: Sequence[str] = ()) -> Any:
        """A new operator of the dialect, by its type rule; a decorator. See `custom_op`."""
        if rule is None:
            return lambda f: self.op(f, outputs=outputs)
        made = CustomOp(rule, outputs, self.name, self._require)
        self.ops[rule.__name__] = made
        return made

    def verify(self, check: Callable[..., None]) -> Callable[..., None]:
        """`check(name, types, attributes)` raises what no operator here takes; a decorator.

        It runs before the type rule, whenever one of the operators is called or checked: with its
        name in graphs, the types of its operands as a tuple, and its attributes as a dict.
        """
        require_callable(f"{self.name}.verify", check=check)
        self._requirements.append(check)
        return check

    def _require(
        self, name: str, types: tuple[TensorType, ...], attributes: dict[str, Any]
    ) -> None:
        for check in self._requirements:
            check(name, types, attributes)

    def rule(self, pattern: Callable[..., Any]) -> Callable[[Callable[..., Any]], Rewriting]:
        """A rule of the compiler: what has the form of `pattern` becomes what `f` gives.

        Args:
            pattern: a function of wildcards, for operands and for attributes, that returns a result
                of an operator of this dialect; those inside may be of others.

        Returns:
            A decorator for `f`, which gets tensors and attributes by the same names. It returns a
            tensor of the same type, or None where the rule does not apply.

        Raises:
            UsageError: the pattern is no result of an operator of the dialect, or leaves a wildcard
                out.
        """
        with user_frames:
            term, names = self._pattern(pattern)

        def read(f: Callable[..., Any]) -> Rewriting:
            made = Rewriting(f"{self.name}.{f.__name__}", term, names, f)
            self._owner(term)._add_pattern(made.stated)
            return made

        return read

    def _pattern(self, pattern: Callable[..., Any]) -> tuple[Term, tuple[str, ...]]:
        require_callable(f"{self.name}.rule", pattern=pattern)
        names = tuple(inspect.signature(pattern).parameters)
        try:
            term = pattern(*[Term(name=name, kinds=KINDS) for name in names])
        except (LaminaError, AttributeError, TypeError) as problem:
            raise UsageError(
                f"{self.name}.rule: the pattern cannot be read",
                [f"{type(problem).__name__}: {str(problem).splitlines()[0]}"],
                "apply operators of dialects, and arithmetic such as x + y, to the wildcards",
            ) from problem
        if self._owner(term) is None:
            raise UsageError(
                f"{self.name}.rule: the pattern is no result of an operator of {self.name}",
                [f"returned: {type(term).__name__}", f"operators: {', '.join(self.ops) or 'none'}"],
                "apply one of them, as in lambda x: f(g(x))",
            )
        missing = set(names) - {*_operands(term), *_attributes(term)}
        if missing:
            raise UsageError(
                f"{self.name}.rule: the pattern leaves wildcards out",
                [f"left out: {', '.join(sorted(missing))}"],
                "use each of them, as an operand or as an attribute",
            )
        return term, names

    def _owner(self, term: Any) -> Any:
        """The operator whose result a pattern is, if it is of this dialect."""
        if not isinstance(term, Term) or not isinstance(term.op, Item):
            return None
        maker: Any = term.operands[0].op
        return next((op for op in self.ops.values() if op._is(maker)), None)

    def __repr__(self) -> str:
        return f"<dialect {self.name}: {', '.join(self.ops)}>"


KINDS = ("bool", "int", "uint", "float", "complex", "storage")
"""Wildcards of users stand for tensors of all kinds of dtypes."""


class Rewriting:
    """A rule of a dialect; `Dialect.rule` makes one.

    Attributes:
        name: of the dialect and of the function, as in "affine.scales_merge".
    """

    def __init__(self, name: str, term: Term, names: tuple[str, ...], f: Callable[..., Any]):
        self.name = name
        self._term = term
        self._names = names
        self._operands = tuple(dict.fromkeys(_operands(term)))
        self._f = f
        self._known = lru_cache(KNOWN_GRAPHS)(self._graph)
        self.stated = Rule(name, (Item,), self._rewrite, True, lambda: None)

    def holds(self, *arguments: Any) -> bool:
        """Whether both sides are the same for these arguments, by the NumPy reference.

        Args:
            arguments: a tensor for each operand of the pattern, a value for each attribute.

        Raises:
            AssertionError: they differ, or the rule does not apply.
        """
        if len(arguments) != len(self._names):
            raise UsageError(
                f"{self.name}: takes {len(self._names)} arguments, got {len(arguments)}",
                [f"the pattern has {', '.join(self._names)}"],
            )
        given = dict(zip(self._names, arguments))
        tensors = {name: asarray(given[name]) for name in self._operands}
        inputs = {name: placeholder(t.type) for name, t in tensors.items()}
        left = _filled(self._term, given | inputs)
        right = self.stated.apply(left)
        assert right is not None, f"{self.name}: does not apply to these arguments"
        arrays = [t.numpy() for t in tensors.values()]
        a, b = evaluate(Graph(list(inputs.values()), [left, right]), *arrays)
        np.testing.assert_allclose(a, b, 1e-4, 1e-4, err_msg=self.name)
        return True

    def _rewrite(self, v: Value) -> Value | None:
        found: dict[str, Any] = {}
        rows: dict[str, bool] = {}
        op = v.operands[0].op
        if not self._term.matches(v, found) or not _rows(self._term, v, op.lead, True, rows):
            return None
        operands: list[Value] = [found[name] for name in self._operands]
        lead = [op.lead if rows[name] else 0 for name in self._operands]
        types = tuple(o.type.with_shape(o.shape[n:]) for o, n in zip(operands, lead))
        attributes = tuple((n, x) for n, x in found.items() if n not in self._operands)
        graph = self._known(types, attributes, repr(attributes))
        if graph is None:
            return None
        sizes = v.shape[: op.lead]
        graph = for_examples(graph, sizes, [n > 0 for n in lead])
        (made,) = inline(graph, operands, emit)
        if made.type != v.type:
            one = v.type.with_shape(v.shape[op.lead :])
            raise ShapeError(
                f"{self.name}: the rule changes the type",
                [f"pattern: {one}", f"replacement: {made.type.with_shape(made.shape[op.lead :])}"],
                "return a tensor of the type that the pattern has, or None where there is none",
            )
        return made

    def _graph(
        self, types: tuple[TensorType, ...], attributes: tuple[tuple[str, Any], ...], _text: str
    ) -> Graph | None:
        """The replacement for one example; None where the rule does not apply.

        The text of the attributes tells numbers apart that are equal, such as 2 and 2.0.
        """

        def replaced(*tensors: Any) -> Any:
            given = dict(attributes) | dict(zip(self._operands, tensors))
            result = self._f(*[given[name] for name in self._names])
            if result is None:
                raise _NotApplied
            return result

        try:
            return traced(f"the rule {self.name}", replaced, types)
        except _NotApplied:
            return None

    def __repr__(self) -> str:
        return f"<rule {self.name}({', '.join(self._names)})>"


class _NotApplied(Exception):
    """A replacement that returned None."""


def _operands(term: Term) -> Iterator[str]:
    """The wildcards that stand for operands."""
    if term.name:
        yield term.name
    for part in term.operands:
        yield from _operands(part)


def _attributes(term: Term) -> Iterator[str]:
    """The wildcards that stand for attributes."""
    if isinstance(term.op, Foreign):
        yield from (x.name for _, x in term.op.attributes if isinstance(x, Term))
    for part in term.operands:
        yield from _attributes(part)


def _rows(term: Term, v: Value, lead: int, has: bool, found: dict[str, bool]) -> bool:
    """Whether all operators of a match run on the same examples; notes which wildcards have them.

    Args:
        term, v: a piece of the pattern, and what it matched.
        lead: how many leading axes are examples.
        has: whether `v` has them, where there are any.
        found: gets the same for each wildcard.
    """
    if term.name:
        return found.setdefault(term.name, has) == has
    op = v.op
    if isinstance(op, Foreign) and (op.lead != lead or not has):
        return False
    own = isinstance(op, Foreign) and lead > 0
    return all(
        _rows(t, o, lead, op.has_rows(i) if own else has, found)
        for i, (t, o) in enumerate(zip(term.operands, v.operands))
    )


def _filled(term: Term, given: dict[str, Any]) -> Any:
    """The pattern with values in place of its wildcards."""
    if term.op is None:
        return given[term.name] if term.name else term.scalar
    operands = [_filled(t, given) for t in term.operands]
    like = next((o for o in operands if isinstance(o, Value)), None)
    operands = [o if isinstance(o, Value) else lift(o, like) for o in operands]
    op = term.op
    if isinstance(op, Foreign):
        pairs = [(n, given[x.name] if isinstance(x, Term) else x) for n, x in op.attributes]
        op = replace(op, attributes=tuple(pairs))
    return emit(op, *operands)
