"""Multiplication in place of division, and masks that are known at compile time."""

from __future__ import annotations

from .lanes import Lane

_WORD = 32


def magic(n: int, highest: int) -> tuple[int, int] | None:
    """(factor, shift) so that x // n is x * factor >> shift for all x in 0..highest.

    The product fits into 32 bits; None where there is no such factor. With factor 2^shift // n + 1
    the quotient is right as long as x * (factor * n - 2^shift) < 2^shift.

    Source: Granlund and Montgomery, "Division by invariant integers using multiplication" (1994).

    Example:
        >>> magic(7, 22)
        (19, 7)
        >>> 22 * 19 >> 7
        3
    """
    for shift in range(1, _WORD):
        factor = (1 << shift) // n + 1
        if highest * factor >> _WORD:
            return None
        if highest * (factor * n - (1 << shift)) < 1 << shift:
            return factor, shift
    return None


def known_lanes(mask: Lane) -> list[bool] | None:
    """The lanes of a mask that is known at compile time."""
    name = mask.name
    if name in ("true", "false"):
        return [name == "true"] * mask.width
    if name.startswith("splat"):
        return [name == "splat (i1 true)"] * mask.width
    if name.startswith("<i1"):
        return [part.endswith("true") for part in name[1:-1].split(", ")]
    return None
