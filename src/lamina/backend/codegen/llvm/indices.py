"""Index arithmetic at compile time as far as it goes, and cheap where it has to run.

An index value is an `Offset`; instructions are written when somebody asks for it as lanes. So the
lanes of `j % 4 * 2` are known in a loop that begins at a multiple of 4, and a comparison of such
lanes is one mask. What has to run does so in 32 bits where ranges allow: twice the lanes, and
multiplication where 64-bit lanes have none.
"""

from __future__ import annotations

from math import gcd

from lamina.backend.nest.affine import Range

from .integers import magic
from .lanes import Lane, Lanes
from .offsets import (
    UNKNOWN,
    Offset,
    Residue,
    of_lanes,
    of_scalar,
    of_vector,
    plus,
    residue_of,
    times,
)
from .writer import Writer

_EXACT = 1 << 62  # sums within this did not wrap
NEAR = 1 << 30  # sums within this, and their differences, fit into 32 bits
_MOST_VECTORS = 2  # vectors in a sum; a longer one is added up first


def within(bounds: Range, limit: int) -> bool:
    """Whether a range lies strictly between -limit and limit."""
    return -limit < bounds[0] and bounds[1] < limit


class Indices:
    """Index values in the place where code is being written.

    Attributes:
        residues: by name of a scalar, what is known of it modulo a number.
    """

    def __init__(self, writer: Writer, lanes: Lanes) -> None:
        self.w, self.s = writer, lanes
        self.residues: dict[str, Residue] = {}

    def steps(self, value: Lane, start: Lane, step: int) -> None:
        """Says that a scalar is `start` plus a multiple of `step`."""
        known = self.residues.get(start.name, UNKNOWN)
        modulus, rest = (0, int(start.name)) if start.is_literal else known
        modulus = gcd(modulus, step)
        if modulus > 1:
            self.residues[value.name] = modulus, rest % modulus

    # --- as lanes ------------------------------------------------------------------------------

    def scalars(self, x: Offset) -> list[Lane]:
        """The sums of the scalars, for each loop that they change in, outermost first."""
        depth_of = self.w.depth_of
        by_depth: dict[int, Lane] = {}
        for factor, value in x.scalars.values():
            depth = depth_of(value.name)
            scaled = self._scaled(value, factor)
            before = by_depth.get(depth)
            by_depth[depth] = scaled if before is None else self.s.add(before, scaled)
        return [by_depth[depth] for depth in sorted(by_depth)]

    def _scaled(self, value: Lane, factor: int) -> Lane:
        if factor == 1:
            return value
        return self.s.multiply(value, self.s.constant(factor, value.dtype, value.width))

    def shared(self, x: Offset) -> Lane:
        """The constant and the scalars, as one i64."""
        total: Lane | None = None
        for part in self.scalars(x):
            total = part if total is None else self.s.add(total, part)
        if total is None:
            return self.s.constant(x.constant, "i64")
        if x.constant:
            total = self.s.add(total, self.s.constant(x.constant, "i64"))
        modulus, rest = residue_of(x, self.residues)
        if modulus > 1:
            self.residues[total.name] = modulus, (rest + x.constant) % modulus
        return total

    def varying(self, x: Offset, dtype: str) -> Lane:
        """What the lanes add to what they share, in the wrapping arithmetic of a dtype."""
        total: Lane | None = None
        for factor, value, _ in x.vectors.values():
            scaled = self._scaled(self._resized(value, dtype), factor)
            total = scaled if total is None else self.s.add(total, scaled)
        if x.lanes:
            numbers = self.s.numbers(x.lanes, dtype)
            total = numbers if total is None else self.s.add(total, numbers)
        assert total is not None
        return total

    def _resized(self, value: Lane, dtype: str) -> Lane:
        if value.dtype == dtype:
            return value
        return self.s.convert("sext" if dtype == "i64" else "trunc", value, dtype)

    def wide(self, x: Offset) -> Lane:
        """The value as i64: a scalar where it is the same in all lanes."""
        if x.wide is None:
            if x.is_uniform:
                x.wide = self.shared(x)
            else:
                x.wide = self._plus_shared(x, self._varying_wide(x))
        return x.wide

    def _varying_wide(self, x: Offset) -> Lane:
        small = x.vectors and x.reach < 1 << 31
        return self._resized(self.varying(x, "i32" if small else "i64"), "i64")

    def small(self, x: Offset) -> Lane:
        """The value as i32; right where it fits, and up to a multiple of 2^32 elsewhere."""
        if x.small is None:
            if x.is_uniform:
                x.small = self._resized(self.shared(x), "i32")
            else:
                x.small = self._plus_shared(x, self.varying(x, "i32"))
        return x.small

    def _plus_shared(self, x: Offset, varying: Lane) -> Lane:
        if not x.scalars and not x.constant:
            return varying
        if not x.scalars and not x.vectors:
            return self.s.numbers(tuple(x.constant + n for n in x.lanes), varying.dtype)
        first = self._resized(self.shared(x), varying.dtype)
        return self.s.add(self.s.broadcast(first, varying.width), varying)

    # --- arithmetic ----------------------------------------------------------------------------

    def add(self, a: Offset, b: Offset, sign: int) -> Offset:
        """a + sign * b."""
        total = plus(a, b, sign)
        if len(total.vectors) <= _MOST_VECTORS:
            return total
        reach = sum(abs(f) * r for f, _, r in total.vectors.values())
        lane = self._varying_of(total, reach)
        return plus(Offset(total.constant, total.scalars), of_vector(lane, reach))

    def _varying_of(self, x: Offset, reach: int) -> Lane:
        return self.varying(x, "i32" if reach < 1 << 31 else "i64")

    def multiply(self, a: Offset, b: Offset, bounds: Range) -> Offset:
        """a * b, which lies in `bounds`."""
        if b.is_constant:
            return times(a, b.constant)
        if a.is_constant:
            return times(b, a.constant)
        if a.is_uniform:
            a, b = b, a
        if b.is_uniform and a.lanes and not a.vectors:
            return self._strided(a, b)
        return self.apply("multiply", a, b, within(bounds, NEAR), bounds)

    def _strided(self, a: Offset, b: Offset) -> Offset:
        """a * b, for lanes that are known and a scalar: what lanes add does not change in loops."""
        s, factor = self.s, self.wide(b)
        first = Offset(a.constant, a.scalars)
        whole = of_scalar(s.multiply(self.wide(first), factor))
        return plus(whole, of_vector(s.multiply(s.numbers(a.lanes, "i64"), self._all(factor, a))))

    def _all(self, scalar: Lane, like: Offset) -> Lane:
        return self.s.broadcast(scalar, len(like.lanes))

    def apply(self, op: str, a: Offset, b: Offset, near: bool, bounds: Range) -> Offset:
        """Any operation of two index values; `near` allows to compute lanes in 32 bits."""
        s = self.s
        if a.is_uniform and b.is_uniform:
            result = of_scalar(s.apply(op, [self.wide(a), self.wide(b)], "i64"))
            return result
        if near:
            args = [self.small(a), self.small(b)]
            return of_vector(s.apply(op, args, "i32"), max(abs(bounds[0]), abs(bounds[1])))
        return of_vector(s.apply(op, [self.wide(a), self.wide(b)], "i64"))

    def extremum(self, op: str, a: Offset, b: Offset, ranges: tuple[Range, Range]) -> Offset:
        """The smaller or the larger of two."""
        if a.is_constant and b.is_constant:
            choose = min if op == "minimum" else max
            return Offset(choose(a.constant, b.constant))
        near = all(within(r, NEAR) for r in ranges)
        bounds = min(r[0] for r in ranges), max(r[1] for r in ranges)
        result = self.apply(op, a, b, near, bounds)
        if result.is_uniform:
            self._either(self.wide(result).name, a, b)
        return result

    def _either(self, name: str, a: Offset, b: Offset) -> None:
        """Notes what is known of a scalar that is one of two."""
        m, r = residue_of(a, self.residues)
        n, t = residue_of(b, self.residues)
        modulus = gcd(m, n, (r + a.constant) - (t + b.constant))
        if modulus > 1:
            self.residues[name] = modulus, (r + a.constant) % modulus

    # --- division ------------------------------------------------------------------------------

    def divide(self, op: str, x: Offset, y: Offset, bounds: Range, divisors: Range) -> Offset:
        """x // y or x % y, for an x within bounds and a y within divisors."""
        if not y.is_constant or y.constant <= 0:
            if bounds[0] >= 0 and divisors[0] > 0 and y.is_uniform:
                return self._divide_open(op, x, y, bounds, divisors)
            return self.apply(op, x, y, False, bounds)
        n = y.constant
        if n == 1:
            return x if op == "floor_divide" else Offset()
        if within(bounds, _EXACT) and not x.vectors:
            found = self._divide_known(op, x, n)
            if found is not None:
                return found
        if x.is_uniform:
            return self._divide_scalar(op, x, n, bounds)
        if n & n - 1 == 0:
            return self._divide_by_power(op, x, n, bounds)
        if within(bounds, NEAR) and n < NEAR:
            return self._divide_small(op, x, n, bounds)
        return self.apply(op, x, y, False, bounds)

    def _divide_known(self, op: str, x: Offset, n: int) -> Offset | None:
        """With scalars that are together `rest` modulo n, lanes are divided at compile time."""
        modulus, rest = residue_of(x, self.residues)
        if modulus % n:
            return None
        parts = tuple(rest + x.constant + lane for lane in x.lanes or (0,))
        if op == "remainder":
            return of_lanes(0, tuple(part % n for part in parts))
        quotients = of_lanes(-(rest // n), tuple(part // n for part in parts))
        return plus(self._whole_quotient(x, n), quotients)

    def _whole_quotient(self, x: Offset, n: int) -> Offset:
        """The scalars // n: what n divides goes term by term."""
        whole = {k: (f // n, v) for k, (f, v) in x.scalars.items() if f % n == 0}
        rest = Offset(0, {k: term for k, term in x.scalars.items() if term[0] % n})
        if not rest.scalars:
            return Offset(0, whole)
        modulus, left = residue_of(rest, self.residues)
        lane = self.shared(plus(rest, Offset(left % n), -1))
        if n & n - 1 == 0:
            quotient = self.s.ashr(lane, n.bit_length() - 1)
        else:
            quotient = Lane(self.s.emit(f"sdiv exact i64 {lane.name}, {n}"), "i64")
        if modulus > n:
            self.residues[quotient.name] = modulus // n, left // n
        return plus(Offset(0, whole), of_scalar(quotient))

    def _divide_scalar(self, op: str, x: Offset, n: int, bounds: Range) -> Offset:
        s, value = self.s, self.wide(x)
        if n & n - 1 == 0:
            if op == "remainder":
                return of_scalar(s.and_(value, s.constant(n - 1, "i64")))
            return of_scalar(s.ashr(value, n.bit_length() - 1))
        if bounds[0] >= 0:
            instruction = "udiv" if op == "floor_divide" else "urem"
            return of_scalar(Lane(s.emit(f"{instruction} i64 {value.name}, {n}"), "i64"))
        return of_scalar(s.apply(op, [value, s.constant(n, "i64")], "i64"))

    def _divide_open(self, op: str, x: Offset, y: Offset, bounds: Range, divisors: Range) -> Offset:
        """By a positive scalar that only the running program knows; x is not negative."""
        if x.is_uniform:
            instruction = "udiv" if op == "floor_divide" else "urem"
            a, b = self.wide(x), self.wide(y)
            return of_scalar(Lane(self.s.emit(f"{instruction} i64 {a.name}, {b.name}"), "i64"))
        if not within(bounds, NEAR) or not within(divisors, NEAR):
            return self.apply(op, x, y, False, bounds)
        quotient = self._quotient_open(self.small(x), self.small(y))
        if op == "floor_divide":
            return of_vector(quotient, bounds[1] // divisors[0])
        whole = self.s.multiply(quotient, self.s.broadcast(self.small(y), quotient.width))
        return of_vector(self.s.subtract(self.small(x), whole), min(bounds[1], divisors[1] - 1))

    def _quotient_open(self, x: Lane, n: Lane) -> Lane:
        """x // n of i32 lanes by f64, which is exact: the quotient is off by less than x/n * 2^-53,
        and from the next integer above it by 1/n or more."""
        s = self.s
        wide = s.convert("sitofp", x, "f64")
        divisor = s.broadcast(s.convert("sitofp", n, "f64"), x.width)
        return s.convert("fptosi", s.divide(wide, divisor), "i32")

    def _divide_by_power(self, op: str, x: Offset, n: int, bounds: Range) -> Offset:
        s = self.s
        value = self.small(x) if within(bounds, NEAR) else self.wide(x)
        if op == "remainder":
            return of_vector(s.and_(value, s.constant_like(value, n - 1)), n - 1)
        reach = max(abs(bounds[0] // n), bounds[1] // n)
        return of_vector(s.ashr(value, n.bit_length() - 1), reach)

    def _divide_small(self, op: str, x: Offset, n: int, bounds: Range) -> Offset:
        """In 32 bits, by multiplication; lanes that do not exist may get any result."""
        quotient = self._quotient_small(x, n, bounds)
        return quotient if op == "floor_divide" else plus(x, times(quotient, -n))

    def _quotient_small(self, x: Offset, n: int, bounds: Range) -> Offset:
        below = -(bounds[0] // n) if bounds[0] < 0 else 0
        x, highest = plus(x, Offset(below * n)), bounds[1] + below * n
        quotient = Offset(-below)
        if x.scalars and not x.vectors and min(x.lanes) >= 0:
            first = Offset(x.constant, x.scalars)
            whole = self._divide_scalar("floor_divide", first, n, (0, highest))
            quotient = plus(quotient, whole)
            x, highest = plus(x, times(whole, -n)), n - 1 + max(x.lanes)
        return plus(quotient, of_vector(self._quotient(self.small(x), n, highest), highest // n))

    def _quotient(self, x: Lane, n: int, highest: int) -> Lane:
        """x // n of i32 lanes in 0..highest."""
        s = self.s
        if highest < 2 * n:
            over = s.less_equal(s.constant_like(x, n), x)
            return s.convert("zext", over, "i32")
        found = magic(n, highest)
        if found is None:
            return s.binary("udiv", x, s.constant_like(x, n))
        factor, shift = found
        return s.lshr(s.multiply(x, s.constant_like(x, factor)), shift)

    # --- comparison ----------------------------------------------------------------------------

    def compare(self, op: str, a: Offset, b: Offset, ranges: tuple[Range, Range]) -> Lane:
        """A comparison of two index values: a bool where all lanes agree, else a mask."""
        s, difference = self.s, plus(a, b, -1)
        exact = all(within(r, _EXACT) for r in ranges)
        near = all(within(r, NEAR) for r in ranges)
        if exact and not difference.vectors:
            if not difference.scalars:
                return self._decided(op, difference)
            if difference.lanes and self._agree(op, difference):
                a, b = (Offset(v.constant, v.scalars) for v in (a, b))
        if not near or (a.is_uniform and b.is_uniform):
            return s.apply(op, [self.wide(a), self.wide(b)], "bool")
        if difference.vectors:
            return s.apply(op, [self.small(a), self.small(b)], "bool")
        limit = self.small(times(Offset(difference.constant, difference.scalars), -1))
        return s.apply(op, [s.numbers(difference.lanes, "i32"), limit], "bool")

    def _decided(self, op: str, difference: Offset) -> Lane:
        lanes = [difference.constant + n for n in difference.lanes or (0,)]
        found = {
            "less": [n < 0 for n in lanes],
            "less_equal": [n <= 0 for n in lanes],
            "equal": [n == 0 for n in lanes],
            "not_equal": [n != 0 for n in lanes],
        }[op]
        return self.s.mask(found)

    def _agree(self, op: str, difference: Offset) -> bool:
        """Whether all lanes of difference < 0 (or <= 0) agree with the first.

        With scalars that are together q*m + r, lane l is below zero where q + (r + l) // m is.
        """
        if op not in ("less", "less_equal"):
            return False
        modulus, rest = residue_of(difference, self.residues)
        if modulus <= 1:
            return False
        rest += difference.constant - (op == "less_equal")
        return len({(rest + n) // modulus for n in difference.lanes}) == 1
