"""Several metrics of the same examples, by name."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Self

from lamina.base.errors import UsageError
from lamina.metrics.metric import Metric, State


class MetricCollection(Mapping[str, Metric]):
    """Metrics by name, updated together.

    Example:
        >>> from lamina import metrics
        >>> both = metrics.MetricCollection({"top1": metrics.Accuracy(), "loss": metrics.LogLoss()})
        >>> both.update([[0.9, 0.1], [0.5, 0.5]], [0, 1])
        >>> {name: round(value, 3) for name, value in both.compute().items()}
        {'top1': 0.5, 'loss': 0.399}
    """

    def __init__(self, metrics: Mapping[str, Metric]):
        self._metrics = dict(metrics)

    def __getitem__(self, name: str) -> Metric:
        return self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take a batch into account in each metric; none is changed if one refuses it."""
        measured = {name: metric.measure(*args, **kwargs) for name, metric in self.items()}
        for name, state in measured.items():
            self[name].take(state)

    def compute(self) -> dict[str, Any]:
        """The values by name."""
        return {name: metric.compute() for name, metric in self.items()}

    def merge(self, *others: MetricCollection) -> Self:
        """Take in what others have seen, name by name; the collection itself.

        Raises:
            UsageError: the names differ, or metrics of one name are not of the same kind.
        """
        for other in others:
            if list(other) != list(self):
                facts = [f"one:   {', '.join(self)}", f"other: {', '.join(other)}"]
                raise UsageError("merge: the collections have different metrics", facts)
            for name, metric in self.items():
                metric.merge(other[name])
        return self

    def __add__(self, other: MetricCollection) -> Self:
        """A new collection, of the examples of both."""
        return copy.deepcopy(self).merge(other)

    def reset(self) -> None:
        """Forget all examples."""
        for metric in self.values():
            metric.reset()

    def state_dict(self) -> State:
        """The states of all, as arrays by "name.part"."""
        return {
            f"{name}.{part}": array
            for name, metric in self.items()
            for part, array in metric.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave."""
        for name, metric in self.items():
            start = f"{name}."
            metric.load_state_dict(
                {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            )

    def __repr__(self) -> str:
        inner = "".join(f"\n  ({name}): {metric!r}" for name, metric in self.items())
        return f"MetricCollection({inner}\n)"
