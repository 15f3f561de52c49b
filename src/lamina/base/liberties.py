"""Liberties: what strict numerics forbid and a user may allow, each by its name."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.base.errors import UsageError

LIBERTIES = {
    "algebra": "rules that are wrong for infinities, NaN or signed zeros, such as x - x = 0",
    "winograd": "convolutions of 3 x 3 with fewer multiplications, where that is faster",
    "winograd4": "the same with tiles of 4 x 4, which round more",
}


def liberties(names: Sequence[str] | str) -> tuple[str, ...]:
    """The names, each once and in order.

    Raises:
        UsageError: there is no such liberty.
    """
    asked = (names,) if isinstance(names, str) else tuple(names)
    for name in asked:
        if name not in LIBERTIES:
            raise UsageError(
                f"relaxed: there is no liberty {name!r}",
                [f"{known}: {meaning}" for known, meaning in LIBERTIES.items()],
            )
    return tuple(sorted(set(asked)))
