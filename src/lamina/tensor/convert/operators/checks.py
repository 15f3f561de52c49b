"""`assert`, checked when the program runs, and `raise`, which no tensor can decide about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.base.errors import UsageError, user_frames
from lamina.tensor.convert.operators.region import decided_by_tensor
from lamina.tensor.convert.operators.truth import is_traced
from lamina.tensor.printing import check_that


def fails(condition: Any, message: Callable[[], Any]) -> bool:
    """Whether Python's own `assert` raises; a tensor is checked when the program runs."""
    if not is_traced(condition):
        return not condition
    with user_frames:
        said = str(message()).replace("{", "{{").replace("}", "}}")
        check_that(condition, said)
    return False


def raising() -> None:
    """Before a `raise`: an error unless Python decides that it happens."""
    if not decided_by_tensor():
        return
    with user_frames:
        raise UsageError(
            "raise: a tensor decides whether it happens",
            ["the block is traced, and run or not when the program runs"],
            "write it as an assert, or call lm.debug.check_that, which are checked then",
        )
