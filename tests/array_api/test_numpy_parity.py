"""Every function of the namespace gives what NumPy gives, over dtypes, shapes, axes and orders."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

import lamina as lm
from lamina.base import dtypes
from lamina.tensor import api
from lamina.tensor.namespace import (
    along_axis,
    closeness,
    creation,
    differences,
    elementwise,
    elementwise_numpy,
    float_bits,
    grids,
    manipulation,
    nan_functions,
    padding,
    rearranging,
    reductions,
    signal,
    statistics,
)
from tests.array_api import parity_elementwise, parity_reductions, parity_shapes
from tests.array_api.parity import TOLERANCES, Case

TABLES = (parity_elementwise, parity_reductions, parity_shapes)
CASES = [case for table in TABLES for case in table.cases()]
GROUPS: dict[str, list[Case]] = defaultdict(list)
for case in CASES:
    GROUPS[case.group].append(case)


def _flat(result) -> list:
    """The arrays of a result that may be several."""
    if isinstance(result, list | tuple):
        return [a for part in result for a in _flat(part)]
    return [result]


def assert_like(case: Case, found: list[lm.Tensor], wanted: list[np.ndarray]) -> None:
    assert len(found) == len(wanted), case.name
    for mine, theirs in zip(found, wanted, strict=True):
        theirs = np.asarray(theirs)
        assert mine.shape == theirs.shape, (case.name, mine.shape, theirs.shape)
        kind = mine.dtype.kind
        assert kind == dtypes.dtype(theirs.dtype).kind, (case.name, mine.dtype, theirs.dtype)
        with np.errstate(all="ignore"):
            rounded = theirs.astype(mine.dtype.numpy)
        if kind in ("bool", "int", "uint") or case.exact:
            np.testing.assert_array_equal(mine.numpy(), rounded, err_msg=case.name)
            continue
        tolerance = TOLERANCES[mine.dtype.part.long_name] * case.scale
        numbers = np.complex128 if kind == "complex" else np.float64
        np.testing.assert_allclose(
            mine.numpy().astype(numbers),
            rounded.astype(numbers),
            rtol=tolerance,
            atol=tolerance,
            err_msg=case.name,
        )


@pytest.mark.parametrize("group", GROUPS)
def test_compiled_as_one_program(group):
    cases = GROUPS[group]
    inputs = [[lm.asarray(a) for a in case.arrays] for case in cases]
    program = lm.jit(lambda given: [c.lamina(*a) for c, a in zip(cases, given, strict=True)])
    for case, found in zip(cases, program(inputs), strict=True):
        assert_like(case, _flat(found), _flat(case.wanted()))


@pytest.mark.parametrize("group", [g for i, g in enumerate(GROUPS) if i % 10 == 0])
def test_eager(group):
    for case in GROUPS[group][:2]:
        found = _flat(case.lamina(*[lm.asarray(a) for a in case.arrays]))
        assert_like(case, found, _flat(case.wanted()))


def test_there_are_many():
    assert len(CASES) >= 5000


THEMES = (
    along_axis, closeness, creation, differences, elementwise, elementwise_numpy, float_bits,
    grids, manipulation, nan_functions, padding, rearranging, reductions, signal, statistics,
)  # fmt: skip
WITHOUT_ELEMENTS = {"broadcast_shapes", "empty", "empty_like"}


def test_every_function_of_these_themes_is_in_the_table():
    named = {case.name.split()[0] for case in CASES} | WITHOUT_ELEMENTS
    rooms = {theme.__name__ for theme in THEMES}
    functions = {n: getattr(lm, n) for n in api.__all__ if hasattr(np, n)}
    assert [
        n for n, f in functions.items() if getattr(f, "__module__", "") in rooms and n not in named
    ] == []


def test_shapes_alone():
    for shapes in [((3, 1), (4,)), ((), (2,)), ((0, 1), (1, 5)), (7, (2, 1))]:
        assert lm.broadcast_shapes(*shapes) == np.broadcast_shapes(*shapes)
    assert lm.empty((2, 3), dtype="int8").dtype is lm.int8
    assert lm.empty_like(lm.ones((2, 0))).shape == (2, 0)
    with pytest.raises(lm.ShapeError, match="do not broadcast"):
        lm.broadcast_shapes((2,), (3,))


def test_dtypes_are_all_crossed():
    seen = {str(a.dtype) for case in CASES for a in case.arrays[:1]}
    assert {d.long_name for d in dtypes.ALL if d.kind in ("bool", "int", "uint", "float")} <= seen
