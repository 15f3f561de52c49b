"""Square brackets against NumPy: random keys of all kinds, read, set and combined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import lamina as lm
from lamina.backend import execution


@pytest.fixture(scope="module", autouse=True)
def by_reference() -> Iterator[None]:
    """What a key means is a matter of the graph; `test_updates` compiles."""
    before = execution.back_end()
    execution.use("reference")
    yield
    execution.use(before)


def _slices(draw: st.DrawFn, size: int) -> slice:
    bound = st.none() | st.integers(-size - 2, size + 2)
    step = draw(st.none() | st.sampled_from([1, 2, 3, -1, -2]))
    return slice(draw(bound), draw(bound), step)


@st.composite
def keys(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    """A shape and a key for it; now and then one that does not fit."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    common = tuple(draw(st.lists(st.integers(0, 3), min_size=0, max_size=2)))
    parts: list[Any] = []
    axis, dots = 0, False
    kinds = ["int", "slice", "array", "array", "mask", "new", "dots", "bool", "end"]
    while True:
        kind = draw(st.sampled_from(kinds))
        if kind == "end":
            break
        if kind == "new":
            parts.append(None)
        elif kind == "bool":
            parts.append(draw(st.booleans()))
            kinds = [k for k in kinds if k != "bool"]
        elif kind == "dots" and not dots:
            parts.append(...)
            dots, left = True, len(shape) - axis
            axis += draw(st.integers(0, left))
        elif axis >= len(shape):
            break
        elif kind == "mask":
            span = draw(st.integers(1, len(shape) - axis))
            size = int(np.prod(shape[axis : axis + span]))
            bits = draw(st.lists(st.booleans(), min_size=size, max_size=size))
            parts.append(np.array(bits, bool).reshape(shape[axis : axis + span]))
            axis += span
        else:
            size = shape[axis]
            axis += 1
            if kind == "slice":
                parts.append(_slices(draw, size))
            elif size == 0:
                parts.append(slice(None))
            elif kind == "int":
                parts.append(draw(st.integers(-size, size - 1)))
            else:
                sizes = tuple(draw(st.sampled_from([n, 1])) for n in common)
                sizes = sizes[draw(st.integers(0, len(sizes))) :]
                count = int(np.prod(sizes))
                places = draw(st.lists(st.integers(-size, size - 1), min_size=count,
                                       max_size=count))  # fmt: skip
                parts.append(np.array(places, np.int64).reshape(sizes))
    return shape, parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def _numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(1, 1 + np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)


def _as_tensors(key: Any) -> Any:
    """The key with tensors for arrays."""
    if isinstance(key, tuple):
        return tuple(_as_tensors(p) for p in key)
    return lm.asarray(key) if isinstance(key, np.ndarray) else key


@settings(deadline=None, max_examples=400)
@given(keys(), st.booleans())
def test_reading(case: tuple[tuple[int, ...], Any], tensors: bool) -> None:
    shape, key = case
    x = _numbers(shape)
    ours = _as_tensors(key) if tensors else key
    try:
        wanted = x[key]
    except IndexError:
        with pytest.raises(lm.LaminaError):
            lm.asarray(x)[key]
        return
    got = lm.asarray(x)[ours]
    assert got.shape == np.shape(wanted)
    np.testing.assert_array_equal(got.numpy(), wanted)


def _values(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Values that broadcast to a shape."""
    kept = [n if rng.integers(3) else 1 for n in shape][int(rng.integers(len(shape) + 1)) :]
    return rng.integers(-9, 9, tuple(kept)).astype(np.float64)


UFUNCS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "min": np.minimum,
          "max": np.maximum}  # fmt: skip


@settings(deadline=None, max_examples=400)
@example(((1,), (np.zeros((2, 2), np.int64),)), "add", 0, False)
@given(keys(), st.sampled_from(["set", *UFUNCS]), st.integers(0, 99), st.booleans())
def test_writing(case: tuple[tuple[int, ...], Any], method: str, seed: int, tensors: bool) -> None:
    shape, key = case
    x = _numbers(shape)
    try:
        values = _values(np.shape(x[key]), np.random.default_rng(seed))
    except IndexError:
        with pytest.raises(lm.LaminaError):
            lm.asarray(x).at[key].set(1.0)
        return
    wanted, before = x.copy(), lm.asarray(x)
    ours = _as_tensors(key) if tensors else key
    got = getattr(before.at[ours], method)(values)
    if method == "set":
        wanted[key] = values
        assigned = before[...]
        assigned[ours] = values
        np.testing.assert_array_equal(assigned.numpy(), wanted)
    else:
        # NumPy 2.4 broadcasts the values wrongly where the index array has more dimensions.
        UFUNCS[method].at(wanted, key, np.broadcast_to(values, np.shape(x[key])).copy())
    np.testing.assert_array_equal(got.numpy(), wanted)
    np.testing.assert_array_equal(before.numpy(), x)


def test_lists_ranges_and_numbers_of_numpy() -> None:
    x, n = lm.arange(24).reshape(2, 3, 4), np.arange(24).reshape(2, 3, 4)
    for key in (
        [1, 0],
        ([0, 1], [2, 0]),
        range(2),
        np.int32(1),
        np.array(1),
        (np.uint8(1), [[0], [2]], slice(None, None, -1)),
        [True, False],
        (slice(None), [True, False, True]),
        [],
        ((0, 1),),
        (..., [0, 3]),
    ):
        np.testing.assert_array_equal(x[key].numpy(), n[key], str(key))


def test_small_integer_indices_reach_far() -> None:
    x = lm.arange(300)
    assert x[lm.asarray([-1, 127], dtype=lm.int8)].tolist() == [299, 127]
    assert x[lm.asarray([255], dtype=lm.uint8)].tolist() == [255]


def test_a_number_tensor_is_an_index() -> None:
    x, i = lm.arange(6).reshape(2, 3), lm.asarray(1)
    assert x[i].tolist() == [3, 4, 5]
    assert x[i, -i].tolist() == 5
    assert x[:, i].tolist() == [1, 4]
    assert x[i:].tolist() == [[3, 4, 5]]
