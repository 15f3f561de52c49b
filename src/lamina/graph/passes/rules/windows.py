"""Simplification of sliding windows and their sums: the derivatives of convolutions."""

from __future__ import annotations

import math
from dataclasses import replace

from lamina.graph.ir.pattern import structural_rule
from lamina.graph.ir.value import Value
from lamina.graph.ops.contract import LETTERS, Contract, contract
from lamina.graph.ops.shape import flip, pad, permute, reshape, slice_
from lamina.graph.ops.window import Fold, Window, window

MOST_TAPS = 4 / 3
"""Times those of a window, if each place of a step has as many: beyond that, zeros between the
elements cost less, since a contraction that reads them directly knows that they are there."""


@structural_rule(Fold, Contract, rounding=True)
def fold_of_contraction(folded: Value, product: Value) -> Value | None:
    """Windows summed into place after a contraction are a contraction over windows.

    With bar[o] at the outputs o of a convolution and w[k] its weights,

        y[h] = sum of bar[o] w[k] over o step + k dilation = h

    Where the step is 1, o = h - k dilation. Where the dilation is 1, h = q step + r and
    k = j step + r give o = q - j: each of the places r between two steps has weights of its own,
    every step-th of w, and the places are one more axis of the contraction. Elsewhere
    step - 1 zeros after each element of bar make the step 1. Bar is read backwards from h or q, so
    that with zeros before it, and the weights turned around, windows of it with step 1 remain.

    This is the gradient of a convolution in its input. Windows that do not overlap stay: each
    element of their sum has only one term.

    Before:
        %bar: f32[2,5,3]
        %w: f32[5,3,3]
        %0 = contract("bco,cdk->bdok") %bar, %w
        %1 = fold((8,), (3,), (2,), (1,)) %0
    After:
        %bar: f32[2,5,3]
        %w: f32[5,3,3]
        %0 = pad((1,), (1,), (0,)) %bar
        %1 = window((2,), (1,), (1,)) %0
        %2 = pad((0,), (1,), (0,)) %w
        %3 = reshape((4,), (2, 2)) %2
        %4 = flip((-2,)) %3
        %5 = contract("bcok,cdka->bdoa") %1, %4
        %6 = reshape((4, 2), (8,)) %5
    """
    fold, (left, right, out) = folded.op, product.op.axes
    count = len(fold.sizes)
    reaches = [(n - 1) * d for n, d in zip(fold.sizes, fold.dilations)]
    if len(out) < 2 * count or all(r < s for r, s in zip(reaches, fold.steps)):
        return None
    outputs, windows = out[-2 * count : -count], out[-count:]
    bar, weights = product.operands
    if set(outputs) <= set(right) and set(windows) <= set(left):
        bar, weights, left, right = weights, bar, right, left
    if not _only(outputs, left, right) or not _only(windows, right, left):
        return None
    if max(fold.steps) > 1 and _is_depthwise(bar, weights, (left, right, out), windows):
        return None
    others = "".join(c for c in left if c not in outputs)
    bar = permute(bar, tuple(left.index(c) - len(left) for c in others + outputs))
    steps = _split(fold)
    between = [s // t - 1 for s, t in zip(fold.steps, steps)]
    fold = replace(fold, steps=steps)
    taps = [-(-n // s) for n, s in zip(fold.sizes, fold.steps)]
    spread = window(_before(bar, between, fold, taps), taps, None, fold.dilations)
    unused = (c for c in LETTERS if c not in left + right)
    places = [next(unused) if step > 1 else "" for step in fold.steps]
    turned, letters = _by_place(weights, right, fold, windows, places)
    placed = "".join(o + p for o, p in zip(outputs, places))
    spec = f"{others}{outputs}{windows},{letters}->{out[: -2 * count]}{placed}"
    return _joined(contract(spread, turned, spec), fold)


def _is_depthwise(bar: Value, weights: Value, axes: tuple[str, str, str], windows: str) -> bool:
    """Whether there are groups that take or give one channel each.

    Too little is computed there to win by sharing the taps out among the places of a step.
    """
    left, right, out = axes
    sizes = dict(zip(right, weights.shape[weights.rank - len(right) :]))
    sizes |= dict(zip(left, bar.shape[bar.rank - len(left) :]))
    shared = [c for c in left if c in right]
    groups = math.prod(sizes[c] for c in shared if c in out)
    given = math.prod(sizes[c] for c in shared if c not in out)
    taken = math.prod(sizes[c] for c in right if c not in left + windows)
    return groups > 1 and min(given, taken) == 1


def _split(fold: Fold) -> tuple[int, ...]:
    """Steps of which each place has weights of its own; 1 where zeros are put between instead."""
    steps = tuple(s if d == 1 else 1 for s, d in zip(fold.steps, fold.dilations))
    taps = math.prod(-(-n // s) * s for n, s in zip(fold.sizes, steps))
    return steps if taps <= MOST_TAPS * math.prod(fold.sizes) else (1,) * len(steps)


def _before(bar: Value, between: list[int], fold: Fold, taps: list[int]) -> Value:
    """Zeros in bar and around it, so that it has a window for each step of the result."""
    low = [(n - 1) * d for n, d in zip(taps, fold.dilations)]
    steps = [-(-n // s) for n, s in zip(fold.shape, fold.steps)]
    sizes = bar.shape[bar.rank - len(taps) :]
    high = [n - (k - 1) * (gap + 1) - 1 for n, k, gap in zip(steps, sizes, between)]
    return pad(bar, low, high, between)


def _by_place(
    weights: Value, letters: str, fold: Fold, windows: str, places: list[str]
) -> tuple[Value, str]:
    """The weights backwards, [..., k, ...] -> [..., taps, step, ...] for each axis of windows."""
    for letter, place, step in zip(windows, places, fold.steps):
        rest = len(letters) - letters.index(letter) - 1
        if place:
            weights = pad(
                weights, [0] * (rest + 1), [-weights.shape[-rest - 1] % step, *[0] * rest]
            )
            n, *after = weights.shape[-rest - 1 :]
            weights = reshape(weights, (n, *after), (n // step, step, *after))
            letters = letters.replace(letter, letter + place)
        weights = flip(weights, [-rest - len(place) - 1])
    return weights, letters


def _joined(y: Value, fold: Fold) -> Value:
    """[..., steps, step] -> [..., n] for each axis, the last step cut short."""
    whole = tuple(-(-n // s) * s for n, s in zip(fold.shape, fold.steps))
    apart = len(whole) + sum(step > 1 for step in fold.steps)
    y = reshape(y, y.shape[y.rank - apart :], whole)
    return y if whole == fold.shape else slice_(y, [0] * len(whole), fold.shape)


def _only(letters: str, inside: str, outside: str) -> bool:
    """Whether all `letters` are in one operand and none in the other."""
    return set(letters) <= set(inside) and not set(letters) & set(outside)


@structural_rule(Window)
def window_of_units(windows: Value) -> Value | None:
    """A window of one element at every place is that element.

    Before:  %x: f32[3,4];  %0 = window((1,), (1,), (1,)) %x
    After:   %x: f32[3,4];  %0 = reshape((4,), (4, 1)) %x
    """
    return _units(windows)


@structural_rule(Fold)
def fold_of_units(folded: Value) -> Value | None:
    """Windows of one element at every place are in place already.

    Before:  %x: f32[3,4,1];  %0 = fold((4,), (1,), (1,), (1,)) %x
    After:   %x: f32[3,4,1];  %0 = reshape((4, 1), (4,)) %x
    """
    return _units(folded)


def _units(v: Value) -> Value | None:
    op, x = v.op, v.operands[0]
    if any(n != 1 for n in (*op.sizes, *op.steps)):
        return None
    lead = v.rank - len(op.sizes) * (2 if isinstance(op, Window) else 1)
    return reshape(x, x.shape[lead:], v.shape[lead:])
