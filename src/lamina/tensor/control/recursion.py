"""`recursive`: functions that call themselves inside the graph, as deep as data says.

A function is traced until what it assumes of itself is what it finds. At first it assumes nothing:
a branch that calls the function ends there, and the other branches say what the result looks like.
Then a call is an op with such results, and the trace finds which tensors the function takes from
outside, which every call hands on. With those the next trace is the last.
"""

from __future__ import annotations

import functools
import re
import threading
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamina.base.errors import ShapeError, UsageError, user_frames
from lamina.graph.ir import Graph, TensorType, Value, grafted
from lamina.graph.ir import placeholder as input_of
from lamina.graph.ops import Recur, Recursion
from lamina.tensor import eager, effects
from lamina.tensor.closures import register_wrapper
from lamina.tensor.control.bodies import (
    Body,
    Closure,
    Tree,
    Unknown,
    generator_state,
    generator_tensors,
    move_generator,
    recorded,
    require_callable,
    trace,
)
from lamina.tensor.conversion import cast
from lamina.tensor.tensor import Tensor, placeholder

MOST_CALLS = 10_000
MOST_TRACES = 8


def recursive(f: Callable[..., Any] | None = None, *, most_calls: int = MOST_CALLS) -> Any:
    """`f`, which may call itself inside the graph, as deep as data says.

    Outside of transforms `f` just runs. Inside `jit`, `vmap`, loops and branches it is traced a few
    times and becomes one op, whose calls run without Python, each with memory of its own. There
    the branch that ends the recursion and the one that goes on are branches of `lm.cond` or
    `lm.switch`. It calls itself by the name of the recursive function, with arguments of the same
    shapes and dtypes; tensors that it reads from outside are handed on. Recursive functions may lie
    inside one another and call those around them.

    Derivatives of all orders and both modes go through. Forward mode computes a function and its
    tangents in one go. Reverse mode keeps nothing: on the way back each call runs once more what
    lies inside it, so that a chain of n calls costs in the order of n² calls. Under `vmap` the
    examples run one after the other, since each ends where it likes.

    Args:
        f: a function of trees of tensors; without it, `recursive(...)` is a decorator with options.
        most_calls: how many calls may be inside one another.

    Raises:
        UsageError: no branch ends the recursion, or `f` calls itself by another name.
        ShapeError: a call has other shapes or dtypes than the first one.
        DepthError: when it runs, more than `most_calls` calls are inside one another.

    Example:
        >>> import lamina as lm
        >>> @lm.recursive
        ... def factorial(n):
        ...     return lm.cond(n <= 1, lambda: 1, lambda: n * factorial(n - 1))
        >>> lm.jit(factorial)(lm.asarray(10))
        Tensor(3628800, shape=(), dtype=int64)
    """
    with user_frames:
        if f is None:
            return functools.partial(recursive, most_calls=most_calls)
        require_callable("recursive", f=f)
        if isinstance(most_calls, bool) or not isinstance(most_calls, int) or most_calls < 1:
            raise UsageError("recursive: most_calls is a positive number", [f"given: {most_calls}"])
        return Recursive(f, most_calls)


class Recursive:
    """A function made by `recursive`."""

    def __init__(self, f: Callable[..., Any], most_calls: int):
        functools.update_wrapper(self, f)
        self.most_calls = most_calls
        self._f = f

    def __call__(self, *args: Any) -> Any:
        for activation in reversed(_open.activations):
            if activation.function is self:
                return activation.call(args)
        if not eager.tracing() and not any(map(_is_abstract, Tree.of(args).leaves)):
            return self._f(*args)
        with user_frames:
            return _recursion(self, self._f, Tree.of(args))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


register_wrapper(Recursive, "_f", ("most_calls",))


def _is_abstract(t: Tensor) -> bool:
    """Whether a tensor stands for data that is not there yet."""
    known = eager.bind([t._value])
    return known.buffer is None and known.source is not None


@dataclass
class _Assumed:
    """What a trace takes for granted of the function that it traces.

    Attributes:
        result: what it returns; None while nothing is known.
        captured: the types of what it takes from outside.
        state: how many tensors the default generator has, if it draws from that; else 0.
        acts: whether it has effects.
    """

    result: Tree | None = None
    captured: tuple[TensorType, ...] = ()
    state: int = 0
    acts: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Assumed) and self._known == other._known

    @property
    def _known(self) -> tuple[Any, ...]:
        structure = None if self.result is None else self.result.structure()
        return structure, self.captured, self.state, self.acts

    def outputs(self) -> list[TensorType]:
        """The types of all results of a call."""
        assert self.result is not None
        made = [*self.result.types]
        if self.state:
            made += [t.type for t in generator_tensors().values()]
        return made + [effects.TOKEN] * self.acts


