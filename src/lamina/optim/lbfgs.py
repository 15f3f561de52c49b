"""L-BFGS."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.line_search import Function, Point, strong_wolfe
from lamina.optim.optimizer import Parameters, State
from lamina.optim.rate import Rate, as_rate, rate_at
from lamina.optim.state import Stateful
from lamina.tensor import Tensor

_CURVED = 1e-10  # less curvature along a step than this is not learned from


class LBFGS(Stateful):
    """A quasi-Newton method: p = p - t H g, with H from the last steps and t from a line search.

    For losses that are the same function at every call: all of the data, no dropout. A call of
    `update` makes up to `max_iter` iterations, which are one loop inside the graph; it takes the
    loss itself rather than gradients.

    Args:
        model: whose floating parameters are moved, all of one dtype.
        lr: the first length that the line search tries, but for the first step of all, where it is
            multiplied by min(1, 1 / sum |g|).
        max_iter: iterations for each call of `update`.
        tolerance_grad: no further when all numbers of the gradient are at most this.
        tolerance_change: no further when the loss, or all parameters, change by less than this.
        history_size: how many steps H is made of; each takes twice the memory of the parameters.
        max_tries: how often a line search may compute the loss.

    Attributes:
        steps: how many iterations there were, 0-d int64.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(2, 1).double()
        >>> x = lm.asarray([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]], dtype=lm.float64)
        >>> y = lm.asarray([[1.0], [2.0], [3.0]], dtype=lm.float64)
        >>> def loss_of(model, x, y): return lm.mean((model(x) - y) ** 2)
        >>> optimizer = lm.optim.LBFGS(model)
        >>> before = optimizer.update(model, loss_of, x, y)
        >>> bool(loss_of(model, x, y) < 1e-10)
        True

    Source: Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 7.4 and 7.5.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1.0,
        max_iter: int = 20,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 10,
        max_tries: int = 25,
    ):
        if max_iter < 1 or history_size < 1 or max_tries < 1:
            raise UsageError(
                "LBFGS: max_iter, history_size and max_tries are at least 1",
                [
                    f"max_iter:     {max_iter}",
                    f"history_size: {history_size}",
                    f"max_tries:    {max_tries}",
                ],
            )
        parameters = _floating(model)
        dtypes = {p.dtype for p in parameters.values()}
        if len(dtypes) != 1:
            raise UsageError(
                "LBFGS: parameters of one dtype are needed",
                [f"dtypes: {', '.join(sorted(map(str, dtypes))) or 'no floating parameter'}"],
                "convert the model, as with model.float()",
            )
        self.lr = lr
        self.max_iter = max_iter
        self.tolerance_grad = tolerance_grad
        self.tolerance_change = tolerance_change
        self.max_tries = max_tries
        self.steps = lm.zeros((), dtype=lm.int64)
        (dtype,) = dtypes
        n = sum(p.size for p in parameters.values())
        self.state: State = {
            "moves": lm.zeros((history_size, n), dtype=dtype),
            "changes": lm.zeros((history_size, n), dtype=dtype),
            "inverses": lm.zeros((history_size,), dtype=dtype),
            "scale": lm.ones((), dtype=dtype),
            "move": lm.zeros((n,), dtype=dtype),
            "gradient": lm.zeros((n,), dtype=dtype),
        }

    @property
    def lr(self) -> float:
        """The first length that the next line search tries."""
        return float(rate_at(self._lr, self.steps))

    @lr.setter
    def lr(self, value: Rate) -> None:
        self._lr = as_rate("LBFGS", value)

    def update(self, model: Parameters, loss_of: Callable[..., Tensor], *args: Any) -> Tensor:
        """Move the parameters so that the loss falls.

        Args:
            model: the module given at construction, or one of the same structure.
            loss_of: gives the loss for the model and `args`; what it assigns to the model, such as
                running statistics, is lost.
            args: for `loss_of`.

        Returns:
            The loss before.

        Raises:
            UsageError: the loss is no function, or the parameters are others.
        """
        if not callable(loss_of):
            raise UsageError(
                "LBFGS.update: takes the function that gives the loss",
                [f"given: {type(loss_of).__name__}"],
                "call update(model, loss_of, *args)",
            )
        f = _on_vectors(model, loss_of, args)
        x = _vector(_floating(model))
        if x.shape != self.state["move"].shape:
            raise UsageError(
                "LBFGS.update: parameters that it was not made for",
                [f"model: {x.size} numbers", f"known: {self.state['move'].size} numbers"],
                "make the optimizer from this model",
            )
        loss, gradient = f(x)
        start = {
            "x": x,
            "loss": loss,
            "now": gradient,
            "done": self._is_flat(gradient),
            "count": lm.zeros((), dtype=lm.int64),
            "steps": self.steps,
        }
        end = lm.while_loop(self._goes_on, lambda s: self._iterated(s, f), start | self.state)
        self.steps = end["steps"]
        self.state = {name: end[name] for name in self.state}
        model.set_parameters(_parts(end["x"], _floating(model)))
        return loss

    def _goes_on(self, s: State) -> Tensor:
        return lm.logical_and(lm.logical_not(s["done"]), lm.less(s["count"], self.max_iter))

    def _is_flat(self, gradient: Tensor) -> Tensor:
        return lm.less_equal(lm.max(lm.abs(gradient)), self.tolerance_grad)

    def _iterated(self, s: State, f: Function) -> State:
        """One iteration: learn from the last step, find a direction, search along it."""
        s = s | _learned(s)
        x, loss, gradient = s["x"], s["loss"], s["now"]
        d = _direction(s)
        t = lm.astype(rate_at(self._lr, s["steps"]), x.dtype)
        short = lm.minimum(1.0 / lm.sum(lm.abs(gradient)), 1.0) * t
        t = lm.where(lm.equal(s["steps"], 0), short, t)
        slope = lm.sum(gradient * d)
        falls = lm.less_equal(slope, -self.tolerance_change)
        start = Point(lm.zeros_like(t), loss, gradient, slope)
        tries = self.max_tries
        end = strong_wolfe(f, x, d, start, t, tries, self.tolerance_change)
        move = lm.where(falls, end.t, 0.0) * d
        small = lm.less_equal(lm.max(lm.abs(move)), self.tolerance_change)
        same = lm.less(lm.abs(end.loss - loss), self.tolerance_change)
        stops = lm.logical_or(lm.logical_not(falls), lm.logical_or(small, same))
        return s | {
            "x": x + move,
            "loss": lm.where(falls, end.loss, loss),
            "now": lm.where(falls, end.gradient, gradient),
            "gradient": gradient,
            "move": move,
            "done": lm.logical_or(stops, self._is_flat(end.gradient)),
            "count": s["count"] + 1,
            "steps": s["steps"] + 1,
        }


