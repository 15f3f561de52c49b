"""Lazy evaluation: one program for a chain, history freed, endless loops flushed."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import lamina as lm
from lamina.tensor import eager


@pytest.fixture(autouse=True)
def _fresh_programs():
    eager.clear_programs()


def test_nothing_runs_until_somebody_looks():
    x = lm.asarray([1.0, 2.0])
    y = (x * 2 + 1).sum()
    assert y.is_pending
    assert eager.program_count() == 0
    assert float(y) == 8.0
    assert not y.is_pending
    assert eager.program_count() == 1


def test_equal_structure_is_compiled_once():
    for i in range(5):
        x = lm.asarray(np.array([float(i), 2.0], np.float32))
        (x * 2 + 1).block()
    assert eager.program_count() == 1


def test_changing_constants_become_inputs():
    x = lm.asarray(np.array([1.0, 2.0], np.float32))
    for i in range(8):
        np.testing.assert_allclose((x * float(i)).numpy(), [i, 2.0 * i])
    assert eager.program_count() == eager.SPECIALISED_PROGRAMS + 1


KEYS = {
    "rows of a batch": lambda i: slice(3 * i, 3 * i + 3),
    "one row": lambda i: i,
    "one row from the end": lambda i: -1 - i,
    "a column": lambda i: (..., i % 4),
    "a window": lambda i: (slice(i, i + 5), slice(i % 3, i % 3 + 2)),
    "every second row": lambda i: slice(i, i + 7, 2),
    "backwards": lambda i: slice(i + 6, i, -1),
    "backwards by threes": lambda i: slice(i + 9, i, -3),
    "a row, its axis kept": lambda i: (slice(i, i + 1), None),
    "nothing": lambda i: slice(i, i),
}


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.bool_, np.complex64])
@pytest.mark.parametrize("key", KEYS)
def test_slices_at_other_places_are_one_program(key, dtype):
    data = (np.arange(100) % 7).astype(dtype).reshape(25, 4)
    x = lm.asarray(data)
    for i in range(8):
        np.testing.assert_array_equal(x[KEYS[key](i)].numpy(), data[KEYS[key](i)])
    assert eager.program_count() <= eager.SPECIALISED_PROGRAMS + 1


@pytest.mark.parametrize("key", KEYS)
def test_gradients_of_slices_at_other_places_are_one_program(key):
    data = np.random.default_rng(0).normal(size=(25, 4))
    x = lm.asarray(data)
    before = None
    for i in range(8):
        here = KEYS[key](i)
        expected = np.zeros_like(data)
        expected[here] = 3 * data[here] ** 2
        got = lm.grad(lambda x, here=here: (x[here] ** 3).sum())(x).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        if i == eager.SPECIALISED_PROGRAMS:
            before = eager.program_count()
    assert eager.program_count() == before


def test_slices_of_other_sizes_are_other_programs():
    x = lm.asarray(np.arange(12.0))
    for n in range(6):
        np.testing.assert_array_equal(x[n : 2 * n].numpy(), np.arange(12.0)[n : 2 * n])
        np.testing.assert_array_equal(
            lm.pad(x[:n], (n, 1)).numpy(), np.pad(np.arange(12.0)[:n], (n, 1))
        )


def test_zero_and_minus_zero_are_two_constants():
    x = lm.asarray(np.array([1.0], np.float32))
    assert np.signbit((x * -0.0).numpy())[0]
    assert not np.signbit((x * 0.0).numpy())[0]


def test_held_tensors_are_computed_along():
    x = lm.asarray(np.array([1.0, 2.0], np.float32))
    middle = x * 2
    last = middle + 1
    last.block()
    assert not middle.is_pending


def test_history_is_freed():
    x = lm.asarray(np.array([1.0, 2.0], np.float32))
    y = x * 2
    z = y + 1
    value = weakref.ref(y._value)
    del y
    z.block()
    gc.collect()
    assert value() is None
    assert z._value.op is None


def test_endless_loops_are_flushed():
    x = lm.asarray(np.zeros(2, np.float32))
    for _ in range(10 * eager.FLUSH_DEPTH):
        x = x + 1
        assert x._value.data.depth <= eager.FLUSH_DEPTH + 1
    assert x.tolist() == [3000.0, 3000.0]


def test_python_control_flow():
    x = lm.asarray(27)
    steps = 0
    while x != 1:
        x = x // 2 if x % 2 == 0 else 3 * x + 1
        steps += 1
    assert steps == 111


def test_numpy_in_and_out_share_memory():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = lm.asarray(array)
    view = x.numpy()
    assert np.shares_memory(view, array)
    assert not view.flags.writeable
    result = (x + 1).block()
    assert np.shares_memory(result.numpy(), np.asarray(result))
    assert not np.shares_memory(lm.asarray(array, copy=True).numpy(), array)
    np.testing.assert_array_equal(lm.asarray(array.T).numpy(), array.T)


def test_dlpack():
    x = lm.asarray([1.0, 2.0])
    np.testing.assert_array_equal(np.from_dlpack(x), x.numpy())


def test_bfloat16_and_empty():
    x = lm.asarray([1.0, 2.0], dtype=lm.bfloat16)
    assert (x + 1).astype(lm.float32).tolist() == [2.0, 3.0]
    assert "dtype=bfloat16" in repr(x)
    empty = lm.zeros((0, 3))
    assert (empty + 1).numpy().shape == (0, 3)
    assert float(empty.sum()) == 0.0


def test_attributes():
    x = lm.zeros((2, 3), dtype=lm.float16)
    assert (x.shape, x.ndim, x.size, x.nbytes) == ((2, 3), 2, 6, 12)
    assert x.dtype is lm.float16
    assert x.device == "cpu"
    assert x.T.shape == (3, 2)
    assert x.mT.shape == (3, 2)
    assert len(x) == 2
    assert [row.shape for row in x] == [(3,), (3,)]
    assert not x.is_traced


def test_attributes_of_a_traced_tensor():
    seen = {}

    @lm.jit
    def f(x):
        y = x * 2
        for name in ("shape", "ndim", "size", "dtype", "device", "nbytes", "itemsize", "is_traced"):
            seen[name] = getattr(y, name)
        seen["repr"] = repr(y)
        return y

    f(lm.zeros((2, 3)))
    assert seen == {
        "shape": (2, 3), "ndim": 2, "size": 6, "dtype": lm.float32, "device": "cpu", "nbytes": 24,
        "itemsize": 4, "is_traced": True,
        "repr": "Tensor(traced by jit, shape=(2, 3), dtype=float32)",
    }  # fmt: skip


def test_show_and_convert():
    x = lm.asarray([1.0, 2.0])
    assert repr(x) == "Tensor([1., 2.], shape=(2,), dtype=float32)"
    assert f"{x.sum():.2f}" == "3.00"
    assert int(lm.asarray(3)) == 3
    assert [10, 20, 30][lm.asarray(1)] == 20
    assert bool(lm.asarray(True))


def test_copies():
    x = lm.asarray([1.0, 2.0])
    y = copy.deepcopy(x)
    assert y is not x and y._value is x._value  # the elements are shared: they do not change
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x + 1)).numpy(), [2.0, 3.0])


def test_hash_is_identity():
    x = lm.asarray([1.0])
    assert {x: 1}[x] == 1


def test_what_builds_on_the_same_operands_is_computed_along():
    x = lm.asarray(np.array([1.0, 2.0], np.float32))
    middle = lm.exp(x)
    used = middle * 2
    other = middle + 1
    unrelated = x - 1
    del middle
    used.block()
    assert not other.is_pending
    assert unrelated.is_pending


def test_another_tensor_of_a_value_is_computed_along():
    """What a reshape that changes nothing returns outlives the tensor that it was made of."""
    x = lm.asarray(np.array([1.0, 2.0], np.float32))
    middle = lm.exp(x)
    used = middle * 2
    other = lm.reshape(lm.permute_dims(middle + 1, (0,)), (2,))
    used.block()
    assert not other.is_pending


def test_a_training_loop_settles_on_its_programs():
    w = lm.asarray(np.ones(3, np.float32))
    momentum = lm.zeros((3,))
    counts = []
    for _ in range(12):
        loss, g = lm.value_and_grad(lambda w: (lm.tanh(w) ** 2).sum())(w)
        momentum = 0.9 * momentum + g
        w = w - 0.1 * momentum
        float(loss)
        counts.append(eager.program_count())
    assert counts[-1] == counts[3]
    assert w._value.op is None


def test_a_fault_nobody_looks_at_does_not_stop_others():
    x = lm.exp(lm.asarray(np.array([1.0, 2.0], np.float32)))
    place = lm.astype(x.sum(), lm.int64)
    bad = x[place]
    assert (x * 2).numpy().shape == (2,)
    with pytest.raises(lm.BoundsError):
        bad.block()
