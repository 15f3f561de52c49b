"""Functions that say how they are differentiated: `checkpoint`, `custom_jvp`, `custom_vjp`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError, user_frames
from lamina.graph.ir import Graph, Value, emit
from lamina.graph.ir import placeholder as input_of
from lamina.graph.ops import Checkpoint, Custom, Identity, Name
from lamina.graph.ops import sum as sum_of
from lamina.tensor import eager
from lamina.tensor.batching import vmap
from lamina.tensor.control.bodies import Closure, Tree, begin, recorded
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.named_axes import Axis, bound, in_sight
from lamina.tensor.namespace.creation import zeros_like
from lamina.tensor.tensor import Tensor, wrap

POLICIES = ("nothing", "products", "everything")


def checkpoint(
    f: Callable[..., Any] | None = None,
    *,
    keep: str | Sequence[str] = "nothing",
    budget: float | None = None,
) -> Any:
    """`f`, whose inner values are not kept for its derivative but computed again.

    Saves memory and costs up to one more forward pass of `f`. What `f` assigns to modules, and the
    random numbers it draws, are those of the first computation.

    With a budget the compiler chooses which values to keep: it drops those that are cheap to make
    for their size, and makes them again, bit for bit, shortly before they are read. What counts is
    the arena of the program that holds the derivative, as `explain` reports it: all intermediates,
    but not arguments, results and parameters. Where no choice is good enough the program takes the
    least it can, and a `MemoryBudgetWarning` says how much that is.

    Args:
        f: any function of tensors; without it, `checkpoint(...)` is a decorator with options.
        keep: "nothing"; "products" keeps the results of matrix products and convolutions;
            "everything" keeps all, as without `checkpoint`; a list of names keeps the values that
            `checkpoint_name` gave these names.
        budget: how much memory the program with the derivative of `f` may take, in place of `keep`:
            a float up to 1.0 is a share of what it takes without, an integer is bytes. Several
            budgets in one program hold together. In the body of a loop it is the body's program.

    Raises:
        UsageError: there is no such policy, or the budget is not positive or is a share above 1.

    Example:
        >>> import lamina as lm
        >>> layer = checkpoint(lambda x: lm.sin(lm.exp(x)))
        >>> lm.grad(lambda x: layer(x))(lm.asarray(0.0))
        Tensor(0.5403..., shape=(), dtype=float32)

    Source: Chen et al. 2016, "Training deep nets with sublinear memory cost".
    """
    policy = _policy(keep) if budget is None else _within(budget, keep)
    if f is None:
        return lambda g: checkpoint(g, keep=keep, budget=budget)

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if policy is None:
            return f(*args, **kwargs)
        with user_frames, eager.history_kept():
            since = begin()
            result = Tree.of(f(*args, **kwargs))
            if not result.leaves:
                return result.filled(())
            closure = Closure()
            closure.add([], result.values, since)
            (graph,) = closure.graphs()
            op = Checkpoint(graph, policy)
            return result.filled(recorded(op, closure.captured, len(graph.outputs)))

    return wrapped


def _policy(keep: str | Sequence[str]) -> str | None:
    if not isinstance(keep, str):
        return f"names: {', '.join(keep)}"
    if keep not in POLICIES:
        raise UsageError(
            f"checkpoint: no policy {keep!r}",
            [f"there are: {', '.join(POLICIES)}, or a list of names"],
            "names are given with checkpoint_name(x, name)",
        )
    return None if keep == "everything" else keep


def _within(budget: float, keep: str | Sequence[str]) -> str:
    if keep != "nothing":
        raise UsageError(
            "checkpoint: both keep and budget are given",
            [f"keep: {keep!r}", f"budget: {budget!r}"],
            "give one of them: with a budget the compiler chooses what to keep",
        )
    number = isinstance(budget, int | float | np.integer | np.floating)
    whole = isinstance(budget, int | np.integer)
    if not number or isinstance(budget, bool) or not budget > 0 or not (whole or budget <= 1.0):
        raise UsageError(
            f"checkpoint: no budget {budget!r}",
            ["a share: a float above 0, up to 1.0", "bytes: a positive integer"],
            "budget=0.4 is 40 % of what the program takes without",
        )
    return f"within: {int(budget) if whole else float(budget)}"


def checkpoint_name(x: Any, name: str) -> Tensor:
    """`x` under a name that `checkpoint(keep=[name])` can ask for."""
    return emit(Name(str(name)), asarray(x))


class _Author:
    """A rule written on tensors, made one on values; the ops of the graph know only those.

    Args:
        f: the user's function.
        printed: the name for messages and for the text of a graph.
        arguments: the arguments of the call, taken apart.
        captured: how many of the op's operands come before those, from outside.
        axes: named axes that the rule may ask for; their places are the last of the captured.
    """

    push: Callable[..., Any] | None = None
    pull: Callable[..., Any] | None = None

    def __init__(
        self,
        f: Any,
        printed: str,
        arguments: Sequence[Tree],
        captured: int,
        axes: Sequence[Axis] = (),
    ):
        self.f = f
        self.printed = printed
        self.arguments = arguments
        self.captured = captured
        self.axes = axes

    def lifted(self, size: int, is_batched: Sequence[bool]) -> Any:
        """The rule for many examples at once."""
        return _Lifted(self, size, is_batched)

    def filled(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments with other leaves."""
        rest = iter(leaves)
        return tuple(tree.filled([next(rest) for _ in tree.leaves]) for tree in self.arguments)

    def own(self, operands: Sequence[Any]) -> list[Any]:
        """What stands for the leaves of the arguments among things for all operands."""
        return list(operands[self.captured :])

    def named(self, operands: Sequence[Value]) -> AbstractContextManager[None]:
        """Inside, the names are those of the call, with the places that the operands say now."""
        places = operands[self.captured - len(self.axes) : self.captured]
        return bound([replace(a, place=v) for a, v in zip(self.axes, places, strict=True)])


