"""Simplification of sliding windows and their sums: the derivatives of convolutions."""

from __future__ import annotations

from lamina.graph.ir.pattern import structural_rule
from lamina.graph.ir.value import Value
from lamina.graph.ops.contract import Contract, contract
from lamina.graph.ops.shape import flip, pad, permute, reshape
from lamina.graph.ops.window import Fold, Window, window


@structural_rule(Fold, Contract, rounding=True)
def fold_of_contraction(folded: Value, product: Value) -> Value | None:
    """Windows summed into place after a contraction are a contraction over windows.

    With bar[o] at the outputs o of a convolution and w[k] its weights,

        y[h] = sum of bar[o] w[k] over o step + k dilation = h
             = sum over k of padded[h + (size - 1 - k) dilation] w[k]

    where padded[(size - 1) dilation + o step] = bar[o], zero elsewhere; replacing k by
    size - 1 - k turns w around and makes windows of `padded`, dilated and with step 1. This is
    the gradient of a convolution in its input. Windows that do not overlap stay: each element of
    their sum has only one term.

    Before:
        %bar: f32[2,5,3]
        %w: f32[5,3,2]
        %0 = contract("bco,cdk->bdok") %bar, %w
        %1 = fold((8,), (2,), (2,), (3,)) %0
    After:
        %bar: f32[2,5,3]
        %w: f32[5,3,2]
        %0 = pad((3,), (3,), (1,)) %bar
        %1 = window((2,), (1,), (3,)) %0
        %2 = flip((-1,)) %w
        %3 = contract("bcok,cdk->bdo") %1, %2
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
    others = "".join(c for c in left if c not in outputs)
    bar = permute(bar, tuple(left.index(c) - len(left) for c in others + outputs))
    last = [(n - 1) * s for n, s in zip(bar.shape[bar.rank - count :], fold.steps)]
    high = [n - 1 - end for n, end in zip(fold.shape, last)]
    padded = pad(bar, reaches, high, [s - 1 for s in fold.steps])
    spread = window(padded, fold.sizes, None, fold.dilations)
    turned = flip(weights, [right.index(c) - len(right) for c in windows])
    return contract(spread, turned, f"{others}{outputs}{windows},{right}->{out[:-count]}")


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
