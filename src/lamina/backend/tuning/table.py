"""Products of many shapes by each form that the compiler has, beside libraries: `tune --table mm`.

The time of each, its rate, its share of the roofline, and its largest error against NumPy in
float64. `>` marks what a program takes: by default the model's, after a search what that found.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.backend.compile import choices, compile_graph
from lamina.backend.schedule.candidates import candidate, find
from lamina.backend.schedule.policies import ways
from lamina.backend.targets import Target
from lamina.backend.tuning.kernels import kernels_of
from lamina.backend.tuning.roofs import Trials, peak_flops, read_bandwidth
from lamina.backend.tuning.trial import Trial, compile_trials, race, trial
from lamina.base import dtypes
from lamina.base.text import quantity, table
from lamina.graph.ir import Graph, TensorType, trace
from lamina.graph.ops import contract
from lamina.runtime import Buffer, num_threads

SIZES = ("256", "300", "500", "512", "768", "1000", "1024", "32x768x3072", "2048x64x2048")
LAYOUTS = {"nn": "ik,kj->ij", "nt": "ik,jk->ij", "tn": "ki,kj->ij", "tt": "ki,jk->ij"}
FAR = 4.0  # times the estimate of the model's: such a form is left out
SETTLE_S = 0.25  # in which threads of libraries stop looking for more work
LEAST_BYTES = 1 << 15  # that a bandwidth is measured with
NOTE = "NumPy has as many threads as its BLAS was told to take, as by OPENBLAS_NUM_THREADS"
HEAD = ["product", "", "variant", "time", "GFLOP/s", "of roofline", "max error"]
Sizes = tuple[int, int, int]


@dataclass(frozen=True)
class Row:
    """A variant of one product.

    Attributes:
        seconds: the median.
        error: the largest, against float64.
        taken: whether a program takes it.
    """

    variant: str
    seconds: float
    error: float
    taken: bool = False


def products(sizes: Sequence[Sizes], layout: str, target: Target, seconds: float) -> str:
    """The table of products of f32.

    Args:
        sizes: rows, inner axis, columns of each.
        layout: which operands are transposed, as in `LAYOUTS`.
        seconds: for each product, about.
    """
    threads = num_threads()
    trials = Trials(target, trials=4, seconds=0.01)
    found: list[tuple[Sizes, float, list[Row]]] = []
    peak = 0.0
    for m, k, n in sizes:
        made = measured((m, k, n), layout, target, seconds)
        moved_bytes = 4.0 * (m * k + k * n + m * n)
        _, rate = read_bandwidth(trials, threads, int(max(moved_bytes, LEAST_BYTES)))
        peak = max(peak, peak_flops(trials, threads))  # less where something disturbs it
        found.append(((m, k, n), moved_bytes / rate, sorted(made, key=lambda row: row.seconds)))
    rows: list[list[object]] = []
    for (m, k, n), moving_s, variants in found:
        flops = 2.0 * m * k * n
        floor_s = max(flops / peak, moving_s)
        for row in variants:
            name, mark = f"{m}x{k}x{n} {layout}", ">" if row.taken else ""
            rate, share = flops / row.seconds / 1e9, 100 * floor_s / row.seconds
            cells = [quantity(row.seconds, "s"), f"{rate:.0f}", f"{share:.0f} %"]
            rows.append([name, mark, row.variant, *cells, f"{row.error:.1e}"])
    about = f"f32, {threads} threads of {target.name}, {peak / 1e9:.0f} GFLOP/s of multiply-adds"
    return f"{about}\n\n{table(HEAD, rows)}\n\n{NOTE}"


def measured(sizes: Sizes, layout: str, target: Target, seconds: float) -> list[Row]:
    """Every form of one product, and the libraries that are installed."""
    graph, (x, y), exact = product_of(sizes, layout)
    (kernel,) = kernels_of(compile_graph(graph, target))
    chosen, trials = _variants(kernel.body, target)
    compile_trials(trials, target)
    outside = dict(libraries(layout, x, y))
    buffers = [Buffer.wrap(x.reshape(-1)), Buffer.wrap(y.reshape(-1))]
    times: dict[str, list[float]] = {name: [] for name in outside}
    share = seconds / 5
    for _ in range(5):  # in turns: a disturbance meets all of them
        race(trials, buffers, share * len(trials) / (len(trials) + len(outside)), 1)
        for name, call in outside.items():
            times[name] += _samples(call, share / (len(trials) + len(outside)))
        time.sleep(SETTLE_S)
    rows = []
    for one in trials:
        assert one.program is not None
        made = np.frombuffer(memoryview(one.program.run(buffers)[0]), np.float32)
        error = float(np.abs(made.reshape(exact.shape) - exact).max())
        name = one.candidate.name
        rows.append(Row(name, one.median_s, error, one.text == chosen))
    for name, call in outside.items():
        error = float(np.abs(call() - exact).max())
        rows.append(Row(name, float(np.median(times[name])), error))
    return rows


def product_of(
    sizes: Sizes, layout: str
) -> tuple[Graph, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """A product as a graph, its operands, and its result in float64."""
    spec, rng = LAYOUTS[layout], np.random.default_rng(0)
    size = dict(zip("ikj", sizes, strict=True))
    shapes = [tuple(size[c] for c in term) for term in spec[:5].split(",")]
    x, y = (rng.standard_normal(shape, np.float32) for shape in shapes)
    f32 = dtypes.dtype("f32")
    graph = trace(lambda a, b: contract(a, b, spec), *(TensorType(f32, s) for s in shapes))
    left, right = _turned(layout, x.astype(np.float64), y.astype(np.float64))
    return graph, (x, y), left @ right


def _variants(body: Graph, target: Target) -> tuple[str, list[Trial]]:
    """The text of the trial that a program takes; it and each form of the model, as trials."""
    found = ways(body, target)
    plain = [candidate(way, {}) for way in found]
    limit = FAR * plain[0].estimate
    several = [c for c in plain if c is plain[0] or c.estimate <= limit]
    name = choices.in_force(target).name_of(body)
    tuned = find(found, name) if name else None
    taken = trial(body, tuned or plain[0], target)
    trials = {taken.text: taken}
    for one in several:
        made = trial(body, one, target)
        trials.setdefault(made.text, made)
    return taken.text, list(trials.values())


def libraries(
    layout: str, x: np.ndarray, y: np.ndarray
) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Products by NumPy's BLAS, and by PyTorch where it is installed, on as many threads."""
    left, right = _turned(layout, x, y)
    yield "NumPy", lambda: np.matmul(left, right)
    if importlib.util.find_spec("torch") is None:
        return
    import torch  # type: ignore[import-not-found]

    torch.set_num_threads(num_threads())
    a, b = _turned(layout, torch.from_numpy(x), torch.from_numpy(y))

    def by_torch() -> np.ndarray:
        with torch.inference_mode():
            return torch.matmul(a, b).numpy()

    yield "PyTorch", by_torch


def _turned(layout: str, x: Any, y: Any) -> tuple[Any, Any]:
    """The operands as rows by inner axis, and inner axis by columns."""
    return (x.T if layout[0] == "t" else x), (y.T if layout[1] == "t" else y)


def _samples(call: Callable[[], object], seconds: float) -> list[float]:
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return found[1:]  # the first warms up
