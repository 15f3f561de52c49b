"""The ladder of a matrix product: from three loops to the schedule that the compiler uses.

    python benchmarks/ladder.py --size 768 --dtype f32

Each rung is a Nest and adds one idea to the rung before. Printed for each: time, rate, the largest
error against NumPy in float64, and the share of the peak, which a loop of nothing but multiply-adds
measures in the same run. With `--show RUNG` the Nest of a rung is printed.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from lamina.backend.codegen import CompiledKernel, compile_kernels
from lamina.backend.nest import edit
from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
    For,
    Nest,
    Param,
    Stmt,
    Store,
    const,
    var,
)
from lamina.backend.nest.printer import to_text
from lamina.backend.schedule.policies.contract_axes import Axes, contraction_of
from lamina.backend.schedule.policies.contract_nest import Work
from lamina.backend.schedule.policies.contract_tiled import Tiled
from lamina.backend.schedule.policies.contract_tiled_plan import Wish
from lamina.backend.schedule.policies.contract_tiles import Grid, Tiles, fit_tiles
from lamina.backend.schedule.schedule import Task
from lamina.backend.targets import Target, select
from lamina.base import dtypes
from lamina.graph.ir import TensorType, trace
from lamina.graph.ops import contract

Kernel = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)  # fmt: skip


# ------------------------------------------------------------------ the rungs


def naive(n: int, dtype: str, target: Target) -> Task:
    """Three loops, one number at a time."""
    i, j, k = var("i"), var("j"), var("k")
    s = Builder()
    for v in (i, j, k):
        s.bound(v, 0, n - 1)
    a = s.load("in0", s.linearize((i, k), (n, n)), dtype)
    b = s.load("in1", s.linearize((k, j), (n, n)), dtype)
    body: tuple[Stmt, ...] = (
        Accumulator("sum", dtype, "add", s.constant(0, dtype)),
        For("k", const(0), const(n), (Accumulate("sum", s.multiply(a, b)),)),
        Store("out0", s.linearize((i, j), (n, n)), var("sum", dtype)),
    )
    for v in (j, i):
        body = (For(v.name, const(0), const(n), body),)
    params = (
        Param("in0", dtype, n * n),
        Param("in1", dtype, n * n),
        Param("out0", dtype, n * n, "out"),
    )
    return Task(Nest("naive", params, body))


def vectorised(n: int, dtype: str, target: Target) -> Task:
    """The loop over columns runs as lanes."""
    return Task(edit.vectorize(naive(n, dtype, target).nest, "j"))


def _tiled(n: int, dtype: str, target: Target, wish: Wish | None) -> Task:
    square = TensorType(dtypes.dtype(dtype), (n, n))
    graph = trace(lambda x, y: contract(x, y, "ik,kj->ij"), square, square)
    value = contraction_of(graph)
    assert value is not None
    if wish is None:
        model = Tiled(Work(graph, Axes(value), target))
        wish = _wish(model.tiles, model.grid, model.stage_rows, model.stage_columns)
    (task,) = Tiled(Work(graph, Axes(value), target), wish).schedule().tasks
    return task


def _wish(tiles: Tiles, grid: Grid, rows: bool, columns: bool) -> Wish:
    """All numbers given: the tiles, the tasks, and which operands are staged."""
    return Wish(tiles, grid, rows=rows, columns="own" if columns else "place", chunks=1)


def _one_task(n: int, tiles: Tiles) -> Grid:
    rows, columns = (math.ceil(n / size) * size for size in (tiles.mr, tiles.nr))
    return Grid(1, 1, rows, columns)


def register_tile(n: int, dtype: str, target: Target) -> Task:
    """A tile of the result stays in registers while the sum runs."""
    tiles = replace(fit_tiles(n, n, n, dtype, target), kc=n, mc=n)
    return _tiled(n, dtype, target, _wish(tiles, _one_task(n, tiles), False, False))


def cache_blocked(n: int, dtype: str, target: Target) -> Task:
    """Blocks of rows and of the sum that fit in the caches."""
    tiles = fit_tiles(n, n, n, dtype, target)
    return _tiled(n, dtype, target, _wish(tiles, _one_task(n, tiles), False, False))


def packed(n: int, dtype: str, target: Target) -> Task:
    """Both blocks copied to scratch in the order they are read."""
    tiles = fit_tiles(n, n, n, dtype, target)
    return _tiled(n, dtype, target, _wish(tiles, _one_task(n, tiles), True, True))


def parallel(n: int, dtype: str, target: Target) -> Task:
    """The compiler's own tiles and grid: tasks for all cores, packing only where it pays."""
    return _tiled(n, dtype, target, None)


RUNGS: dict[str, Callable[[int, str, Target], Task]] = {
    "naive": naive,
    "vectorised": vectorised,
    "register-tile": register_tile,
    "cache-blocked": cache_blocked,
    "packed": packed,
    "parallel": parallel,
}


# ------------------------------------------------------------------ running


