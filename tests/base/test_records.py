"""Records behave as frozen dataclasses do."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import ClassVar

import pytest

from lamina.base.records import field_names, frozen


@frozen
class Base:
    kind: ClassVar[str] = "base"
    x: int


@frozen
class Derived(Base):
    y: tuple[int, ...] = ()
    note: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


@frozen
class Empty:
    pass


@frozen
class Loose:
    x: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loose)

    def __hash__(self) -> int:
        return 1


@dataclass(frozen=True)
class Outside(Empty):
    z: int = 3


def test_fields_arguments_and_defaults() -> None:
    assert [f.name for f in fields(Derived)] == ["x", "y", "note"]
    assert Derived(1) == Derived(x=1, y=()) == Derived(1, (), note="")
    assert repr(Derived(1, (2,), "n")) == "Derived(x=1, y=(2,))"
    assert repr(Empty()) == "Empty()"


@pytest.mark.parametrize(
    ("args", "given", "message"),
    [
        ((), {}, "Derived() misses arguments: x"),
        ((1, 2, 3, 4), {}, "Derived() takes 3 arguments but 4 were given"),
        ((1,), {"x": 2}, "Derived() got multiple values for argument 'x'"),
        ((1,), {"w": 2}, "Derived() has no argument 'w'"),
    ],
)
def test_wrong_arguments(args: tuple[int, ...], given: dict[str, int], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        Derived(*args, **given)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_equality_and_hash_are_those_of_the_fields_and_the_class() -> None:
    assert Base(1) != Derived(1)
    assert Derived(1, (2,)) != Derived(1, (3,))
    assert len({Derived(1), Derived(1), Base(1), Empty(), Empty()}) == 3
    assert Loose(1) == Loose(2) and hash(Loose(1)) == 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(Base([]))  # type: ignore[arg-type]


def test_records_are_frozen() -> None:
    one = Derived(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        one.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del one.x
    assert one.x == 1


def test_checks_after_the_fields_run_on_every_way() -> None:
    with pytest.raises(ValueError, match="negative"):
        Derived(-1)
    with pytest.raises(ValueError, match="negative"):
        replace(Derived(1), x=-1)
    assert replace(Derived(1, (2,)), x=5) == Derived(5, (2,))


def test_copies_pickles_and_dataclasses_that_inherit() -> None:
    one = Derived(1, (2,))
    assert copy.deepcopy(one) == copy.copy(one) == pickle.loads(pickle.dumps(one)) == one
    assert Outside() == Outside(3) and field_names(Outside) == ("z",)
    with pytest.raises(FrozenInstanceError):
        Outside(1).z = 2  # type: ignore[misc]
