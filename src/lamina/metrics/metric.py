"""Metric: a number about many examples, measured batch by batch and on many machines.

A metric is three functions. `measure` makes a state of a batch, a few arrays with names; `join`
makes one state of several; `value` is what a state says. Joining the states of two batches gives
the state of both together, so that measuring in pieces and merging is measuring the whole.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from lamina.base.errors import UsageError

State = dict[str, Any]
"""What a metric keeps of the examples it has seen: arrays by name."""


class Metric(ABC):
    """A number about all examples seen so far: `update` with each batch, then `compute`.

    Predictions and targets are Tensors, NumPy arrays or lists. Values are looked at, so update a
    metric outside of `jit`. Arithmetic is in float64, and counts are exact.

    Example:
        >>> from lamina import metrics
        >>> one, other = metrics.Accuracy(), metrics.Accuracy()
        >>> one.update([0, 1], [0, 0])
        >>> other.update([1, 1], [1, 1])
        >>> one.compute(), (one + other).compute()
        (0.5, 0.75)
    """

    keeps_examples: ClassVar[bool] = False
    """Whether the state grows with the examples, as where the order of all scores matters."""

    def __init__(self) -> None:
        self._parts: list[State] = []

    @abstractmethod
    def measure(self, *args: Any, **kwargs: Any) -> State:
        """The state of the examples that are given; `update` takes the same arguments."""

    @abstractmethod
    def join(self, states: Sequence[State]) -> State:
        """The state of all examples of one or more states."""

    @abstractmethod
    def value(self, state: State) -> Any:
        """What the metric is for the examples of a state."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take a batch into account.

        Args:
            args, kwargs: what `measure` takes, as a rule prediction, target and sample_weight.
        """
        self.take(self.measure(*args, **kwargs))

    def take(self, state: State) -> None:
        """Take a state into account that `measure` made."""
        self._extend([state])

    def compute(self) -> Any:
        """The metric of all examples since the last `reset`.

        Raises:
            UsageError: there were none.
        """
        if not self._parts:
            raise no_examples(type(self).__name__)
        return self.value(self._joined())

    def of(self, *args: Any, **kwargs: Any) -> Any:
        """The metric of the given examples alone; those seen before are left alone."""
        return self.value(self.measure(*args, **kwargs))

    def merge(self, *others: Metric) -> Self:
        """Take in what other metrics of the same kind and settings have seen; the metric itself.

        Raises:
            UsageError: another one is of another kind or has other settings.
        """
        for other in others:
            if type(other) is not type(self) or other._settings() != self._settings():
                raise UsageError(
                    "merge: the metrics are not of the same kind",
                    [f"one:   {self!r}", f"other: {other!r}"],
                )
        self._extend([part for other in others for part in copy.deepcopy(other._parts)])
        return self

    def __add__(self, other: Metric) -> Self:
        """A new metric, of the examples of both."""
        return copy.deepcopy(self).merge(other)

    def reset(self) -> None:
        """Forget all examples."""
        self._parts = []

    def state_dict(self) -> State:
        """The state as arrays by name, for a checkpoint; empty when nothing was seen."""
        return dict(self._joined()) if self._parts else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave."""
        self._parts = [{k: np.array(v) for k, v in state.items()}] if state else []

    def _extend(self, parts: list[State]) -> None:
        self._parts += parts
        if len(self._parts) > 1 and not self.keeps_examples:
            self._joined()

    def _joined(self) -> State:
        if len(self._parts) > 1:
            self._parts = [self.join(self._parts)]
        return self._parts[0]

    def _settings(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self._settings().items())
        return f"{type(self).__name__}({settings})"


class Summed(Metric):
    """A metric whose state is sums over the examples; not a metric by itself."""

    def join(self, states: Sequence[State]) -> State:
        """The sums of all."""
        return {name: sum(s[name] for s in states) for name in states[0]}


class Kept(Metric):
    """A metric that keeps what it needs of every example; not a metric by itself."""

    keeps_examples = True

    def join(self, states: Sequence[State]) -> State:
        """The examples of all, one after the other."""
        return {name: np.concatenate([s[name] for s in states]) for name in states[0]}


def no_examples(name: str) -> UsageError:
    """The error for a metric of nothing."""
    return UsageError(f"{name}: there are no examples", (), "call update before compute")


def share(name: str, part: Any, total: Any) -> float:
    """part / total, for sums over examples.

    Raises:
        UsageError: the total is 0, so there were no examples, or all their weights are 0.
    """
    if not total > 0:
        raise no_examples(name)
    return float(part) / float(total)
