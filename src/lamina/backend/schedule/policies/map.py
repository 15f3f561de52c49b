"""Elementwise groups: one loop over all elements, in vectors, split over threads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import For, Stmt, Store, const
from lamina.backend.schedule.candidates import Decided, Given, Way
from lamina.backend.schedule.collapse import collapse
from lamina.backend.schedule.loops import (
    CHUNK_WORK,
    bind_inputs,
    grain_for,
    kernel,
    passes_caches,
    space_of,
    stores,
    work_of,
)
from lamina.backend.schedule.policies.map_tiles import tiled
from lamina.backend.schedule.policy import Policy
from lamina.backend.schedule.pull import Pull
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.backend.targets import Target
from lamina.graph.ir import Graph
from lamina.graph.passes.fuse import pullable

CHUNKS = ("4096", "16384", "65536")  # elements of one parallel iteration that may be given


def accepts(body: Graph) -> bool:
    """Every node is pulled."""
    return all(pullable(v) for v in body.nodes)


def schedule(body: Graph, target: Target) -> Schedule:
    """A flat loop where the axes collapse into one, tiles where an input lies across the output,
    else parallel rows with a vector loop each."""
    return _decided(body, target, {}).schedule()


def several(body: Graph, target: Target) -> Sequence[Way]:
    """The model's way, with stores past the caches or not, and parts of other sizes."""
    settings = {"chunk": CHUNKS} if len(space_of(collapse(body).outputs[0])) <= 1 else {}
    decide = partial(_decided, body, target)
    return (Way("map", decide, {**settings, "stores": ("streaming", "cached")}),)


def _decided(body: Graph, target: Target, given: Given) -> Decided:
    flat = collapse(body)
    streaming = given["stores"] == "streaming" if "stores" in given else passes_caches(flat, target)
    chunk = int(given.get("chunk", 0))

    def make() -> Schedule:
        if len(space_of(flat.outputs[0])) <= 1:
            return Schedule((_flat(flat, streaming, chunk),))
        turned = tiled(flat, target, streaming)
        return Schedule((_rows(flat, streaming) if turned is None else turned,))

    return Decided(make)


def _with_streaming(statements: list[Stmt], streaming: bool) -> tuple[Stmt, ...]:
    if not streaming:
        return tuple(statements)
    return tuple(replace(x, streaming=True) if isinstance(x, Store) else x for x in statements)


def _flat(body: Graph, streaming: bool, chunk: int = 0) -> Task:
    s = Builder()
    pull = Pull(s)
    bind_inputs(pull, body)
    outs = list(enumerate(body.outputs))
    space = space_of(body.outputs[0])
    n = math.prod(space)
    if not space:
        return Task(kernel("map", body, tuple(stores(s, pull, outs, ()))))
    work = work_of(body)
    chunk = chunk or _chunk(n, work)
    if chunk >= n:
        j = s.loop("j", n)
        inner = _with_streaming(stores(s, pull, outs, (j,)), False)
        return Task(kernel("map", body, (For(j.name, const(0), const(n), inner, "vector"),)))
    p = s.loop("p", math.ceil(n / chunk))
    start = s.multiply(p, const(chunk))
    stop = (
        s.minimum(s.add(start, const(chunk)), const(n)) if n % chunk else s.add(start, const(chunk))
    )
    j = s.loop("j", n)
    inner = _with_streaming(stores(s, pull, outs, (j,)), streaming)
    loop = For(j.name, start, stop, inner, "vector")
    outer = For(p.name, const(0), const(math.ceil(n / chunk)), (loop,), "parallel")
    return Task(kernel("map", body, (outer,)), grain_for(chunk, work))


def _chunk(n: int, work: float) -> int:
    """Elements of one parallel iteration: a multiple of 1024 that is worth the loop around it."""
    return 1024 * max(1, math.ceil(CHUNK_WORK / work / 1024))


def _rows(body: Graph, streaming: bool) -> Task:
    s = Builder()
    pull = Pull(s)
    bind_inputs(pull, body)
    shape = space_of(body.outputs[0])
    rows = math.prod(shape[:-1])
    p = s.loop("p", rows)
    j = s.loop("j", shape[-1])
    index = (*s.delinearize(p, shape[:-1]), j)
    inner = stores(s, pull, list(enumerate(body.outputs)), index)
    loop = For(
        j.name,
        const(0),
        const(shape[-1]),
        _with_streaming(inner, streaming),
        "vector",
    )
    outer = For(p.name, const(0), const(rows), (loop,), "parallel")
    return Task(kernel("map", body, (outer,)), grain_for(shape[-1], work_of(body)))


POLICY = Policy("map", accepts, schedule, rank=90, several=several)
