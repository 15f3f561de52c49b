"""Windows of a long sequence, for models that predict what comes next."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import UsageError
from lamina.data.source import Source


class Windows(Source):
    """Batches of windows at random places of one sequence: what is read, and what comes next.

    The targets are the inputs one place later. An epoch has as many batches as it takes to draw as
    many tokens as the sequence has, at least one, unless `batches` says how many.

    Shapes: `tokens: [N] -> inputs: [size, length], targets: [size, length]`

    Args:
        tokens: the sequence; also `np.memmap`, of which only the windows are read.
        length: tokens in a window.
        size: windows in a batch.
        seed: of the places.
        batches: in an epoch.

    Raises:
        UsageError: the sequence is shorter than a window and the token behind it.

    Example:
        >>> import numpy as np
        >>> inputs, targets = next(iter(Windows(np.arange(100), length=4, size=2)))
        >>> inputs.shape, bool((targets == inputs + 1).all())
        ((2, 4), True)
    """

    def __init__(
        self, tokens: Any, *, length: int, size: int, seed: int = 0, batches: int | None = None
    ):
        if length < 1 or size < 1 or len(tokens) <= length or (batches or 1) < 1:
            raise UsageError(
                "Windows: a window and the token behind it do not fit",
                [f"tokens: {len(tokens)}", f"length: {length}, size: {size}, batches: {batches}"],
                "take a longer sequence, or shorter windows",
            )
        super().__init__(seed)
        self.tokens = tokens
        self.length = length
        self.size = size
        self.batches = batches or max(1, len(tokens) // (length * size))

    def __len__(self) -> int:
        return self.batches

    def batch(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch number `index` of an epoch."""
        starts = self.draws(epoch, index).integers(0, len(self.tokens) - self.length, self.size)
        windows = np.stack([self.tokens[s : s + self.length + 1] for s in starts.tolist()])
        return windows[:, :-1], windows[:, 1:]

    def identity(self) -> dict[str, Any]:
        """Tokens, sizes, seed."""
        return {
            "tokens": len(self.tokens),
            "length": self.length,
            "size": self.size,
            "batches": self.batches,
            "seed": self.seed,
        }
