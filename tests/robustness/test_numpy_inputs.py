"""NumPy arrays of every kind of memory, as data and as arguments of jitted functions."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import lamina as lm

BASE = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


def frozen(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a


def odd(a: np.ndarray, by: int) -> np.ndarray:
    """The array at an address that is `by` bytes off its alignment."""
    return np.frombuffer(b"x" * by + a.tobytes(), a.dtype, a.size, by).reshape(a.shape)


ARRAYS: dict[str, np.ndarray] = {
    "plain": BASE,
    "negative strides": BASE[::-1, :, ::-1],
    "Fortran order": np.asfortranarray(BASE),
    "transposed": BASE.T,
    "steps": BASE[:, ::2, 1::2],
    "broadcast": np.broadcast_to(BASE[:1], (4, 3, 4, 5)),
    "off by an element": BASE.reshape(-1)[1:],
    "odd address": odd(BASE, 1),
    "odd address of doubles": odd(np.linspace(0, 1, 100), 5),
    "odd address of halves": odd(np.arange(9, dtype=np.float16), 3),
    "read-only": frozen(BASE),
    "big-endian": BASE.astype(">f4"),
    "big-endian integers": np.arange(-5, 5).astype(">i8"),
    "record field": np.zeros(6, [("a", np.int8), ("b", np.float32)])["b"] + np.float32(1),
    "field of packed records": np.ones(6, np.dtype([("a", np.int8), ("b", np.float32)]))["b"],
    "booleans": (np.arange(37) % 3 == 0)[::-1],
    "bytes": np.arange(-100, 100, dtype=np.int8)[::-3],
    "bfloat16": np.arange(9).astype(ml_dtypes.bfloat16)[::-1],
    "0-d": np.array(2.5, np.float32),
    "empty with strides": np.zeros((0, 4), np.float32)[:, ::2],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_as_data(name: str) -> None:
    a = ARRAYS[name]
    x = lm.asarray(a)
    native = np.asarray(a).astype(a.dtype.newbyteorder("="))
    assert x.shape == a.shape
    np.testing.assert_array_equal(x.numpy(), native)
    assert x.numpy().dtype == native.dtype
    if a.dtype != bool:
        np.testing.assert_array_equal((x + x).numpy(), native + native)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_as_arguments(name: str) -> None:
    a = ARRAYS[name]
    f = lm.jit(lambda x: lm.where(x > 1, x, lm.flip(x)))
    native = np.asarray(a).astype(a.dtype.newbyteorder("="))
    wanted = np.where(native > native.dtype.type(1), native, np.flip(native))
    np.testing.assert_array_equal(f(a).numpy(), wanted)
    np.testing.assert_array_equal(f(lm.asarray(a)).numpy(), wanted)
    if a.dtype.kind == "f" and a.dtype.isnative:
        got = lm.grad(lambda x: (x * x).sum())(a)
        np.testing.assert_array_equal(np.asarray(got), native * 2)


def test_a_result_is_no_window_into_the_argument() -> None:
    """What a jitted function returns does not change when its NumPy argument is written to."""
    a = np.ones(4, np.float32)
    same, times_one, part = lm.jit(lambda x: (x, x * 1, x.reshape((2, 2))))(a)
    a[:] = 7
    assert same.tolist() == [1.0] * 4 if isinstance(same, lm.Tensor) else same is a
    assert times_one.tolist() == [1.0] * 4
    assert part.tolist() == [[1.0, 1.0]] * 2


def test_a_copy_is_a_copy() -> None:
    a = np.ones(4, np.float32)
    x = lm.asarray(a, copy=True)
    a[:] = 7
    assert x.tolist() == [1.0] * 4
    b = x.numpy().copy()
    b[:] = 5
    assert x.tolist() == [1.0] * 4


def test_scalars_of_numpy() -> None:
    f = lm.jit(lambda x, s: x * s)
    for s in (np.float32(2), np.float64(2), np.int64(2), np.array(2.0, np.float32)):
        np.testing.assert_array_equal(f(BASE, s).numpy(), BASE * 2)
    assert (lm.ones((2,)) * np.float32(3)).tolist() == [3.0, 3.0]
    assert (np.float32(3) * lm.ones((2,))).tolist() == [3.0, 3.0]
    assert (BASE[0, 0] + lm.ones((5,))).shape == (4, 5)
