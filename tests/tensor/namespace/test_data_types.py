"""finfo, iinfo, isdtype, can_cast, astype: the text of the array standard 2024.12, row by row."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import lamina as lm
from lamina.base import dtypes

KINDS = {
    "bool": {"bool"},
    "signed integer": {"int8", "int16", "int32", "int64"},
    "unsigned integer": {"uint8", "uint16", "uint32", "uint64"},
    "real floating": {"float16", "bfloat16", "float32", "float64"},
    "complex floating": {"complex64", "complex128"},
}
KINDS["integral"] = KINDS["signed integer"] | KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] | KINDS["real floating"] | KINDS["complex floating"]


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind: str) -> None:
    found = {d.long_name for d in dtypes.ALL if lm.isdtype(d, kind)}
    assert found == KINDS[kind]


def test_kinds_may_be_dtypes_and_tuples() -> None:
    assert lm.isdtype(lm.float32, lm.float32) and not lm.isdtype(lm.float32, lm.float64)
    assert lm.isdtype(lm.int8, ("bool", "integral"))
    assert lm.isdtype(lm.complex64, (lm.float32, lm.complex64))
    assert not lm.isdtype(lm.complex64, ("real floating", lm.complex128))
    assert not lm.isdtype(lm.float32, ())
    with pytest.raises(lm.DTypeError, match="no kind 'floating'"):
        lm.isdtype(lm.float32, "floating")


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "complex64", "complex128"])
def test_limits_of_floats_are_those_of_numpy(name: str) -> None:
    wanted, kind = np.finfo(name), dtypes.dtype(name)
    for given in (kind, lm.zeros((2,), dtype=kind)):
        info = lm.finfo(given)
        assert info.dtype is kind.part and info.bits == kind.part.bits
        for field in ("eps", "max", "min", "smallest_normal"):
            value = getattr(info, field)
            assert type(value) is float and value == float(getattr(wanted, field))


def test_limits_of_small_floats() -> None:
    assert lm.finfo(lm.bfloat16).eps == 2.0**-7
    assert lm.finfo(lm.float8_e4m3fn).max == 448.0
    assert lm.finfo(lm.float8_e5m2).max == 57344.0


def test_limits_of_integers() -> None:
    for d in dtypes.ALL:
        if d.is_integer:
            info, wanted = lm.iinfo(d), np.iinfo(d.numpy)
            assert (info.bits, info.max, info.min) == (d.bits, wanted.max, wanted.min)
            assert info.dtype is d and type(info.max) is int
    assert lm.iinfo(lm.zeros((2,), dtype=lm.uint8)).max == 255
    with pytest.raises(lm.DTypeError, match="float32 is no integer"):
        lm.iinfo(lm.float32)
    with pytest.raises(lm.DTypeError, match="int8 is not floating"):
        lm.finfo(lm.int8)


def test_casts_that_promotion_makes() -> None:
    """`can_cast(a, b)` where the table of the standard has b for a and b."""
    same = [d for d in dtypes.ALL if d.kind not in ("storage",) and d is not lm.bfloat16]
    for a, b in itertools.product(same, same):
        signed = {a.kind, b.kind} == {"int", "uint"}
        mixed = {a.kind, b.kind} - {"float", "complex"} and a.kind != b.kind and not signed
        if mixed or ({a.bits, b.bits} == {16, 32} and "float16" in (a.long_name, b.long_name)):
            continue
        wanted = np.can_cast(a.numpy, b.numpy) and not (signed and b.kind == "float")
        assert lm.can_cast(a, b) == wanted, (a, b)
    assert lm.can_cast(lm.zeros((2,)), lm.complex64)
    assert not lm.can_cast(lm.complex64, lm.float64)
    assert not lm.can_cast(lm.float8_e5m2, lm.float32)


def test_astype_options() -> None:
    x = lm.asarray([1.5, -2.5])
    assert lm.astype(x, lm.float32, copy=False) is x
    assert lm.astype(x, lm.int32, device="cpu").tolist() == [1, -2]
    assert lm.astype(lm.asarray([0j, 1j]), lm.bool).tolist() == [False, True]
    assert lm.astype(x, lm.complex128).tolist() == [1.5, -2.5]
    with pytest.raises(lm.UsageError, match="no device 'tpu'"):
        lm.astype(x, lm.int32, device="tpu")


def test_dtypes_compare_and_hash() -> None:
    assert lm.float32 == lm.asarray(1.0).dtype and lm.float32 != lm.float64
    assert lm.float32 != "float32" and lm.bool != 0
    assert len({lm.float32, lm.asarray(1.0).dtype, lm.complex64}) == 2
