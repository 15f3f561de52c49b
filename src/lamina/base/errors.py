"""The family of errors: what failed, the facts that clash, a way out, and the user's line."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from lamina.base import config
from lamina.base.spans import Span, here, is_internal


class LaminaError(Exception):
    """Base of every error that Lamina raises on purpose.

    Args:
        summary: operation and problem in one sentence.
        facts: lines that show the clash, two of them as a rule.
        help: a way out.
        span: the user's line; the caller's line outside Lamina when not given.
    """

    def __init__(
        self,
        summary: str,
        facts: Sequence[str] = (),
        help: str = "",
        span: Span | None = None,
    ):
        self.summary = summary
        self.facts = tuple(facts)
        self.help = help
        self.span = span if span is not None else here()
        lines = [summary, *(f"  {fact}" for fact in self.facts)]
        if help:
            lines.append(f"  help: {help}")
        if self.span:
            lines.append(f"  at {self.span.describe()}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple:
        """As it is, its line included: a worker process hands it to its parent."""
        return _as_it_was, (type(self), str(self), self.__dict__)


def _as_it_was(kind: type[LaminaError], text: str, facts: dict[str, Any]) -> LaminaError:
    error = kind.__new__(kind, text)
    error.__dict__.update(facts)
    return error


class ShapeError(LaminaError, ValueError):
    """Shapes, ranks or axes that do not fit together."""


class AxisError(ShapeError, IndexError):
    """An axis that the tensor does not have."""


class DTypeError(LaminaError, TypeError):
    """An operation on an element type it does not take."""


class BoundsError(LaminaError, IndexError):
    """An index outside its axis."""


class TraceError(LaminaError, RuntimeError):
    """A look at a value that does not exist yet, inside `jit` or `vmap`."""


class ImmutableError(LaminaError, TypeError):
    """An attempt to write into a Tensor."""


class OutOfMemoryError(LaminaError, MemoryError):
    """More memory was asked for than the limit or the machine allows."""


class DepthError(LaminaError, RecursionError):
    """A recursion that goes deeper than allowed."""


class CallError(LaminaError, RuntimeError):
    """A function outside the compiler that a program calls has failed; its error is the cause."""


class CheckError(LaminaError, ArithmeticError):
    """A check of the user's own failed: a condition, or that numbers are finite."""


class LinAlgError(LaminaError, np.linalg.LinAlgError):
    """A matrix for which the result does not exist: a singular one has no inverse."""


class VerifyError(LaminaError):
    """A graph or a nest that breaks a rule of its language: a defect of the pass that made it."""


class ParseError(LaminaError, ValueError):
    """Text that is not a graph or a nest."""


class FormatError(LaminaError, ValueError):
    """A file that is damaged, cut off, or of another format or version."""


class UsageError(LaminaError, ValueError):
    """Arguments that make no sense together."""


def hide_frames(error: LaminaError) -> None:
    """Take Lamina's own frames out of the traceback of `error`.

    Called where users' functions are called and where programs run: else a mistake in a jitted
    model is shown under a dozen frames of tracing. `LAMINA_TRACEBACK=full` shows them. A
    VerifyError keeps them, being a defect of Lamina.
    """
    if not isinstance(error, VerifyError) and not config.full_traceback():
        error.__traceback__ = _outside(error.__traceback__)


class UserFrames:
    """`with user_frames:` hides Lamina's own frames from an error that comes from inside."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, LaminaError):
            hide_frames(error)


user_frames = UserFrames()


def _outside(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of Lamina."""
    kept = []
    while traceback is not None:
        if not is_internal(traceback.tb_frame.f_code):
            kept.append(traceback)
        traceback = traceback.tb_next
    made: TracebackType | None = None
    for entry in reversed(kept):
        made = TracebackType(made, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return made


class CacheWarning(UserWarning):
    """A compile-cache entry was damaged or foreign and has been rebuilt."""


class MemoryBudgetWarning(UserWarning):
    """A program takes more memory than its budget: it cannot be made to take less."""
