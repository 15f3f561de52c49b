"""The family of errors: what failed, the facts that clash, a way out, and the user's line."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.base.spans import Span, here


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


class ShapeError(LaminaError, ValueError):
    """Shapes, ranks or axes that do not fit together."""


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


class VerifyError(LaminaError):
    """A graph or a nest that breaks a rule of its language: a defect of the pass that made it."""


class ParseError(LaminaError, ValueError):
    """Text that is not a graph or a nest."""


class UsageError(LaminaError, ValueError):
    """Arguments that make no sense together."""


class CacheWarning(UserWarning):
    """A compile-cache entry was damaged or foreign and has been rebuilt."""