class Runner:
    """Calls kernels on arrays, parallel iterations split over the cores."""

    def __init__(self, target: Target):
        self.target = target
        self.pool = ThreadPoolExecutor(target.cores)
        self.kept: list[tuple[object, ...]] = []

    def load(self, task: Task, arrays: Sequence[np.ndarray]) -> Callable[[], None]:
        """A function that runs the task once."""
        kernel: CompiledKernel = compile_kernels([task.nest], self.target)[0]
        call = Kernel(kernel.address)
        args = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
        place = ctypes.addressof(args)
        cores = min(self.target.cores, task.extent)
        scratch = [aligned(kernel.scratch_bytes + 64, np.dtype(np.uint8)) for _ in range(cores)]
        bounds = [task.extent * c // cores for c in range(cores + 1)]

        def run() -> None:
            waiting = [
                self.pool.submit(call, place, bounds[c], bounds[c + 1], scratch[c].ctypes.data)
                for c in range(1, cores)
            ]
            call(place, bounds[0], bounds[1], scratch[0].ctypes.data)
            for future in waiting:
                future.result()

        self.kept.append((kernel, args, *arrays))  # a call knows them by address only
        return run


def aligned(size: int, dtype: np.dtype) -> np.ndarray:
    """Zeros at an address that is a multiple of 64."""
    raw = np.zeros(size * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size * dtype.itemsize].view(dtype)


def best_time_s(run: Callable[[], None], budget_s: float = 1.0) -> float:
    """The least of several times."""
    best, until = math.inf, time.perf_counter() + budget_s
    while best == math.inf or time.perf_counter() < until:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def peak_nest(dtype: str, target: Target, steps: int) -> tuple[Nest, int]:
    """Independent multiply-adds in registers on every core, and how many flops those are."""
    s, lanes = Builder(), target.lanes(dtype)
    sums = 3 * target.vector_registers // 4
    t, k = s.loop("t", target.cores), s.loop("k", steps)
    u, lane = s.loop("u", sums), s.loop("l", lanes)
    at = s.add(s.multiply(u, lanes), lane)
    x, y = s.load("in0", lane, dtype), s.load("in0", s.add(lane, lanes), dtype)
    total = s.load("acc", at, dtype)
    fused = target.has("fma") or target.arch == "aarch64"
    added = s.multiply_add(x, y, total) if fused else s.add(s.multiply(x, y), total)
    vector: Stmt = For(lane.name, const(0), const(lanes), (Store("acc", at, added),), "vector")
    unrolled: Stmt = For(u.name, const(0), const(sums), (vector,), "unroll")
    s.forget("acc")
    out = s.add(s.multiply(t, sums * lanes), at)
    write: Stmt = Store("out0", out, s.load("acc", at, dtype))
    for v, count, kind in ((lane, lanes, "vector"), (u, sums, "unroll")):
        write = For(v.name, const(0), const(count), (write,), kind)
    body = (
        Alloc("acc", dtype, sums * lanes, "register"),
        For(k.name, const(0), const(steps), (unrolled,)),
        write,
    )
    params = (
        Param("in0", dtype, 2 * lanes),
        Param("out0", dtype, target.cores * sums * lanes, "out"),
    )
    nest = Nest("peak", params, (For(t.name, const(0), const(target.cores), body, "parallel"),))
    return nest, 2 * target.cores * steps * sums * lanes


def peak_flops(runner: Runner, dtype: str) -> float:
    """Multiply-adds a second of one core times the cores, each multiply-add counted as two.

    One core at a time, because on a shared machine two are seldom free together.
    """
    nest, flops = peak_nest(dtype, runner.target.with_cores(1), 10_000)
    element = dtypes.dtype(dtype).numpy
    arrays = [aligned(p.size or 0, element) for p in nest.params]
    return runner.target.cores * flops / best_time_s(runner.load(Task(nest), arrays), 0.5)


def climb(n: int, dtype: str, rungs: Sequence[str], target: Target) -> None:
    """Runs the rungs and prints them; the peak is the best of one measurement beside each rung."""
    runner = Runner(target)
    rng = np.random.default_rng(0)
    element = dtypes.dtype(dtype).numpy
    x, y, out = (aligned(n * n, element).reshape(n, n) for _ in range(3))
    x[...], y[...] = rng.standard_normal((2, n, n))
    exact = x.astype(np.float64) @ y.astype(np.float64)
    peak = peak_flops(runner, dtype)
    rows: list[tuple[str, float, float]] = []
    for name in rungs:
        out[...] = np.nan
        time_s = best_time_s(runner.load(RUNGS[name](n, dtype, target), [x, y, out]))
        rows.append((name, time_s, np.abs(out - exact).max()))
        peak = max(peak, peak_flops(runner, dtype))
    print(f"{n} x {n} x {n}, {dtype}, target {target.name}, {target.cores} cores")
    print(f"peak, {target.cores} x one core of multiply-adds alone: {peak / 1e9:.1f} GFLOP/s\n")
    print(f"{'rung':<15}{'time':>12}{'GFLOP/s':>10}{'max error':>12}{'of peak':>9}")
    for name, time_s, error in rows:
        rate = 2 * n**3 / time_s
        share = rate / peak
        print(f"{name:<15}{time_s * 1e3:>9.3f} ms{rate / 1e9:>10.1f}{error:>12.1e}{share:>9.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--dtype", default="f32", choices=("f32", "f64"))
    parser.add_argument("--target", default=None, help="native, avx512, avx2, generic")
    parser.add_argument("--rungs", nargs="+", default=list(RUNGS), choices=list(RUNGS))
    parser.add_argument("--show", choices=list(RUNGS), help="print the nest of a rung")
    options = parser.parse_args()
    target = select(options.target)
    if options.show:
        print(to_text(RUNGS[options.show](options.size, options.dtype, target).nest))
        return
    climb(options.size, options.dtype, options.rungs, target)


if __name__ == "__main__":
    main()
