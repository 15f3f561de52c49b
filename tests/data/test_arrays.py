"""Batches: their order, and that they go on where they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import data

X = np.arange(23)


def epoch_of(batches: Any) -> list[list[int]]:
    return [batch[0].tolist() for batch in batches]


def test_every_example_comes_once_in_an_epoch() -> None:
    batches = data.Batches(X, -X, size=5, seed=0, drop_last=False)
    first, second = epoch_of(batches), epoch_of(batches)
    assert all(sorted(x for b in epoch for x in b) == X.tolist() for epoch in (first, second))
    assert first != second and [len(b) for b in first] == [5, 5, 5, 5, 3]
    assert len(batches) == 5 and batches.epoch == 2
    assert epoch_of(data.Batches(X, size=5)) == X[:20].reshape(4, 5).tolist()
    for x, y in data.Batches(X, -X, size=5, seed=1):
        np.testing.assert_array_equal(x, -y)


@pytest.mark.parametrize("taken", [0, 1, 4, 5, 6, 9, 13])
def test_they_go_on_where_they_were(taken: int) -> None:
    def made() -> data.Batches:
        flip = lambda batch, draws: (batch[0] * draws.integers(1, 9, len(batch[0])),)
        return data.Batches(X, size=5, seed=3, drop_last=False, transform=flip)

    def stream(batches: data.Batches) -> Any:
        while True:
            yield from batches

    whole = stream(made())
    wanted = [next(whole)[0].tolist() for _ in range(20)]
    batches = made()
    given = stream(batches)
    for _ in range(taken):
        next(given)
    other = made()
    other.load_state_dict(batches.state_dict())
    rest = stream(other)
    assert [next(rest)[0].tolist() for _ in range(20 - taken)] == wanted[taken:]


def test_windows_are_pieces_of_the_sequence() -> None:
    tokens = np.random.default_rng(0).permutation(1000)
    windows = data.Windows(tokens, length=8, size=4, seed=2)
    assert len(windows) == 31
    seen = []
    for inputs, targets in windows:
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
        for row, after in zip(inputs, targets, strict=True):
            (at,) = np.flatnonzero(tokens == row[0])
            np.testing.assert_array_equal(tokens[at : at + 9], [*row, after[-1]])
            seen.append(at)
    assert len(set(seen)) > 100 and min(seen) < 30 and max(seen) > 950
    assert max(data.Windows(np.arange(9), length=8, size=2).batch(0, 0)[1].ravel()) == 8
    loop = iter(windows)
    next(loop)
    other = data.Windows(tokens, length=8, size=4, seed=2)
    other.load_state_dict(windows.state_dict())
    np.testing.assert_array_equal(next(iter(other))[0], next(loop)[0])
    with pytest.raises(lm.UsageError, match="Windows: the state is of other batches"):
        data.Windows(tokens, length=9, size=4).load_state_dict(windows.state_dict())
    with pytest.raises(lm.UsageError, match="the token behind it do not fit"):
        data.Windows(tokens[:8], length=8, size=4)


def test_files_are_read_a_batch_at_a_time(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    batches = data.Batches(stored, size=4, seed=0)
    (batch,) = next(iter(batches))
    assert type(batch) is np.ndarray and len(batch) == 4


def test_a_list_is_replayed() -> None:
    replayed = data.resumable([[1], [2], [3]])
    loop = iter(replayed)
    next(loop), next(loop)
    other = data.resumable([[1], [2], [3]])
    other.load_state_dict(replayed.state_dict())
    assert list(other) == [[3]] and other.epoch == 1 and list(other) == [[1], [2], [3]]
    batches = data.Batches(X, size=2)
    assert data.resumable(batches) is batches


def test_errors() -> None:
    with pytest.raises(lm.UsageError, match="as many examples each"):
        data.Batches(X, X[1:], size=2)
    with pytest.raises(lm.UsageError, match="as many examples each"):
        data.Batches(size=2)
    with pytest.raises(lm.UsageError, match="there is no full batch"):
        data.Batches(X, size=24)
    with pytest.raises(lm.UsageError, match="an iterator is gone"):
        data.resumable(iter([1]))
    with pytest.raises(lm.UsageError, match="of other batches"):
        data.Batches(X, size=2).load_state_dict(data.Batches(X, size=3).state_dict())
