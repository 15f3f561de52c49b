"""Matrix products: squares, their awkward neighbours, one row, few rows, a short inner axis."""

from __future__ import annotations

import numpy as np

from benchmarks.calls import function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload

BUILDERS = function_peers(
    lamina=lambda lm: lm.matmul,
    torch=lambda torch: torch.matmul,
    jax=lambda jax: jax.numpy.matmul,
    numpy=lambda np: np.matmul,
)


def reference(data: Data) -> list[np.ndarray]:
    """The product in float64."""
    return [data["a"].astype(np.float64) @ data["b"].astype(np.float64)]


def product(name: str, m: int, k: int, n: int, summary: str) -> Workload:
    """[m, k] @ [k, n] of standard normal f32.

    Sums of k products in f32 lose up to about k roundings of 6e-8; a product in bf16 or TF32 would
    miss the tolerance by far.
    """

    def data(rng: np.random.Generator) -> Data:
        return {
            "a": rng.standard_normal((m, k), np.float32),
            "b": rng.standard_normal((k, n), np.float32),
        }

    tolerance = Tolerance(absolute=2e-5 + 5e-7 * k)
    cost = Cost(2.0 * m * k * n, 4.0 * (m * k + k * n), 4.0 * m * n)
    return Workload(name, summary, data, reference, BUILDERS, tolerance, cost)


WORKLOADS = (
    *(
        product(f"mm_{n}", n, n, n, f"f32 product of two {n} x {n} matrices")
        for n in (500, 512, 768, 1000, 1024, 1536, 2047, 2048)
    ),
    product("gemv_1x4096x4096", 1, 4096, 4096, "one row times a 4096 x 4096 matrix"),
    product("mm_32x768x3072", 32, 768, 3072, "32 rows through a wide layer"),
    product("mm_2048x64x2048", 2048, 64, 2048, "a product with a short inner axis"),
)
