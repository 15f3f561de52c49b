"""Source: batches whose place is known, so that training goes on where it was interrupted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lamina.base.errors import UsageError


class Source(ABC):
    """Batches, epoch after epoch; each loop over it goes on where it is.

    A loop runs to the end of the epoch; the next one is the next epoch. A subclass says how many
    batches an epoch has, which they are, and what has to be the same for that to stay true. A batch
    follows from its epoch and number alone, so that the state is these two.

    Attributes:
        seed: of everything that is drawn; None where nothing is.
        epoch: the one that comes, or is under way.
        position: how many batches of it were given.

    Example:
        >>> class Squares(Source):
        ...     def __len__(self): return 3
        ...     def batch(self, epoch, index): return (epoch + index) ** 2
        ...     def identity(self): return {}
        >>> squares = Squares()
        >>> list(squares), list(squares)
        ([0, 1, 4], [1, 4, 9])
        >>> squares.state_dict()
        {'epoch': 2, 'position': 0}
    """

    def __init__(self, seed: int | None = None):
        self.seed = seed
        self.epoch = 0
        self.position = 0

    @abstractmethod
    def __len__(self) -> int:
        """Batches in an epoch."""

    @abstractmethod
    def batch(self, epoch: int, index: int) -> Any:
        """Batch number `index` of an epoch: the same whenever it is asked for."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What has to be the same for a state to mean the same: numbers and texts by name."""

    def __iter__(self) -> Iterator[Any]:
        while self.position < len(self):
            index = self.position
            self.position += 1  # counted before it is given: who saves now, goes on behind it
            yield self.batch(self.epoch, index)
        self.epoch += 1
        self.position = 0

    def draws(self, epoch: int, *numbers: int) -> np.random.Generator:
        """A generator of numbers for an epoch, or for a batch of it, and nothing else."""
        return np.random.default_rng([self.seed or 0, epoch, *numbers])

    def state_dict(self) -> dict[str, Any]:
        """Where it is, and what it needs for that to mean the same."""
        return {"epoch": self.epoch, "position": self.position, **self.identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the source was that gave the state.

        Raises:
            UsageError: it was made of other data, or otherwise.
        """
        own = self.identity()
        if set(state) != {"epoch", "position", *own} or any(state[k] != own[k] for k in own):
            name = type(self).__name__
            raise UsageError(
                f"{name}: the state is of other batches",
                [f"here:  {_shown(own)}", f"state: {_shown(state)}"],
                "resume with the data, the batch size and the seed of before",
            )
        self.epoch, self.position = int(state["epoch"]), int(state["position"])


def _shown(state: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in state.items() if k not in ("epoch", "position"))
