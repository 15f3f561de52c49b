"""CTC: the sum over alignments itself, sequences that cannot be, lengths that are tensors."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

import lamina as lm
from lamina import functional as F

RNG = np.random.default_rng(5)


def by_counting(logs: np.ndarray, labels: list[int], blank: int) -> float:
    """-log of the sum over all alignments, one by one."""
    total = 0.0
    for path in product(range(logs.shape[1]), repeat=logs.shape[0]):
        if [c for c, _ in groupby(path) if c != blank] == labels:
            total += np.exp(sum(logs[t, c] for t, c in enumerate(path)))
    return -np.log(total) if total else np.inf


@pytest.mark.parametrize("labels", [[], [1], [1, 1], [2, 1], [1, 2, 1], [1, 1, 1], [2, 2, 1]])
@pytest.mark.parametrize("blank", [0, 3])
def test_every_alignment_is_counted(labels: list[int], blank: int) -> None:
    logs = F.log_softmax(RNG.standard_normal((4, 4)), -1).numpy()
    found = F.ctc_loss(logs, np.array(labels, int), [4], [len(labels)], blank=blank)
    wanted = by_counting(logs, labels, blank) / max(len(labels), 1)
    assert float(found) == pytest.approx(wanted, rel=1e-12)


def test_sequences_that_cannot_be() -> None:
    """Too many labels, or no blank between equal ones; their neighbours do not suffer."""
    logits = RNG.standard_normal((3, 4, 5))
    targets, steps, labels = (
        [[1, 2, 3], [2, 2, 0], [4, 0, 0], [1, 1, 0]],
        [2, 3, 3, 2],
        [3, 2, 1, 2],
    )

    def loss(x, zero_infinity):
        logs = F.log_softmax(x, -1)
        return F.ctc_loss(
            logs, targets, steps, labels, reduction="none", zero_infinity=zero_infinity
        )

    found = loss(logits, False).numpy()
    assert np.isinf(found).tolist() == [True, False, False, True]
    assert (loss(logits, True).numpy() == np.where(np.isinf(found), 0.0, found)).all()
    slope = lm.grad(lambda x: loss(x, True).sum())(lm.asarray(logits)).numpy()
    assert np.isfinite(slope).all()
    assert not slope[:, [0, 3]].any()
    assert slope[:, [1, 2]].any()


def test_classes_without_probability() -> None:
    with np.errstate(divide="ignore"):
        logs = np.log(np.array([[[0.0, 1.0]], [[0.5, 0.5]]]))
    assert float(F.ctc_loss(logs, [[1]], [2], [1])) == pytest.approx(0.0)  # 10 and 11
    assert float(F.ctc_loss(logs, [[1, 1]], [2], [2])) == np.inf
    slope = lm.grad(lambda x: F.ctc_loss(x, [[1]], [2], [1]))(lm.asarray(logs))
    assert np.isfinite(slope.numpy()).all()


def test_lengths_are_tensors_of_the_program() -> None:
    """One program for all lengths; padding and concatenation give the same."""
    logs = F.log_softmax(RNG.standard_normal((6, 3, 4)).astype(np.float32), -1)
    rows = np.array([[1, 2, 3], [3, 3, 0], [2, 0, 0]])
    run = lm.jit(lambda x, y, t, s: F.ctc_loss(x, y, t, s, reduction="none"))
    for steps, labels in (([6, 5, 4], [3, 2, 1]), ([4, 6, 0], [1, 0, 0])):
        wanted = F.ctc_loss(logs, rows, steps, labels, reduction="none").numpy()
        line = np.concatenate([row[:n] for row, n in zip(rows, labels)])
        line = np.concatenate([line, np.zeros(9 - line.size, int)])
        given = lm.asarray(steps), lm.asarray(labels)
        np.testing.assert_allclose(run(logs, lm.asarray(rows), *given).numpy(), wanted, rtol=1e-6)
        np.testing.assert_allclose(run(logs, lm.asarray(line), *given).numpy(), wanted, rtol=1e-6)
    assert len(run.traces) == 2


def test_narrow_dtypes_and_no_steps() -> None:
    logs = F.log_softmax(RNG.standard_normal((6, 1, 4)), -1)
    wanted = float(F.ctc_loss(logs, [[1, 2]], [6], [2]))
    for dtype in (lm.float16, lm.bfloat16):
        found = F.ctc_loss(lm.astype(logs, dtype), [[1, 2]], [6], [2])
        assert found.dtype == dtype
        assert float(found) == pytest.approx(wanted, rel=0.02)
    nothing = F.ctc_loss(lm.zeros((0, 2, 4)), [[1], [0]], [0, 0], [1, 0], reduction="none")
    assert nothing.tolist() == [np.inf, 0.0]


def test_mistakes() -> None:
    logs = lm.zeros((3, 2, 4))
    good = ([[1, 2], [1, 2]], [3, 3], [2, 2])
    with pytest.raises(lm.UsageError, match="ctc_loss: the blank is no class"):
        F.ctc_loss(logs, *good, blank=4)
    with pytest.raises(lm.UsageError, match="a sequence has more steps than there are"):
        F.ctc_loss(logs, good[0], [4, 3], good[2])
    with pytest.raises(lm.UsageError, match="there are fewer targets than the lengths say"):
        F.ctc_loss(logs, good[0], good[1], [3, 2])
    with pytest.raises(lm.UsageError, match="there are fewer targets than the lengths say"):
        F.ctc_loss(logs, [1, 2, 3], *good[1:])
    with pytest.raises(lm.ShapeError, match="there is not one length for each sequence"):
        F.ctc_loss(logs, good[0], [3], good[2])
    with pytest.raises(lm.ShapeError, match="the targets do not fit"):
        F.ctc_loss(logs, [[1, 2]], *good[1:])
    with pytest.raises(lm.ShapeError, match=r"log_probs is not \[T, N, C\]"):
        F.ctc_loss(logs[0, 0], *good)
    for label in (4, -1):
        with pytest.raises(lm.BoundsError, match=f"index {label} is outside the axis"):
            F.ctc_loss(logs, [[1, label], [1, 2]], *good[1:]).numpy()
