"""Names of layers: from those of their classes, with a number where one is taken."""

from __future__ import annotations

import re
from collections import Counter

_given: Counter[str] = Counter()


def snake_case(name: str) -> str:
    """The name of a class as Keras writes it in names of layers and in files.

    Example:
        >>> snake_case("MaxPooling2D"), snake_case("PReLU")
        ('max_pooling2d', 'p_re_lu')
    """
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()


def numbered(name: str, taken: Counter[str]) -> str:
    """The name itself at first, then with `_1`, `_2`, ... behind it."""
    count = taken[name]
    taken[name] += 1
    return f"{name}_{count}" if count else name


def unique_name(class_name: str) -> str:
    """A name for a layer that was given none."""
    return numbered(snake_case(class_name), _given)
