"""scikit-learn and SciPy compute with Lamina's tensors through the array standard."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.array_api import make_strategies_namespace

import lamina as lm
from tests.array_api import standard

ROOT = Path(__file__).resolve().parents[2]
MISSING = [
    name for name in ("unique_values", "unique_inverse", "searchsorted") if not hasattr(lm, name)
]


def _assignable() -> bool:
    x = lm.asarray([1.0, 2.0])
    try:
        x[x > 1.5] = 0.0
    except lm.ImmutableError:
        return False
    return x.tolist() == [1.0, 0.0]


def test_array_api_compat_finds_the_namespace():
    compat = pytest.importorskip("array_api_compat", reason="no array-api-compat")
    assert compat.array_namespace(lm.ones(3)) is lm
    assert compat.is_array_api_obj(lm.ones(3))
    assert compat.device(lm.ones(3)) == "cpu"


def test_scikit_learn_and_scipy():
    for name in ("sklearn", "scipy", "array_api_compat"):
        pytest.importorskip(name, reason=f"no {name}")
    if MISSING or not _assignable():
        pytest.skip(f"not there yet: {', '.join([*MISSING, 'assignment'])}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.array_api.with_scikit_learn"],
        cwd=ROOT,
        env={**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert len(results) >= 50
    assert [f"{name}: {problem}" for name, problem in results if problem] == []


STRATEGIES = make_strategies_namespace(lm, api_version="2024.12")


@settings(max_examples=20, deadline=None, derandomize=True)
@given(STRATEGIES.arrays(dtype=STRATEGIES.scalar_dtypes(), shape=STRATEGIES.array_shapes()))
def test_hypothesis_makes_tensors(x):
    assert isinstance(x, lm.Tensor)
    assert x.dtype.long_name in standard.DTYPES
    np.testing.assert_array_equal(np.asarray(lm.asarray(x.tolist(), dtype=x.dtype)), np.asarray(x))
