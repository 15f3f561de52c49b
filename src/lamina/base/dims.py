"""Sizes that are not known yet: polynomials of named sizes with integer coefficients.

A Dim stands where a size stands: in shapes, in types and in the parameters of ops. What is known
whatever the sizes are (`B + 1 > B`, `B * 6 // 3`) is answered; what is not is an error, because an
answer would hold for some sizes only. Library code has one liberty: there `==` says whether two
sizes are the same for all sizes, so that shapes can be compared (`B == 1` is False, and what is
then done for B elements is right for one).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from math import gcd
from operator import index
from typing import Any

import numpy as np

from lamina.base.errors import TraceError, UsageError
from lamina.base.spans import is_users

Atom = tuple[Any, ...]
"""A name and the smallest size it stands for; or "", the terms of x, and n: the floor of x / n."""
Monomial = tuple[Atom, ...]  # sorted, with repetitions; () is 1
Terms = dict[Monomial, int]


class Dim:
    """A size that is given later: `lm.Dim("B")`, or what arithmetic makes of such sizes.

    Dims of one name are equal. `+`, `-`, `*`, `//` and `%` give Dims, or an integer where the
    symbols cancel; arithmetic with a tensor or a float gives a tensor that has its value when the
    sizes are known.

    Args:
        name: an identifier.
        min: the smallest size it stands for. It decides comparisons: with `min=2`, `B > 1`.

    Raises:
        UsageError: the name is no identifier, or `min` is negative.
        TraceError: later, where the size is used as a Python number, or a comparison holds for
            some sizes only.

    Example:
        >>> B, T = Dim("B"), Dim("T")
        >>> (2 * B * T + 4) // 2, B - B, B + 1 > B
        (B*T+2, 0, True)

    Source: as in `jax.export.symbolic_shape` and `torch.export.Dim`; ours in what it decides.
    """

    __slots__ = ("_hash", "_terms")
    _terms: Terms
    _hash: int

    def __new__(cls, name: str, *, min: int = 1) -> Dim:
        if not isinstance(name, str) or not name.isidentifier():
            raise UsageError("Dim: a name is an identifier", [f"given: {name!r}"])
        if isinstance(min, bool) or not isinstance(min, int) or min < 0:
            raise UsageError("Dim: min is a size", [f"given: {min!r}"], "give an integer from 0 on")
        return _made({((name, min),): 1})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Dim does not change")

    def __reduce__(self) -> tuple:
        return _made, (self._terms,)

    @property
    def symbols(self) -> dict[str, int]:
        """The names in it, with the smallest size that each stands for."""
        return _symbols(self._terms)

    def at(self, sizes: Mapping[str, int]) -> int:
        """The size when the named sizes are these."""
        return _evaluated(self._terms, sizes)

    def __add__(self, other: Any) -> Any:
        return _combined(self, other, _sum, "__add__")

    def __sub__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: _sum(a, _scaled(b, -1)), "__sub__")

    def __rsub__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: _sum(b, _scaled(a, -1)), "__rsub__")

    def __mul__(self, other: Any) -> Any:
        return _combined(self, other, _product, "__mul__")

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: _divided(a, b)[0], "__floordiv__")

    def __rfloordiv__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: _divided(b, a)[0], "__rfloordiv__")

    def __mod__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: _divided(a, b)[1], "__mod__")

    def __rmod__(self, other: Any) -> Any:
        return _combined(self, other, lambda a, b: _divided(b, a)[1], "__rmod__")

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def __neg__(self) -> Any:
        return _size(_scaled(self._terms, -1))

    def __pos__(self) -> Dim:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __pow__(self, power: Any) -> Any:
        if type(power) is int and power >= 0:
            found: Any = 1
            for _ in range(power):
                found = found * self
            return found
        return _as_tensor(self, "__pow__", power)

    def __rpow__(self, base: Any) -> Any:
        return _as_tensor(self, "__rpow__", base)

    def __truediv__(self, other: Any) -> Any:
        return _as_tensor(self, "__truediv__", other)

    def __rtruediv__(self, other: Any) -> Any:
        return _as_tensor(self, "__rtruediv__", other)

    def __eq__(self, other: object) -> bool:
        return _equal(self, other, "==")

    def __ne__(self, other: object) -> bool:
        same = _equal(self, other, "!=")
        return same if same is NotImplemented else not same

    def __hash__(self) -> int:
        return self._hash

    def __lt__(self, other: Any) -> bool:
        return _decided(self, other, "<", lambda low, high: _first(high < 0, low >= 0))

    def __le__(self, other: Any) -> bool:
        return _decided(self, other, "<=", lambda low, high: _first(high <= 0, low > 0))

    def __gt__(self, other: Any) -> bool:
        return _decided(self, other, ">", lambda low, high: _first(low > 0, high <= 0))

    def __ge__(self, other: Any) -> bool:
        return _decided(self, other, ">=", lambda low, high: _first(low >= 0, high < 0))

    def __bool__(self) -> bool:
        low, high = _bounds(self._terms)
        if (low is not None and low > 0) or (high is not None and high < 0):
            return True
        raise _undecided(f"bool({self})", self)

    def __index__(self) -> int:
        raise TraceError(
            f"{self}: the size is a symbol, and no Python integer yet",
            _facts(self),
            "compute with it as it is (shapes take it, lm.asarray makes a tensor of it), or leave "
            "the axis out of dynamic_shapes: then each size is traced",
        )

    __int__ = __index__
    __float__ = __index__  # pyright: ignore[reportAssignmentType]
    __complex__ = __index__  # pyright: ignore[reportAssignmentType]
    __round__ = __index__

    def __str__(self) -> str:
        order = sorted(self._terms.items(), key=lambda term: (-len(term[0]), term[0]))
        text = ""
        for monomial, factor in order:
            names = "*".join(map(_text, monomial))
            size = names if names and abs(factor) == 1 else str(abs(factor))
            if names and abs(factor) != 1:
                size += f"*{names}"
            text += ("-" if factor < 0 else "+" if text else "") + size
        return text

    __repr__ = __str__


to_tensor: list[Callable[[Dim], Any]] = []
"""How a Dim becomes a tensor; the front end, which has tensors, puts it here."""


def as_size(x: Any) -> Any:
    """`x` as a size: a Dim as it is, anything else as the integer it stands for."""
    return x if type(x) is Dim else index(x)


def surely_negative(n: Any) -> bool:
    """Whether a size is negative whatever its symbols stand for."""
    if type(n) is not Dim:
        return n < 0
    high = _bounds(n._terms)[1]
    return high is not None and high < 0


def surely_above(n: Any, limit: int) -> bool:
    """Whether a size is above `limit` whatever its symbols stand for."""
    if type(n) is not Dim:
        return n > limit
    low = _bounds(n._terms)[0]
    return low is not None and low > limit


def surely_zero(n: Any) -> bool:
    """Whether a size is 0 whatever its symbols stand for."""
    return type(n) is not Dim and not n


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two sizes; TraceError where it depends on the symbols."""
    return a if a is b or a == b or a <= b else b


