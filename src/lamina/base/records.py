"""Frozen records: what `dataclass(frozen=True)` makes, without compiling source text for it.

`dataclasses` writes the methods of each class as source and compiles them, about 0.8 ms a class: a
third of the time of `import lamina`, which defines a hundred. Here all classes share theirs.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from inspect import get_annotations
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a frozen record of its annotated fields.

    It has what `dataclasses.dataclass(frozen=True)` gives: an initialiser that calls
    `__post_init__`, equality with records of the same class, a hash, a `repr`. `fields` and
    `replace` of `dataclasses` work on it where it has fields, and a frozen dataclass may inherit
    from it where it has none. Methods that the class itself defines stay.

    Example:
        >>> @frozen
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1), Point(1) == Point(1, y=0)
        (Point(x=1, y=0), True)
    """
    if hasattr(cls, "__dataclass_fields__") or _has_fields(cls):
        dataclass(init=False, repr=False, eq=False)(cls)
    declared = fields(cls) if hasattr(cls, "__dataclass_fields__") else ()  # pyright: ignore
    names = tuple(f.name for f in declared)
    defaults = {f.name: f.default for f in declared if f.default is not MISSING}
    prepare = getattr(cls, "__post_init__", None)

    def __init__(self: Any, *args: Any, **given: Any) -> None:
        if given or len(args) != len(names):
            given = _bind(cls.__name__, names, defaults, args, given)
            self.__dict__.update(given)
        else:
            self.__dict__.update(zip(names, args, strict=True))
        if prepare is not None:
            prepare(self)

    methods: dict[str, Any] = _METHODS | {"__init__": __init__}
    for name, method in methods.items():
        if name not in cls.__dict__ or cls.__dict__[name] is None:
            setattr(cls, name, method)
    cls._values = _getter(names)  # pyright: ignore[reportAttributeAccessIssue]
    return cls


def field_names(record: Any) -> tuple[str, ...]:
    """The names of the fields of a record or frozen dataclass, or of its class."""
    return getattr(record, "__match_args__", ())


def _has_fields(cls: type) -> bool:
    return any("ClassVar" not in str(kind) for kind in get_annotations(cls).values())


def _bind(
    name: str,
    names: tuple[str, ...],
    defaults: dict[str, Any],
    args: tuple[Any, ...],
    given: dict[str, Any],
) -> dict[str, Any]:
    """Arguments by name, in the order of the fields."""
    if len(args) > len(names):
        raise TypeError(f"{name}() takes {len(names)} arguments but {len(args)} were given")
    bound = dict(zip(names, args, strict=False))
    for key in given:
        if key in bound or key not in names:
            wrong = "got multiple values for" if key in bound else "has no"
            raise TypeError(f"{name}() {wrong} argument {key!r}")
    bound |= given
    missing = [key for key in names if key not in bound and key not in defaults]
    if missing:
        raise TypeError(f"{name}() misses arguments: {', '.join(missing)}")
    return {key: bound[key] if key in bound else defaults[key] for key in names}


def _getter(names: tuple[str, ...]) -> staticmethod[[Any], Any]:
    """All fields of a record as one value that is compared and hashed."""
    return staticmethod(attrgetter(*names) if names else lambda _: ())


def _equal(self: Any, other: object) -> Any:
    if self.__class__ is not other.__class__:
        return NotImplemented
    return self._values(self) == self._values(other)


def _hash(self: Any) -> int:
    return hash((self.__class__, self._values(self)))


def _repr(self: Any) -> str:
    declared = fields(self) if field_names(self) else ()
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in declared if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_setting(self: Any, name: str, value: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS = {
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse_setting,
    "__delattr__": _refuse_deleting,
}
