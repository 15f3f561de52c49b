"""What else a policy could do with a body: ways by name, and numbers of theirs that may be given.

    tiled                       the tiled form, all of its numbers from the model
    tiled kc=512 tile=8x48      the same with two of them given

A name says all about a candidate, so that a choice can be kept as text. What the model picks by
itself is the first way with nothing given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from lamina.backend.schedule.schedule import Schedule

Given = Mapping[str, str]


class Loops(Protocol):
    """A body with everything about its loops decided."""

    @property
    def estimate(self) -> float:
        """Cycles that pass until all cores are done, by the model; 0 where it does not say."""
        ...

    def schedule(self) -> Schedule: ...


@dataclass(frozen=True)
class Decided:
    """Loops of a policy that estimates nothing."""

    make: Callable[[], Schedule]
    estimate: float = 0.0

    def schedule(self) -> Schedule:
        return self.make()


@dataclass(frozen=True)
class Way:
    """One way to loop over a body.

    Attributes:
        name: one word.
        decide: the loops, where some settings are given and the model finds the others.
        settings: the values that each setting may be given.
    """

    name: str
    decide: Callable[[Given], Loops]
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A way with some of its settings given.

    Attributes:
        given: pairs of setting and value, by name.
    """

    way: Way
    given: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """`tiled kc=512 tile=8x48`."""
        return " ".join([self.way.name, *(f"{name}={value}" for name, value in self.given)])

    @cached_property
    def loops(self) -> Loops:
        return self.way.decide(dict(self.given))

    @property
    def estimate(self) -> float:
        """Cycles that pass, by the model."""
        return self.loops.estimate

    def schedule(self) -> Schedule:
        """The tasks."""
        return self.loops.schedule()

    def neighbours(self) -> Iterator[Candidate]:
        """Those that differ in one setting."""
        now = dict(self.given)
        for name, values in self.way.settings.items():
            others = {k: v for k, v in now.items() if k != name}
            if name in now:
                yield candidate(self.way, others)
            for value in values:
                if now.get(name) != value:
                    yield candidate(self.way, others | {name: value})


def candidate(way: Way, given: Given) -> Candidate:
    """The candidate with these settings."""
    return Candidate(way, tuple(sorted(given.items())))


def find(ways: Sequence[Way], name: str) -> Candidate | None:
    """The candidate of a name; None where no way has it, or a setting or value is unknown."""
    first, *pairs = name.split(" ")
    for way in ways:
        if way.name != first:
            continue
        given = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        known = all(value in way.settings.get(key, ()) for key, value in given.items())
        return candidate(way, given) if known and len(given) == len(pairs) else None
    return None
