"""Gradients of some rows of a table, such as those of an embedding that a batch looked up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import lamina.tensor as lm
from lamina.base.errors import ShapeError, UsageError
from lamina.functional import segment_sum
from lamina.tensor import Tensor

State = dict[str, Tensor]


class RowGradient(NamedTuple):
    """The gradient of a parameter of which only some rows were used.

    An optimiser that works row by row reads, moves and writes these rows alone: the others, and
    their states, stay to the bit, where the zeros of a whole gradient would still shrink moments.

    Attributes:
        rows: which, integers; negative ones count from the end. A row may come several times, and
            then its gradients are added up.
        values: the gradient of each.

    Shapes: `rows: [*N], values: [*N, *F]` for a parameter `[V, *F]`.

    Example:
        >>> import lamina as lm
        >>> table = lm.nn.Embedding(1000, 4)
        >>> optimizer = lm.optim.Adagrad(table, lr=0.1)
        >>> ids = lm.asarray([[3, 7], [7, 999]])
        >>> taken = table.weight[ids]  # what the model goes on with, and is differentiated by
        >>> of_taken = lm.grad(lambda taken: lm.sum(taken**2))(taken)
        >>> before = table.weight
        >>> optimizer.update(table, {"weight": lm.optim.RowGradient(ids, of_taken)})
        >>> lm.nonzero(lm.any(table.weight != before, axis=1))[0].tolist()
        [3, 7, 999]
    """

    rows: Tensor
    values: Tensor


Move = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]


def move_rows(
    move: Move, parameter: Tensor, gradient: RowGradient, state: State
) -> tuple[Tensor, State]:
    """`move` of the rows that have a gradient, put back among the others.

    Each mention of a row computes the same from the sum of its gradients, so it does not matter
    which one is written last.

    Args:
        move: gives new rows and new states of them.
        parameter, state: whole; states have a row for each of the parameter.
        gradient: of some rows.
    """
    rows, values = _summed(gradient, parameter)
    moved, new = move(parameter[rows], values, {name: s[rows] for name, s in state.items()})
    return _put(parameter, rows, moved), {n: _put(state[n], rows, s) for n, s in new.items()}


def _put(table: Any, rows: Tensor, values: Tensor) -> Tensor:
    return table.at[rows].set(values)


def _summed(gradient: RowGradient, parameter: Tensor) -> tuple[Tensor, Tensor]:
    """Rows as one axis, and for each the sum of the gradients of all that are equal to it."""
    count = gradient.rows.size
    rows = lm.reshape(lm.astype(gradient.rows, lm.int64), (count,))
    rows = lm.where(lm.less(rows, 0), rows + parameter.shape[0], rows)
    values = lm.reshape(gradient.values, (count, *parameter.shape[1:]))
    order = lm.argsort(rows, stable=True)
    rows, values = rows[order], lm.astype(values, parameter.dtype)[order]
    changes = lm.astype(lm.not_equal(rows[1:], rows[:-1]), lm.int64)
    segments = lm.concat([lm.zeros((1,), dtype=lm.int64), lm.cumulative_sum(changes)])
    return rows, segment_sum(values, segments, count)[segments]


def require_whole(owner: str, gradients: dict[str, Any]) -> None:
    """Refuse gradients of rows.

    Raises:
        UsageError: there is one.
    """
    some = [name for name, g in gradients.items() if isinstance(g, RowGradient)]
    if some:
        raise UsageError(
            f"{owner}: gradients of rows, where whole ones are needed",
            [f"parameters: {', '.join(some)}"],
            "update them by an optimizer that works row by row, such as SparseAdam or Adagrad",
        )


def require_fit(owner: str, name: str, gradient: RowGradient, parameter: Tensor) -> None:
    """Refuse a gradient that cannot be that of rows of the parameter.

    Raises:
        ShapeError: the shapes of rows, values and parameter do not go together.
    """
    rows, values = gradient
    fits = parameter.ndim > 0 and rows.dtype.is_integer
    if fits and values.shape == (*rows.shape, *parameter.shape[1:]):
        return
    raise ShapeError(
        f"{owner}: the gradient of rows of {name} does not fit",
        [f"parameter: {parameter.type}", f"rows:      {rows.type}", f"values:    {values.type}"],
        "rows are integers [*N], values [*N, *F] for a parameter [V, *F]",
    )
