"""One function in both modes: op by op as a dynamic graph runs, and as one compiled program."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.backend import execution
from lamina.base.errors import UsageError
from lamina.graph.ir import Graph, TupleType, Value
from lamina.runtime import memory_stats, reset_peak
from lamina.tensor.jit import Jitted

Buffers = list[Any]


@dataclass(frozen=True)
class ModeCost:
    """What one way of running a function costs.

    Attributes:
        first_s: until the first result: compiling what the caches lack, and running it.
        step_s: of a call after that, the median.
        peak_bytes: the most memory that is in use at once beyond the arguments, results included.
        kernels: how many are called in a step.
    """

    first_s: float
    step_s: float
    peak_bytes: int
    kernels: int


@dataclass(frozen=True)
class Comparison:
    """Both ways of running a function; prints as a table.

    Attributes:
        dynamic: op by op; each is compiled by itself, and frees what nobody reads any more.
        static: as one program: simplified, fused, its memory planned.
        difference: the largest between the results of both, of all that the function gives and
            assigns; infinite where one has a NaN and the other has none.
    """

    dynamic: ModeCost
    static: ModeCost
    difference: float

    def __str__(self) -> str:
        lines = [f"{'':8}  {'first call':>12}  {'step':>12}  {'peak memory':>16}  {'kernels':>7}"]
        for name in ("dynamic", "static"):
            cost: ModeCost = getattr(self, name)
            times = f"{1e3 * cost.first_s:>9.1f} ms  {1e3 * cost.step_s:>9.3f} ms"
            lines.append(f"{name:8}  {times}  {cost.peak_bytes:>10,} bytes  {cost.kernels:>7,}")
        return "\n".join([*lines, f"largest difference of results: {self.difference:.3g}"])

    __repr__ = __str__


def compare_modes(f: Callable[..., Any], *args: Any, repeat: int = 10, **kwargs: Any) -> Comparison:
    """Time and peak memory of `f` run op by op, and compiled into one program.

    `f` is traced once; both ways run the same operations on the same buffers. Nothing that it
    assigns stays, so a training step leaves model and optimizer alone. In neither mode do results
    take the memory of arguments, as `jit` does where nobody else holds them.

    The dynamic mode is that of systems which start each operation as it comes. Lamina's own eager
    mode records operations until somebody looks and fuses them, so it lies between both.

    Args:
        f: a function of tensors, jitted or not; a module; a training step.
        args, kwargs: arguments for it.
        repeat: how many steps are timed.

    Raises:
        UsageError: no step is to be timed.

    Example:
        >>> import lamina as lm
        >>> found = compare_modes(lambda x: lm.sum(lm.exp(x) * 2.0 + 1.0), lm.ones((1000,)))
        >>> found.static.peak_bytes < found.dynamic.peak_bytes
        True
        >>> found.static.kernels, found.difference < 1e-3
        (1, True)
    """
    if repeat < 1:
        raise UsageError("compare_modes: at least one step is timed", [f"repeat: {repeat}"])
    jitted = f if isinstance(f, Jitted) else Jitted(lambda *a, **k: f(*a, **k), (), donate=False)
    graph, buffers = jitted.lowered(*args, **kwargs)
    dynamic, wanted = _measured(lambda: _OpByOp(graph), buffers, repeat)
    static, found = _measured(lambda: _Whole(graph), buffers, repeat)
    types = [v.type for v in graph.outputs]
    arrays = [[execution.array(b, t) for b, t in zip(r, types)] for r in (found, wanted)]
    pairs = zip(*arrays, strict=True)
    return Comparison(dynamic, static, max((_distance(*pair) for pair in pairs), default=0.0))


def _measured(made: Callable[[], Any], buffers: Buffers, repeat: int) -> tuple[ModeCost, Buffers]:
    """The costs of a way, and its results."""
    start = time.perf_counter()
    way = made()
    way.run(buffers)
    first_s = time.perf_counter() - start
    before = memory_stats().in_use_bytes
    reset_peak()
    results = way.run(buffers)
    peak_bytes = memory_stats().peak_bytes - before
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        way.run(buffers)
        times.append(time.perf_counter() - start)
    return ModeCost(first_s, statistics.median(times), peak_bytes, way.kernels), results


class _Whole:
    """A graph as one program."""

    def __init__(self, graph: Graph):
        from lamina.backend.compile import compile_graph  # imports LLVM: on first use only

        self.program = compile_graph(graph)
        self.kernels = len(self.program.program.tasks())

    def run(self, buffers: Buffers) -> Buffers:
        """The outputs of the graph."""
        return self.program.run(buffers)


class _OpByOp:
    """A graph as a program for each op; an op of several results is one with all that it gives."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.steps = [(v, _Whole(_alone(v))) for v in _units(graph)]
        self.kernels = sum(whole.kernels for _, whole in self.steps)
        self.dying = _dying(graph, [values for values, _ in self.steps])

    def run(self, buffers: Buffers) -> Buffers:
        """The outputs of the graph; what has no reader left is freed between ops."""
        found = {v.id: b for v, b in zip(self.graph.inputs, buffers, strict=True)}
        for (values, whole), dying in zip(self.steps, self.dying, strict=True):
            results = whole.run([found[o.id] for o in _operands(values)])
            found |= {v.id: b for v, b in zip(values, results, strict=True)}
            del results
            for number in dying:
                del found[number]
        return [found[v.id] for v in self.graph.outputs]


Unit = Sequence[Value]  # tensors that one op gives: itself, or the items of its tuple


def _units(graph: Graph) -> list[Unit]:
    """The ops of a graph in order, each by the tensors that it gives."""
    items: dict[int, list[Value]] = {}
    units: list[Unit] = []
    for v in graph.nodes:
        if isinstance(v.type, TupleType):
            units.append(items.setdefault(v.id, []))
        elif v.operands and v.operands[0].id in items:
            items[v.operands[0].id].append(v)
        else:
            units.append([v])
    return [unit for unit in units if unit]


def _operands(unit: Unit) -> list[Value]:
    """The tensors that an op reads, each once."""
    first = unit[0]
    several = first.operands and isinstance(first.operands[0].type, TupleType)
    maker = first.operands[0] if several else first
    return list({o.id: o for o in maker.operands}.values())


def _alone(unit: Unit) -> Graph:
    """The graph of one op."""
    operands = _operands(unit)
    inputs = [Value(o.type) for o in operands]
    fresh = {o.id: v for o, v in zip(operands, inputs, strict=True)}

    def copied(v: Value) -> Value:
        if v.id not in fresh:
            fresh[v.id] = Value(v.type, v.op, tuple([copied(o) for o in v.operands]))
        return fresh[v.id]

    return Graph(tuple(inputs), tuple([copied(v) for v in unit]))


def _dying(graph: Graph, units: Sequence[Unit]) -> list[list[int]]:
    """For each op the tensors that nobody reads behind it."""
    last = {v.id: i for i, unit in enumerate(units) for v in unit}
    last |= {o.id: i for i, unit in enumerate(units) for o in _operands(unit)}
    kept = {v.id for v in graph.outputs} | {v.id for v in graph.inputs}
    dying: list[list[int]] = [[] for _ in units]
    for number, i in last.items():
        if number not in kept:
            dying[i].append(number)
    return dying


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    if one.dtype.kind in "biu" or not one.size:
        return float(np.max(one != other, initial=0))
    wide = np.complex128 if one.dtype.kind == "c" else np.float64
    one, other = one.astype(wide), other.astype(wide)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(one - other))
    return float(np.max(np.where(np.isnan(apart), np.inf, apart)))
