"""Loops inside the graph: `scan`, `fori_loop`, `while_loop`, `map`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from lamina.base.dims import as_size
from lamina.base.dtypes import bool_, int64
from lamina.base.errors import ShapeError, UsageError, user_frames
from lamina.graph.ops import Scan, While
from lamina.tensor import eager, effects
from lamina.tensor.batching import vmap
from lamina.tensor.control.bodies import (
    Body,
    Closure,
    Tree,
    generator_state,
    like,
    move_generator,
    recorded,
    require_callable,
    require_same,
    trace,
)
from lamina.tensor.control.branches import cond
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.creation import arange
from lamina.tensor.namespace.elementwise import not_equal
from lamina.tensor.namespace.manipulation import concat, reshape, stack
from lamina.tensor.tensor import Tensor, as_number, placeholder

Settled = tuple[Tree, Body, tuple[Tree, ...]]
"""The first state, a body whose state has one type in all steps, and the trees that it returned."""


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """A loop over the first axis of `xs` that carries a state: (state, x_t) -> (state, y_t).

    The body is traced once and compiled once, whatever the length. Forward and reverse mode,
    `vmap` and `jit` go through it; the reverse pass is a loop over what the forward pass kept.

    Args:
        f: the body; returns (new state, result of the step).
        init: the first state, any tree of tensors.
        xs: a tree of tensors whose first axes count the steps; None for none.
        length: the number of steps, where there are no `xs`.
        reverse: go from the last step to the first.
        unroll: steps in one round of the compiled loop.

    Returns:
        (last state, stacked results): each result has a first axis that counts the steps.

    Raises:
        ShapeError: first axes differ, or the body changes the structure or a type of the state.
        TraceError: the body looks at a value.

    Example:
        >>> import lamina as lm
        >>> total, sums = scan(lambda s, x: (s + x, s + x), lm.asarray(0), lm.arange(1, 4))
        >>> sums
        Tensor([1, 3, 6], shape=(3,), dtype=int64)
    """
    with user_frames:
        require_callable("scan", f=f)
        inputs = Tree.of(xs)
        steps = _length(inputs, length)
        if unroll < 1:
            raise UsageError("scan: unroll is at least 1", [f"given: {unroll}"])
        if unroll > 1 and steps > 1:
            return _unrolled(f, init, inputs, steps, reverse, min(unroll, steps))
        return _scanned(f, init, inputs, steps, reverse)


def _scanned(
    f: Callable[..., Any], init: Any, inputs: Tree, steps: int, reverse: bool
) -> tuple[Any, Any]:
    slices = like(inputs, [t.with_shape(t.shape[1:]) for t in inputs.types])
    return scanned(_settled("scan", f, Tree.of(init), [slices], _pair), inputs, steps, reverse)


def scanned(settled: Settled, inputs: Tree, steps: int, reverse: bool) -> tuple[Any, Any]:
    """A scan whose body is traced."""
    carry, body, (state, made) = settled
    first = len(carry.leaves)
    inner, outer = [*body.inputs[:first]], [*state.leaves]
    given = list(carry.leaves)
    if body.draws:
        inner += body.state.values()
        outer += body.after.values()
        given += generator_state(body)
    closure = Closure()
    results = [*outer, *made.leaves, *body.tokens]
    closure.add(_values([*inner, *body.inputs[first:]]), _values(results))
    op = Scan(closure.graphs()[0], steps, len(given), len(inputs.leaves), reverse)
    operands = [*closure.captured, *_values([*given, *inputs.leaves])]
    parts = recorded(op, operands, len(results))
    if body.draws:
        move_generator(body.state, parts[first : len(outer)])
    for token in parts[len(outer) + len(made.leaves) :]:
        effects.note(token)  # all steps' tokens in one tensor
    return carry.filled(parts[:first]), made.filled(parts[len(outer) :])


def _unrolled(
    f: Callable[..., Any], init: Any, inputs: Tree, steps: int, reverse: bool, width: int
) -> tuple[Any, Any]:
    """Rounds of `width` steps, then the steps that are left."""
    rounds, left = divmod(steps, width)
    many = slice(left, None) if reverse else slice(0, rounds * width)
    rest = slice(0, left) if reverse else slice(rounds * width, None)

    def several(carry: Any, x: Any) -> tuple[Any, Any]:
        given, ys = Tree.of(x), [None] * width
        order = range(width - 1, -1, -1) if reverse else range(width)
        for k in order:
            carry, ys[k] = _checked_pair(f(carry, given.filled([t[k] for t in given.leaves])))
        return carry, _stacked(ys)

    grouped = [reshape(t[many], (rounds, width, *t.shape[1:])) for t in inputs.leaves]
    whole = Tree(inputs.shape, grouped, inputs.numbers)
    carry, found = _scanned(several, init, whole, rounds, reverse)
    flat = Tree.of(found)
    ys = [reshape(t, (rounds * width, *t.shape[2:])) for t in flat.leaves]
    if left:
        tail = Tree(inputs.shape, [t[rest] for t in inputs.leaves], inputs.numbers)
        carry, more = _scanned(f, carry, tail, left, reverse)
        others = Tree.of(more).leaves
        ys = [concat([b, a] if reverse else [a, b]) for a, b in zip(ys, others, strict=True)]
    return carry, flat.filled(ys)


def _stacked(trees: Sequence[Any]) -> Any:
    taken = [Tree.of(tree) for tree in trees]
    return taken[0].filled([stack(rows) for rows in zip(*[t.leaves for t in taken], strict=True)])


def _values(tensors: Sequence[Tensor]) -> list[Any]:
    return [t._value for t in tensors]


def _length(inputs: Tree, length: int | None) -> int:
    sizes = {}
    for x in inputs.leaves:
        if not x.shape:
            raise ShapeError(
                "scan: an input has no axis to go along",
                [f"input: {x.type}"],
                "give what is the same at every step in the state, or close over it",
            )
        sizes[x.shape[0]] = x
    if len(sizes) > 1 or (sizes and length is not None and length not in sizes):
        facts = [f"input: {x.type}" for x in sizes.values()]
        facts += [f"length: {length}"] if length is not None else []
        raise ShapeError("scan: the first axes differ", facts, "each counts the steps")
    if not sizes and length is None:
        raise UsageError("scan: the number of steps is unknown", (), "give xs or length")
    return as_size(next(iter(sizes), length or 0))


def _checked_pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise UsageError(
            "scan: the body does not return a pair",
            [f"returned: {type(result).__name__}"],
            "return (state, result of the step), None for no result",
        )
    return result


def _pair(result: Any) -> tuple[Tree, Tree]:
    state, made = _checked_pair(result)
    return Tree.of(state), Tree.of(made)


def _settled(
    name: str,
    f: Callable[..., Any],
    carry: Tree,
    others: Sequence[Tree],
    read: Callable[[Any], tuple[Tree, ...]],
) -> Settled:
    """The body, traced so that its state has one type in all steps.

    A Python number in the first state takes the dtype that the body gives it.
    """
    while True:
        body = trace(name, f, [carry, *others])
        parts = read(body.result)
        state = parts[0]
        again = False
        pairs = zip(carry.leaves, state.leaves) if len(carry.leaves) == len(state.leaves) else ()
        for i, (a, b) in enumerate(pairs):
            if a.type is b.type or a.shape != () or b.shape != ():
                continue
            if state.numbers[i]:
                state.leaves[i] = cast(b, a.dtype)
            elif carry.numbers[i]:
                carry.leaves[i], carry.numbers[i] = cast(a, b.dtype), False
                again = True
        if not again:
            break
    require_same(name, "the body changes the state", state, carry)
    return carry, body, parts


# ------------------------------------------------------------------ while and for


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init: Any,
    *,
    max_steps: int | None = None,
) -> Any:
    """While `cond_fun(state)` holds, the state becomes `body_fun(state)`, inside the graph.

    A loop without a bound has derivatives in forward mode only. With `max_steps` it ends after so
    many steps at the latest, and reverse mode works: it keeps about sqrt(max_steps) states and
    computes the steps between two of them once more on the way back.

    Args:
        cond_fun: of the state; gives one boolean.
        body_fun: of the state; gives the next one, of the same structure and types.
        init: the first state, any tree of tensors.
        max_steps: a bound on the number of steps.

    Raises:
        ShapeError: the state changes its structure or a type, or the condition is not one boolean.

    Example:
        >>> import lamina as lm
        >>> while_loop(lambda x: x < 100, lambda x: x * 2, lm.asarray(3))
        Tensor(192, shape=(), dtype=int64)

    Source: for the bounded form, Griewank 1992, "Achieving logarithmic growth of temporal and
    spatial complexity in reverse automatic differentiation" (one level of checkpoints).
    """
    with user_frames:
        require_callable("while_loop", cond_fun=cond_fun, body_fun=body_fun)
        if max_steps is not None:
            return _bounded(cond_fun, body_fun, init, int(max_steps))
        return _looped(cond_fun, body_fun, init)


def _looped(cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init: Any) -> Any:
    read = lambda result: (Tree.of(result),)
    return looped(cond_fun, _settled("while_loop", body_fun, Tree.of(init), [], read))


def looped(cond_fun: Callable[..., Any], settled: Settled) -> Any:
    """A loop whose body is traced."""
    carry, body, (state,) = settled
    asked = trace("while_loop", cond_fun, [carry])
    if asked.draws or asked.tokens:
        raise UsageError(
            "while_loop: the condition draws random numbers or has effects",
            (),
            "do that in the body, and keep what the condition needs in the state",
        )
    answer = _answer(asked.result)
    given = list(carry.leaves)
    inner, outer, asking = [*body.inputs], [*state.leaves], [*asked.inputs]
    if body.draws:
        inner += body.state.values()
        outer += body.after.values()
        asking += asked.state.values()
        given += generator_state(body)
    for token in body.tokens:  # a state of its own: there are no other results
        mark = placeholder(effects.TOKEN, eager.Source("while_loop"))
        inner.append(mark)
        outer.append(mark + token)  # type: ignore[operator]
        asking.append(placeholder(effects.TOKEN, eager.Source("while_loop")))
        given.append(effects.last())
    closure = Closure()
    closure.add(_values(asking), [answer._value])
    closure.add(_values(inner), _values(outer))
    operands = [*closure.captured, *_values(given)]
    parts = recorded(While(*closure.graphs()), operands, len(outer))
    if body.draws:
        first = len(carry.leaves)
        move_generator(body.state, parts[first : first + len(body.state)])
    if body.tokens:
        effects.note(parts[-1])
    return carry.filled(parts[: len(carry.leaves)])


def _answer(result: Any) -> Tensor:
    found = asarray(result)
    if found.shape != ():
        raise ShapeError(
            "while_loop: the condition is not one element",
            [f"condition: {found.type}", "wanted: bool[]"],
            "reduce it with all() or any()",
        )
    return found if found.dtype is bool_ else not_equal(found, 0)


def _bounded(
    cond_fun: Callable[..., Any], body_fun: Callable[..., Any], init: Any, most: int
) -> Any:
    """Two scans inside one another, whose steps do nothing once the condition fails.

    The outer step is a branch, whose derivative runs it again: so only the states between outer
    steps are kept.
    """
    carry, _, _ = _settled(
        "while_loop", body_fun, Tree.of(init), [], lambda result: (Tree.of(result),)
    )
    if most <= 0:
        return carry.filled(carry.leaves)
    width = math.isqrt(most - 1) + 1

    def step(state: Any, _: Any) -> tuple[Any, None]:
        return cond(_answer(cond_fun(state)), body_fun, lambda s: s, state), None

    def several(state: Any, _: Any) -> tuple[Any, None]:
        def run(s: Any) -> Any:
            return scan(step, s, length=width)[0]

        return cond(_answer(cond_fun(state)), run, lambda s: s, state), None

    rounds, left = divmod(most, width)
    state, _ = scan(several, carry.filled(carry.leaves), length=rounds)
    return scan(step, state, length=left)[0] if left else state


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init: Any) -> Any:
    """`body_fun(i, state)` for i from `lower` to `upper` - 1, inside the graph.

    With Python integers as bounds it is a `scan`, with derivatives of both modes; with tensors a
    `while_loop`.

    Args:
        lower, upper: integers.
        body_fun: of the number of the step and the state; gives the next state. Where the bounds
            are Python's the number is too: it takes the dtype of what it meets. Else it is an
            int64 tensor.
        init: the first state.

    Example:
        >>> import lamina as lm
        >>> fori_loop(0, 5, lambda i, s: s + i, lm.asarray(0))
        Tensor(10, shape=(), dtype=int64)
    """
    with user_frames:
        require_callable("fori_loop", body_fun=body_fun)
        if isinstance(lower, int) and isinstance(upper, int):
            numbers = arange(lower, max(lower, upper), dtype=int64)
            return scan(lambda s, i: (body_fun(as_number(i), s), None), init, numbers)[0]
        last = asarray(upper, dtype=int64)
        begin = asarray(lower, dtype=int64)
        _, state = while_loop(
            lambda s: s[0] < last, lambda s: (s[0] + 1, body_fun(s[0], s[1])), (begin, init)
        )
        return state


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """`f` of each slice of `xs` along the first axes, one after the other; results are stacked.

    Where `vmap` computes all at once, `map` needs memory for one slice at a time, or for
    `batch_size` of them.

    Args:
        f: of one slice.
        xs: a tree of tensors whose first axes are equally long.
        batch_size: so many slices at once, by `vmap`.

    Example:
        >>> import lamina as lm
        >>> map(lambda x: x * x, lm.arange(4))
        Tensor([0, 1, 4, 9], shape=(4,), dtype=int64)
    """
    with user_frames:
        require_callable("map", f=f)
        if batch_size is None:
            return scan(lambda _, x: (None, f(x)), None, xs)[1]
        return _in_batches(f, Tree.of(xs), batch_size)


def _in_batches(f: Callable[[Any], Any], inputs: Tree, size: int) -> Any:
    steps = _length(inputs, None)
    if size < 1:
        raise UsageError("map: batch_size is at least 1", [f"given: {size}"])
    if steps <= size:
        return vmap(f)(inputs.filled(inputs.leaves))
    rounds, left = divmod(steps, size)
    whole = rounds * size
    grouped = [reshape(t[:whole], (rounds, size, *t.shape[1:])) for t in inputs.leaves]
    found = Tree.of(scan(lambda _, x: (None, vmap(f)(x)), None, inputs.filled(grouped))[1])
    ys = [reshape(t, (whole, *t.shape[2:])) for t in found.leaves]
    if left:
        rest = Tree.of(vmap(f)(inputs.filled([t[whole:] for t in inputs.leaves])))
        ys = [concat([a, b]) for a, b in zip(ys, rest.leaves, strict=True)]
    return found.filled(ys)
