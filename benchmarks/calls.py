"""Builders for workloads that call one function of arrays, the same in every peer.

A workload says what the function is (`lambda torch: torch.matmul`); how arrays come in, how the
function is compiled and how a call is waited for is said here, once for each peer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.onnx_graphs import graph_peers
from benchmarks.workload import Builder, Data, Prepared

Make = Callable[[ModuleType], Callable[..., Any]]
"""Gives the function, written with the peer's module."""


@dataclass(frozen=True)
class Manner:
    """How functions are called.

    Attributes:
        several: they return a sequence of arrays rather than one.
        eager: as they are, without compiling.
        precision: "bf16" gives them their floating-point arguments in bf16.
        frozen: names of arguments that are the same in every call, where a peer may know that.
    """

    several: bool = False
    eager: bool = False
    precision: str = "f32"
    frozen: tuple[str, ...] = ()

    def is_lowered(self, array: np.ndarray) -> bool:
        """Whether an argument is given in bf16."""
        return self.precision == "bf16" and array.dtype == np.float32


def function_peers(
    *,
    lamina: Make,
    torch: Make | None = None,
    torch_compile: Make | None = None,
    jax: Make | None = None,
    numpy: Make | None = None,
    onnx: Callable[..., str] | None = None,
    several: bool = False,
    eager: bool = False,
    precision: str = "f32",
    frozen: tuple[str, ...] = (),
) -> dict[str, Builder]:
    """A builder for each peer that has the function.

    Args:
        lamina, torch, jax, numpy: the function, given `lamina`, `torch`, `jax` or `numpy`.
        onnx: writes the function into a graph, of (graph, *names); in f32 only.
        torch_compile: compiles itself; when not given, `torch` is compiled as a whole.
        several, eager, precision, frozen: see `Manner`; NumPy has no bf16.
    """
    manner = Manner(several, eager, precision, frozen)
    builders = {"lamina": _lamina(lamina, manner)}
    if torch is not None:
        builders["torch"] = _torch(torch, manner, compiled=False)
    if torch_compile is not None:
        builders["torch_compile"] = _torch(torch_compile, manner, compiled=False)
    elif torch is not None and not eager:
        builders["torch_compile"] = _torch(torch, manner, compiled=True)
    if jax is not None:
        builders["jax"] = _jax(jax, manner)
    if numpy is not None and precision == "f32":
        builders["numpy"] = _numpy(numpy, manner)
    if onnx is not None and precision == "f32":
        builders |= graph_peers(lambda graph, names: onnx(graph, *names.values()))
    return builders


def _lamina(make: Make, manner: Manner) -> Builder:
    def build(data: Data) -> Prepared:
        import lamina as lm

        def argument(array: np.ndarray) -> Any:
            x = lm.asarray(array, copy=bool(manner.frozen) or None)
            return lm.astype(x, lm.bfloat16).block() if manner.is_lowered(array) else x

        f = make(lm) if manner.eager else lm.jit(make(lm), frozen=manner.frozen)
        arguments = [argument(a) for a in data.values()]

        def one() -> Any:
            return f(*arguments).block()

        def many() -> Any:
            return [x.block() for x in f(*arguments)]

        def array(x: Any) -> np.ndarray:
            return (lm.astype(x, lm.float32) if x.dtype is lm.bfloat16 else x).numpy()

        return _prepared(many if manner.several else one, manner, array)

    return build


def _torch(make: Make, manner: Manner, compiled: bool) -> Builder:
    def build(data: Data) -> Prepared:
        import torch

        def argument(array: np.ndarray) -> Any:
            x = torch.from_numpy(array)
            return x.to(torch.bfloat16) if manner.is_lowered(array) else x

        f = torch.compile(make(torch)) if compiled else make(torch)
        arguments = [argument(a) for a in data.values()]

        def run() -> Any:
            return f(*arguments)

        def array(x: Any) -> np.ndarray:
            return (x.float() if x.dtype is torch.bfloat16 else x).detach().numpy()

        return _prepared(run, manner, array)

    return build


def _jax(make: Make, manner: Manner) -> Builder:
    def build(data: Data) -> Prepared:
        import jax

        def argument(array: np.ndarray) -> Any:
            x = jax.numpy.asarray(array)
            return x.astype(jax.numpy.bfloat16) if manner.is_lowered(array) else x

        f = make(jax) if manner.eager else jax.jit(make(jax))
        arguments = [argument(a) for a in data.values()]

        def one() -> Any:
            return f(*arguments).block_until_ready()

        def many() -> Any:
            return jax.block_until_ready(f(*arguments))

        return _prepared(many if manner.several else one, manner, np.asarray)

    return build


def _numpy(make: Make, manner: Manner) -> Builder:
    def build(data: Data) -> Prepared:
        f = make(np)
        arguments = list(data.values())
        return _prepared(lambda: f(*arguments), manner, np.asarray)

    return build


def _prepared(
    run: Callable[[], Any], manner: Manner, array: Callable[[Any], np.ndarray]
) -> Prepared:
    def result() -> list[np.ndarray]:
        found = run()
        return [array(x) for x in found] if manner.several else [array(found)]

    return Prepared(run, result)