class _Forward(_Author):
    """A rule that gives tangents; cotangents follow by transposing it."""

    def push(self, operands: Sequence[Value], dots: Sequence[Any]) -> list[Any]:  # type: ignore[override]
        """A tangent for each result."""
        leaves = [wrap(v) for v in self.own(operands)]
        given = [zeros_like(x) if d is None else wrap(d) for x, d in zip(leaves, self.own(dots))]
        with self.named(operands):
            result = self.f(self.filled(leaves), self.filled(given))
        if not isinstance(result, tuple) or len(result) != 2:
            raise UsageError(
                f"{self.printed}: the rule does not return a pair",
                [f"returned: {type(result).__name__}"],
                "return (result, tangent of the result)",
            )
        made, found = Tree.of(result[0]), Tree.of(result[1])
        if [t.shape for t in made.leaves] != [t.shape for t in found.leaves]:
            raise ShapeError(
                f"{self.printed}: the tangent is not like the result",
                [f"result:  {made.structure()}", f"tangent: {found.structure()}"],
                "a tangent has the shape of what it is the tangent of",
            )
        pairs = zip(found.leaves, made.leaves, strict=True)
        return [cast(d, t.dtype)._value if t.dtype.is_float else None for d, t in pairs]


class _Backward(_Author):
    """A rule that gives cotangents, as a pair of functions (forward, backward)."""

    def pull(self, operands: Sequence[Value], bars: Sequence[Any]) -> list[Any]:  # type: ignore[override]
        """A cotangent, or None, for each operand."""
        forward, backward = self.f
        with self.named(operands):
            result = forward(*self.filled([wrap(v) for v in self.own(operands)]))
        if not isinstance(result, tuple) or len(result) != 2:
            raise UsageError(
                f"{self.printed}: the forward rule does not return a pair",
                [f"returned: {type(result).__name__}"],
                "return (result, what the backward rule needs)",
            )
        given = Tree.of(result[0]).filled([wrap(b) for b in bars])
        with self.named(operands):
            bar = backward(result[1], given)
        found = self._like_arguments(bar)
        return [None] * self.captured + [None if t is None else t._value for t in found]

    def _like_arguments(self, given: Any) -> list[Tensor | None]:
        """A cotangent or None for each leaf of the arguments."""
        if not isinstance(given, tuple) or len(given) != len(self.arguments):
            count = f"{len(given)} in a tuple" if isinstance(given, tuple) else type(given).__name__
            raise UsageError(
                f"{self.printed}: the backward rule does not give one cotangent for each argument",
                [f"arguments: {len(self.arguments)}", f"given: {count}"],
                "return a tuple with a tree like each argument, or None for zero",
            )
        found: list[Tensor | None] = []
        for argument, part in zip(self.arguments, given, strict=True):
            bars = [None] * len(argument.leaves) if part is None else Tree.of(part).leaves
            wanted = [t.shape for t in argument.leaves]
            if part is not None and [b.shape for b in bars if b is not None] != wanted:
                raise ShapeError(
                    f"{self.printed}: a cotangent does not fit its argument",
                    [
                        f"argument:  {', '.join(map(str, argument.types))}",
                        f"cotangent: {', '.join(str(b.type) for b in bars if b is not None)}",
                    ],
                    "a cotangent has the shape of what it is the cotangent of",
                )
            pairs = zip(bars, argument.leaves, strict=True)
            found += [None if b is None else cast(b, x.dtype) for b, x in pairs]
        return found


