"""Sums of a matrix along either axis, and the largest of each row."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.calls import function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload

LISTED = (4096, 4096)


def noise(shape: tuple[int, int], rng: np.random.Generator) -> Data:
    """Standard normal f32."""
    return {"x": rng.standard_normal(shape, np.float32)}


def cost(shape: tuple[int, int], axis: int) -> Cost:
    """One operation an element."""
    size = float(shape[0] * shape[1])
    return Cost(size, 4.0 * size, 4.0 * shape[1 - axis])


def summation(name: str, shape: tuple[int, int], axis: int) -> Workload:
    """The sum along an axis; 4096 terms of size 1 lose up to some 1e-3 in f32 one by one."""
    return Workload(
        name,
        f"the sums of a {shape[0]} x {shape[1]} f32 matrix along axis {axis}",
        partial(noise, shape),
        lambda data: [data["x"].sum(axis, dtype=np.float64)],
        function_peers(
            lamina=lambda lm: lambda x: lm.sum(x, axis=axis),
            torch=lambda torch: lambda x: torch.sum(x, axis),
            jax=lambda jax: lambda x: jax.numpy.sum(x, axis=axis),
            numpy=lambda np: lambda x: np.sum(x, axis=axis),
        ),
        Tolerance(absolute=2e-3),
        cost(shape, axis),
    )


def maximum(name: str, shape: tuple[int, int]) -> Workload:
    """The largest of each row."""
    return Workload(
        name,
        f"the largest of each row of a {shape[0]} x {shape[1]} f32 matrix",
        partial(noise, shape),
        lambda data: [data["x"].max(1)],
        function_peers(
            lamina=lambda lm: lambda x: lm.max(x, axis=1),
            torch=lambda torch: lambda x: torch.amax(x, 1),
            jax=lambda jax: lambda x: jax.numpy.max(x, axis=1),
            numpy=lambda np: lambda x: np.max(x, axis=1),
        ),
        Tolerance(),
        cost(shape, 1),
    )


WORKLOADS = (
    summation("sum_axis0_4096", LISTED, 0),
    summation("sum_axis1_4096", LISTED, 1),
    maximum("max_axis1_4096", LISTED),
)
