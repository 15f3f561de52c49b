"""What this namespace is able to do, in the words of the standard.

Source for all: Python array API 2024.12, "Inspection".
"""

from __future__ import annotations

from typing import Any

from lamina.base import dtypes
from lamina.base.dtypes import DType
from lamina.base.errors import UsageError
from lamina.tensor.conversion import on_device

MAX_DIMENSIONS = 32
"""So many axes are tested; nothing in the system counts on fewer than any number of them."""

_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int",),
    "unsigned integer": ("uint",),
    "integral": ("int", "uint"),
    "real floating": ("float",),
    "complex floating": ("complex",),
    "numeric": ("int", "uint", "float", "complex"),
}
_BEYOND = ("float16", "bfloat16")  # element types that the standard does not know


class Info:
    """Answers about devices, dtypes and abilities."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean masks and shapes that depend on data work; outside `jit`."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": MAX_DIMENSIONS,
        }

    def default_device(self) -> str:
        """Where tensors are made."""
        return "cpu"

    def devices(self) -> list[str]:
        """All places where tensors can be."""
        return ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """The dtype that each kind of Python number becomes, and that of indices."""
        on_device("default_dtypes", device)
        return {
            "real floating": dtypes.float32,
            "complex floating": dtypes.complex64,
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The dtypes of the standard, of one kind or several, by name.

        Raises:
            UsageError: there is no such kind.
        """
        on_device("dtypes", device)
        wanted = ("bool", "numeric") if kind is None else (kind,) if isinstance(kind, str) else kind
        unknown = [k for k in wanted if k not in _KINDS]
        if unknown:
            raise UsageError(
                f"dtypes: no kind {unknown[0]!r}", [f"there are: {', '.join(map(repr, _KINDS))}"]
            )
        kinds = {name for k in wanted for name in _KINDS[k]}
        found = {d.long_name: d for d in dtypes.ALL if d.kind in kinds}
        return {name: dtype for name, dtype in found.items() if name not in _BEYOND}


def __array_namespace_info__() -> Info:
    """The object that answers questions about this namespace.

    Example:
        >>> __array_namespace_info__().devices()
        ['cpu']
    """
    return Info()
