"""`if` and everything that chooses: by Python where it can, else by a branch in the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from lamina.base.dtypes import int32
from lamina.base.errors import user_frames
from lamina.graph.ir import Value, topological
from lamina.graph.ops import Constant, Expand
from lamina.graph.ops.elementwise import Elementwise
from lamina.tensor.control.bodies import Body, Tree, trace
from lamina.tensor.control.branches import assembled
from lamina.tensor.conversion import cast
from lamina.tensor.convert.operators.merge import Merged, Merger
from lamina.tensor.convert.operators.region import Region, entered
from lamina.tensor.convert.operators.slots import Slot
from lamina.tensor.convert.operators.state import UNBOUND, State
from lamina.tensor.convert.operators.truth import is_traced, truth
from lamina.tensor.convert.syntax.jumps import DID, FLAG
from lamina.tensor.namespace.elementwise import where
from lamina.tensor.tensor import Tensor

SIDES = ("otherwise", "where it holds")
SMALL_ELEMENTS = 16
FEW_OPS = 8


def branch(test: Any, then: FunctionType, other: FunctionType, state: State) -> None:
    """`if test: then() else: other()`."""
    if is_traced(test):
        with user_frames:
            traced_branch("if", truth("if", test), (then, other), state, then.__code__)
        return
    with entered("if", None):
        (then if test else other)()


def traced_branch(
    name: str, chosen: Tensor, blocks: Sequence[Callable[[], Any]], state: State, key: Any
) -> None:
    """The same, both blocks as graphs.

    Args:
        name: of the statement, for errors.
        chosen: a boolean of rank 0.
        blocks: what happens where it holds, and otherwise.
        state: the variables of the function.
        key: what is equal when the same statement is met again.
    """
    then, other = blocks
    region = Region(name, state)
    variables = region.variables()
    slots: dict[Any, Slot] = {slot.key: slot for slot in variables}
    sides: list[dict[Any, Any]] = []

    def run(block: Callable[[], Any]) -> None:
        region.open()
        try:
            block()
            more = region.changed()
            slots.update({s.key: s for s in more if s.key not in slots})
            sides.append({s.key: s.read() for s in [*variables, *more]})
        finally:
            region.restore()

    with entered(name, key):
        bodies = [trace(name, lambda b=block: run(b), []) for block in (other, then)]
    merged = _merged(name, list(slots.values()), sides)
    tensors = chosen_leaves(chosen, bodies, merged.converted())
    _assign(merged, tensors)


def _merged(name: str, slots: list[Slot], sides: list[dict[Any, Any]]) -> Merged:
    """Without the slots that no side changed. Where a side returns, its variables are dead."""
    rows = [[side.get(s.key, s.before) for side in sides] for s in slots]
    for i, side in enumerate(sides):
        if side.get(("name", DID)) is True:
            for slot, row in zip(slots, rows, strict=True):
                if slot.key[0] == "name" and not slot.ours:
                    row[i] = UNBOUND
    jumped = {i for i, side in enumerate(sides) if _jumps(side)}
    kept = [i for i, s in enumerate(slots) if any(x is not s.before for x in rows[i])]
    merger = Merger(name, SIDES, True, frozenset(jumped))
    return merger([slots[i] for i in kept], [rows[i] for i in kept])


def _jumps(side: dict[Any, Any]) -> bool:
    """Whether a side set a flag for certain: what follows it does not run."""
    return any(value is True for key, value in side.items() if str(key[1]).startswith(FLAG))


def _assign(merged: Merged, tensors: Sequence[Tensor]) -> None:
    for slot, value in zip(merged.slots, merged.values(tensors), strict=True):
        slot.write(value)


def choose(test: Any, then: FunctionType, other: FunctionType) -> Any:
    """`then() if test else other()`."""
    if not is_traced(test):
        return then() if test else other()
    with user_frames:
        return traced_choice("a if b else c", truth("a if b else c", test), then, other)


def traced_choice(name: str, chosen: Tensor, then: FunctionType, other: FunctionType) -> Any:
    """The value of one of two expressions, chosen in the graph."""
    held: list[Any] = [None]
    read = lambda: held[0]
    state = State(("the value",), 1, (read,), lambda values: held.__setitem__(0, values[0]), (), ())

    def kept(expression: Callable[[], Any]) -> Callable[[], None]:
        return lambda: held.__setitem__(0, expression())

    traced_branch(name, chosen, (kept(then), kept(other)), state, then.__code__)
    return held[0]


def chosen_leaves(
    chosen: Tensor, bodies: Sequence[Body], leaves: Sequence[Sequence[Tensor]]
) -> list[Tensor]:
    """The leaves of the side that is taken; where they cost nothing, without a branch."""
    values = [[x._value for x in side] for side in leaves]
    free = not any(body.draws or body.tokens for body in bodies)
    if free and all(_is_free(v, b.since) for v, b in zip(values, bodies, strict=True)):
        return [
            no if no._value is yes._value else where(chosen, yes, no)
            for no, yes in zip(*leaves, strict=True)
        ]
    results = [Tree.of(list(side)) for side in leaves]
    return assembled(cast(chosen, int32), bodies, results, [])


def _is_free(values: Sequence[Value], since: int) -> bool:
    """Whether a side only passes values on, or computes a few flags and small integers."""
    made = [v for v in topological(values, stop=lambda v: v.id < since) if v.id >= since]
    computed = [v for v in made if v.op is not None and not isinstance(v.op, Constant | Expand)]
    return len(computed) <= FEW_OPS and all(_is_flag(v) for v in computed)


def _is_flag(v: Value) -> bool:
    if not isinstance(v.op, Elementwise):
        return False
    return v.type.size <= SMALL_ELEMENTS and v.type.dtype.kind in ("bool", "int", "uint")
