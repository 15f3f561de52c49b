"""Hooks: functions called before and after a module, kept among its attributes.

So they are part of the module's structure: `jit` traces another program when one is added, and
finds the old one when it is removed. A module without hooks holds nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.tensor.convert.active import forward_of

BEFORE = "_forward_pre_hooks"
AFTER = "_forward_hooks"


class Handle:
    """A hook's place; `remove()`, or the end of a `with` block, takes it away.

    Args:
        module: where it is.
        kind: `BEFORE` or `AFTER`.
        entry: the hook as the module keeps it.
    """

    def __init__(self, module: Any, kind: str, entry: tuple[Callable[..., Any], bool]):
        self._module = module
        self._kind = kind
        self._entry = entry

    def remove(self) -> None:
        """Take the hook away; nothing happens when that was done already."""
        kept = [e for e in self._module.__dict__.get(self._kind, ()) if e is not self._entry]
        if kept:
            setattr(self._module, self._kind, tuple(kept))
        else:
            self._module.__dict__.pop(self._kind, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


def add_hook(
    module: Any, kind: str, hook: Callable[..., Any], prepend: bool, with_kwargs: bool
) -> Handle:
    """Put a hook among those of the module."""
    entry = (hook, with_kwargs)
    known = module.__dict__.get(kind, ())
    setattr(module, kind, (entry, *known) if prepend else (*known, entry))
    return Handle(module, kind, entry)


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward` between the hooks of the module."""
    for hook, with_kwargs in module.__dict__.get(BEFORE, ()):
        if with_kwargs:
            given = hook(module, args, kwargs)
            args, kwargs = (args, kwargs) if given is None else given
            continue
        given = hook(module, args)
        if given is not None:
            args = given if isinstance(given, tuple) else (given,)
    result = forward_of(module.forward)(*args, **kwargs)
    for hook, with_kwargs in module.__dict__.get(AFTER, ()):
        given = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        result = result if given is None else given
    return result
