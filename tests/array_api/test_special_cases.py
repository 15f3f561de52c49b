"""The special cases of the standard hold, eager and compiled, for every floating dtype."""

import math

import numpy as np
import pytest

import lamina as lm
from tests.array_api import special_cases

TABLES = {
    **special_cases.UNARY,
    **special_cases.PREDICATES,
    **special_cases.BINARY,
    **special_cases.COMPARISONS,
}
DTYPES = ("float16", "bfloat16", "float32", "float64")


def same(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Equal up to a rounding, zeros with their signs, NaN like NaN."""
    both_nan = np.isnan(found) & np.isnan(wanted)
    zeros = (wanted != 0) | (np.signbit(found) == np.signbit(wanted))
    return both_nan | (np.isclose(found, wanted, rtol=1e-2, atol=0.0) & zeros)


@pytest.mark.parametrize("name", TABLES)
def test_elementwise(name):
    cases = list(special_cases.cases(TABLES[name]))
    columns = np.array([operands for _, operands, _ in cases]).T
    wanted = np.array([result for _, _, result in cases])
    f = getattr(lm, name)
    given = [[lm.asarray(c, dtype=d) for c in columns] for d in DTYPES]
    compiled = lm.jit(lambda given: [f(*columns) for columns in given])(given)
    for dtype, columns, found in zip(DTYPES, given, compiled, strict=True):
        for result in (found, f(*columns)):
            if wanted.dtype == bool:
                right = result.numpy() == wanted
            else:
                right = same(result.numpy().astype(np.float64), wanted)
            wrong = [(rule, operands) for (rule, operands, _), ok in zip(cases, right) if not ok]
            assert wrong == [], (dtype, wrong[:5], result.numpy()[~right][:5])


@pytest.mark.parametrize("name", special_cases.REDUCTIONS)
def test_reduction(name):
    vectors = ([], [1.0, math.nan, 2.0], [math.inf, -math.inf, 1.0])
    f = getattr(lm, name)
    for dtype in DTYPES:
        for vector, wanted in zip(vectors, special_cases.REDUCTIONS[name], strict=True):
            x = lm.asarray(np.array(vector), dtype=dtype)
            if wanted is None:
                with pytest.raises(lm.ShapeError, match="no elements"):
                    f(x)
                continue
            for found in (f(x), lm.jit(f)(x)):
                assert found.shape == ()
                assert same(np.float64(found.item()), np.float64(wanted)), (dtype, vector, found)


def test_there_are_many():
    assert sum(len(list(special_cases.cases(text))) for text in TABLES.values()) > 1000


INTEGERS = {  # name: operands in int8 and what they give; integers wrap
    "abs": ((-128, -1, 0, 127), None, (-128, 1, 0, 127)),
    "add": ((127, -128, 1), (1, -1, 2), (-128, 127, 3)),
    "bitwise_left_shift": ((1, 1, -1, 3), (7, 8, 1, 100), (-128, 0, -2, 0)),
    "bitwise_right_shift": ((-128, -1, 64, 5), (7, 8, 3, 100), (-1, -1, 8, 0)),
    "floor_divide": ((-7, 7, -7, 7, -128, 5), (2, -2, -2, 2, -1, 0), (-4, -4, 3, 3, -128, 0)),
    "multiply": ((64, -128, 3), (2, -1, -3), (-128, -128, -9)),
    "negative": ((-128, 127, 0), None, (-128, -127, 0)),
    "pow": ((2, -2, 0, 2, 3), (3, 3, 0, 7, 5), (8, -8, 1, -128, -13)),
    "remainder": ((-7, 7, -7, 7, -128, 5), (2, -2, -2, 2, -1, 0), (1, -1, -1, 1, 0, 0)),
    "sign": ((-128, -1, 0, 5), None, (-1, -1, 0, 1)),
    "square": ((-128, 12, -3), None, (0, -112, 9)),
    "subtract": ((-128, 127, 0), (1, -1, 5), (127, -128, -5)),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name):
    x, y, wanted = INTEGERS[name]
    operands = [lm.asarray(v, dtype="int8") for v in (x, y) if v is not None]
    f = getattr(lm, name)
    for found in (f(*operands), lm.jit(f)(*operands)):
        assert found.dtype is lm.int8
        assert tuple(found.tolist()) == wanted
