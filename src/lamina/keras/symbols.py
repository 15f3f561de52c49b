"""Symbols: what layers are called with while a model is described, and how calls are remembered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int | None, ...]

_TRIALS = ((2, 64), (3, 160))  # sizes tried for a batch and for other sizes that are left open


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer on symbols.

    Attributes:
        layer: what was called.
        args, kwargs: with symbols in them.
        outputs: the symbols it gave.
        number: of the call, in the order of all.
    """

    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Symbol] = field(default_factory=list)
    number: int = field(default_factory=itertools.count().__next__)


@dataclass(frozen=True, eq=False)
class Symbol:
    """A tensor of a model that is being described: `Input` gives one, and so do layers of symbols.

    Attributes:
        shape: sizes; None for those that are left open, as that of the batch.
        dtype: the name of its dtype.
        call: which gave it.
        index: which of the outputs of the call it is.

    Example:
        >>> from lamina import keras
        >>> x = keras.Input((4,))
        >>> keras.layers.Dense(3)(x).shape
        (None, 3)
    """

    shape: Shape
    dtype: str
    call: Call = field(repr=False)
    index: int = 0

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


def mapped(f: Callable[[Any], Any], structure: Any) -> Any:
    """`f` of everything in lists, tuples and dicts."""
    if isinstance(structure, list | tuple):
        return type(structure)(mapped(f, part) for part in structure)
    if isinstance(structure, dict):
        return {key: mapped(f, part) for key, part in structure.items()}
    return f(structure)


def flattened(structure: Any) -> Iterator[Any]:
    """Everything in lists, tuples and dicts, in order."""
    if isinstance(structure, list | tuple):
        for part in structure:
            yield from flattened(part)
    elif isinstance(structure, dict):
        yield from flattened(list(structure.values()))
    else:
        yield structure


def symbols_in(structure: Any) -> list[Symbol]:
    """The symbols among all that is in lists, tuples and dicts."""
    return [part for part in flattened(structure) if isinstance(part, Symbol)]


def trial_shapes(shape: Shape) -> list[tuple[int, ...]]:
    """The shape with its open sizes set, in two ways: what differs behind a layer is open there."""
    found = []
    for batch, other in _TRIALS:
        sizes = [other if size is None else size for size in shape]
        if shape and shape[0] is None:
            sizes[0] = batch
        found.append(tuple(sizes))
    return found


def joined_shape(one: tuple[int, ...], other: tuple[int, ...]) -> Shape:
    """The shape behind a layer, from those of two trials."""
    return tuple(a if a == b else None for a, b in zip(one, other, strict=True))
