"""Builders for workloads that call one function of arrays, the same in every peer.

A workload says what the function is (`lambda torch: torch.matmul`); how arrays come in, how the
function is compiled and how a call is waited for is said here, once for each peer.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.workload import Builder, Data, Prepared

Make = Callable[[ModuleType], Callable[..., Any]]
"""Gives the function, written with the peer's module."""


def function_peers(
    *,
    lamina: Make,
    torch: Make | None = None,
    torch_compile: Make | None = None,
    jax: Make | None = None,
    numpy: Make | None = None,
    several: bool = False,
    eager: bool = False,
) -> dict[str, Builder]:
    """A builder for each peer that has the function.

    Args:
        lamina, torch, jax, numpy: the function, given `lamina`, `torch`, `jax` or `numpy`.
        torch_compile: compiles itself; when not given, `torch` is compiled as a whole.
        several: it returns a sequence of arrays rather than one.
        eager: call it as it is, without compiling.
    """
    builders = {"lamina": _lamina(lamina, several, eager)}
    if torch is not None:
        builders["torch"] = _torch(torch, several, compiled=False)
    if torch_compile is not None:
        builders["torch_compile"] = _torch(torch_compile, several, compiled=False)
    elif torch is not None and not eager:
        builders["torch_compile"] = _torch(torch, several, compiled=True)
    if jax is not None:
        builders["jax"] = _jax(jax, several, eager)
    if numpy is not None:
        builders["numpy"] = _numpy(numpy, several)
    return builders


def _lamina(make: Make, several: bool, eager: bool) -> Builder:
    def build(data: Data) -> Prepared:
        import lamina as lm

        f = make(lm) if eager else lm.jit(make(lm))
        arguments = [lm.asarray(a) for a in data.values()]

        def one() -> Any:
            return f(*arguments).block()

        def many() -> Any:
            return [x.block() for x in f(*arguments)]

        return _prepared(many if several else one, several, lambda x: x.numpy())

    return build


def _torch(make: Make, several: bool, compiled: bool) -> Builder:
    def build(data: Data) -> Prepared:
        import torch

        f = torch.compile(make(torch)) if compiled else make(torch)
        arguments = [torch.from_numpy(a) for a in data.values()]

        def run() -> Any:
            return f(*arguments)

        return _prepared(run, several, lambda x: x.detach().numpy())

    return build


def _jax(make: Make, several: bool, eager: bool) -> Builder:
    def build(data: Data) -> Prepared:
        import jax

        f = make(jax) if eager else jax.jit(make(jax))
        arguments = [jax.numpy.asarray(a) for a in data.values()]

        def one() -> Any:
            return f(*arguments).block_until_ready()

        def many() -> Any:
            return jax.block_until_ready(f(*arguments))

        return _prepared(many if several else one, several, np.asarray)

    return build


def _numpy(make: Make, several: bool) -> Builder:
    def build(data: Data) -> Prepared:
        f = make(np)
        arguments = list(data.values())
        return _prepared(lambda: f(*arguments), several, np.asarray)

    return build


def _prepared(
    run: Callable[[], Any], several: bool, array: Callable[[Any], np.ndarray]
) -> Prepared:
    def result() -> list[np.ndarray]:
        found = run()
        return [array(x) for x in found] if several else [array(found)]

    return Prepared(run, result)
