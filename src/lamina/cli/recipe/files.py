"""Data out of files for `lamina train`: arrays, tables, text."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lamina import data
from lamina.base.errors import UsageError

_MISSING = ("", "na", "nan", "null", "none", "?")


def arrays(file: str) -> data.Split:
    """`train_x`, `train_y`, `test_x` and `test_y` of an .npz file."""
    names = ("train_x", "train_y", "test_x", "test_y")
    with np.load(file, allow_pickle=False) as found:
        missing = [name for name in names if name not in found]
        if missing:
            raise UsageError(f"{file} has no {', '.join(missing)}", [f"holds: {list(found)}"])
        return data.Split(*(found[name] for name in names))


def table(
    file: str,
    target: str = "",
    task: str = "auto",
    test: float = 0.2,
    seed: int = 0,
    delimiter: str = ",",
) -> data.Split:
    """The rows of a CSV file with a head: numbers scaled, words as one number for each.

    Columns of numbers get mean 0 and deviation 1 over the rows for training; where one is missing,
    it is the mean. A column with a word in it becomes a 0 or 1 for each word that rows for training
    have.

    Args:
        file: of rows that are separated by line ends.
        target: the column to predict; the last one when empty.
        task: "classes", "numbers", or "auto": classes for words and for whole numbers from 0.
        test: the share of rows that is kept for testing.
        seed: of their choice.
        delimiter: between columns.

    Raises:
        UsageError: the file is no such table, or there is nothing to train or test on.
    """
    with Path(file).open(encoding="utf-8", newline="") as opened:
        head, *rows = [row for row in csv.reader(opened, delimiter=delimiter) if row] or [[]]
    names = [name.strip() for name in head]
    wanted = target or (names[-1] if names else "")
    wrong = [i for i, row in enumerate(rows, 2) if len(row) != len(names)]
    if wanted not in names or wrong or task not in ("auto", "classes", "numbers"):
        raise UsageError(
            f"{file} is no table to predict {wanted!r} of",
            [f"columns: {', '.join(names)}", f"rows with more or fewer: {wrong[:5]}"],
            'task is "auto", "classes" or "numbers"',
        )
    order = np.random.default_rng(seed).permutation(len(rows))
    kept = _kept(file, len(rows), test)
    columns = {n: [rows[i][k].strip() for i in order] for k, n in enumerate(names)}
    labels = _labels(file, columns.pop(wanted), task)
    features = [_features(cells, kept) for cells in columns.values()]
    inputs = np.concatenate(features, axis=1, dtype=np.float32)
    return data.Split(inputs[:kept], labels[:kept], inputs[kept:], labels[kept:])


def text(file: str, length: int = 64, test: float = 0.1) -> data.Split:
    """Windows of a text, letter by letter, and the same one letter later.

    Args:
        file: the text, in UTF-8.
        length: letters in a window.
        test: the share at the end that is kept for testing.

    Raises:
        UsageError: the text is too short.
    """
    letters = Path(file).read_text(encoding="utf-8")
    number = {letter: i for i, letter in enumerate(sorted(set(letters)))}
    tokens = np.array([number[letter] for letter in letters], np.int64)
    count = (len(tokens) - 1) // max(length, 1)
    kept = _kept(file, count, test)
    inputs, targets = (
        part[: count * length].reshape(count, length) for part in (tokens[:-1], tokens[1:])
    )
    return data.Split(inputs[:kept], targets[:kept], inputs[kept:], targets[kept:])


def is_text(split: data.Split) -> bool:
    """Whether the targets are tokens that follow those of the inputs."""
    inputs, targets = split.train_images, split.train_labels
    both = np.issubdtype(inputs.dtype, np.integer) and np.issubdtype(targets.dtype, np.integer)
    return bool(both) and inputs.ndim == 2 and inputs.shape == targets.shape


def _kept(file: str, count: int, test: float) -> int:
    """How many examples are for training."""
    kept = count - round(count * test)
    if not 0 < kept < count:
        raise UsageError(
            f"{file}: there have to be examples to train on, and others to test",
            [f"examples: {count}", f"test: {test}"],
        )
    return kept


def _numbers(cells: Sequence[str]) -> np.ndarray | None:
    """The column as numbers, NaN for those missing; None if there is a word in it."""
    try:
        return np.array([np.nan if c.lower() in _MISSING else float(c) for c in cells])
    except ValueError:
        return None


def _labels(file: str, cells: Sequence[str], task: str) -> np.ndarray:
    numbers = _numbers(cells)
    if numbers is not None and np.isnan(numbers).any():
        raise UsageError(f"{file}: the column to predict has gaps", ["fill or drop those rows"])
    if numbers is None:
        if task == "numbers":
            raise UsageError(f"{file}: the column to predict has words", ['task: "numbers"'])
        words = sorted(set(cells))
        return np.array([words.index(cell) for cell in cells], np.int64)
    whole = bool((numbers == np.floor(numbers)).all() and (numbers >= 0).all())
    if task == "classes" and not whole:
        raise UsageError(f"{file}: classes are words, or whole numbers from 0", ["task: classes"])
    if task == "numbers" or not whole:
        return numbers[:, None].astype(np.float32)
    return numbers.astype(np.int64)


def _features(cells: Sequence[str], kept: int) -> np.ndarray:
    numbers = _numbers(cells)
    if numbers is None:
        words = sorted(set(cells[:kept]))
        return np.array([[float(cell == word) for word in words] for cell in cells])
    known = numbers[:kept][~np.isnan(numbers[:kept])]
    mean, deviation = (known.mean(), known.std()) if known.size else (0.0, 1.0)
    scaled = (numbers - mean) / (deviation or 1.0)
    return np.where(np.isnan(scaled), 0.0, scaled)[:, None]
