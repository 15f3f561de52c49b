"""Along rows: softmax, layer norm, and layer norm with its gradient."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.calls import function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload

LISTED = (4096, 1024)
EPSILON = 1e-5


def float64(data: Data) -> list[np.ndarray]:
    """The arrays in double precision."""
    return [a.astype(np.float64) for a in data.values()]


# ---------------------------------------------------------------- softmax


def lamina_softmax(lm: ModuleType) -> Any:
    return lambda x: lm.functional.softmax(x, axis=-1)


def torch_softmax(torch: ModuleType) -> Any:
    return lambda x: torch.softmax(x, -1)


def jax_softmax(jax: ModuleType) -> Any:
    return lambda x: jax.nn.softmax(x, axis=-1)


def numpy_softmax(np: ModuleType) -> Any:
    def softmax(x: Any) -> Any:
        y = np.exp(x - x.max(-1, keepdims=True))
        y /= y.sum(-1, keepdims=True)
        return y

    return softmax


def softmax_data(shape: tuple[int, int], rng: np.random.Generator) -> Data:
    return {"x": rng.standard_normal(shape, np.float32)}


def softmax_reference(data: Data) -> list[np.ndarray]:
    return [numpy_softmax(np)(float64(data)[0])]


# ---------------------------------------------------------------- layer norm


def lamina_norm(lm: ModuleType) -> Any:
    return lambda x, w, b: lm.functional.layer_norm(x, x.shape[-1], w, b, EPSILON)


def torch_norm(torch: ModuleType) -> Any:
    return lambda x, w, b: torch.nn.functional.layer_norm(x, w.shape, w, b, EPSILON)


def jax_norm(jax: ModuleType) -> Any:
    def norm(x: Any, w: Any, b: Any) -> Any:
        gap = x - x.mean(-1, keepdims=True)
        return gap * jax.lax.rsqrt((gap * gap).mean(-1, keepdims=True) + EPSILON) * w + b

    return norm


def numpy_norm(np: ModuleType) -> Any:
    def norm(x: Any, w: Any, b: Any) -> Any:
        gap = x - x.mean(-1, keepdims=True)
        gap /= np.sqrt(np.square(gap).mean(-1, keepdims=True) + x.dtype.type(EPSILON))
        gap *= w
        gap += b
        return gap

    return norm


def onnx_norm(graph: Any, x: str, w: str, b: str) -> str:
    return graph("LayerNormalization", x, w, b, axis=-1, epsilon=EPSILON)


def norm_data(shape: tuple[int, int], rng: np.random.Generator) -> Data:
    return {
        "x": rng.standard_normal(shape, np.float32),
        "w": rng.standard_normal(shape[1], np.float32),
        "b": rng.standard_normal(shape[1], np.float32),
    }


def norm_reference(data: Data) -> list[np.ndarray]:
    return [numpy_norm(np)(*float64(data))]


# ---------------------------------------------------------------- layer norm and its gradient


def lamina_gradient(lm: ModuleType) -> Any:
    norm = lamina_norm(lm)

    def gradient(x: Any, w: Any, b: Any, y_bar: Any) -> Any:
        _, pull = lm.vjp(norm, x, w, b)
        return pull(y_bar)

    return gradient


def torch_gradient(torch: ModuleType) -> Any:
    return torch_gradient_of(torch, torch_norm(torch))


def torch_compile_gradient(torch: ModuleType) -> Any:
    return torch_gradient_of(torch, torch.compile(torch_norm(torch)))


def torch_gradient_of(torch: ModuleType, norm: Any) -> Any:
    def gradient(x: Any, w: Any, b: Any, y_bar: Any) -> Any:
        leaves = [t.detach().requires_grad_() for t in (x, w, b)]
        return torch.autograd.grad(norm(*leaves), leaves, y_bar)

    return gradient


def jax_gradient(jax: ModuleType) -> Any:
    norm = jax_norm(jax)

    def gradient(x: Any, w: Any, b: Any, y_bar: Any) -> Any:
        _, pull = jax.vjp(norm, x, w, b)
        return pull(y_bar)

    return gradient


def numpy_gradient(np: ModuleType) -> Any:
    def gradient(x: Any, w: Any, b: Any, y_bar: Any) -> Any:
        z = x - x.mean(-1, keepdims=True)
        scale = 1 / np.sqrt(np.square(z).mean(-1, keepdims=True) + x.dtype.type(EPSILON))
        z *= scale
        z_bar = y_bar * w
        x_bar = z_bar - z_bar.mean(-1, keepdims=True) - z * (z_bar * z).mean(-1, keepdims=True)
        x_bar *= scale
        return x_bar, (y_bar * z).sum(0), y_bar.sum(0)

    return gradient


def gradient_data(shape: tuple[int, int], rng: np.random.Generator) -> Data:
    return norm_data(shape, rng) | {"y_bar": rng.standard_normal(shape, np.float32)}


def gradient_reference(data: Data) -> list[np.ndarray]:
    return list(numpy_gradient(np)(*float64(data)))


# ---------------------------------------------------------------- the workloads


def cost(
    shape: tuple[int, int], operations: float, read: tuple[int, int], wrote: tuple[int, int]
) -> Cost:
    """Operations an element; how many arrays and how many rows are read and written."""
    rows, columns = shape
    read_bytes, written_bytes = (4.0 * columns * (n * rows + m) for n, m in (read, wrote))
    return Cost(operations * rows * columns, read_bytes, written_bytes)


def softmax(name: str, shape: tuple[int, int]) -> Workload:
    """Of every row."""
    return Workload(
        name,
        f"softmax of {shape[0]} rows of {shape[1]}",
        partial(softmax_data, shape),
        softmax_reference,
        function_peers(
            lamina=lamina_softmax,
            torch=torch_softmax,
            jax=jax_softmax,
            numpy=numpy_softmax,
            onnx=lambda graph, x: graph("Softmax", x, axis=-1),
        ),
        Tolerance(relative=5e-6, absolute=1e-9),  # roundings of exp and of a sum of a row
        cost(shape, 5.0, (1, 0), (1, 0)),
    )


def layer_norm(name: str, shape: tuple[int, int]) -> Workload:
    """Of every row."""
    return Workload(
        name,
        f"layer norm of {shape[0]} rows of {shape[1]}",
        partial(norm_data, shape),
        norm_reference,
        function_peers(
            lamina=lamina_norm,
            torch=torch_norm,
            jax=jax_norm,
            numpy=numpy_norm,
            onnx=onnx_norm,
        ),
        Tolerance(relative=1e-5, absolute=1e-5),  # cancellation against the mean
        cost(shape, 8.0, (1, 2), (1, 0)),
    )


def layer_norm_gradient(name: str, shape: tuple[int, int]) -> Workload:
    """Forward and backward."""
    return Workload(
        name,
        f"gradients of the layer norm of {shape[0]} rows of {shape[1]} by input, scale and shift",
        partial(gradient_data, shape),
        gradient_reference,
        function_peers(
            lamina=lamina_gradient,
            torch=torch_gradient,
            torch_compile=torch_compile_gradient,
            jax=jax_gradient,
            numpy=numpy_gradient,
            several=True,
        ),
        Tolerance(relative=1e-5, absolute=1e-3),  # sums over all rows of terms of size 1
        cost(shape, 20.0, (2, 1), (1, 2)),
    )


WORKLOADS = (
    softmax("softmax_4096x1024", LISTED),
    layer_norm("layernorm_4096x1024", LISTED),
    layer_norm_gradient("layernorm_fwd_bwd_4096x1024", LISTED),
)
