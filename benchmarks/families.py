"""Families of workloads of any size: the listed sizes, those beside them, and random ones.

A workload of a family has its sizes in its name, `product@511x512x513`, so that every process makes
the same one from the name alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import workloads
from benchmarks.calls import function_peers
from benchmarks.workload import Cost, Data, Tolerance, Workload
from benchmarks.workloads import elementwise, products, reductions, rows

MARK = "@"
SEED = 20240607
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """Workloads that differ in sizes.

    Attributes:
        make: gives the workload of a name and sizes.
        listed: the sizes that the table has.
        fixed: places of sizes that always stay as they are listed.
    """

    make: Callable[[str, Any], Workload]
    listed: tuple[Sizes, ...]
    fixed: tuple[int, ...] = ()

    def beside(self, sizes: Sizes) -> Iterator[tuple[str, Sizes]]:
        """All sizes one less, one more, and half as much again."""
        changes = {"-1": lambda n: n - 1, "+1": lambda n: n + 1, "x1.5": lambda n: n * 3 // 2}
        for kind, change in changes.items():
            yield kind, tuple(n if i in self.fixed else change(n) for i, n in enumerate(sizes))

    def random(self, count: int) -> list[Sizes]:
        """Sizes between the smallest and the largest listed, even on a logarithmic scale."""
        rng = np.random.default_rng(SEED)
        low, high = (np.log(f(self.listed, axis=0)) for f in (np.min, np.max))
        low = np.where(low == high, low - np.log(4), low)  # one listed size: down to a quarter
        found = np.rint(np.exp(rng.uniform(low, high, (count, len(low))))).astype(int)
        kept = rng.integers(0, len(self.listed), count)
        for i in self.fixed:
            found[:, i] = np.array(self.listed)[kept, i]
        return [tuple(int(n) for n in np.maximum(sizes, 1)) for sizes in found]


# ---------------------------------------------------------------- convolutions


def conv_data(sizes: Sizes, rng: np.random.Generator) -> Data:
    """Images [B, C, S, S] and filters [O, C, K, K], scaled so that results are around 1."""
    batch, inputs, side, outputs, kernel = sizes
    w = rng.standard_normal((outputs, inputs, kernel, kernel), np.float32)
    return {
        "x": rng.standard_normal((batch, inputs, side, side), np.float32),
        "w": w / np.float32(np.sqrt(inputs) * kernel),
    }


def conv_reference(data: Data) -> list[np.ndarray]:
    """A product for each place of the filter."""
    x, w = (a.astype(np.float64) for a in data.values())
    reach, side = w.shape[2] // 2, x.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    found = np.zeros((x.shape[0], side, side, w.shape[0]))
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            part = padded[:, :, i : i + side, j : j + side]
            found += np.tensordot(part, w[:, :, i, j], (1, 1))
    return [found.transpose(0, 3, 1, 2)]


def convolution(name: str, sizes: Sizes) -> Workload:
    """Same padding, steps of 1."""
    batch, inputs, side, outputs, kernel = sizes
    pad = kernel // 2
    filters, places = outputs * inputs * kernel**2, batch * side**2
    return Workload(
        name,
        f"{outputs} filters of {kernel} x {kernel} over {batch} x {inputs} x {side} x {side}",
        partial(conv_data, sizes),
        conv_reference,
        function_peers(
            lamina=lambda lm: lambda x, w: lm.functional.conv2d(x, w, padding=pad),
            torch=lambda torch: lambda x, w: torch.nn.functional.conv2d(x, w, padding=pad),
            jax=lambda jax: lambda x, w: jax.lax.conv(x, w, (1, 1), "SAME"),
            onnx=lambda graph, x, w: graph("Conv", x, w, pads=[pad] * 4),
        ),
        Tolerance(absolute=2e-5),  # of results around 1
        Cost(2.0 * places * filters, 4.0 * (filters + places * inputs), 4.0 * places * outputs),
    )


# ---------------------------------------------------------------- all of them

_SIZES = products.SIZES.values()

FAMILIES: dict[str, Family] = {
    "product": Family(products.product, tuple(s for s in _SIZES if len(s) == 3 and s[0] > 1)),
    "row_product": Family(products.product, ((1, 4096, 4096),), fixed=(0,)),
    "batched_product": Family(products.product, tuple(s for s in _SIZES if len(s) == 4)),
    "softmax": Family(rows.softmax, (rows.LISTED,)),
    "layer_norm": Family(rows.layer_norm, (rows.LISTED,)),
    "add": Family(elementwise.add, (elementwise.LISTED,)),
    "gelu_chain": Family(elementwise.gelu_chain, (elementwise.LISTED,)),
    "sum_axis0": Family(partial(reductions.summation, axis=0), (reductions.LISTED,)),
    "sum_axis1": Family(partial(reductions.summation, axis=1), (reductions.LISTED,)),
    "convolution": Family(
        convolution,
        (
            (1, 64, 56, 64, 3),
            (1, 128, 28, 128, 3),
            (1, 256, 14, 256, 3),
            (1, 512, 7, 512, 3),
            (8, 64, 56, 64, 3),
            (128, 32, 14, 64, 3),
        ),
        fixed=(0, 4),
    ),
}


def named(family: str, sizes: Sizes) -> str:
    """The name of a workload."""
    return f"{family}{MARK}{'x'.join(map(str, sizes))}"


def find(name: str) -> Workload:
    """The workload of a name, of a family or listed.

    Raises:
        KeyError: there is none.
    """
    if MARK not in name:
        return workloads.find(name)
    family, _, sizes = name.partition(MARK)
    return FAMILIES[family].make(name, tuple(int(n) for n in sizes.split("x")))
