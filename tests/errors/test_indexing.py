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
    (
        lambda: X[[0, 1], [0, 1, 2]],
        lm.ShapeError,
        "index: the indices do not fit together\n"
        "  tensor: f32[3,4]\n"
        "  shapes of the indices: (2,), (3,)\n"
        "  help: their shapes must broadcast; for a grid of rows and columns use lm.ix_",
    ),
    (
        lambda: X[lm.asarray([True, False])],
        lm.ShapeError,
        "index: the mask does not have the sizes of the axes under it\n"
        "  tensor: f32[3,4], axes 0 to 0 of sizes (3,)\n"
        "  mask:   bool[2]\n"
        "  help: compare the tensor itself, as in x[x > 0], or reduce the mask first",
    ),
    (
        lambda: X["a"],
        lm.UsageError,
        "index: str is not an index\n"
        "  tensor: f32[3,4]\n"
        "  help: use integers, slices, None, ..., or tensors and lists of integers or booleans",
    ),
    (
        lambda: X.at[0].set(lm.zeros(3)),
        lm.ShapeError,
        "x.at[...].set: the values do not fill the places\n"
        "  tensor: f32[3,4]\n"
        "  places: (4,)\n"
        "  values: f32[3]\n"
        "  help: give values whose shape broadcasts to that of the places",
    ),
    (
        lambda: lm.arange(3).at[0].add(0.5),
        lm.DTypeError,
        "x.at[...].add: the tensor does not hold such values\n"
        "  tensor: i64[3]\n"
        "  values: float\n"
        "  help: cast the values, as in values.astype(lm.int64), or the tensor first",
    ),
    (
        lambda: X.at[0].set(1.0, mode="ignore"),
        lm.UsageError,
        "x.at[...].set: no mode 'ignore'\n"
        "  modes: error, clip, wrap, drop, fill\n"
        "  help: say what happens to an index outside its axis",
    ),
]


@pytest.mark.parametrize("wrong, kind, message", WRONG, ids=[m.split("\n")[0] for *_, m in WRONG])
def test_message(wrong: Callable[[], object], kind: type[lm.LaminaError], message: str) -> None:
    with pytest.raises(kind) as error:
        wrong()
    text, _, line = whole(error).rpartition("\n")
    assert text == message
    assert line.startswith("  at <lambda>: lambda: ")


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_traced_index_outside_names_the_line(mode: str) -> None:
    read = lm.jit(lambda x, i: x[i, 0])
    write = lm.jit(lambda x, i: x.at[i, 0].set(1.0))
    with pytest.raises(lm.BoundsError) as error:
        (read if mode == "read" else write)(X, lm.asarray(7)).block()
    name, source = {
        "read": ("gather", "read = lm.jit(lambda x, i: x[i, 0])"),
        "write": ("scatter_set", "write = lm.jit(lambda x, i: x.at[i, 0].set(1.0))"),
    }[mode]
    assert whole(error) == (
        f"{name}: index 7 is outside the axis\n"
        "  index: 7\n"
        "  axis:  3 elements\n"
        "  help: positions go from 0 to 2; check the indices, or clip them first\n"
        f"  at test_a_traced_index_outside_names_the_line.<locals>.<lambda>: {source}"
    )
