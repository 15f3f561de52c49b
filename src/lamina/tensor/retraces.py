"""Why `jit` traced: what each signature looks like, and how it differs from those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.graph.ir import TensorType
from lamina.tensor.containers import contents, entries, is_node
from lamina.tensor.tensor import Tensor

WIDEST_VALUE = 40  # characters of a value that is part of a signature
SHOWN = 6  # differences of one signature


@dataclass(frozen=True)
class Trace:
    """One signature that was traced.

    Attributes:
        arguments: each leaf, by its name: a type for an input, a value for what is fixed.
        changed: (name, before, after) against the most similar signature before; empty for the
            first. A name that is missing on one side has "nothing" there.
        seconds: how long the function took to trace, without compiling.
    """

    arguments: dict[str, str]
    changed: tuple[tuple[str, str, str], ...]
    seconds: float

    def __str__(self) -> str:
        if not self.changed:
            return f"first call  ({self.seconds * 1e3:.1f} ms)"
        shown = [f"{name}: {a} -> {b}" for name, a, b in self.changed[:SHOWN]]
        if len(self.changed) > SHOWN:
            shown.append(f"and {len(self.changed) - SHOWN} more")
        return f"{'; '.join(shown)}  ({self.seconds * 1e3:.1f} ms)"


def traced_for(arguments: dict[str, str], before: list[Trace], seconds: float) -> Trace:
    """The note of a new signature."""
    differences = [_differences(t.arguments, arguments) for t in before]
    return Trace(arguments, min(differences, key=len, default=()), seconds)


def _differences(a: dict[str, str], b: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    names = [*a, *(n for n in b if n not in a)]
    pairs = [(n, a.get(n, "nothing"), b.get(n, "nothing")) for n in names]
    return tuple([p for p in pairs if p[1] != p[2]])


def described(f: Callable[..., Any], call: list[Any], statics: dict[Any, Any]) -> dict[str, str]:
    """Every leaf of a call by name; `statics` are values by position or keyword."""
    named: dict[Any, str] = {i: f"argument {i}" for i in range(len(call) - 1)}
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = [p.name for p in signature(f).parameters.values() if p.kind in positional]
    except (TypeError, ValueError):  # some functions written in C have none
        parameters = []
    named.update(zip(range(len(call) - 1), parameters))
    found: dict[str, str] = {}
    for key, value in [*enumerate(call[:-1]), *call[-1].items()]:
        name = named.get(key, str(key))
        if key in statics:
            found[name] = _fixed(statics[key])
        else:
            found.update(_leaves(name, value, False, set()))
    return found


def _leaves(name: str, value: Any, inside: bool, above: set[int]) -> Iterator[tuple[str, str]]:
    held = contents(value)
    if held is None:
        yield name, _leaf(value, inside)
    elif id(value) not in above:
        object_ = is_node(value)
        for key, child in entries(held):
            place = f"{name}.{key}" if object_ else f"{name}[{key!r}]"
            yield from _leaves(place, child, object_, above | {id(value)})


def _leaf(value: Any, inside: bool) -> str:
    if isinstance(value, Tensor):
        return str(value.type)
    if isinstance(value, np.ndarray | np.generic):
        return str(TensorType(dtypes.dtype(value.dtype.newbyteorder("=")), value.shape))
    if type(value) in (bool, int, float, complex) and not inside:
        return type(value).__name__
    return _fixed(value)


def _fixed(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= WIDEST_VALUE else f"{text[: WIDEST_VALUE - 3]}..."
