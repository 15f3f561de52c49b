"""A complex value as the two real values it consists of."""

from __future__ import annotations

from typing import Any, NamedTuple


class Parts(NamedTuple):
    """What stands for a complex value below the pass `split_complex`."""

    re: Any
    im: Any
