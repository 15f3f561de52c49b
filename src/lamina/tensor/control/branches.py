"""Branches inside the graph: `cond` and `switch`. Only the branch that is taken is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.base.dtypes import bool_, int32
from lamina.base.errors import DTypeError, ShapeError, UsageError, user_frames
from lamina.graph.ops import Switch
from lamina.tensor import effects
from lamina.tensor.closures import KINDS
from lamina.tensor.containers import map_tree
from lamina.tensor.control.bodies import (
    Body,
    Closure,
    Tree,
    Unknown,
    generator_state,
    like,
    move_generator,
    recorded,
    require_callable,
    trace,
)
from lamina.tensor.conversion import asarray, cast, constant_like
from lamina.tensor.namespace.elementwise import clip, minimum, not_equal
from lamina.tensor.tensor import Tensor


def cond(
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
) -> Any:
    """`true_fun(*operands)` where `pred` holds, else `false_fun(*operands)`, inside the graph.

    Both functions are traced once; only one runs. What only the other one reads gets no gradient.
    Under `vmap` with a `pred` for each example both run, and each example takes its own result.

    Args:
        pred: one boolean; a number counts as true when it is not 0.
        true_fun, false_fun: give trees of one structure with tensors of the same types.
        operands: for both; they may also read tensors from outside.

    Raises:
        ShapeError: `pred` is not one element, or the functions give different results.

    Example:
        >>> import lamina as lm
        >>> cond(lm.asarray(True), lambda x: x + 1.0, lambda x: x - 1.0, lm.asarray(2.0))
        Tensor(3., shape=(), dtype=float32)
    """
    with user_frames:
        require_callable("cond", true_fun=true_fun, false_fun=false_fun)
        chosen = _scalar("cond", "pred", pred)
        if chosen.dtype is not bool_:
            chosen = not_equal(chosen, 0)
        return _switched("cond", cast(chosen, int32), (false_fun, true_fun), operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)` inside the graph.

    An index below 0 takes the first branch, one too large the last.

    Args:
        index: one integer.
        branches: functions that give trees of one structure with tensors of the same types.
        operands: for all of them.

    Example:
        >>> import lamina as lm
        >>> switch(2, [lambda x: x, lambda x: -x, lambda x: x * x], lm.asarray(3.0))
        Tensor(9., shape=(), dtype=float32)
    """
    with user_frames:
        branches = tuple(branches)
        if not branches:
            raise UsageError("switch: there is no branch", (), "give at least one function")
        require_callable("switch", **{f"branch {i}": f for i, f in enumerate(branches)})
        chosen = _scalar("switch", "index", index)
        if not chosen.dtype.is_integer:
            raise DTypeError(
                "switch: the index is not an integer", [f"index: {chosen.type}"], "use cond"
            )
        last = len(branches) - 1
        chosen = chosen if chosen.dtype is int32 else _clipped(chosen, last)
        return _switched("switch", cast(chosen, int32), branches, operands)


def _clipped(index: Tensor, last: int) -> Tensor:
    """The index within the branches, so that a narrower integer holds it."""
    return minimum(index, last) if index.dtype.kind == "uint" else clip(index, 0, last)


def _scalar(name: str, role: str, x: Any) -> Tensor:
    x = asarray(x)
    if x.shape != ():
        raise ShapeError(
            f"{name}: {role} is not one element",
            [f"{role}: {x.type}", "wanted: shape ()"],
            "reduce it with all() or any(), or choose element by element with lm.where",
        )
    return x


def _switched(
    name: str, index: Tensor, branches: Sequence[Callable[..., Any]], operands: Sequence[Any]
) -> Any:
    trees = [Tree.of(x) for x in operands]
    bodies, unknown = [], None
    for f in branches:
        try:
            bodies.append(trace(name, f, trees))
        except Unknown as call:
            unknown = call
    if unknown is not None and not bodies:
        raise unknown
    results = [Tree.of(body.result) for body in bodies]
    _agree(name, results)
    if unknown is not None:
        return results[0].with_numbers(like(results[0], results[0].types).leaves)
    given = [t for tree in trees for t in tree.leaves]
    return results[0].filled(assembled(index, bodies, results, given))


def assembled(
    index: Tensor, bodies: Sequence[Body], results: Sequence[Tree], given: Sequence[Tensor]
) -> list[Tensor]:
    """The leaves of the results of the body that `index` says.

    Args:
        index: int32.
        bodies: traced functions of the same inputs.
        results: theirs, with leaves of the same types.
        given: the inputs.
    """
    draws = any(body.draws for body in bodies)
    acts = any(body.tokens for body in bodies)
    closure = Closure()
    for body, result in zip(bodies, results, strict=True):
        inputs, outputs = list(body.inputs), list(result.leaves)
        if draws:
            inputs += body.state.values()
            outputs += body.after.values()
        if acts:
            outputs += body.tokens or [constant_like(0, effects.TOKEN)]
        closure.add([t._value for t in inputs], [t._value for t in outputs], body.since)
    given = [*given, *(generator_state(bodies[0]) if draws else [])]
    count = len(results[0].leaves)
    total = count + (len(bodies[0].state) if draws else 0) + acts
    op = Switch(tuple(closure.graphs()))
    values = [index._value, *closure.captured, *[t._value for t in given]]
    parts = recorded(op, values, total) if total else []
    if draws:
        move_generator(bodies[0].state, parts[count : count + len(bodies[0].state)])
    if acts:
        effects.note(parts[-1])
    return parts[:count]


def _agree(name: str, results: Sequence[Tree]) -> None:
    """Python numbers take the type of the tensor in the other branches; all else must be equal."""
    first = results[0]
    if all(len(r.leaves) == len(first.leaves) for r in results):
        for i in range(len(first.leaves)):
            _settle(results, i)
    roles = ("false_fun", "true_fun") if name == "cond" else None
    for number, other in enumerate(results):
        if other.structure() != first.structure():
            _require_no_functions(name, results)
            raise ShapeError(
                f"{name}: the branches give different results",
                [
                    f"{roles[0] if roles else 'branch 0'}: {first.structure()}",
                    f"{roles[1] if roles else f'branch {number}'}: {other.structure()}",
                ],
                "return the same structure with the same shapes and dtypes from all",
            )


def _require_no_functions(name: str, results: Sequence[Tree]) -> None:
    """UsageError if branches return functions, of which the graph cannot choose one."""
    found: list[str] = []
    for r in results:
        map_tree(lambda x: found.append(repr(x)) if type(x) in KINDS else None, r.shape)
    if found:
        raise UsageError(
            f"{name}: a branch returns a function",
            [f"returned: {', '.join(found)}", "which one it is would be known only in the program"],
            "return the tensors that the functions hold and make the function of them outside, or "
            "call the functions inside the branches",
        )


def _settle(results: Sequence[Tree], i: int) -> None:
    strong = [r.leaves[i].type for r in results if not r.numbers[i]]
    if strong and len(set(strong)) == 1 and strong[0].shape == ():
        for r in results:
            if r.numbers[i]:
                r.leaves[i] = cast(r.leaves[i], strong[0].dtype)
