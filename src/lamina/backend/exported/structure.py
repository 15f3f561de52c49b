"""Trees of arguments and results as plain data, which JSON holds.

{"input": 3}, {"output": 0}         an array: its number among the inputs or outputs
{"value": null}                     None, a boolean, a number or a string: always the same
{"state": "model"}                  an object whose tensors are the program's own state
{"tuple": [...]}, {"list": [...]}   their items
{"dict": [["key", ...], ...]}       keys and items
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lamina.base.errors import FormatError, UsageError

Structure = dict[str, Any]
DEPTH_LIMIT = 64
_PLAIN = (type(None), bool, int, float, str)


def is_plain(value: Any) -> bool:
    """Whether JSON holds a value as it is."""
    return type(value) in _PLAIN


def children(structure: Structure) -> list[tuple[Any, Structure]]:
    """Keys and parts of a container; nothing for a leaf."""
    ((kind, held),) = structure.items()
    if kind == "dict":
        return [(key, part) for key, part in held]
    return list(enumerate(held)) if kind in ("tuple", "list") else []


def leaves(structure: Structure, kind: str) -> Iterator[int]:
    """The numbers of the arrays of one kind, "input" or "output", in order."""
    if kind in structure:
        yield structure[kind]
    for _, part in children(structure):
        yield from leaves(part, kind)


def takes_something(structure: Structure) -> bool:
    """Whether a caller gives anything for it: not so for state alone."""
    parts = children(structure)
    if "state" in structure:
        return False
    return not parts or any(takes_something(part) for _, part in parts)


def filled(structure: Structure, array_of: Callable[[str, int], Any]) -> Any:
    """The tree itself; `array_of(kind, number)` gives its arrays."""
    ((kind, held),) = structure.items()
    if kind in ("input", "output"):
        return array_of(kind, held)
    parts = [filled(part, array_of) for _, part in children(structure)]
    if kind == "dict":
        return {key: part for (key, _), part in zip(held, parts, strict=True)}
    if kind in ("tuple", "list"):
        return tuple(parts) if kind == "tuple" else parts
    return held


def taken(
    structure: Structure, given: Any, name: str, note: Callable[[int, str, Any], None]
) -> None:
    """Take `given` apart by `structure`; `note(number, name, leaf)` gets each array.

    Raises:
        UsageError: it is another tree.
    """
    ((kind, held),) = structure.items()
    if kind == "input":
        note(held, name, given)
    elif kind == "value":
        if given != held or type(given) is not type(held):
            raise _other(name, repr(given), repr(held), "it is a part of the program")
    elif kind != "state":
        parts = children(structure)
        if not _same_kind(kind, given) or len(given) != len(parts):
            raise _other(name, _described(given), f"a {kind} of {len(parts)}", "keep the structure")
        for key, part in parts:
            if kind == "dict" and key not in given:
                raise _other(name, _described(given), f"a dict with {key!r}", "keep the keys")
            taken(part, given[key], f"{name}[{key!r}]", note)


def _same_kind(kind: str, given: Any) -> bool:
    return isinstance(given, {"tuple": tuple, "list": list, "dict": dict}[kind])


def _described(given: Any) -> str:
    sized = isinstance(given, tuple | list | dict)
    return f"a {type(given).__name__}" + (f" of {len(given)}" if sized else "")


def _other(name: str, given: str, wanted: str, help: str) -> UsageError:
    facts = [f"given: {given}", f"takes: {wanted}"]
    return UsageError(f"exported program: {name} is another than at the export", facts, help)


def checked(found: Any, inputs: int, outputs: int, depth: int = 0) -> Structure:
    """`found`, read from a file, if it is a structure over that many inputs and outputs.

    Raises:
        FormatError: it is not.
    """
    if not isinstance(found, dict) or len(found) != 1 or depth > DEPTH_LIMIT:
        raise FormatError("exported program: this is no structure", [repr(found)[:60]])
    ((kind, held),) = found.items()
    if kind in ("tuple", "list") and isinstance(held, list):
        good = all(checked(part, inputs, outputs, depth + 1) for part in held)
    elif kind == "dict" and isinstance(held, list):
        pairs = all(isinstance(e, list) and len(e) == 2 and is_plain(e[0]) for e in held)
        good = pairs and all(checked(part, inputs, outputs, depth + 1) for _, part in held)
    elif kind in ("input", "output"):
        good = is_index(held, inputs if kind == "input" else outputs)
    else:
        good = (kind == "value" and is_plain(held)) or (kind == "state" and isinstance(held, str))
    if not good:
        raise FormatError("exported program: this is no structure", [repr(found)[:60]])
    return found


def is_index(value: Any, count: int) -> bool:
    """Whether a value from a file is one of 0 ... count - 1."""
    return type(value) is int and 0 <= value < count


def reach(tree: Any, path: Sequence[Any]) -> Any:
    """What stands at the end of a way through containers."""
    for key in path:
        tree = tree[key]
    return tree
