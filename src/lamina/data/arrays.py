"""Batches of arrays, shuffled anew in each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from lamina.base.errors import UsageError
from lamina.data.source import Source

Transform = Callable[[tuple[np.ndarray, ...], np.random.Generator], Any]


class Batches(Source):
    """Batches of one or more arrays, epoch after epoch; each loop over it goes on where it is.

    The order of an epoch follows from the seed and its number alone, and so does what `transform`
    draws for a batch. See `Source` for how it is interrupted and goes on.

    Args:
        arrays: with as many examples along their first axis; also `np.memmap` and the like.
        size: examples in a batch.
        seed: of the order of all epochs; None keeps the order of the arrays.
        drop_last: leave out the last batch of an epoch when it is not full.
        transform: `transform(batch, generator)` makes the batch that is given, as for random
            flips; the generator is that of this batch of this epoch.

    Raises:
        UsageError: the arrays differ in length, or there is no full batch.

    Example:
        >>> import numpy as np
        >>> batches = Batches(np.arange(5), np.arange(5) % 2, size=2)
        >>> for x, y in batches:
        ...     print(x, y, batches.epoch, batches.position)
        [0 1] [0 1] 0 1
        [2 3] [0 1] 0 2
        >>> batches.epoch, len(batches)
        (1, 2)
    """

    def __init__(
        self,
        *arrays: Any,
        size: int,
        seed: int | None = None,
        drop_last: bool = True,
        transform: Transform | None = None,
    ):
        lengths = [len(array) for array in arrays]
        if not arrays or len(set(lengths)) != 1:
            raise UsageError(
                "Batches: arrays with as many examples each are needed",
                [f"lengths: {', '.join(map(str, lengths)) or 'no arrays'}"],
            )
        if size < 1 or (drop_last and size > lengths[0]) or lengths[0] == 0:
            raise UsageError(
                "Batches: there is no full batch",
                [f"size: {size}", f"examples: {lengths[0]}"],
                "take a size between 1 and the number of examples",
            )
        super().__init__(seed)
        self.arrays = arrays
        self.size = size
        self.drop_last = drop_last
        self.transform = transform
        self._shuffled: tuple[int, np.ndarray] | None = None

    @property
    def examples(self) -> int:
        """How many there are in the arrays."""
        return len(self.arrays[0])

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.examples // self.size if self.drop_last else -(-self.examples // self.size)

    def batch(self, epoch: int, index: int) -> Any:
        """Batch number `index` of an epoch."""
        part = slice(index * self.size, (index + 1) * self.size)
        chosen = part if self.seed is None else self._order(epoch)[part]
        batch = tuple(np.asarray(array[chosen]) for array in self.arrays)
        if self.transform is None:
            return batch
        return self.transform(batch, self.draws(epoch, index, 1))

    def identity(self) -> dict[str, Any]:
        """Examples, size of a batch, seed."""
        return {"examples": self.examples, "size": self.size, "seed": self.seed}

    def _order(self, epoch: int) -> np.ndarray:
        if self._shuffled is None or self._shuffled[0] != epoch:
            self._shuffled = epoch, self.draws(epoch).permutation(self.examples)
        return self._shuffled[1]


class Replayed:
    """Any iterable of batches with a place: to go on, those given before are passed over.

    Args:
        batches: gives the same batches in each loop, as a list does.
    """

    def __init__(self, batches: Iterable[Any]):
        self.batches = batches
        self.epoch = 0
        self.position = 0

    def __iter__(self) -> Iterator[Any]:
        before = self.position
        for index, batch in enumerate(self.batches):
            if index >= before:
                self.position = index + 1
                yield batch
        self.epoch += 1
        self.position = 0

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.epoch, self.position = int(state["epoch"]), int(state["position"])


def resumable(batches: Any) -> Any:
    """The batches themselves where they know their place, else `Replayed` of them.

    Raises:
        UsageError: it is an iterator, which is gone after one loop.
    """
    if hasattr(batches, "state_dict") and hasattr(batches, "load_state_dict"):
        return batches
    if isinstance(batches, Iterator):
        raise UsageError(
            "batches: an iterator is gone after one loop, and does not know its place",
            [f"given: {type(batches).__name__}"],
            "pass data.Batches(...), a list, or an object with __iter__",
        )
    return Replayed(batches)
