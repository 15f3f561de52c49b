"""Checks of products and their optimisation (rows AC-*) that no other test makes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lamina as lm
from lamina.base import dtypes


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 3), (65, 33, 17), (128, 128, 128), (3, 0, 2)])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (2.5, -0.5), (1.0, 0.0), (0.0, 1.0)])
def test_gemm(shape: tuple[int, int, int], alpha: float, beta: float) -> None:
    """AC-5: alpha A B + beta C for sizes of any kind; with beta = 0, C is not read."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    a = rng.standard_normal((m, k)).astype(np.float32)
    b = rng.standard_normal((k, n)).astype(np.float32)
    c = rng.standard_normal((m, n)).astype(np.float32)
    given = np.full((m, n), np.nan, np.float32) if beta == 0 else c
    f = lm.jit(lambda c, a, b: lm.functional.addmm(c, a, b, beta=beta, alpha=alpha))
    wanted = alpha * (a @ b) + (beta * c if beta else 0.0)
    np.testing.assert_allclose(f(given, a, b).numpy(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_every_rung_of_the_ladder_is_right(dtype: str) -> None:
    """AC-6: from three loops to packed, blocked, parallel tiles: each a variant of its own."""
    ladder = pytest.importorskip("benchmarks.ladder")
    target = ladder.select()
    runner = ladder.Runner(target)
    n = 96
    numpy = {"f32": np.float32, "f64": np.float64}[dtype]
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((n, n)).astype(numpy) for _ in range(2))
    wanted = x.astype(np.float64) @ y.astype(np.float64)
    nests = set()
    for name, rung in ladder.RUNGS.items():
        out = np.full((n, n), np.nan, numpy)
        task = rung(n, dtype, target)
        runner.load(task, [x, y, out])()
        np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-3, err_msg=name)
        nests.add(str(ladder.to_text(task.nest)))
    assert len(nests) >= 4


@pytest.mark.parametrize(("kind", "bits"), [(lm.float16, 10), (lm.bfloat16, 7)])
def test_products_of_halves_add_up_in_single(kind: dtypes.DType, bits: int) -> None:
    """AC-3: over a long inner axis the error is far below that of sums in half precision."""
    rng = np.random.default_rng(0)
    k = 4096
    a, b = (rng.random(s, np.float32).astype(kind.numpy) for s in ((8, k), (k, 8)))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    sums = np.zeros((8, 8), kind.numpy)
    for i in range(k):
        sums = (sums + a[:, i : i + 1] * b[i]).astype(kind.numpy)
    found = lm.jit(lm.matmul)(a, b).numpy().astype(np.float64)
    ours, all_half = np.abs(found - exact).max(), np.abs(sums.astype(np.float64) - exact).max()
    spacing = 2.0 ** (math.floor(math.log2(exact.max())) - bits)
    assert ours <= 0.505 * spacing, "the result is rounded once"
    assert ours < all_half / 20