def larger(a: Any, b: Any) -> Any:
    """The larger of two sizes; TraceError where it depends on the symbols."""
    return a if a is b or a == b or a >= b else b


def solved(wanted: Any, size: int, known: Mapping[str, int]) -> tuple[str, int] | None:
    """The symbol that is still open in `wanted`, and what it must be for `wanted` to be `size`.

    None where there is not exactly one, it is not linear, or no integer will do.
    """
    open_ = [name for name in wanted.symbols if name not in known]
    if len(open_) != 1:
        return None
    name = open_[0]
    at = [wanted.at({**known, name: n}) for n in (0, 1, 2)]
    slope = at[1] - at[0]
    if not slope or at[2] - at[1] != slope or (size - at[0]) % slope:
        return None
    return name, (size - at[0]) // slope


def _made(terms: Terms) -> Dim:
    made = object.__new__(Dim)
    object.__setattr__(made, "_terms", terms)
    object.__setattr__(made, "_hash", hash(frozenset(terms.items())))
    return made


def _size(terms: Terms) -> Any:
    """A Dim, or an integer where no symbol is left."""
    kept = {monomial: factor for monomial, factor in terms.items() if factor}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return _made(kept)


def _terms_of(x: object) -> Terms | None:
    if type(x) is Dim:
        return x._terms
    if isinstance(x, bool) or not isinstance(x, int | np.integer):
        return None
    return {(): int(x)} if x else {}


