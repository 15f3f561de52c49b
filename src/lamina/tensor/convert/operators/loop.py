"""`while`: by Python as long as it can tell, then as one loop of the graph."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from lamina.base.errors import UsageError, user_frames
from lamina.tensor.control.loops import looped, while_loop
from lamina.tensor.convert.operators.carried import Carried, Growing, Unsettled
from lamina.tensor.convert.operators.region import entered, hint, hinted
from lamina.tensor.convert.operators.state import State
from lamina.tensor.convert.operators.truth import is_traced


def loop(ask: Callable[[], Any], step: FunctionType, state: State) -> None:
    """`while ask(): step()`."""
    while True:
        more = ask()
        if is_traced(more):
            with user_frames:
                traced_loop("while", ask, step, state, step.__code__)
            return
        if not more:
            return
        with entered("while", None), hinted():
            step()


def traced_loop(
    name: str, ask: Callable[[], Any], step: Callable[[], Any], state: State, key: Any
) -> None:
    """The same in the graph.

    Args:
        name: of the statement, for errors.
        ask, step: the test and the body.
        state: the variables of the function.
        key: what is equal when the same loop is met again.
    """
    carried = Carried(name, state, key)
    try:
        first, body, after = carried.settle(step, [])
    except (Unsettled, Growing) as found:
        raise found.error from None
    tested = lambda leaves: carried.ask(ask, leaves)
    most = carried.hints.get("max_steps")
    with entered(name, key):
        if most is None:
            last = looped(tested, (first, body, (after,)))
        else:
            again = lambda leaves: carried.run(step, leaves)
            last = while_loop(tested, again, carried.first(), max_steps=most)
    carried.finish(last)


def bound_steps(max_steps: int) -> None:
    """Say that the loop around ends after at most `max_steps` steps, which gives it a reverse mode.

    For functions converted by `jit(f, control_flow="convert")` or `convert`: the first statement
    of a `while`, or of a `for` over `range(tensor)`, that becomes a loop of the graph. As with
    `while_loop(..., max_steps=)` the loop then ends after so many steps at the latest, keeps about
    the square root of that many states, and has derivatives of both modes. In a loop that Python
    runs it does nothing.

    Args:
        max_steps: the bound.

    Raises:
        UsageError: the bound is no whole number that is at least 0.

    Example:
        >>> import lamina as lm
        >>> def halve(x):
        ...     while x > 1.0:
        ...         lm.bound_steps(20)
        ...         x = x / 2.0
        ...     return x
        >>> lm.jit(lm.grad(lm.convert(halve)))(lm.asarray(10.0))
        Tensor(0.0625, shape=(), dtype=float32)
    """
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 0:
        raise UsageError("bound_steps: the bound is a number of steps", [f"given: {max_steps!r}"])
    hint("max_steps", max_steps)
