"""The two back ends: compiled, and the NumPy reference."""

import subprocess
import sys

import numpy as np
import pytest

import lamina as lm
from lamina.backend import execution
from lamina.tensor import eager


def test_reference_gives_the_same():
    x = lm.asarray(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))

    def f(x):
        return lm.functional.softmax(lm.tanh(x @ x.mT) * 2.0)

    before = execution.back_end()
    compiled = f(x).numpy()
    try:
        execution.use("reference")
        eager.clear_programs()
        np.testing.assert_allclose(f(x).numpy(), compiled, rtol=1e-6)
        np.testing.assert_allclose(lm.jit(f)(x).numpy(), compiled, rtol=1e-6)
    finally:
        execution.use(before)
        eager.clear_programs()


def test_unknown_back_end():
    with pytest.raises(lm.UsageError, match="no back end 'other'"):
        execution.use("other")


def test_import_does_not_load_the_compiler():
    code = "import sys, lamina; sys.exit('llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
