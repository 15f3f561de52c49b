"""Element by element over 16 M elements: what fusion and page faults decide."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.calls import Make, function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload

ROWS, COLUMNS = 16384, 1024
SIZE = ROWS * COLUMNS
ARRAY_BYTES = 4.0 * SIZE
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


def chain_data(rng: np.random.Generator) -> Data:
    return {
        "x": rng.standard_normal((ROWS, COLUMNS), np.float32),
        "w": rng.standard_normal(COLUMNS, np.float32),
        "b": rng.standard_normal(COLUMNS, np.float32),
        "s": rng.standard_normal(COLUMNS, np.float32),
    }


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


def gelu_data(rng: np.random.Generator) -> Data:
    data = chain_data(rng)
    mask = (rng.random(COLUMNS) < 0.9).astype(np.float32)
    return {"x": data["x"], "w": data["w"], "b": data["b"], "m": mask}


def gelu_reference(data: Data) -> list[np.ndarray]:
    x, w, b, m = float64(data)
    y = x * w + b
    return [0.5 * y * (1.0 + np.tanh(GELU_SLOPE * (y + 0.044715 * y**3))) * m]


# ---------------------------------------------------------------- addition


def addition(_: ModuleType) -> Any:
    """x + y."""
    return lambda x, y: x + y


def pair_data(rng: np.random.Generator) -> Data:
    return {k: rng.standard_normal((ROWS, COLUMNS), np.float32) for k in ("x", "y")}


def sum_reference(data: Data) -> list[np.ndarray]:
    x, y = float64(data)
    return [x + y]


def jax_numpy(make: Make) -> Make:
    """What is written for NumPy's names, with JAX's."""
    return lambda jax: make(jax.numpy)


WORKLOADS = (
    Workload(
        "chain_16M",
        "six elementwise operations over 16 M f32",
        chain_data,
        chain_reference,
        function_peers(
            lamina=lamina_chain, torch=torch_chain, jax=jax_numpy(numpy_chain), numpy=numpy_chain
        ),
        TOLERANCE,
        Cost(6.0 * SIZE, ARRAY_BYTES + 12.0 * COLUMNS, ARRAY_BYTES),
    ),
    Workload(
        "gelu_chain_16M",
        "gelu(x w + b) m over 16 M f32",
        gelu_data,
        gelu_reference,
        function_peers(lamina=lamina_gelu, torch=torch_gelu, jax=jax_gelu, numpy=numpy_gelu),
        TOLERANCE,
        Cost(12.0 * SIZE, ARRAY_BYTES + 12.0 * COLUMNS, ARRAY_BYTES),
    ),
    Workload(
        "add_16M",
        "the sum of two arrays of 16 M f32",
        pair_data,
        sum_reference,
        function_peers(lamina=addition, torch=addition, jax=addition, numpy=addition),
        Tolerance(relative=1e-7, absolute=1e-7),
        Cost(float(SIZE), 2.0 * ARRAY_BYTES, ARRAY_BYTES),
    ),
)