class _Lifted:
    """A rule for many examples at once: the rule for one, mapped."""

    def __init__(self, rule: Any, size: int, is_batched: Sequence[bool]):
        self.rule = rule
        self.printed = f"vmap({rule.printed})"
        self.size = size
        self.is_batched = tuple(is_batched)
        self.push = None if rule.push is None else self._push
        self.pull = None if rule.pull is None else self._pull

    def lifted(self, size: int, is_batched: Sequence[bool]) -> Any:
        """The rule for many batches at once."""
        return _Lifted(self, size, is_batched)

    def _push(self, operands: Sequence[Value], dots: Sequence[Any]) -> list[Any]:
        axes = [0 if b else None for b in self.is_batched]
        return self._mapped(self.rule.push, operands, dots, axes, axes)

    def _pull(self, operands: Sequence[Value], bars: Sequence[Any]) -> list[Any]:
        """That of a shared operand is a sum over the examples."""
        axes = [0 if b else None for b in self.is_batched]
        found = self._mapped(self.rule.pull, operands, bars, axes, [0] * len(bars))
        return [
            bar if bar is None or batched else sum_of(bar, -bar.rank)
            for bar, batched in zip(found, self.is_batched, strict=True)
        ]

    def _mapped(
        self,
        rule: Callable[..., Any],
        operands: Sequence[Value],
        others: Sequence[Any],
        axes: list[int | None],
        other_axes: Sequence[int | None],
    ) -> list[Any]:
        there = [i for i, x in enumerate(others) if x is not None]

        def one(*tensors: Tensor) -> list[Any]:
            values = [t._value for t in tensors]
            given: list[Any] = [None] * len(others)
            for i, v in zip(there, values[len(operands) :], strict=True):
                given[i] = v
            found = rule(values[: len(operands)], given)
            return [None if v is None else wrap(v) for v in found]

        tensors = [wrap(v) for v in (*operands, *(others[i] for i in there))]
        mapped = vmap(one, in_axes=[*axes, *(other_axes[i] for i in there)])(*tensors)
        return [None if t is None else t._value for t in mapped]


class _Customised:
    """A function with a derivative of its own, once its rule is defined."""

    kind: type[_Author] = _Author
    name = ""
    way = ""

    def __init__(self, f: Callable[..., Any]):
        functools.update_wrapper(self, f)
        self._f = f
        self._rule: Any = None

    def __call__(self, *args: Any) -> Any:
        if self._rule is None:
            raise UsageError(
                f"{self.name}: {self._title} has no rule yet", (), f"define it with {self.way}"
            )
        with user_frames, eager.history_kept():
            arguments = [Tree.of(a) for a in args]
            leaves = [t for tree in arguments for t in tree.leaves]
            since = begin()
            copies = [emit(Identity(), t) for t in leaves]
            rest = iter(copies)
            given = [tree.filled([next(rest) for _ in tree.leaves]) for tree in arguments]
            result = Tree.of(self._f(*given))
            closure = Closure()
            closure.add([t._value for t in copies], result.values, since)
            (graph,) = closure.graphs()
            axes = in_sight()
            captured = [*closure.captured, *[axis.place for axis in axes]]
            graph = _with_places(graph, len(closure.captured), axes) if axes else graph
            rule = self.kind(self._rule, self._title, arguments, len(captured), axes)
            operands = [*captured, *[t._value for t in leaves]]
            return result.filled(recorded(Custom(graph, rule), operands, len(graph.outputs)))

    @property
    def _title(self) -> str:
        return getattr(self._f, "__name__", self.name)


def _with_places(graph: Graph, at: int, axes: Sequence[Axis]) -> Graph:
    """The graph with an input for the place on each axis, which it does not read, before `at`."""
    places = [input_of(axis.place.type) for axis in axes]
    return Graph([*graph.inputs[:at], *places, *graph.inputs[at:]], graph.outputs)


class custom_jvp(_Customised):
    """`f` with a forward derivative of its own, from which the reverse one follows.

    Tensors that `f` reads from outside count as constants.

    Example:
        >>> import lamina as lm
        >>> @custom_jvp
        ... def safe_sqrt(x):
        ...     return lm.sqrt(x)
        >>> @safe_sqrt.defjvp
        ... def rule(primals, tangents):
        ...     y = safe_sqrt(*primals)
        ...     return y, tangents[0] / lm.maximum(2.0 * y, 1e-3)
        >>> lm.grad(safe_sqrt)(lm.asarray(0.0))
        Tensor(1000., shape=(), dtype=float32)
    """

    kind = _Forward
    name = "custom_jvp"
    way = "@f.defjvp"

    def defjvp(self, rule: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
        """`rule(primals, tangents) -> (result, tangent)`: linear in the tangents."""
        self._rule = rule
        return rule


class custom_vjp(_Customised):
    """`f` with a reverse derivative of its own. It has no forward one.

    Tensors that `f` reads from outside count as constants.

    Example:
        >>> import lamina as lm
        >>> @custom_vjp
        ... def clipped(x):
        ...     return x * 1.0
        >>> clipped.defvjp(lambda x: (clipped(x), None), lambda _, bar: (lm.clip(bar, -1.0, 1.0),))
        >>> lm.grad(lambda x: 5.0 * clipped(x))(lm.asarray(2.0))
        Tensor(1., shape=(), dtype=float32)
    """

    kind = _Backward
    name = "custom_vjp"
    way = "f.defvjp(forward, backward)"

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """`forward(*args) -> (result, kept)`; `backward(kept, bar)` -> a cotangent for each arg."""
        self._rule = (forward, backward)
