"""The free variable `_lm_` of converted functions; `bindings` fills it."""

from types import CellType

CELL = CellType()
