"""`lamina bench`: how fast a few things are on this machine, beside NumPy, in seconds."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

import lamina
import lamina.tensor as lm
from lamina import data, functional, models, optim
from lamina.base.errors import UsageError
from lamina.cli import command
from lamina.runtime import num_threads

EXAMPLES = """\
  lamina bench                          ten seconds: products, sums, softmax, a training step
  lamina bench --only product --seconds 2
  LAMINA_THREADS=1 lamina bench         on one thread
  lamina bench --full --list            the whole suite, in a checkout: what there is
  lamina bench --full --only 'mm_*'     beside PyTorch and JAX; the options of benchmarks.run
"""
RUN = Path(lamina.__file__).parents[2] / "benchmarks" / "run.py"


class Work(NamedTuple):
    """Something to time.

    Attributes:
        call: computes it; the result is waited for.
        numpy: the same by NumPy, or None.
        amount: operations or bytes of one call.
        unit: of the rate.
    """

    name: str
    call: Callable[[], Any]
    numpy: Callable[[], Any] | None
    amount: float
    unit: str


def add_command(commands: Any) -> None:
    """Add `bench` to the command line."""
    one = command.add(commands, "bench", "measure this machine, beside NumPy", EXAMPLES)
    one.add_argument("--only", metavar="TEXT", default="", help="what has this in its name (all)")
    one.add_argument(
        "--seconds", type=command.not_negative, default=0.3, help="for each number (0.3)"
    )
    one.add_argument(
        "--full",
        nargs=argparse.REMAINDER,
        metavar="OPTION",
        help="run the benchmarks of a checkout; all options that follow are theirs",
    )
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Time what is asked for, and show it in a table."""
    if options.full is not None:
        return full(options.full)
    chosen = [work for work in works() if options.only in work.name]
    if not chosen:
        names = ", ".join(work.name for work in works())
        raise UsageError("bench: nothing has such a name", [f"only: {options.only}"], names)
    table = Table("what", "time", "rate", "NumPy", "speed against it", box=None)
    for column in table.columns:
        column.no_wrap = True
        column.justify = "left" if column is table.columns[0] else "right"
    for work in chosen:
        check(work)
        ours = median_s(work.call, options.seconds)
        theirs = median_s(work.numpy, options.seconds) if work.numpy else None
        table.add_row(
            work.name,
            shown(ours),
            f"{work.amount / ours:,.0f} {work.unit}",
            shown(theirs) if theirs else "-",
            f"{theirs / ours:.2f}x" if theirs else "-",
        )
    Console(width=max(80, Console().width)).print(table)
    print(f"medians over {options.seconds} s each, {num_threads()} threads, results checked")
    return 0


def full(options: list[str]) -> int:
    """Run the benchmarks of the checkout that Lamina is imported from.

    Raises:
        UsageError: it is not imported from one.
    """
    if not RUN.is_file():
        raise UsageError(
            "bench: the whole suite comes with a checkout",
            [f"looked for: {RUN}"],
            "clone the repository, or leave --full out",
        )
    root = str(RUN.parents[1])
    if root not in sys.path and importlib.util.find_spec("benchmarks") is None:
        sys.path.insert(0, root)
    from benchmarks import run as suite  # type: ignore[import-not-found]

    return suite.main(options)


def works() -> list[Work]:
    """What is timed, made for this call."""
    rng = np.random.default_rng(0)
    return [
        _product(rng, 512),
        _product(rng, 1024),
        _sum(rng),
        _softmax(rng),
        _training_step(),
    ]


def check(work: Work) -> None:
    """Refuse to time a wrong result."""
    if work.numpy is not None:
        np.testing.assert_allclose(work.call().numpy(), work.numpy(), rtol=1e-3, atol=1e-3)


def median_s(call: Callable[[], Any], seconds: float) -> float:
    """The median time of a call, over `seconds` after one that warms up."""
    _finished(call())
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        began = time.perf_counter()
        _finished(call())
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def shown(seconds: float) -> str:
    """A time in the unit that suits it."""
    for scale, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * scale >= 1:
            return f"{seconds * scale:.2f} {unit}"
    return f"{seconds * 1e6:.1f} µs"


def _finished(result: Any) -> None:
    if isinstance(result, lm.Tensor):
        result.block()


def _product(rng: np.random.Generator, n: int) -> Work:
    x, y = rng.standard_normal((2, n, n), dtype=np.float32)
    multiply = lm.jit(lm.matmul)
    a, b = lm.asarray(x), lm.asarray(y)
    rate = 2.0 * n**3 / 1e9
    return Work(f"product of {n} x {n}", lambda: multiply(a, b), lambda: x @ y, rate, "GFLOP/s")


def _sum(rng: np.random.Generator) -> Work:
    x = rng.standard_normal((1 << 24,), dtype=np.float32)
    add = lm.jit(lambda a: lm.sum(lm.multiply(a, a)))
    a = lm.asarray(x)
    return Work("sum of 16M squares", lambda: add(a), lambda: np.sum(x * x), x.nbytes / 1e9, "GB/s")


def _softmax(rng: np.random.Generator) -> Work:
    x = rng.standard_normal((4096, 1024), dtype=np.float32)
    soft = lm.jit(functional.softmax)
    a = lm.asarray(x)

    def by_numpy() -> np.ndarray:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return Work("softmax of 4096 x 1024", lambda: soft(a), by_numpy, 2 * x.nbytes / 1e9, "GB/s")


def _training_step() -> Work:
    digits = data.digits()
    images, labels = digits.train_images[:64], digits.train_labels[:64]
    model = models.DigitNet(side=8, hidden=128)
    optimizer = optim.AdamW(model, lr=1e-3)

    def loss_of(model: Any, images: Any, labels: Any) -> Any:
        return functional.cross_entropy(model(images), labels)

    @lm.jit
    def step(model: Any, optimizer: Any, images: Any, labels: Any) -> Any:
        loss, gradients = lm.value_and_grad(loss_of)(model, images, labels)
        optimizer.update(model, gradients)
        return loss

    call = lambda: step(model, optimizer, images, labels)
    return Work("training step, 64 digits", call, None, 64.0, "images/s")
