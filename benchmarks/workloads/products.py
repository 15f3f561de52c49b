"""Matrix products: squares, their awkward neighbours, one row, few rows, a short inner axis."""

from __future__ import annotations

import numpy as np

from benchmarks.calls import function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload, in_bf16

SIZES: dict[str, tuple[int, ...]] = {
    **{f"mm_{n}": (n, n, n) for n in (256, 500, 512, 768, 1000, 1024, 1536, 2047, 2048)},
    "gemv_1x4096x4096": (1, 4096, 4096),
    "mm_32x768x3072": (32, 768, 3072),
    "mm_2048x64x2048": (2048, 64, 2048),
    "bmm_96x256x64x256": (96, 256, 64, 256),
}
"""Rows, inner axis and columns, after the axis of a batch where there is one."""

AWKWARD = {f"mm_{n}" for n in (500, 768, 1000, 1536, 2047)}
"""Only in f32."""

ITEM_BYTES = {"f32": 4.0, "bf16": 2.0}
TOLERANCES = {"f32": 0.0, "bf16": 2.0**-8}
"""Relative ones: a result in bf16 is rounded by up to 2^-9."""


def reference(data: Data) -> list[np.ndarray]:
    """The product in float64."""
    return [data["a"].astype(np.float64) @ data["b"].astype(np.float64)]


def product(name: str, sizes: tuple[int, ...], precision: str = "f32") -> Workload:
    """[..., m, k] @ [..., k, n] of standard normal numbers.

    Sums of k products in f32 lose up to about k roundings of 6e-8; sums in bf16 or TF32 would miss
    the tolerance by far.
    """
    *batch, m, k, n = sizes

    def data(rng: np.random.Generator) -> Data:
        found = {
            "a": rng.standard_normal((*batch, m, k), np.float32),
            "b": rng.standard_normal((*batch, k, n), np.float32),
        }
        return found if precision == "f32" else {k: in_bf16(a) for k, a in found.items()}

    count, item = float(np.prod(batch)), ITEM_BYTES[precision]
    lowered = "" if precision == "f32" else f"_{precision}"
    return Workload(
        name + lowered,
        f"{precision} product of {' x '.join(map(str, (*batch, m, k)))} and {k} x {n}",
        data,
        reference,
        function_peers(
            lamina=lambda lm: lm.matmul,
            torch=lambda torch: torch.matmul,
            jax=lambda jax: jax.numpy.matmul,
            numpy=lambda np: np.matmul,
            onnx=lambda graph, a, b: graph("MatMul", a, b),
            precision=precision,
        ),
        Tolerance(TOLERANCES[precision], 2e-5 + 5e-7 * k),
        Cost(
            2.0 * count * m * k * n,
            item * count * (m * k + k * n),
            item * count * m * n,
            precision,
        ),
    )


WORKLOADS = (
    *(product(name, sizes) for name, sizes in SIZES.items()),
    *(product(name, sizes, "bf16") for name, sizes in SIZES.items() if name not in AWKWARD),
)
