"""`for`: over tensors as a scan, over `range(tensor)` as a loop, over all else by Python."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from lamina.base.errors import UsageError, user_frames
from lamina.tensor.control.bodies import Tree, like
from lamina.tensor.control.loops import scanned
from lamina.tensor.convert.operators.branch import traced_branch
from lamina.tensor.convert.operators.carried import Carried, Growing, Unsettled
from lamina.tensor.convert.operators.loop import traced_loop
from lamina.tensor.convert.operators.region import entered, hinted
from lamina.tensor.convert.operators.state import State, nothing
from lamina.tensor.convert.operators.steps import Counted, Steps, as_steps
from lamina.tensor.convert.operators.truth import is_traced, truth

GoesOn = Callable[[], Any] | None
MOST_GUARDED = 10_000


def each(items: Any, step: FunctionType, goes_on: GoesOn, state: State) -> None:
    """`for item in items: step(item)`, as long as `goes_on()`."""
    steps = as_steps(items)
    if steps is None:
        _by_python(items, step, goes_on, state)
        return
    with user_frames:
        if isinstance(steps, Counted):
            _counted(steps, step, goes_on, state)
        else:
            _along(steps, step, goes_on, state)


def _by_python(items: Any, step: FunctionType, goes_on: GoesOn, state: State) -> None:
    """Step after step; once a tensor decides whether it goes on, each step is a branch."""
    iterator = iter(items)
    guarded = 0
    while True:
        more: Any = True if goes_on is None else goes_on()
        if not is_traced(more) and not more:
            return
        try:
            item = next(iterator)
        except StopIteration:
            return
        if is_traced(more):
            guarded += 1
            _require_end(items, guarded)
            with user_frames, hinted():
                blocks = (lambda item=item: step(item), nothing)
                traced_branch("for", truth("for", more), blocks, state, step.__code__)
        else:
            with entered("for", None), hinted():
                step(item)


def _require_end(items: Any, count: int) -> None:
    if count > MOST_GUARDED:
        raise UsageError(
            "for: the loop never ends while it is traced",
            [f"over: {type(items).__name__}", f"steps so far: {count}"],
            "a tensor decides where it ends: use while, or range with a tensor as its bound",
        )


def _along(steps: Steps, step: FunctionType, goes_on: GoesOn, state: State) -> None:
    """A scan. Where the state has its final type only after a step, the first is by itself."""
    try:
        _scan(steps, step, goes_on, state)
        return
    except Growing:
        _by_python(steps.items(), step, goes_on, state)
        return
    except Unsettled as found:
        if steps.count < 1:
            raise found.error from None
    first, rest = steps.parted()
    _by_python([first], step, goes_on, state)
    if not rest.count:
        return
    try:
        _scan(rest, step, goes_on, state)
    except Unsettled as found:
        raise found.error from None
    except Growing:
        _by_python(rest.items(), step, goes_on, state)


def _scan(steps: Steps, step: FunctionType, goes_on: GoesOn, state: State) -> None:
    carried = Carried("for", state, step.__code__)
    inputs = Tree.of(steps.inputs)
    slices = like(inputs, [t.with_shape(t.shape[1:]) for t in inputs.types])

    def one(slice_: Any) -> None:
        if goes_on is None:
            step(steps.item(slice_))
        else:
            more = goes_on()
            blocks = (lambda: step(steps.item(slice_)), nothing)
            if is_traced(more):
                guard = (step.__code__, "guard")
                traced_branch("for", truth("for", more), blocks, state, guard)
            elif more:
                blocks[0]()

    first, body, after = carried.settle(one, [slices])
    last, _ = scanned((first, body, (after, Tree.of(None))), inputs, steps.count, steps.reverse)
    carried.finish(last)


def _counted(steps: Counted, step: FunctionType, goes_on: GoesOn, state: State) -> None:
    """A loop that counts, its number beside the variables of the function."""
    held: list[Any] = [steps.number(0)]
    inner = State(
        ("the number of the step", *state.names),
        state.given + 1,
        (lambda: held[0], *state.read),
        lambda values: (held.__setitem__(0, values[0]), state.write(values[1:]))[1],
        state.roots,
        state.bases,
    )

    def ask() -> Any:
        if goes_on is None:
            return held[0] < steps.count
        more = goes_on()
        return more & (held[0] < steps.count) if is_traced(more) else _plain(more, held, steps)

    def one() -> None:
        step(steps.item(held[0]))
        held[0] = held[0] + 1

    traced_loop("for", ask, one, inner, step.__code__)


def _plain(more: Any, held: list[Any], steps: Counted) -> Any:
    return held[0] < steps.count if more else False
