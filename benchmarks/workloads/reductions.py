"""Sums of a 4096 x 4096 matrix along either axis, and the largest of each row."""

from __future__ import annotations

import numpy as np

from benchmarks.calls import function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload

SIDE = 4096


def data(rng: np.random.Generator) -> Data:
    """Standard normal f32."""
    return {"x": rng.standard_normal((SIDE, SIDE), np.float32)}


COST = Cost(float(SIDE * SIDE), 4.0 * SIDE * SIDE, 4.0 * SIDE)


def summation(axis: int) -> Workload:
    """The sum along an axis; its 4096 terms of size 1 lose up to some 1e-3 in f32 one by one."""
    return Workload(
        f"sum_axis{axis}_{SIDE}",
        f"the sums of a {SIDE} x {SIDE} f32 matrix along axis {axis}",
        data,
        lambda data: [data["x"].sum(axis, dtype=np.float64)],
        function_peers(
            lamina=lambda lm: lambda x: lm.sum(x, axis=axis),
            torch=lambda torch: lambda x: torch.sum(x, axis),
            jax=lambda jax: lambda x: jax.numpy.sum(x, axis=axis),
            numpy=lambda np: lambda x: np.sum(x, axis=axis),
        ),
        Tolerance(absolute=2e-3),
        COST,
    )


MAXIMUM = Workload(
    f"max_axis1_{SIDE}",
    f"the largest of each row of a {SIDE} x {SIDE} f32 matrix",
    data,
    lambda data: [data["x"].max(1)],
    function_peers(
        lamina=lambda lm: lambda x: lm.max(x, axis=1),
        torch=lambda torch: lambda x: torch.amax(x, 1),
        jax=lambda jax: lambda x: jax.numpy.max(x, axis=1),
        numpy=lambda np: lambda x: np.max(x, axis=1),
    ),
    Tolerance(),
    COST,
)


WORKLOADS = (summation(0), summation(1), MAXIMUM)
