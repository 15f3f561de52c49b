"""A line search for the strong Wolfe conditions, as one loop inside the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import lamina.tensor as lm
from lamina.base import trees
from lamina.tensor import Tensor

SUFFICIENT = 1e-4  # c1: how much of the slope at the start the loss has to fall by
FLAT = 0.9  # c2: how much of the slope may be left

Function = Callable[[Tensor], tuple[Tensor, Tensor]]


class Point(NamedTuple):
    """A place on the line.

    Attributes:
        t: how far along the direction.
        loss: there.
        gradient: there, [n].
        slope: the gradient times the direction.
    """

    t: Tensor
    loss: Tensor
    gradient: Tensor
    slope: Tensor


class Search(NamedTuple):
    """Where a search stands.

    Attributes:
        t: where it looks next.
        low: while a bracket is sought, the point before; then its end with the lower loss.
        high: the other end.
        zooms: whether there is a bracket.
        slow: whether the last step came close to an end of the bracket.
        done: whether `low` satisfies the conditions, or the bracket is as good as closed.
        tries: how often the loss was computed.
    """

    t: Tensor
    low: Point
    high: Point
    zooms: Tensor
    slow: Tensor
    done: Tensor
    tries: Tensor


def strong_wolfe(
    f: Function, x: Tensor, d: Tensor, start: Point, t: Tensor, max_tries: int, tolerance: float
) -> Point:
    """A point x + t d where the loss has fallen enough and the slope is flat enough.

    Steps grow by cubic extrapolation until they enclose such a point, and then close in on it by
    cubic interpolation, kept a tenth of the bracket away from its ends.

    Args:
        f: loss and gradient, of a vector.
        x: where the line begins.
        d: its direction, downhill.
        start: the point x.
        t: the first step to try.
        max_tries: how often the loss may be computed; then the best point counts.
        tolerance: a bracket narrower than this, in the largest parameter, is closed.

    Shapes: x, d: [n].

    Source: Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 3.5 and 3.6, with
    the safeguards of Schmidt's minFunc, which PyTorch has too.
    """
    reach = lm.max(lm.abs(d))

    def going(s: Search) -> Tensor:
        return lm.logical_and(lm.logical_not(s.done), lm.less(s.tries, max_tries))

    def look(s: Search) -> Search:
        loss, gradient = f(x + s.t * d)
        loss = lm.where(lm.isfinite(loss), loss, float("inf"))
        return _moved(s, start, Point(s.t, loss, gradient, lm.sum(gradient * d)), reach, tolerance)

    no = lm.asarray(False)
    s = lm.while_loop(going, look, Search(t, start, start, no, no, no, lm.asarray(0)))
    best = _pick(lm.less_equal(start.loss, s.low.loss), start, s.low)
    return _pick(lm.logical_or(s.zooms, s.done), s.low, best)


def _moved(s: Search, start: Point, new: Point, reach: Tensor, tolerance: float) -> Search:
    """The search after it has seen `new`."""
    rises = lm.greater(new.loss, start.loss + SUFFICIENT * new.t * start.slope)
    flat = lm.less_equal(lm.abs(new.slope), -FLAT * start.slope)
    no_better = lm.greater_equal(new.loss, s.low.loss)

    # No bracket yet: it opens where the loss rises or the slope turns; else the search goes on.
    over = lm.logical_or(rises, lm.logical_and(lm.greater(s.tries, 1), no_better))
    ends = lm.logical_and(lm.logical_not(over), flat)
    turns = lm.greater_equal(new.slope, 0.0)
    opens = lm.logical_or(over, lm.logical_and(lm.logical_not(flat), turns))
    keeps = lm.logical_and(opens, lm.less_equal(s.low.loss, new.loss))
    sought = _pick(keeps, s.low, new), _pick(keeps, new, s.low)
    further = _cubic(s.low, new, new.t + 0.01 * (new.t - s.low.t), new.t * 10.0)

    # A bracket: the new point takes the place of one end, or of both roles.
    worse = lm.logical_or(rises, no_better)
    lower = lm.less(new.loss, s.low.loss)
    crossed = lm.greater_equal(new.slope * (s.high.t - s.low.t), 0.0)
    crossed = lm.logical_and(crossed, lm.logical_not(flat))
    becomes_low = lm.logical_or(lm.logical_not(worse), lower)
    passes = lm.logical_or(crossed, worse)  # what was low is high now
    high = _pick(becomes_low, _pick(passes, s.low, s.high), new)
    closed = _pick(becomes_low, new, s.low), high
    finished = lm.logical_and(lm.logical_not(worse), flat)

    low, high = _pick(s.zooms, closed, sought)
    zooms = lm.logical_or(s.zooms, opens)
    inner, slow = _inside(low, high, s.slow)
    narrow = lm.less(lm.abs(high.t - low.t) * reach, tolerance)
    done = lm.logical_or(lm.where(s.zooms, finished, ends), lm.logical_and(zooms, narrow))
    return Search(
        lm.where(zooms, inner, further),
        low,
        high,
        zooms,
        lm.logical_and(zooms, slow),
        done,
        s.tries + 1,
    )


def _inside(low: Point, high: Point, was_slow: Tensor) -> tuple[Tensor, Tensor]:
    """The next step in a bracket, and whether it is close to an end for the first time."""
    left, right = lm.minimum(low.t, high.t), lm.maximum(low.t, high.t)
    t = _cubic(low, high, left, right)
    margin = 0.1 * (right - left)
    close = lm.less(lm.minimum(right - t, t - left), margin)
    at_end = lm.logical_or(lm.greater_equal(t, right), lm.less_equal(t, left))
    stuck = lm.logical_and(close, lm.logical_or(was_slow, at_end))
    away = lm.where(lm.less(right - t, t - left), right - margin, left + margin)
    return lm.where(stuck, away, t), lm.logical_and(close, lm.logical_not(stuck))


def _cubic(a: Point, b: Point, least: Tensor, most: Tensor) -> Tensor:
    """The minimum of the cubic through two points with their slopes, within bounds.

    Their middle where it has none, as when the loss at one point is infinite.

    Source: Nocedal and Wright, equation 3.59.
    """
    rising = lm.less_equal(a.t, b.t)
    p, q = _pick(rising, a, b), _pick(rising, b, a)
    middle = p.slope + q.slope - 3.0 * (p.loss - q.loss) / (p.t - q.t)
    square = middle * middle - p.slope * q.slope
    root = lm.sqrt(lm.maximum(square, 0.0))
    share = (q.slope + root - middle) / (q.slope - p.slope + 2.0 * root)
    t = lm.clip(q.t - (q.t - p.t) * share, least, most)
    has_minimum = lm.logical_and(lm.greater_equal(square, 0.0), lm.isfinite(share))
    return lm.where(has_minimum, t, (least + most) / 2.0)


def _pick(condition: Tensor, a: Any, b: Any) -> Any:
    return trees.map(lambda x, y: lm.where(condition, x, y), a, b)
