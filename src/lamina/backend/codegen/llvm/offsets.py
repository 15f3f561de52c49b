"""Index values: a constant, scalars that all lanes share, and what each lane adds.

    constant + sum of factor * scalar + lanes[l] + sum of factor * vector[l]

`lanes` is known at compile time, so a load knows how its lanes lie in memory; `vectors` are what
only the running program knows, such as a loaded index. All sums are those of 64-bit integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd

from .lanes import Lane

Residue = tuple[int, int]
"""(modulus, rest): a number that is `rest` modulo `modulus`; modulus 0 says it is `rest`."""

UNKNOWN: Residue = (1, 0)
UNBOUNDED = 1 << 64  # the reach of a vector that may hold any 64-bit number

Term = tuple[int, Lane]
Vector = tuple[int, Lane, int]


@dataclass(slots=True, eq=False)
class Offset:
    """An index value; not to be changed once made.

    Attributes:
        constant: what is added in every lane.
        scalars: by operand name, (factor, i64 scalar).
        lanes: what lane l adds, the first nothing; empty when none adds anything.
        vectors: by operand name, (factor, vector, reach). The vector is i32 where that holds every
            value of the lanes that exist, else i64; no value is further from zero than `reach`.
        wide, small: the value as i64 and, of lanes, as i32, once it has been asked for.
    """

    constant: int = 0
    scalars: dict[str, Term] = field(default_factory=dict)
    lanes: tuple[int, ...] = ()
    vectors: dict[str, Vector] = field(default_factory=dict)
    wide: Lane | None = None
    small: Lane | None = None

    @property
    def is_uniform(self) -> bool:
        """Whether all lanes have one value."""
        return not self.lanes and not self.vectors

    @property
    def is_constant(self) -> bool:
        """Whether the value is a number known now, one for all lanes."""
        return not self.scalars and not self.lanes and not self.vectors

    @property
    def stride(self) -> int | None:
        """How much each lane is beyond the one before it; None where that is not one number."""
        if self.vectors:
            return None
        if not self.lanes:
            return 0
        step = self.lanes[1]
        regular = self.lanes == tuple(range(0, step * len(self.lanes), step)) if step else False
        return step if regular else None

    @property
    def reach(self) -> int:
        """No lane is further from what all lanes share than this."""
        own = max(abs(self.lanes[0]), *map(abs, self.lanes)) if self.lanes else 0
        return own + sum(abs(f) * reach for f, _, reach in self.vectors.values())


def of_scalar(value: Lane) -> Offset:
    """An i64 scalar as an index value."""
    if value.is_literal:
        return Offset(int(value.name))
    return Offset(0, {value.name: (1, value)})


def of_vector(value: Lane, reach: int = UNBOUNDED) -> Offset:
    """A vector, i32 or i64, as an index value."""
    return Offset(vectors={value.name: (1, value, reach)})


def of_lanes(constant: int, lanes: tuple[int, ...]) -> Offset:
    """`constant` and what each lane adds to it."""
    first = lanes[0]
    if first:
        constant, lanes = constant + first, tuple(n - first for n in lanes)
    return Offset(constant, lanes=lanes if any(lanes) else ())


def plus(a: Offset, b: Offset, sign: int = 1) -> Offset:
    """a + sign * b."""
    constant = a.constant + sign * b.constant
    if b.is_constant:
        return Offset(constant, a.scalars, a.lanes, a.vectors)
    scalars, vectors = dict(a.scalars), dict(a.vectors)
    for name, (factor, value) in b.scalars.items():
        total = scalars.pop(name, (0, value))[0] + sign * factor
        if total:
            scalars[name] = total, value
    for name, (factor, value, reach) in b.vectors.items():
        total = vectors.pop(name, (0, value, reach))[0] + sign * factor
        if total:
            vectors[name] = total, value, reach
    lanes = a.lanes
    if b.lanes:
        lanes = tuple(x + sign * y for x, y in zip(a.lanes or (0,) * len(b.lanes), b.lanes))
        lanes = lanes if any(lanes) else ()
    return Offset(constant, scalars, lanes, vectors)


def times(a: Offset, factor: int) -> Offset:
    """factor * a."""
    if factor in (0, 1):
        return a if factor else Offset()
    return Offset(
        a.constant * factor,
        {name: (f * factor, v) for name, (f, v) in a.scalars.items()},
        tuple(n * factor for n in a.lanes),
        {name: (f * factor, v, reach) for name, (f, v, reach) in a.vectors.items()},
    )


def shared(a: Offset) -> Offset:
    """What all lanes share of an index value: its scalars, without the constant."""
    return Offset(0, a.scalars)


def residue_of(a: Offset, known: dict[str, Residue]) -> Residue:
    """What is known of the sum of the scalars, given what is known of each."""
    modulus, rest = 0, 0
    for name, (factor, _) in a.scalars.items():
        m, r = known.get(name, UNKNOWN)
        modulus, rest = gcd(modulus, factor * m), rest + factor * r
    return modulus, rest % modulus if modulus else rest
