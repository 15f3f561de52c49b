"""Connectionist temporal classification: sequences whose labels have no times."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError
from lamina.functional.losses.reduction import class_numbers, known_classes, reduced
from lamina.graph import ops
from lamina.tensor import Tensor
from lamina.tensor.api import (
    arange,
    asarray,
    concat,
    cumsum,
    exp,
    expand_dims,
    float32,
    full,
    int64,
    log,
    maximum,
    minimum,
    reshape,
    stack,
    stop_gradient,
    take_along_axis,
    where,
)
from lamina.tensor.control.loops import scan
from lamina.tensor.conversion import cast

NEVER = -1e30
"""The logarithm of a probability of 0; finite, so that sums of such have derivatives."""


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    *,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the sum, over all alignments of the labels with the steps, of their probability.

    An alignment names a class at each step; taking out repetitions and then blanks leaves the
    labels. The sum is a dynamic programme over blank, label, blank, ..., label, blank, in
    logarithms.

    Args:
        log_probs: logarithms of the probabilities of the classes at each step, as `log_softmax`
            gives them.
        targets: the labels, one row for each sequence; or those of all, one after the other.
        input_lengths: the number of steps of each sequence.
        target_lengths: the number of labels of each; a NumPy array or a list where known, so that
            no more memory than needed is taken for targets that follow one another.
        blank: the class that is no label.
        reduction: "mean" divides each loss by its number of labels first; "sum" or "none".
        zero_infinity: count sequences that are too short for their labels as 0, not as infinity;
            they have no gradient either way.

    Shapes: `log_probs: [T, N, C] or [T, C], targets: [N, S] or [sum of target_lengths], both
    lengths: [N] or [] -> [], or [N]`

    Raises:
        ShapeError: the shapes do not fit.
        UsageError: `blank` is no class, or a length that is known is too large.
        BoundsError: a label is no class.

    Example:
        >>> import numpy as np
        >>> even = np.log(np.full((3, 1, 2), 0.5, np.float32))
        >>> ctc_loss(even, [[1]], [3], [1])  # 6 of 8 alignments: all but 000 and 101
        Tensor(0.2877, shape=(), dtype=float32)

    Source: Graves et al. 2006, "Connectionist temporal classification", section 4.1; PyTorch,
    `nn.functional.ctc_loss`. PyTorch's gradient in `log_probs` has that of `log_softmax` mixed in;
    the gradients in what goes into `log_softmax` are the same.
    """
    logs = asarray(log_probs)
    given = logs.dtype
    if given.bits < 32:
        logs = cast(logs, float32)
    single = logs.ndim == 2
    if single:
        logs = expand_dims(logs, axis=1)
    steps, labels = _lengths(logs, input_lengths, target_lengths, blank)
    rows = _rows(class_numbers("ctc_loss", targets), target_lengths, labels, logs, single)
    losses = -_log_likelihood(logs, rows, steps, labels, blank)
    impossible = losses > -0.5 * NEVER
    losses = where(impossible, 0.0 if zero_infinity else np.inf, losses)
    if reduction == "mean":
        losses = losses / maximum(cast(labels, losses.dtype), 1.0)
    return cast(reduced(losses[0] if single else losses, reduction), given)


def _lengths(
    logs: Tensor, input_lengths: Any, target_lengths: Any, blank: int
) -> tuple[Tensor, Tensor]:
    """The numbers of steps and of labels of each sequence."""
    if logs.ndim != 3:
        raise ShapeError("ctc_loss: log_probs is not [T, N, C] or [T, C]", [f"{logs.type}"])
    if not 0 <= blank < logs.shape[2]:
        facts = [f"blank: {blank}", f"classes: {logs.shape[2]}"]
        raise UsageError("ctc_loss: the blank is no class", facts)
    if not isinstance(input_lengths, Tensor) and np.max(input_lengths, initial=0) > logs.shape[0]:
        facts = [f"longest: {np.max(input_lengths)}", f"log_probs: {logs.type}, steps first"]
        raise UsageError("ctc_loss: a sequence has more steps than there are", facts)
    steps, labels = (
        cast(class_numbers("ctc_loss", reshape(asarray(x), (-1,))), int64)
        for x in (input_lengths, target_lengths)
    )
    for name, lengths in (("input_lengths", steps), ("target_lengths", labels)):
        if lengths.shape != (logs.shape[1],):
            facts = [f"log_probs: {logs.type}, sequences second", f"{name}: {lengths.type}"]
            raise ShapeError("ctc_loss: there is not one length for each sequence", facts)
    return steps, labels