def _learned(s: State) -> State:
    """The history with the last step in it, if the gradient has changed along it."""
    move, change = s["move"], s["now"] - s["gradient"]
    curvature = lm.sum(change * move)
    learns = lm.greater(curvature, _CURVED)
    safe = lm.where(learns, curvature, 1.0)
    squares = lm.where(learns, lm.sum(change * change), 1.0)

    def newest(rows: Tensor, row: Tensor) -> Tensor:
        return lm.where(learns, lm.concat([rows[1:], row[None]]), rows)

    return {
        "moves": newest(s["moves"], move),
        "changes": newest(s["changes"], change),
        "inverses": newest(s["inverses"], 1.0 / safe),
        "scale": lm.where(learns, safe / squares, s["scale"]),
    }


def _direction(s: State) -> Tensor:
    """-H g by the two-loop recursion; rows of the history that are not filled yet do nothing."""
    rows = s["moves"], s["changes"], s["inverses"]

    def back(q: Tensor, row: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        move, change, inverse = row
        share = inverse * lm.sum(move * q)
        return q - share * change, share

    def forth(r: Tensor, row: tuple[Any, Tensor]) -> tuple[Tensor, Tensor]:
        (move, change, inverse), share = row
        return r + (share - inverse * lm.sum(change * r)) * move, share

    q, shares = lm.scan(back, -s["now"], rows, reverse=True)
    return lm.scan(forth, s["scale"] * q, (rows, shares))[0]


def _floating(model: Parameters) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.dtype.is_float}


def _vector(tensors: dict[str, Tensor]) -> Tensor:
    return lm.concat([lm.reshape(t, (t.size,)) for t in tensors.values()])


def _parts(x: Tensor, like: dict[str, Tensor]) -> dict[str, Tensor]:
    """A vector as parameters of the shapes of `like`."""
    parts: dict[str, Tensor] = {}
    start = 0
    for name, p in like.items():
        parts[name] = lm.reshape(x[start : start + p.size], p.shape)
        start += p.size
    return parts


def _on_vectors(model: Parameters, loss_of: Callable[..., Tensor], args: Any) -> Function:
    """Loss and gradient as functions of all parameters in one vector; frozen ones have 0."""
    like = _floating(model)

    def f(x: Tensor) -> tuple[Tensor, Tensor]:
        other = copy.deepcopy(model)
        other.set_parameters(_parts(x, like))
        loss, grads = lm.value_and_grad(loss_of)(other, *args)
        known = dict(grads.named_parameters(remove_duplicate=False))
        gradient = {n: known[n] if n in known else lm.zeros_like(p) for n, p in like.items()}
        return loss, _vector(gradient)

    return f
