"""Arguments that are frozen: which tensors they hold, and that a function leaves them alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.runtime import flatten
from lamina.tensor.containers import contents, entries
from lamina.tensor.static_arguments import by_name, parameters_of
from lamina.tensor.tensor import Tensor


@frozen
class Frozen:
    """A frozen argument.

    Attributes:
        position: among those by position; None where it has none.
        name: of the argument.
        rest: whether it stands for all arguments from its position on, as `*arrays` does.
    """

    position: int | None
    name: str
    rest: bool = False

    def given(self, call: list[Any]) -> Iterator[tuple[str, Any]]:
        """What a call has for it, and what that is called."""
        *positional, named = call
        if self.position is None or self.position >= len(positional):
            if self.name in named:
                yield self.name, named[self.name]
            return
        stop = len(positional) if self.rest else self.position + 1
        for i in range(self.position, stop):
            yield f"{self.name}.{i - self.position}" if self.rest else self.name, positional[i]


def frozen_arguments(f: Callable[..., Any], names: Sequence[str] | str) -> list[Frozen]:
    """The frozen arguments of a function, by their names; `*arrays` is meant by "arrays".

    Raises:
        UsageError: there is no such argument.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    parameters = parameters_of(f) if wanted else []
    further = [i for i, p in enumerate(parameters) if p.kind is inspect.Parameter.VAR_POSITIONAL]
    found = []
    for name in wanted:
        at = next((i for i in further if parameters[i].name == name), None)
        rest = at is not None
        place = (at, name) if rest else by_name(name, parameters, "frozen")
        found.append(Frozen(*place, rest))
    return found


def frozen_leaves(call: list[Any], leaves: Sequence[Any], arguments: Sequence[Frozen]) -> set[int]:
    """The numbers of the leaves of a call that are tensors below a frozen argument.

    Args:
        call: the arguments by position, and last those by name.
        leaves: of the call, flattened.
        arguments: which are frozen.
    """
    given = [part for argument in arguments for _, part in argument.given(call)]
    found = {id(leaf) for leaf in flatten(given).leaves} if given else set()
    return {i for i, leaf in enumerate(leaves) if type(leaf) is Tensor and id(leaf) in found}


def is_settled(leaf: Tensor) -> bool:
    """Whether nobody may write to the memory of a tensor: it is not shared with an array."""
    buffer = leaf._value.data.buffer
    return buffer is None or bool(buffer.serial)


def refuse_replaced(
    call: list[Any], arguments: Sequence[Frozen], leaves: Sequence[Any], replaced: Iterable[int]
) -> None:
    """Nothing, if no frozen leaf is among those that the function replaces.

    Raises:
        UsageError: one is; the message names it.
    """
    first = min(replaced, default=None)
    if first is None:
        return
    raise UsageError(
        "jit: the function replaces what it was told is frozen",
        [f"replaced: {_path(call, arguments, leaves[first])}"],
        "for a layer that gathers statistics, call model.eval() first; else leave the argument "
        "out of frozen, or keep what changes in another one",
    )


def _path(call: list[Any], arguments: Sequence[Frozen], leaf: Any) -> str:
    """Where a leaf is, as in "model.norm.running_mean"."""
    stack = [named for argument in arguments for named in argument.given(call)]
    while stack:
        path, part = stack.pop()
        if part is leaf:
            return path
        held = contents(part)
        stack += [(f"{path}.{key}", child) for key, child in entries(held)] if held else []
    return "a tensor"