def _rows(
    targets: Tensor, target_lengths: Any, labels: Tensor, logs: Tensor, single: bool
) -> Tensor:
    """The labels of each sequence as a row, `[N, S]`."""
    targets = cast(targets, int64)
    count = logs.shape[1]
    if targets.ndim == 2 and targets.shape[0] == count:
        longest = targets.shape[1]
    elif targets.ndim == 1:
        longest = targets.shape[0]
    else:
        facts = [f"log_probs: {logs.type}, sequences second", f"targets: {targets.type}"]
        raise ShapeError("ctc_loss: the targets do not fit", facts)
    if not isinstance(target_lengths, Tensor):
        needed = int(np.max(target_lengths, initial=0))
        if needed > longest or (targets.ndim == 1 and np.sum(target_lengths) > longest):
            facts = [f"target_lengths: {target_lengths}", f"targets: {targets.type}"]
            raise UsageError("ctc_loss: there are fewer targets than the lengths say", facts)
        longest = needed
    else:
        longest = min(longest, logs.shape[0])  # more labels than steps cannot be
    if targets.ndim == 2:
        return targets[:, :longest]
    if targets.shape[0] == 0:
        return full((count, 0), 0, dtype=int64)
    starts = expand_dims(cumsum(labels) - labels, axis=-1)
    places = minimum(starts + arange(longest), targets.shape[0] - 1)
    return ops.gather(targets, places, 0)


def _log_likelihood(
    logs: Tensor, rows: Tensor, steps: Tensor, labels: Tensor, blank: int
) -> Tensor:
    """The logarithm of the probability of each row of labels, `[N]`."""
    count, longest = rows.shape
    nothing = where(labels == 0, 0.0, cast(asarray(NEVER), logs.dtype))
    if logs.shape[0] == 0:
        return nothing
    rows = where(arange(longest) < expand_dims(labels, axis=-1), rows, blank)
    rows = known_classes(rows, logs.shape[2])
    blanks = full((count, longest), blank, dtype=int64)
    places = reshape(stack([blanks, rows], axis=-1), (count, 2 * longest))
    places = concat([places, full((count, 1), blank, dtype=int64)], axis=1)  # [N, 2 S + 1]
    width = 2 * longest + 1

    # a label may follow another one directly, unless they are the same
    two_before = concat([full((count, 2), blank, dtype=int64), places], axis=1)[:, :width]
    jumps = (places != blank) & (places != two_before)
    wanted = reshape(places, (1, count, width))
    emitted = maximum(take_along_axis(logs, wanted, axis=2), NEVER)  # [T, N, 2 S + 1]

    def step(alpha: Tensor, now: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
        t, log_p = now
        one, two = _shifted(alpha, 1), where(jumps, _shifted(alpha, 2), NEVER)
        moved = _log_sum(alpha, one, two) + log_p
        return where(expand_dims(t < steps, axis=-1), moved, alpha), None

    first = where(arange(width) < 2, emitted[0], NEVER)
    alpha, _ = scan(step, first, (arange(1, logs.shape[0]), emitted[1:]))
    last = expand_dims(2 * minimum(labels, longest), axis=-1)
    at_blank = take_along_axis(alpha, last, axis=1)[:, 0]
    at_label = take_along_axis(alpha, maximum(last - 1, 0), axis=1)[:, 0]
    at_label = where(labels > 0, at_label, NEVER)
    found = _log_sum(at_blank, at_label, full((count,), NEVER, dtype=logs.dtype))
    return where(labels > longest, NEVER, where(steps == 0, nothing, found))


def _shifted(alpha: Tensor, by: int) -> Tensor:
    """The places before each."""
    start = full((alpha.shape[0], by), NEVER, dtype=alpha.dtype)
    return concat([start, alpha], axis=1)[:, : alpha.shape[1]]


def _log_sum(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """log(exp(a) + exp(b) + exp(c)) of numbers that are finite."""
    top = stop_gradient(maximum(a, maximum(b, c)))
    return top + log(exp(a - top) + exp(b - top) + exp(c - top))
