"""What is wrong between square brackets, and in the functions that read and write at places."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import lamina as lm
from tests.errors.messages import whole

X = lm.zeros((3, 4))

WRONG: list[tuple[Callable[[], object], type[lm.LaminaError], str]] = [
    (
        lambda: lm.dynamic_slice(X, [0], (1, 1)),
        lm.ShapeError,
        "dynamic_slice: one start for each axis\n"
        "  tensor: f32[3,4]\n"
        "  starts: 1\n"
        "  help: give a list of integers and integer tensors of rank 0",
    ),
    (
        lambda: lm.dynamic_slice(X, [0, 0], (4, 1)),
        lm.ShapeError,
        "dynamic_slice: the block does not fit into the tensor\n"
        "  tensor: f32[3,4]\n"
        "  sizes:  (4, 1)\n"
        "  help: give a size for each axis, at most that of the axis",
    ),
    (
        lambda: lm.dynamic_update_slice(X, lm.zeros(3), [0, 0]),
        lm.ShapeError,
        "dynamic_update_slice: the block does not fit into the tensor\n"
        "  tensor: f32[3,4]\n"
        "  update: f32[3]\n"
        "  help: give a block with the axes of the tensor, none longer than there",
    ),
    (
        lambda: lm.dynamic_slice(X, [0.5, 0], (1, 1)),
        lm.DTypeError,
        "dynamic_slice: a start is not an integer\n"
        "  tensor: f32[3,4]\n"
        "  start of axis 0: f32[]\n"
        "  help: give integers or integer tensors of rank 0",
    ),
]


@pytest.mark.parametrize("wrong, kind, message", WRONG, ids=[m.split("\n")[0] for *_, m in WRONG])
def test_message(wrong: Callable[[], object], kind: type[lm.LaminaError], message: str) -> None:
    with pytest.raises(kind) as error:
        wrong()
    text, _, line = whole(error).rpartition("\n")
    assert text == message
    assert line.startswith("  at <lambda>: lambda: ")
