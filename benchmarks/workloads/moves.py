"""What moves elements rather than computing with them: transpose, gather, scatter, sum up, sort."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.calls import function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload

SIDE = 4096
ROWS, COLUMNS = 4096, 1024
PLACES, WIDTH = 16384, 256  # rows of the table, as many of which are chosen
EXACT = Tolerance()


def noise(*shape: int) -> Any:
    """Standard normal f32 of one shape."""
    return lambda rng: {"x": rng.standard_normal(shape, np.float32)}


def rows(rng: np.random.Generator) -> Data:
    """Rows, and random places of a table: some come several times, some never."""
    places = rng.integers(0, PLACES, PLACES)
    return {"x": rng.standard_normal((PLACES, WIDTH), np.float32), "places": places}


def moving(*shape: int, index_bytes: float = 0.0) -> Cost:
    """f32 in, as many out; an operation for each."""
    size = float(np.prod(shape))
    return Cost(size, 4.0 * size + index_bytes, 4.0 * size)


# ---------------------------------------------------------------- sums at places


def lamina_scatter(lm: ModuleType) -> Any:
    return lambda x, places: lm.zeros((PLACES, WIDTH)).at[places].add(x)


def torch_scatter(torch: ModuleType) -> Any:
    return lambda x, places: torch.zeros((PLACES, WIDTH)).index_add_(0, places, x)


def jax_scatter(jax: ModuleType) -> Any:
    return lambda x, places: jax.numpy.zeros((PLACES, WIDTH)).at[places].add(x)


def numpy_scatter(np: ModuleType) -> Any:
    def scatter(x: Any, places: Any) -> Any:
        found = np.zeros((PLACES, WIDTH), x.dtype)
        np.add.at(found, places, x)
        return found

    return scatter


# ---------------------------------------------------------------- rows of the table


def sorting(name: str, *shape: int) -> Workload:
    """Along the last axis."""
    return Workload(
        name,
        f"{' x '.join(map(str, shape))} f32 sorted along the last axis",
        noise(*shape),
        lambda data: [np.sort(data["x"])],
        function_peers(
            lamina=lambda lm: lambda x: lm.sort(x, axis=-1),
            torch=lambda torch: lambda x: torch.sort(x, -1)[0],
            jax=lambda jax: lambda x: jax.numpy.sort(x, axis=-1),
            numpy=lambda np: lambda x: np.sort(x, axis=-1),
        ),
        EXACT,
        moving(*shape),
    )


WORKLOADS = (
    Workload(
        f"transpose_{SIDE}",
        f"a {SIDE} x {SIDE} f32 matrix, transposed in memory",
        noise(SIDE, SIDE),
        lambda data: [data["x"].T],
        function_peers(
            lamina=lambda lm: lambda x: lm.permute_dims(x, (1, 0)),
            torch=lambda torch: lambda x: x.t().contiguous(),
            jax=lambda jax: lambda x: x.T,
            numpy=lambda np: lambda x: np.ascontiguousarray(x.T),
        ),
        EXACT,
        moving(SIDE, SIDE),
    ),
    Workload(
        f"gather_{PLACES}x{WIDTH}",
        f"{PLACES} rows of {WIDTH} f32, by their places in a table",
        rows,
        lambda data: [data["x"][data["places"]]],
        function_peers(
            lamina=lambda lm: lambda x, places: lm.take(x, places, axis=0),
            torch=lambda torch: lambda x, places: torch.index_select(x, 0, places),
            jax=lambda jax: lambda x, places: jax.numpy.take(x, places, axis=0),
            numpy=lambda np: lambda x, places: np.take(x, places, axis=0),
        ),
        EXACT,
        moving(PLACES, WIDTH, index_bytes=8.0 * PLACES),
    ),
    Workload(
        f"scatter_add_{PLACES}x{WIDTH}",
        f"{PLACES} rows of {WIDTH} f32 added to zeros at random places",
        rows,
        lambda data: [numpy_scatter(np)(data["x"].astype(np.float64), data["places"])],
        function_peers(
            lamina=lamina_scatter, torch=torch_scatter, jax=jax_scatter, numpy=numpy_scatter
        ),
        Tolerance(relative=1e-6, absolute=1e-5),  # sums of a few numbers, which cancel
        moving(PLACES, WIDTH, index_bytes=8.0 * PLACES),
    ),
    Workload(
        f"cumsum_{ROWS}x{COLUMNS}",
        f"running sums along {ROWS} rows of {COLUMNS} f32",
        noise(ROWS, COLUMNS),
        lambda data: [np.cumsum(data["x"], axis=-1, dtype=np.float64)],
        function_peers(
            lamina=lambda lm: lambda x: lm.cumulative_sum(x, axis=-1),
            torch=lambda torch: lambda x: torch.cumsum(x, -1),
            jax=lambda jax: lambda x: jax.numpy.cumsum(x, axis=-1),
            numpy=lambda np: lambda x: np.cumsum(x, axis=-1),
        ),
        Tolerance(absolute=5e-4),  # of up to 1024 terms of size 1, one by one
        moving(ROWS, COLUMNS),
    ),
    sorting(f"sort_{ROWS}x{COLUMNS}", ROWS, COLUMNS),
    sorting("sort_1M", 1_000_000),
)
