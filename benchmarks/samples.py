"""Statistics of samples: the median of each pass, and median and quartiles over passes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Median and quartiles.

    Attributes:
        median, low, high: the middle, the first and the third quartile.
    """

    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


def summarise(passes: Sequence[Sequence[float]]) -> Summary:
    """The summary of the medians of all passes.

    Within a pass the median rejects interruptions; over passes the quartiles show how much the
    machine drifted.

    Raises:
        ValueError: there is no sample.

    Example:
        >>> summarise([[1.0, 2.0, 9.0], [4.0], [6.0]])
        Summary(median=4.0, low=3.0, high=5.0)
    """
    medians = sorted(statistics.median(samples) for samples in passes if samples)
    if not medians:
        raise ValueError("no samples")
    return Summary(*(quantile(medians, share) for share in (0.5, 0.25, 0.75)))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile of ordered numbers, interpolated linearly between neighbours.

    Example:
        >>> quantile([10.0, 20.0], 0.25)
        12.5
    """
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
