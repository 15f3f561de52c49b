"""Saving and restoring: the tensors of an optimiser, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.runtime import register_node
from lamina.tensor import Tensor


class Stateful:
    """Something whose tensors are saved: attributes, also in dicts, lists and objects like it.

    A leading underscore of an attribute is not part of the name. What is no tensor (`betas`, a
    schedule) is not saved: it comes from the code that makes the object.

    Example:
        >>> import lamina as lm
        >>> optimizer = lm.optim.Adam(lm.nn.Linear(2, 1))
        >>> list(optimizer.state_dict())[:3]
        ['lr', 'steps', 'state.weight.exp_avg']
    """

    def state_dict(self) -> dict[str, Tensor]:
        """Every tensor by its path, such as "state.hidden.weight.exp_avg"."""
        return {path: holder[key] for path, holder, key in _slots(vars(self), "")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take copies of tensors or arrays by path; nothing changes unless everything fits.

        Args:
            state: what `state_dict` of an object made in the same way gave.

        Raises:
            UsageError: names are missing or unknown.
            ShapeError, DTypeError: an array does not fit its place.
        """
        slots = {path: (holder, key) for path, holder, key in _slots(vars(self), "")}
        missing = [path for path in slots if path not in state]
        unknown = [path for path in state if path not in slots]
        if missing or unknown:
            raise UsageError(
                f"load_state_dict: the names differ from those of {type(self).__name__}",
                [
                    f"missing: {', '.join(missing) or 'none'}",
                    f"unknown: {', '.join(unknown) or 'none'}",
                ],
                "make it from a model of the same structure, with the same options",
            )
        loaded = {path: _fit(path, h[k], state[path]) for path, (h, k) in slots.items()}
        self.put(loaded)

    def put(self, state: Mapping[str, Tensor]) -> None:
        """Replace tensors by path, unchecked: what the object itself gave, or a program made."""
        for path, holder, key in list(_slots(vars(self), "")):
            holder[key] = state[path]


def _slots(holder: Any, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    """Path, holder and key of each tensor in a dict or list and what is in it."""
    keys: Any = list(holder) if isinstance(holder, dict) else range(len(holder))
    for key in keys:
        path = prefix + (key.removeprefix("_") if isinstance(key, str) else str(key))
        value = holder[key]
        if isinstance(value, Tensor):
            yield path, holder, key
        elif isinstance(value, Stateful):
            yield from _slots(vars(value), f"{path}.")
        elif isinstance(value, dict | list):
            yield from _slots(value, f"{path}.")


def _fit(path: str, old: Tensor, new: Any) -> Tensor:
    array = lm.asarray(new if isinstance(new, Tensor) else np.asarray(new), copy=True)
    if array.shape != old.shape:
        raise ShapeError(
            f"load_state_dict: {path} has another shape",
            [f"here:  {old.type}", f"state: {array.type}"],
            "make it from a model with the same sizes",
        )
    if array.dtype is not old.dtype:
        raise DTypeError(
            f"load_state_dict: {path} has another dtype",
            [f"here:  {old.type}", f"state: {array.type}"],
            "convert the model before the optimizer is made from it",
        )
    return array


register_node(Stateful)
