"""`tune`: schedules of a function's kernels, measured on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.base import config
from lamina.base.errors import UsageError
from lamina.base.text import quantity, table
from lamina.tensor.jit import as_jitted

if TYPE_CHECKING:
    from lamina.backend.tuning.search import Found
    from lamina.graph.ir import Graph

SECONDS = 3.0  # for each kernel


@dataclass(frozen=True, repr=False)
class Tuning:
    """What was found for each kernel of a program.

    Attributes:
        found: one for each distinct kernel, with `kernel`, `model`, `best`, `model_s`, `best_s`,
            `gain`, `tried` and `known`.
    """

    found: tuple[Found, ...]

    @property
    def model_s(self) -> float:
        """Seconds of all kernels as the model schedules them."""
        return sum(one.model_s * one.kernel.count for one in self.found)

    @property
    def best_s(self) -> float:
        """Seconds of all kernels as they are scheduled from now on."""
        return sum(one.best_s * one.kernel.count for one in self.found)

    def __str__(self) -> str:
        rows = [
            [
                one.kernel.name,
                one.kernel.count,
                quantity(one.model_s, "s"),
                quantity(one.best_s, "s"),
                f"{one.gain:.2f}x",
                "known" if one.known else one.tried,
                one.best if one.best != one.model else f"{one.model} (the model's)",
            ]
            for one in self.found
        ]
        head = ["kernel", "steps", "model's", "best", "gain", "tried", "candidate"]
        wrong = [f"differs from the model's: {n}" for one in self.found for n in one.differing]
        total = f"kernels of a run: {quantity(self.model_s, 's')} -> {quantity(self.best_s, 's')}"
        return "\n".join([table(head, rows), total, *wrong])

    def __repr__(self) -> str:
        better = sum(one.best != one.model for one in self.found)
        return f"<Tuning of {len(self.found)} kernels: {better} faster than the model's>"


def tune(
    f: Callable[..., Any],
    *args: Any,
    seconds: float = SECONDS,
    again: bool = False,
    progress: bool = False,
    **kwargs: Any,
) -> Tuning:
    """Look for faster schedules of the kernels that `f` runs for these arguments.

    Each distinct kernel is scheduled in other ways, with other tiles, blocks and tasks, and
    measured on made-up numbers. What beats the model's schedule by more than the measurement's
    spread is kept on disk for this machine, and taken by every program that is compiled from then
    on, in this process and in others; `LAMINA_TUNED=off` takes the model's. `f` itself is traced
    and compiled, not run. Sums may be added in another order: results differ by rounding. Products
    with frozen weights stay as the model schedules them, and are left out.

    Args:
        f: a function, jitted or not, a module or a training step.
        args, kwargs: arguments for it, as in a call.
        seconds: for each kernel, about.
        again: also search kernels that were searched before.
        progress: show a bar.

    Returns:
        What was found, kernel by kernel; prints as a table.

    Raises:
        UsageError: `LAMINA_TUNED` is off, or there is no compiler in force.

    Example:
        >>> import lamina as lm
        >>> found = tune(lm.jit(lambda x: x @ x), lm.ones((64, 64)), seconds=0.2)
        >>> len(found.found), found.best_s <= found.model_s
        (1, True)
    """
    jitted, given = as_jitted(f, args)
    traced = jitted.lower(*given, **kwargs)
    made = tune_graph(
        traced.graph,
        seconds=seconds,
        again=again,
        progress=progress,
        relaxed=jitted.relaxed,
        frozen=traced.frozen,
    )
    jitted.clear()  # its programs have the schedules of before
    return made


def tune_graph(
    graph: Graph,
    *,
    seconds: float = SECONDS,
    again: bool = False,
    progress: bool = False,
    relaxed: tuple[str, ...] = (),
    frozen: Sequence[int] = (),
) -> Tuning:
    """`tune` for a graph, with the liberties and the frozen inputs of its program.

    Raises:
        UsageError: `LAMINA_TUNED` is off, sizes are symbols, or there is no compiler in force.
    """
    from lamina.backend import execution  # these import LLVM: on first use only
    from lamina.backend.compile import compile_graph
    from lamina.backend.targets import select
    from lamina.backend.tuning.kernels import kernels_of
    from lamina.backend.tuning.search import tune as search

    if not config.tuned():
        raise UsageError("tune: what is found would not be used", ["LAMINA_TUNED: off"], "unset it")
    if any(v.type.symbolic for v in graph.inputs):
        raise UsageError(
            "tune: sizes are symbols",
            [f"inputs: {', '.join(str(v.type) for v in graph.inputs)}"],
            "tune a function of arrays of fixed sizes",
        )
    target = select()
    if execution.back_end() == "reference" or not target.runs:
        raise UsageError("tune: nothing is compiled", [f"LAMINA_TARGET: {config.target()}"])
    program = compile_graph(graph, target, relaxed=relaxed, frozen=frozen)
    kernels = [kernel for kernel in kernels_of(program) if not kernel.still]
    with _bar(len(kernels), progress) as note:
        return Tuning(tuple(search(kernels, target, seconds, again, note)))


@contextmanager
def _bar(count: int, shown: bool) -> Iterator[Callable[..., None] | None]:
    """A progress bar of kernels, and what tells it the kernel and what is done with it."""
    if not shown:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}")
    with Progress(text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("", total=count)
        seen: dict[Any, None] = {}

        def note(kernel: Any, what: str) -> None:
            seen[kernel] = None
            bar.update(task, description=f"{kernel.name}: {what}", completed=len(seen) - 1)

        yield note
        bar.update(task, description="", completed=count)
