"""Convolutions with fewer multiplications: tiles are transformed, multiplied and transformed back.

A tile of m x m outputs of a filter with r x r taps needs n x n inputs, n = m + r - 1. With the
matrices of F(m, r) (`toom_cook`)

    V = B' d B    U = G w G'    M[p] = U[p] V[p], summed over channels    y = A' M A

the n² entries p of a tile are as many products over channels, in place of m² r²: 16 in place of 36
for F(2, 3). The gradient in the weights is the same read backwards: w_bar = G' (V (A y_bar A')) G.

Not for strict numerics: sums are of other terms, rounded as the largest element and the largest
weight demand rather than the largest product; an infinity makes NaN, and numbers within a few times
of the largest overflow. With m = 2 only results that read such an element feel it; with larger
tiles, the whole tile does (docs/decisions/0022).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lamina.base.dtypes import float32, float64
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.graph import Graph, rebuild
from lamina.graph.ir.value import Value, emit
from lamina.graph.ops.call import Barrier
from lamina.graph.ops.constant import Constant, constant
from lamina.graph.ops.contract import Contract, contract
from lamina.graph.ops.item import item, items
from lamina.graph.ops.shape import Pad, concatenate, pad, permute, reshape, slice_
from lamina.graph.ops.window import Window
from lamina.graph.passes.pass_ import graph_pass
from lamina.graph.passes.toom_cook import Transforms, transforms
from lamina.graph.passes.winograd_tiles import Tiles, assembled, stored, tiles_of, transformed

TAPS = 3
MOST_AXES = 2  # three have 64 products in place of one, which takes long to compile
NEAR, FAR = 14.0, 24.0  # products of vectors in the time of writing and reading one of entries
WEIGHT = 2.0  # times as much for entries of weights, whose taps lie side by side
GAIN = 1.1  # times faster it should be
LANES = 16  # entries of one image are rows of their own where they fill so wide vectors
WASTE = 1.1  # and no more than so many times


@graph_pass
def winograd(graph: Graph, outputs: int = 2, units: int = 1, cache_bytes: int = 1 << 25) -> Graph:
    """Multiply tiles of `outputs` elements an axis by F(outputs, 3), where that is faster.

    Args:
        graph: its contractions of windows of 3 elements an axis, step 1, are looked at.
        outputs: of a tile, along each axis.
        units: vector products that the machine starts in a cycle.
        cache_bytes: of the last cache.

    Before:
        %x: f32[1,128,1026]
        %w: f32[128,128,3]
        %0 = window((3,), (1,), (1,)) %x
        %1 = contract("ncxi,oci->nox") %0, %w
    After:
        %x: f32[1,128,1026]
        %w: f32[128,128,3]
        %0 = reshape((1, 128, 1026), (1, 1, 128, 1026)) %x
        %1 = slice((0,), (1023,), (2,)) %0
        %2 = slice((2,), (1025,), (2,)) %0
        %3 = subtract %1, %2
        %4 = constant(literal([[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]], f32), f32, (4, 3))
        %5 = reshape((128, 128, 3), (1, 128, 128, 3)) %w
        %6 = contract("px,aocx->paoc") %4, %5
        %7 = slice((0, 0, 0, 0), (1, 1, 128, 128), (1, 1, 1, 1)) %6
        %8 = reshape((1, 1, 128, 128), (1, 128, 128)) %7
        %9 = contract("akct,aoc->akot") %3, %8
        %10 = slice((1,), (1024,), (2,)) %0
        %11 = add %10, %2
        %12 = slice((1, 0, 0, 0), (2, 1, 128, 128), (1, 1, 1, 1)) %6
        %13 = reshape((1, 1, 128, 128), (1, 128, 128)) %12
        %14 = contract("akct,aoc->akot") %11, %13
        %15 = add %9, %14
        %16 = subtract %2, %10
        %17 = slice((2, 0, 0, 0), (3, 1, 128, 128), (1, 1, 1, 1)) %6
        %18 = reshape((1, 1, 128, 128), (1, 128, 128)) %17
        %19 = contract("akct,aoc->akot") %16, %18
        %20 = add %15, %19
        %21 = slice((3,), (1026,), (2,)) %0
        %22 = subtract %21, %10
        %23 = slice((3, 0, 0, 0), (4, 1, 128, 128), (1, 1, 1, 1)) %6
        %24 = reshape((1, 1, 128, 128), (1, 128, 128)) %23
        %25 = contract("akct,aoc->akot") %22, %24
        %26 = add %14, %25
        %27 = subtract %26, %19
        %28 = interleave %20, %27
        %29 = reshape((512, 2), (1024,)) %28
        %30 = barrier %29
        %31 = item(0) %30
        %32 = reshape((1, 1, 128, 1024), (1, 128, 1024)) %31
    """  # noqa: E501

    def rewrite(v: Value, operands: tuple[Value, ...]) -> Value | None:
        if not isinstance(v.op, Contract) or v.dtype not in (float32, float64):
            return None
        found = Convolution.find(v.op, operands, outputs)
        if found is None or not found.pays(units, cache_bytes):
            return None
        return found.gradient() if found.of_weights else found.forward()

    return rebuild(graph, rewrite)


def _has_zeros(x: Value) -> bool:
    """Whether zeros stand between elements of x, which the direct form leaves out."""
    return isinstance(x.op, Pad) and any(x.op.interior)


@dataclass(frozen=True)
class Convolution:
    """A contraction of windows: a convolution, or the gradient of one in its weights.

    Attributes:
        source: what the windows lie in.
        other: the weights, or the gradient of the result.
        windows, letters, out: the letters of the windows, of `other` and of the result.
        axes: how many axes the windows have.
        outputs: of a tile, along each axis.
    """

    source: Value
    other: Value
    windows: str
    letters: str
    out: str
    axes: int
    outputs: int

    @staticmethod
    def find(op: Contract, operands: Sequence[Value], outputs: int) -> Convolution | None:
        """The convolution that a contraction is, where tiles are possible."""
        left, right, out = op.axes
        sides = (operands[0], operands[1], left, right), (operands[1], operands[0], right, left)
        for windows, other, first, second in sides:
            if not isinstance(windows.op, Window) or windows.rank != len(first):
                continue
            axes = len(windows.op.sizes)
            ones = (1,) * axes
            steps = windows.op.steps, windows.op.dilations
            fits = windows.op.sizes == (TAPS,) * axes and steps == (ones, ones)
            fits = fits and axes <= MOST_AXES and not _has_zeros(windows.operands[0])
            found = Convolution(windows.operands[0], other, first, second, out, axes, outputs)
            if fits and other.rank == len(second) and found._is_one():
                return found
        return None

    def _is_one(self) -> bool:
        """Whether places are in the result and taps summed, or the other way round."""
        kept, summed = (self.taps, self.places) if self.of_weights else (self.places, self.taps)
        alone = set(self.windows) ^ set(self.letters)
        return (
            set(kept) <= alone & set(self.out)
            and set(summed) <= set(self.letters) - set(self.out)
            and alone <= set(self.out)
        )

    # ------------------------------------------------------------ letters

    @property
    def places(self) -> str:
        """Letters of where a window is."""
        return self.windows[-2 * self.axes : -self.axes]

    @property
    def taps(self) -> str:
        """Letters within a window."""
        return self.windows[-self.axes :]

    @property
    def of_weights(self) -> bool:
        """Whether this is a gradient in the weights."""
        return self.taps[0] in self.out

    @property
    def fixed(self) -> bool:
        """Whether the weights are constants, which are transformed once."""
        return isinstance(self.other.op, Constant) and not self.of_weights

    @property
    def groups(self) -> tuple[str, str, str, str]:
        """Other letters: in all three; of the windows, summed and not; of `other` only."""
        lead = self.windows[: -2 * self.axes]
        rest = [c for c in self.letters if c not in self.places + self.taps]
        return (
            "".join(c for c in lead if c in self.letters and c in self.out),
            "".join(c for c in lead if c not in self.out),
            "".join(c for c in lead if c not in self.letters),
            "".join(c for c in rest if c not in lead),
        )

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """The extent of each letter."""
        found = dict(zip(self.letters, self.other.shape, strict=True))
        lead = self.windows[: -2 * self.axes]
        found |= dict(zip(lead, self.source.shape, strict=False))
        inside = self.source.shape[len(lead) :]
        found |= {c: n - TAPS + 1 for c, n in zip(self.places, inside, strict=True)}
        return found | dict.fromkeys(self.taps, TAPS)

    def _size(self, letters: str) -> int:
        return math.prod(self.sizes[c] for c in letters)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many tiles there are along each axis."""
        return tuple(math.ceil(self.sizes[c] / self.outputs) for c in self.places)

    @property
    def matrices(self) -> Transforms:
        """Of F(outputs, TAPS)."""
        return transforms(self.outputs, TAPS)

    # ------------------------------------------------------------ whether

    def pays(self, units: int, cache_bytes: int) -> bool:
        """Whether fewer products save more than the entries cost to write and read."""
        shared, summed, kept, own = map(self._size, self.groups)
        entries = shared * (self.outputs + TAPS - 1) ** self.axes
        tiles = entries * math.prod(self.counts)
        images, channels = (summed, kept) if self.of_weights else (kept, summed)
        moved = tiles * images * (channels + own)
        weights = 0 if self.fixed else entries * channels * own
        near = moved * self.source.dtype.bits // 8 <= cache_bytes
        move = units * (NEAR if near else FAR)
        direct = shared * summed * kept * own * self._size(self.places + self.taps)
        products = tiles * summed * kept * own
        return GAIN * (products + move * (moved + WEIGHT * weights)) < direct

    # ------------------------------------------------------------ how

    def forward(self) -> Value:
        """The convolution."""
        shared, summed, kept, own = self.groups
        count = math.prod(self.counts)
        by_image = math.ceil(count / LANES) * LANES <= WASTE * count
        lead = (shared, kept, summed) if by_image else (shared, summed, kept)
        tiles = self._inputs(self.source, lead)
        entries = {p: self._flat(v, 3 if by_image else 2) for p, v in tiles.items()}
        weights, order = self._weights()
        spec = f"akct,{order}->akot" if by_image else f"act,{order}->aot"
        made = {p: contract(v, weights[p], spec) for p, v in entries.items()}
        lead = (shared, kept, own) if by_image else (shared, own, kept)
        shape = (*map(self._size, lead), *self.counts)
        apart = {p: reshape(v, v.shape, shape) for p, v in made.items()}
        back = tuple(zip(*self.matrices.outputs, strict=True))
        y = assembled(transformed(apart, back))
        ends = tuple(self.sizes[c] for c in self.places)
        y = y if y.shape[-self.axes :] == ends else slice_(y, (0,) * self.axes, ends)
        return self._ungrouped(y, "".join((*lead, self.places)))

    def gradient(self) -> Value:
        """The gradient in the weights; its tiles are made anew rather than kept until then."""
        shared, summed, kept, own = self.groups
        padded = isinstance(self.source.op, Pad)
        source = self.source.operands[0] if padded else self.source
        source, bar = items(emit(Barrier(), source, self.other))
        source = emit(self.source.op, source) if padded else source
        seen = self._inputs(source, (shared, kept, summed))
        bar = self._grouped(bar, self.letters, (shared, own, summed, *self.places))
        bars = transformed(
            tiles_of(self._filled(bar), self.counts, self.outputs, self.outputs),
            self.matrices.outputs,
        )
        bars = stored(bars)
        products = {
            p: contract(self._flat(bars[p], 2), self._flat(v, 2), "aot,akt->aok")
            for p, v in seen.items()
        }
        back = transformed(products, tuple(zip(*self.matrices.weights, strict=True)))
        parts = [reshape(v, v.shape, (1, *v.shape)) for v in back.values()]
        made = self._ungrouped(concatenate(parts, -4), self.taps + shared + own + kept)
        return item(emit(Barrier(), made), 0)  # written once, as it shall lie

    def _inputs(self, source: Value, lead: Sequence[str]) -> Tiles:
        """The tiles of what the windows lie in, transformed: each [*lead, *counts]."""
        letters = self.windows[: -self.axes]
        x = self._filled(self._grouped(source, letters, (*lead, *self.places)))
        size = self.outputs + TAPS - 1
        return transformed(tiles_of(x, self.counts, self.outputs, size), self.matrices.inputs)

    def _filled(self, x: Value) -> Value:
        """Zeros behind, so that the last tiles are whole."""
        more = [n * self.outputs - self.sizes[c] for n, c in zip(self.counts, self.places)]
        return pad(x, [0] * self.axes, more)

    def _weights(self) -> tuple[Tiles, str]:
        """The weights transformed, and the letters of each: "aoc" or "aco", as they lie."""
        shared, summed, _, own = self.groups
        lead, order = (shared, own, summed), "aoc"
        if own and summed and self.letters.index(own[0]) > self.letters.index(summed[0]):
            lead, order = (shared, summed, own), "aco"
        w = self._grouped(self.other, self.letters, (*lead, *self.taps))
        rows = np.array(self.matrices.weights, float)
        table = rows
        for _ in range(self.axes - 1):
            table = np.multiply.outer(table, rows)
        table = table.transpose((*range(0, 2 * self.axes, 2), *range(1, 2 * self.axes, 2)))
        flat = table.reshape(-1, *[TAPS] * self.axes)
        taps = "xy"[: self.axes]
        u = contract(constant(flat, w.dtype), w, f"p{taps},{order}{taps}->p{order}")
        u = constant(evaluate(Graph((), (u,)))[0], u.dtype) if self.fixed else u
        places = itertools.product(range(len(rows)), repeat=self.axes)
        shape = u.shape[1:]
        parts = {p: slice_(u, (i, 0, 0, 0), (i + 1, *shape)) for i, p in enumerate(places)}
        return {p: reshape(v, v.shape, shape) for p, v in parts.items()}, order

    def _flat(self, v: Value, kept: int) -> Value:
        """The axes behind the first `kept` as one."""
        return reshape(v, v.shape[kept:], (math.prod(v.shape[kept:]),))

    def _grouped(self, v: Value, letters: str, groups: Sequence[str]) -> Value:
        """The axes in the order of `groups`, each of which becomes one axis."""
        order = "".join(groups)
        moved = permute(v, [letters.index(c) - len(letters) for c in order])
        sizes = dict(zip(letters, v.shape, strict=True))
        return reshape(moved, moved.shape, [math.prod(sizes[c] for c in g) for g in groups])

    def _ungrouped(self, v: Value, letters: str) -> Value:
        """Each letter an axis again, in the order of the result."""
        apart = reshape(v, v.shape, [self.sizes[c] for c in letters])
        return permute(apart, [letters.index(c) - len(letters) for c in self.out])