def _combined(a: Dim, b: Any, combine: Callable[[Terms, Terms], Terms], method: str) -> Any:
    terms = _terms_of(b)
    return _as_tensor(a, method, b) if terms is None else _size(combine(a._terms, terms))


def _as_tensor(a: Dim, method: str, b: Any) -> Any:
    """The arithmetic of tensors, where the other operand is a number that makes no size."""
    number = type(b) is Dim or isinstance(b, bool | int | float | complex)
    if not number or not to_tensor:
        return NotImplemented
    return getattr(to_tensor[0](a), method)(to_tensor[0](b) if type(b) is Dim else b)


def _sum(a: Terms, b: Terms) -> Terms:
    return {m: a.get(m, 0) + b.get(m, 0) for m in {**a, **b}}


def _scaled(a: Terms, factor: int) -> Terms:
    return {m: n * factor for m, n in a.items()}


def _product(a: Terms, b: Terms) -> Terms:
    found: Terms = {}
    for m, x in a.items():
        for n, y in b.items():
            both = tuple(sorted(m + n))
            found[both] = found.get(both, 0) + x * y
    return found


def _divided(a: Terms, b: Terms) -> tuple[Terms, Terms]:
    """Quotient and remainder that hold for all sizes.

    Raises:
        ZeroDivisionError: `b` is 0.
        TraceError: they depend on the sizes.
    """
    if not b:
        raise ZeroDivisionError("division of a size by zero")
    lead = max(b, key=lambda m: (len(m), m))
    quotient: Terms = {}
    rest = {m: n for m, n in a.items() if n}
    for m in sorted(rest, key=lambda m: (len(m), m), reverse=True) if len(b) == 1 else ():
        left = _without(m, lead)
        if left is not None and rest[m] % b[lead] == 0:
            quotient[left] = rest.pop(m) // b[lead]
    while len(b) > 1 and rest:
        m = max(rest, key=lambda m: (len(m), m))
        left = _without(m, lead)
        if left is None or rest[m] % b[lead]:
            break
        step = {left: rest[m] // b[lead]}
        quotient = _sum(quotient, step)
        rest = {k: n for k, n in _sum(rest, _scaled(_product(step, b), -1)).items() if n}
    if set(b) == {()} and b[()] > 0:  # such as (2B + 1) // 2, where 1 is left
        if set(rest) <= {()}:
            more, remainder = divmod(rest.get((), 0), b[()])
            return _sum(quotient, {(): more}), {(): remainder}
        shared = gcd(b[()], *rest.values())
        inner = tuple(sorted((m, n // shared) for m, n in rest.items()))
        more = {(("", inner, b[()] // shared),): 1}
        return _sum(quotient, more), _sum(rest, _scaled(more, -b[()]))
    if rest:
        raise _undecided(f"{_divisor(a)} // {_divisor(b)}", _size(a), _size(b))
    return quotient, {}


def _divisor(terms: Terms) -> str:
    size = str(_size(terms))
    return size if size.isidentifier() or size.isdigit() else f"({size})"


def _without(m: Monomial, part: Monomial) -> Monomial | None:
    left = list(m)
    for atom in part:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def _bounds(terms: Terms) -> tuple[int | None, int | None]:
    """What the polynomial is at least and at most, as far as the smallest sizes tell.

    With each symbol written as its smallest size plus something from 0 on, a polynomial without
    negative factors is smallest at its constant term.
    """
    shifted: Terms = {}
    for monomial, factor in terms.items():
        if factor and len(monomial) == 1 and not monomial[0][0]:
            return _bounds_over_floor(terms, monomial, factor)
        part: Terms = {(): factor}
        for atom in monomial:
            least = atom[1] if atom[0] else _bounds(dict(atom[1]))[0]
            if least is None:
                return None, None
            part = _product(part, {(atom,): 1, (): least if atom[0] else least // atom[2]})
        shifted = _sum(shifted, part)
    constant = shifted.pop((), 0)
    low = constant if all(n >= 0 for n in shifted.values()) else None
    high = constant if all(n <= 0 for n in shifted.values()) else None
    return low, high


def _bounds_over_floor(
    terms: Terms, monomial: Monomial, factor: int
) -> tuple[int | None, int | None]:
    """Bounds of terms with a floor among them: n floor(x / n) is from x - n + 1 to x."""
    _, inner, n = monomial[0]
    others = {m: f for m, f in terms.items() if m != monomial}
    middle = _sum(_scaled(others, n), _scaled(dict(inner), factor))  # n times the terms, about
    spread = factor * (n - 1)
    low = _bounds(_sum(middle, {(): -max(spread, 0)}))[0]
    high = _bounds(_sum(middle, {(): -min(spread, 0)}))[1]
    return None if low is None else -(-low // n), None if high is None else high // n


def _symbols(terms: Terms) -> dict[str, int]:
    found: dict[str, int] = {}
    for monomial in terms:
        for atom in monomial:
            found |= {atom[0]: atom[1]} if atom[0] else _symbols(dict(atom[1]))
    return found


def _evaluated(terms: Terms, sizes: Mapping[str, int]) -> int:
    total = 0
    for monomial, factor in terms.items():
        for atom in monomial:
            factor *= sizes[atom[0]] if atom[0] else _evaluated(dict(atom[1]), sizes) // atom[2]
        total += factor
    return total


def _text(atom: Atom) -> str:
    if atom[0]:
        return atom[0]
    inner = str(_made(dict(atom[1])))
    return f"({inner if inner.isidentifier() else f'({inner})'}//{atom[2]})"


def _first(yes: bool, no: bool) -> bool | None:
    return True if yes else False if no else None


def _decided(a: Dim, b: Any, sign: str, decide: Callable[[float, float], bool | None]) -> bool:
    terms = _terms_of(b)
    if terms is None:
        if not isinstance(b, float):
            return NotImplemented
        difference, shift = a._terms, b
    else:
        difference, shift = _sum(a._terms, _scaled(terms, -1)), 0.0
    low, high = _bounds(difference)
    inf = float("inf")
    answer = decide(-inf if low is None else low - shift, inf if high is None else high - shift)
    if answer is None:
        raise _undecided(f"{a} {sign} {b}", a, b, least=_least(difference, sign))
    return answer


def _least(difference: Terms, sign: str) -> int | None:
    """From which size of its one symbol on a growing difference is on one side of 0 for good."""
    slopes = [(monomial, n) for monomial, n in difference.items() if monomial]
    if len(slopes) != 1 or len(slopes[0][0]) != 1 or not slopes[0][0][0][0]:
        return None
    slope, start = slopes[0][1], difference.get((), 0)
    if slope < 0:  # the other way round
        slope, start, sign = -slope, -start, {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[sign]
    return -(start // slope) if sign in ("<", ">=") else -start // slope + 1


def _equal(a: Dim, b: object, sign: str) -> bool:
    """Whether two sizes are the same for all sizes; an error where a user asks and it depends."""
    terms = _terms_of(b)
    if terms is None:
        return NotImplemented
    if a._terms == terms:
        return True
    low, high = _bounds(_sum(a._terms, _scaled(terms, -1)))
    possible = (low is None or low <= 0) and (high is None or high >= 0)
    if possible and is_users(sys._getframe(2).f_code):
        raise _undecided(f"{a} {sign} {b}", a, b)
    return False


def _facts(*sizes: Any) -> list[str]:
    symbols: dict[str, int] = {}
    for size in sizes:
        if type(size) is Dim:
            symbols |= size.symbols
    return [f"{name}: any size from {low} on" for name, low in symbols.items()]


def _undecided(what: str, *sizes: Any, least: int | None = None) -> TraceError:
    names = list(dict.fromkeys(n for s in sizes if type(s) is Dim for n in s.symbols))
    more = "take one symbol for equal sizes" if len(names) > 1 else ""
    if least is not None:
        more = f"say lm.Dim({names[0]!r}, min={least})"
    return TraceError(
        f"{what}: depends on the sizes, which are not known yet",
        _facts(*sizes),
        f"write what holds for all sizes, {more + ', ' if more else ''}"
        "or leave the axis out of dynamic_shapes: then each size is traced",
    )
