"""Groups of parameters: those that have a learning rate or a weight decay of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.optim.rate import Rate, Schedule, as_rate, rate_at
from lamina.optim.state import Stateful
from lamina.tensor import Tensor

Which = str | Sequence[str] | Callable[[str, Tensor], bool]


@frozen
class Group:
    """Parameters that an optimiser treats in another way than the rest.

    Args:
        which: patterns of names such as "encoder.*", or a function of name and parameter.
        lr: their learning rate, a number or a schedule; that of the optimiser when None.
        lr_scale: what multiplies their rate, also one that is the optimiser's.
        weight_decay: that of the optimiser when None.
        frozen: leave them as they are; they have no state.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Sequential(lm.nn.Linear(4, 8), lm.nn.Linear(8, 2))
        >>> optimizer = lm.optim.AdamW(model, lr=1e-3, groups=[
        ...     lm.optim.Group("0.*", lr_scale=0.1),
        ...     lm.optim.Group(lambda name, p: p.ndim < 2, weight_decay=0.0),
        ... ])
        >>> [group.names for group in optimizer.groups]
        [('0.weight', '0.bias'), ('1.bias',), ('1.weight',)]
    """

    which: Which
    lr: Rate | None = None
    lr_scale: float = 1.0
    weight_decay: float | None = None
    frozen: bool = False

    def holds(self, name: str, parameter: Tensor) -> bool:
        """Whether the parameter belongs to the group."""
        if callable(self.which):
            return bool(self.which(name, parameter))
        patterns = (self.which,) if isinstance(self.which, str) else self.which
        return any(fnmatchcase(name, pattern) for pattern in patterns)


def no_decay(which: Which | None = None) -> Group:
    """The group without weight decay: by default all that are no matrices, biases and scales.

    Args:
        which: other parameters that are not to decay, as for `Group`.

    Example:
        >>> import lamina as lm
        >>> optimizer = lm.optim.AdamW(lm.nn.Linear(4, 2), groups=[lm.optim.no_decay()])
        >>> [(group.names, group.weight_decay) for group in optimizer.groups]
        [(('bias',), 0.0), (('weight',), None)]
    """
    return Group(which or (lambda name, parameter: parameter.ndim < 2), weight_decay=0.0)


class Members(Stateful):
    """The parameters of a group in an optimiser, by name, and how they are updated.

    Attributes:
        names: the parameters.
        lr: what the group was given: None, a number, or a schedule.
        lr_scale, weight_decay, frozen: those of the group.
    """

    def __init__(self, owner: str, group: Group, names: Iterable[str]):
        self.names = tuple(names)
        self.owner = owner
        self.lr = group.lr
        self.lr_scale = group.lr_scale
        self.weight_decay = group.weight_decay
        self.frozen = group.frozen

    @property
    def lr(self) -> Rate | None:
        """The group's own learning rate."""
        return float(self._lr) if isinstance(self._lr, Tensor) else self._lr

    @lr.setter
    def lr(self, value: Rate | None) -> None:
        self._lr = None if value is None else as_rate(self.owner, value)

    def rate_at(self, steps: Tensor, default: Tensor | Schedule) -> Tensor:
        """The rate of the group's step after `steps` others; of `default` where it has no own."""
        rate = rate_at(default if self._lr is None else self._lr, steps)
        return rate if self.lr_scale == 1.0 else rate * self.lr_scale


def divided(owner: str, groups: Sequence[Group], parameters: dict[str, Tensor]) -> list[Members]:
    """Each parameter in the first group that holds it; the last group has the rest.

    Raises:
        UsageError: a group that no parameter belongs to.
    """
    every = [*groups, Group("*")]
    place = {
        n: next(i for i, g in enumerate(every) if g.holds(n, p)) for n, p in parameters.items()
    }
    for i, group in enumerate(groups):
        if i not in place.values():
            raise UsageError(
                f"{owner}: a group without parameters",
                [f"group: {group.which}", f"known: {', '.join(parameters)}"],
                "groups come in the order in which they take parameters",
            )
    return [
        Members(owner, group, [n for n, at in place.items() if at == i])
        for i, group in enumerate(every)
    ]
