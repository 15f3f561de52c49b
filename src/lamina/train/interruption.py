"""SIGINT and SIGTERM noted while a step runs, and acted on behind it."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """`with Interruption() as interruption:` notes the first signal in `interruption.signal`.

    Whoever runs in the block looks at it where it can stop, saves, and calls `deliver`. A second
    SIGINT interrupts at once. In other threads than the main one, where Python allows no handlers,
    nothing is noted.

    Attributes:
        signal: the number of the signal that came; None before.

    Example:
        >>> import signal
        >>> with Interruption() as interruption:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     interruption.signal == signal.SIGTERM
        True
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN and before is not None:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def deliver(self) -> None:
        """Do what the signal does without this block; for SIGTERM leave with status 143."""
        number = self.signal
        if number is None:
            return
        before = self._before.get(number)
        if callable(before):
            before(number, None)
        else:
            raise SystemExit(128 + number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
