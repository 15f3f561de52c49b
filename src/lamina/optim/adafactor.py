"""Adafactor."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.group import Group
from lamina.optim.lamb import norm
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Adafactor(Optimizer):
    """Adam whose second moment is kept as a row and a column: v = r cᵀ / mean(r).

    r and c are averages of g² along the rows and columns of the last two axes, so a matrix of
    m by n takes m + n numbers. The step is g / sqrt(v), divided by its root mean square where that
    is above `d`, times the root mean square of p (at least eps[1]) and min(lr, 1 / sqrt(t)).
    The average at step t has the factor 1 - t^beta2_decay. Weight decay shrinks p by
    `1 - lr weight_decay` first.

    Args:
        eps: the square of the first is the least second moment, that of the dtype when None; see
            above for the other.
        momentum: of an average of the steps, which takes as much memory as the parameter; none
            when 0.

    Source: Shazeer and Stern, "Adafactor", ICML 2018, algorithms 4 and 5.
    """

    decays_itself = True
    by_rows = False

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        groups: Sequence[Group] = (),
    ):
        if beta2_decay > 0 or d < 1.0 or not 0.0 <= momentum < 1.0:
            raise UsageError(
                "Adafactor: beta2_decay is at most 0, d at least 1, momentum in 0..1",
                [f"beta2_decay: {beta2_decay}", f"d:           {d}", f"momentum:    {momentum}"],
            )
        self.beta2_decay = beta2_decay
        self.eps = eps
        self.d = d
        self.momentum = momentum
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        mean: State = {"exp_avg": lm.zeros_like(parameter)} if self.momentum else {}
        if parameter.ndim < 2:
            return {"variance": lm.zeros_like(parameter)} | mean
        *outer, rows, columns = parameter.shape
        return {
            "row_var": lm.zeros((*outer, rows, 1), dtype=parameter.dtype),
            "col_var": lm.zeros((*outer, 1, columns), dtype=parameter.dtype),
        } | mean

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        t = lm.astype(self.steps, lm.float64)
        return lm.minimum(lr, 1.0 / lm.sqrt(t)), t**self.beta2_decay, 1.0 - lr * weight_decay

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        rate, share, kept = scalars
        least = lm.finfo(parameter.dtype).eps if self.eps[0] is None else self.eps[0]
        size = norm(parameter) / parameter.size**0.5
        rate = lm.maximum(size, self.eps[1]) * rate
        variance, new = self._variance(gradient, state, share, least)
        move = gradient / lm.sqrt(lm.maximum(variance, least * least))
        move = move / lm.maximum(norm(move) / (self.d * move.size**0.5), 1.0)
        if self.momentum:
            move = self.momentum * state["exp_avg"] + (1.0 - self.momentum) * move
            new["exp_avg"] = move
        return parameter * kept - rate * move, new

    def _variance(
        self, gradient: Tensor, state: State, share: Tensor, least: float
    ) -> tuple[Tensor, State]:
        square = gradient * gradient
        if gradient.ndim < 2:
            variance = state["variance"] + share * (square - state["variance"])
            return variance, {"variance": variance}
        rows, columns = state["row_var"], state["col_var"]
        rows = rows + share * (lm.mean(square, axis=-1, keepdims=True) - rows)
        columns = columns + share * (lm.mean(square, axis=-2, keepdims=True) - columns)
        mean = lm.maximum(lm.mean(rows, axis=-2, keepdims=True), least)
        return rows * columns / mean, {"row_var": rows, "col_var": columns}
