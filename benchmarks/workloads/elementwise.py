"""Element by element: what fusion and page faults decide."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.calls import Make, function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload

LISTED = (16384, 1024)
TOLERANCE = Tolerance(relative=2e-6, absolute=2e-6)  # a few roundings of f32, and of its tanh
GELU_SLOPE = 0.7978845608028654  # sqrt(2 / pi)


def float64(data: Data) -> list[np.ndarray]:
    """The arrays in double precision."""
    return [a.astype(np.float64) for a in data.values()]


# ---------------------------------------------------------------- six operations


def chain_of(tanh: Any, maximum: Any) -> Any:
    """max(tanh(x w + b) s + x, 0): multiply, add, tanh, multiply, add, maximum."""

    def chain(x: Any, w: Any, b: Any, s: Any) -> Any:
        return maximum(tanh(x * w + b) * s + x)

    return chain


def lamina_chain(lm: ModuleType) -> Any:
    return chain_of(lm.tanh, lambda x: lm.maximum(x, 0.0))


def torch_chain(torch: ModuleType) -> Any:
    return chain_of(torch.tanh, lambda x: torch.clamp_min(x, 0.0))


def numpy_chain(np: ModuleType) -> Any:
    return chain_of(np.tanh, lambda x: np.maximum(x, np.float32(0)))


def chain_data(shape: tuple[int, int], rng: np.random.Generator) -> Data:
    rows = {name: rng.standard_normal(shape[1], np.float32) for name in "wbs"}
    return {"x": rng.standard_normal(shape, np.float32), **rows}


def chain_reference(data: Data) -> list[np.ndarray]:
    x, w, b, s = float64(data)
    return [np.maximum(np.tanh(x * w + b) * s + x, 0.0)]


# ---------------------------------------------------------------- gelu(x w + b) m


def masked_gelu(gelu: Any) -> Any:
    """gelu(x w + b) m, in the form with tanh."""

    def f(x: Any, w: Any, b: Any, m: Any) -> Any:
        return gelu(x * w + b) * m

    return f


def lamina_gelu(lm: ModuleType) -> Any:
    return masked_gelu(lambda x: lm.functional.gelu(x, approximate="tanh"))


def torch_gelu(torch: ModuleType) -> Any:
    return masked_gelu(lambda x: torch.nn.functional.gelu(x, approximate="tanh"))


def jax_gelu(jax: ModuleType) -> Any:
    return masked_gelu(lambda x: jax.nn.gelu(x, approximate=True))


def numpy_gelu(np: ModuleType) -> Any:
    def gelu(x: Any) -> Any:
        inner = np.tanh(np.float32(GELU_SLOPE) * (x + np.float32(0.044715) * (x * x * x)))
        return np.float32(0.5) * x * (np.float32(1) + inner)

    return masked_gelu(gelu)


def gelu_data(shape: tuple[int, int], rng: np.random.Generator) -> Data:
    data = chain_data(shape, rng)
    mask = (rng.random(shape[1]) < 0.9).astype(np.float32)
    return {"x": data["x"], "w": data["w"], "b": data["b"], "m": mask}


def gelu_reference(data: Data) -> list[np.ndarray]:
    x, w, b, m = float64(data)
    y = x * w + b
    return [0.5 * y * (1.0 + np.tanh(GELU_SLOPE * (y + 0.044715 * y**3))) * m]


# ---------------------------------------------------------------- addition


def addition(_: ModuleType) -> Any:
    """x + y."""
    return lambda x, y: x + y


def pair_data(shape: tuple[int, int], rng: np.random.Generator) -> Data:
    return {k: rng.standard_normal(shape, np.float32) for k in ("x", "y")}


def sum_reference(data: Data) -> list[np.ndarray]:
    x, y = float64(data)
    return [x + y]


def jax_numpy(make: Make) -> Make:
    """What is written for NumPy's names, with JAX's."""
    return lambda jax: make(jax.numpy)


# ---------------------------------------------------------------- the workloads


def cost(shape: tuple[int, int], operations: float, arrays: int, rows: int) -> Cost:
    """Operations an element; so many arrays and rows in, an array out."""
    size = shape[0] * shape[1]
    return Cost(operations * size, 4.0 * (arrays * size + rows * shape[1]), 4.0 * size)


def chain(name: str, shape: tuple[int, int]) -> Workload:
    """Six operations."""
    return Workload(
        name,
        f"six elementwise operations over {shape[0]} x {shape[1]} f32",
        partial(chain_data, shape),
        chain_reference,
        function_peers(
            lamina=lamina_chain, torch=torch_chain, jax=jax_numpy(numpy_chain), numpy=numpy_chain
        ),
        TOLERANCE,
        cost(shape, 6.0, 1, 3),
    )


def gelu_chain(name: str, shape: tuple[int, int]) -> Workload:
    """gelu(x w + b) m."""
    return Workload(
        name,
        f"gelu(x w + b) m over {shape[0]} x {shape[1]} f32",
        partial(gelu_data, shape),
        gelu_reference,
        function_peers(lamina=lamina_gelu, torch=torch_gelu, jax=jax_gelu, numpy=numpy_gelu),
        TOLERANCE,
        cost(shape, 12.0, 1, 3),
    )


def add(name: str, shape: tuple[int, int]) -> Workload:
    """x + y."""
    return Workload(
        name,
        f"the sum of two arrays of {shape[0]} x {shape[1]} f32",
        partial(pair_data, shape),
        sum_reference,
        function_peers(lamina=addition, torch=addition, jax=addition, numpy=addition),
        Tolerance(relative=1e-7, absolute=1e-7),
        cost(shape, 1.0, 2, 0),
    )


WORKLOADS = (
    chain("chain_16M", LISTED),
    gelu_chain("gelu_chain_16M", LISTED),
    add("add_16M", LISTED),
)