@dataclass
class _Activation:
    """One trace of a recursive function.

    Attributes:
        name: of the function in the graph; those around it have other ones.
        captured: values that stand for what it takes from outside.
        before: the token that its first ordered effect comes after.
        called: whether it has called itself.
    """

    function: Recursive
    name: str
    arguments: Tree
    assumed: _Assumed
    captured: list[Value] = field(default_factory=list)
    before: Tensor = field(
        default_factory=lambda: placeholder(effects.TOKEN, eager.Source("recursive"))
    )
    called: bool = False

    def call(self, args: Sequence[Any]) -> Any:
        """The results of a call of the function inside itself."""
        self.called = True
        given = self._arguments(args)
        assumed = self.assumed
        if assumed.result is None:
            raise Unknown(self.name)
        generator = generator_tensors()
        operands = [*given.leaves, *(generator.values() if assumed.state else [])]
        operands += [effects.last()] if assumed.acts else []
        op = Recur(self.name, tuple(assumed.outputs()))
        parts = recorded(op, [*self.captured, *[t._value for t in operands]])
        count = len(assumed.result.leaves)
        if assumed.state:
            move_generator(generator, parts[count : count + assumed.state])
        if assumed.acts:
            effects.note(parts[-1])
        return assumed.result.with_numbers(parts[:count])

    def _arguments(self, args: Sequence[Any]) -> Tree:
        given, wanted = Tree.of(tuple(args)), self.arguments
        if len(given.leaves) == len(wanted.leaves):
            for i, (a, b) in enumerate(zip(given.leaves, wanted.leaves)):
                if given.numbers[i] and b.shape == ():
                    given.leaves[i] = cast(a, b.dtype)
        if given.structure() != wanted.structure():
            raise ShapeError(
                f"recursive {self.name}: a call inside it has other arguments than the first one",
                [f"first:  {wanted.structure()}", f"inside: {given.structure()}"],
                "the structure, shapes and dtypes stay the same: cast or pad what it is called "
                "with, and keep what is no tensor outside",
            )
        return given


class _Open(threading.local):
    """The recursive functions that this thread is tracing, the innermost last."""

    def __init__(self) -> None:
        self.activations: list[_Activation] = []


_open = _Open()


def _recursion(function: Recursive, f: Callable[..., Any], arguments: Tree) -> Any:
    """The function as an op, on these arguments."""
    name = _name(f)
    assumed = found = _Assumed()
    for _ in range(MOST_TRACES):
        assumed = found
        activation = _Activation(function, name, arguments, assumed)
        activation.captured = [input_of(t) for t in assumed.captured]
        body = _traced(activation, f)
        closure, found = _found(activation, body)
        if not activation.called or found == assumed:
            return _recorded(activation, body, closure, found)
    assert found.result is not None and assumed.result is not None
    raise ShapeError(
        f"recursive {name}: the result has no type that stays",
        [
            f"where the calls inside give: {assumed.result.structure()}",
            f"it returns:                  {found.result.structure()}",
        ],
        "cast or reshape what the branches return to one type",
    )


def _traced(activation: _Activation, f: Callable[..., Any]) -> Body:
    name = activation.name
    _open.activations.append(activation)
    try:
        with effects.collecting() as tokens:
            tokens.append(activation.before)
            return trace("recursive", lambda args: f(*args), [activation.arguments])
    except Unknown as unknown:
        if unknown.name != name:
            raise
        raise UsageError(
            f"recursive {name}: no branch ends the recursion",
            ["every way through the function calls it again"],
            f"return from one branch without a call, as in "
            f"lm.cond(n <= 1, lambda: 1, lambda: n * {name}(n - 1))",
        ) from None
    except RecursionError:
        raise UsageError(
            f"recursive {name}: the function is traced without end",
            ["a call inside it does not go through the recursive function"],
            "call the function that lm.recursive returned, by the name that it is bound to",
        ) from None
    finally:
        _open.activations.pop()


def _found(activation: _Activation, body: Body) -> tuple[Closure, _Assumed]:
    """What the function is, over all that it takes, and what this trace found of it."""
    result = Tree.of(body.result)
    inputs, outputs = list(body.inputs), list(result.leaves)
    if body.draws:
        inputs += body.state.values()
        outputs += body.after.values()
    if body.tokens:
        inputs.append(activation.before)
        outputs += body.tokens
    closure = Closure()
    given = [*activation.captured, *[t._value for t in inputs]]
    closure.add(given, [t._value for t in outputs])
    captured = tuple([v.type for v in closure.captured])
    state = len(body.state) if body.draws else 0
    return closure, _Assumed(result, captured, state, bool(body.tokens))


def _recorded(activation: _Activation, body: Body, closure: Closure, found: _Assumed) -> Any:
    assert found.result is not None
    count, handed_on = len(closure.captured), len(activation.captured)
    (graph,) = closure.graphs()
    outside, inside = graph.inputs[:count], graph.inputs[count : count + handed_on]
    outputs = grafted(graph.outputs, {v.id: w for v, w in zip(inside, outside)})
    whole = Graph([*outside, *graph.inputs[count + handed_on :]], outputs)
    op = Recursion((activation.name,), (whole,), activation.function.most_calls)
    given = [*activation.arguments.leaves, *(generator_state(body) if found.state else [])]
    given += [effects.last()] if found.acts else []
    parts = recorded(op, [*closure.captured, *[t._value for t in given]])
    leaves = len(found.result.leaves)
    if found.state:
        move_generator(body.state, parts[leaves : leaves + found.state])
    if found.acts:
        effects.note(parts[-1])
    return found.result.filled(parts[:leaves])


def _name(f: Callable[..., Any]) -> str:
    """A name for the graph: that of the function, with a number if one around it has it too."""
    base = re.sub(r"\W", "", getattr(f, "__name__", type(f).__name__)) or "function"
    taken = {activation.name for activation in _open.activations}
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
