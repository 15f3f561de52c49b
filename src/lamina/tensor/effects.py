"""What a program does besides computing results: noted while a function is traced.

An effect leaves a token, a tensor that exists once the effect has happened. While a function is
traced, its tokens are collected and become results of the program or of the loop's body, so that no
effect is lost; outside, a token is computed at once. An ordered effect takes the token before it as
an operand.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lamina.base import dtypes
from lamina.graph.ir import TensorType
from lamina.tensor.conversion import constant_like
from lamina.tensor.namespace.reductions import sum as sum_of
from lamina.tensor.tensor import Tensor

TOKEN = TensorType(dtypes.uint8)


class _Frame:
    """The tokens of a function that is being traced.

    Attributes:
        before: what its first ordered effect comes after.
    """

    def __init__(self, before: Tensor):
        self.before = before
        self.tokens: list[Tensor] = []


class _Frames(threading.local):
    """One for each function that this thread is tracing, the innermost last."""

    def __init__(self) -> None:
        self.stack: list[_Frame] = []


_frames = _Frames()


@contextmanager
def collecting() -> Iterator[list[Tensor]]:
    """Inside, effects are collected in the list."""
    frame = _Frame(last())
    _frames.stack.append(frame)
    try:
        yield frame.tokens
    finally:
        _frames.stack.pop()


def note(token: Tensor) -> None:
    """An effect was recorded: it happens with the program that is traced, or now.

    Args:
        token: of any shape: one element for each time that the effect happens.
    """
    one = sum_of(token, dtype=TOKEN.dtype) if token.shape else token
    if _frames.stack:
        _frames.stack[-1].tokens.append(one)
    else:
        one.block()


def last() -> Tensor:
    """The token that the next ordered effect comes after."""
    if not _frames.stack:
        return constant_like(0, TOKEN)
    frame = _frames.stack[-1]
    return frame.tokens[-1] if frame.tokens else frame.before


def together(tokens: Sequence[Tensor]) -> list[Tensor]:
    """No token, or one that stands for all."""
    if not tokens:
        return []
    whole = tokens[0]
    for token in tokens[1:]:
        whole = whole + token  # type: ignore[operator]
    return [whole]
