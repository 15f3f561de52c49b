"""Rates that rise and fall: one cycle, many, or a plateau between two slopes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.optim.schedules.cosine import half_cosine
from lamina.optim.schedules.schedule import Schedule, check
from lamina.tensor import Tensor


def _line(start: float, end: float, done: Tensor) -> Tensor:
    return start + (end - start) * done


def _one_of(owner: str, name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(
            f"{owner}: no {name} {value!r}", [f"there are: {', '.join(map(repr, known))}"]
        )


@frozen
class OneCycle(Schedule):
    """Up from `lr / div_factor` to `lr`, then down to `lr / div_factor / final_div_factor`.

    Args:
        lr: the highest rate.
        steps: of the whole cycle.
        warm: the share of them that rise.
        anneal: "cos" or "linear", the shape of the slopes.
        div_factor, final_div_factor: see above.
        three_phase: come down to the first rate as slowly as it rose, and then to the last one.

    Example:
        >>> [round(float(OneCycle(1.0, steps=10, warm=0.5)(t)), 3) for t in (0, 2, 4, 9)]
        [0.04, 0.52, 1.0, 0.0]

    Source: Smith and Topin, "Super-Convergence", 2018; fastai's form of it.
    """

    lr: float
    steps: int
    warm: float = 0.3
    anneal: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        check(self, steps=2)
        _one_of("OneCycle", "anneal", self.anneal, ("cos", "linear"))
        peak = self.warm * self.steps - 1.0
        low = 2.0 * peak if self.three_phase else peak
        if not peak > 0.0 or not low < self.steps - 1:
            raise UsageError(
                "OneCycle: the rate does not rise and fall",
                [f"steps: {self.steps}", f"warm:  {self.warm}"],
                "both slopes need a step",
            )

    def value(self, t: Tensor) -> Any:
        first = self.lr / self.div_factor
        peak = self.warm * self.steps - 1.0
        points = [(0.0, first), (peak, self.lr)]
        if self.three_phase:
            points.append((2.0 * peak, first))
        points.append((self.steps - 1.0, first / self.final_div_factor))
        slope = half_cosine if self.anneal == "cos" else _line
        result: Any = points[-1][1]
        for (x, y), (x1, y1) in reversed(list(pairwise(points))):
            done = lm.clip((t - x) / (x1 - x), 0.0, 1.0)
            result = lm.where(lm.less_equal(t, x1), slope(y, y1, done), result)
        return result


@frozen
class Cyclic(Schedule):
    """From `low` to `high` in `up` steps and back in `down`, again and again.

    Args:
        low, high: the two rates.
        up, down: steps of each slope; `down` is `up` when None.
        mode: "triangular"; "triangular2", where each cycle is half as high as that before; or
            "exp_range", where the height is multiplied by `factor` at every step.
        factor: see `mode`.

    Example:
        >>> [round(float(Cyclic(0.0, 1.0, up=2)(t)), 3) for t in range(5)]
        [0.0, 0.5, 1.0, 0.5, 0.0]

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
    """

    low: float
    high: float
    up: int = 2000
    down: int | None = None
    mode: str = "triangular"
    factor: float = 1.0

    def __post_init__(self) -> None:
        check(self, up=1)
        _one_of("Cyclic", "mode", self.mode, ("triangular", "triangular2", "exp_range"))

    def value(self, t: Tensor) -> Any:
        total = self.up + (self.up if self.down is None else self.down)
        cycles = t / total
        cycle = lm.floor(cycles)
        share = self.up / total
        x = cycles - cycle
        height = lm.where(lm.less_equal(x, share), x / share, (x - 1.0) / (share - 1.0))
        if self.mode == "triangular2":
            height = height * 0.5**cycle
        elif self.mode == "exp_range":
            height = height * self.factor**t
        return self.low + (self.high - self.low) * height


@frozen
class WSD(Schedule):
    """Warm-up, stable, decay: a line up to `lr`, a level, and a slope to `end`.

    Args:
        lr: the rate of the level.
        steps: how many there are in all; after them the rate is `end`.
        warmup: how many rise, from lr / warmup on.
        decay: how many fall.
        end: the last rate.
        shape: of the fall, "linear", "cosine" or "sqrt": 1 - sqrt(done).

    Example:
        >>> [float(WSD(1.0, steps=10, warmup=2, decay=4)(t)) for t in (0, 1, 5, 6, 8, 10)]
        [0.5, 1.0, 1.0, 1.0, 0.5, 0.0]

    Source: Hu et al., "MiniCPM", 2024, section 4; Hägele et al., "Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations", 2024, for the shape "sqrt".
    """

    lr: float
    steps: int
    warmup: int
    decay: int
    end: float = 0.0
    shape: str = "linear"

    def __post_init__(self) -> None:
        check(self, warmup=0, decay=1, steps=self.warmup + self.decay)
        _one_of("WSD", "shape", self.shape, ("linear", "cosine", "sqrt"))

    def value(self, t: Tensor) -> Any:
        done = lm.clip((t - (self.steps - self.decay)) / self.decay, 0.0, 1.0)
        if self.shape == "cosine":
            rate = half_cosine(self.lr, self.end, done)
        else:
            rate = _line(self.lr, self.end, lm.sqrt(done) if self.shape == "sqrt" else done)
        return rate * lm.minimum((t + 1.0) / self.warmup, 1.0) if self.warmup else rate
