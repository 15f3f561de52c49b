"""Memory goes to other libraries and comes back without being copied."""

import numpy as np
import pytest

import lamina as lm
from lamina.base import dtypes

NUMPY_KNOWS = [d for d in dtypes.ALL if d.kind in ("bool", "int", "uint", "float", "complex")]
NUMPY_KNOWS = [d for d in NUMPY_KNOWS if d is not lm.bfloat16]
TORCH_KNOWS = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128",
]  # fmt: skip
JAX_KNOWS = ["bool", "int8", "int32", "uint8", "float16", "bfloat16", "float32", "complex64"]


def address_of(x: lm.Tensor) -> int:
    return x.numpy().ctypes.data


def made(dtype: str) -> lm.Tensor:
    return lm.asarray(np.arange(6).reshape(2, 3), dtype=dtype).block()


@pytest.mark.parametrize("dtype", NUMPY_KNOWS, ids=str)
def test_to_numpy_and_back(dtype):
    x = made(dtype.long_name)
    there = np.from_dlpack(x)
    assert there.ctypes.data == address_of(x)
    assert not there.flags.writeable
    back = lm.from_dlpack(there)
    assert address_of(back) == address_of(x)
    assert back.dtype is dtype
    assert back.tolist() == x.tolist()


@pytest.mark.parametrize("dtype", TORCH_KNOWS)
@pytest.mark.filterwarnings("ignore:.*not writable")
def test_to_torch_and_back(dtype):
    torch = pytest.importorskip("torch", reason="no torch")
    x = made(dtype)
    there = torch.from_dlpack(x)
    assert there.data_ptr() == address_of(x)
    assert str(there.dtype) == f"torch.{dtype}"
    back = lm.from_dlpack(there)
    assert address_of(back) == address_of(x)
    assert back.dtype is getattr(lm, dtype)
    assert back.tolist() == x.tolist()
    assert lm.from_dlpack(there.T).tolist() == lm.matrix_transpose(x).tolist()
    with pytest.raises(lm.UsageError, match="not in row-major order"):
        lm.from_dlpack(there.T, copy=False)


@pytest.mark.parametrize("dtype", JAX_KNOWS)
def test_from_jax_and_to_it(dtype):
    jax = pytest.importorskip("jax", reason="no jax")
    there = jax.numpy.asarray(np.arange(6).reshape(2, 3), dtype=dtype)
    x = lm.from_dlpack(there)
    assert address_of(x) == there.unsafe_buffer_pointer()
    assert x.dtype is getattr(lm, dtype)
    back = jax.numpy.from_dlpack(x)
    assert back.dtype == there.dtype
    assert back.tolist() == there.tolist()


def test_copies_where_asked():
    source = np.arange(4.0)
    x = lm.from_dlpack(source)
    assert address_of(x) == source.ctypes.data
    assert address_of(lm.from_dlpack(source, copy=True)) != source.ctypes.data
    assert np.from_dlpack(x, copy=True).ctypes.data != address_of(x)
    assert np.asarray(x).ctypes.data == address_of(x)
    assert address_of(lm.asarray(source)) == source.ctypes.data
    assert address_of(lm.asarray(source, copy=True)) != source.ctypes.data
    assert address_of(lm.asarray(source, copy=False)) == source.ctypes.data


def test_an_old_consumer_gets_a_copy_it_may_write_to():
    x = lm.ones(3)
    capsule = x.__dlpack__()
    assert "dltensor_versioned" not in repr(capsule)
    assert "dltensor_versioned" in repr(x.__dlpack__(max_version=(1, 0)))
    x.__dlpack__(copy=False)
    assert not x.numpy().flags.writeable
    fixed = np.arange(3.0)
    fixed.flags.writeable = False
    with pytest.raises(BufferError, match="read-only; take a copy"):
        lm.asarray(fixed).__dlpack__(copy=False)


def test_other_devices_and_streams():
    x = lm.ones(3)
    assert x.__dlpack_device__() == (1, 0)
    x.__dlpack__(dl_device=(1, 0))
    with pytest.raises(BufferError, match=r"no device \(2, 0\)"):
        x.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="no streams"):
        x.__dlpack__(stream=1)
    with pytest.raises(lm.UsageError, match="no streams"):
        x.to_device("cpu", stream=1)
    for name in ("zeros", "full_like", "arange", "linspace", "eye"):
        arguments = {"full_like": (x, 1), "linspace": (0, 1, 2)}.get(name, (3,))
        with pytest.raises(lm.UsageError, match="no device 'gpu'"):
            getattr(lm, name)(*arguments, device="gpu")


def test_the_array_interface():
    x = made("int16")
    interface = x.__array_interface__
    assert interface["data"] == (address_of(x), True)
    assert interface["shape"] == (2, 3)
    assert np.asarray(made("bfloat16")).dtype == lm.bfloat16.numpy
    assert not hasattr(made("bfloat16"), "__array_interface__")


def test_what_cannot_be_shared():
    with pytest.raises(lm.UsageError, match="does not speak DLPack"):
        lm.from_dlpack([1, 2])
    with pytest.raises(lm.UsageError, match="no memory to share"):
        lm.asarray([1, 2], copy=False)
    with pytest.raises(lm.UsageError, match="cannot be shared"):
        lm.asarray(np.arange(3), dtype="float32", copy=False)
    with pytest.raises(lm.UsageError, match="cannot be shared"):
        lm.asarray(np.ones((2, 3)).T, copy=False)


def test_copies_are_tensors_of_their_own():
    x = lm.ones(3)
    assert lm.asarray(x) is x
    assert lm.asarray(x, copy=False) is x
    assert lm.asarray(x, copy=True) is not x
    assert lm.astype(x, x.dtype) is not x
    assert lm.astype(x, x.dtype, copy=False) is x
    assert lm.reshape(x, (3,), copy=True) is not x
