"""Text layout: tables for people."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with aligned columns; numbers stand to the right."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [list(head), *cells]) for i in range(len(head))]

    def line(row: Sequence[str], source: Sequence[object] | None) -> str:
        parts = [
            c.rjust(w) if source is not None and isinstance(s, int | float) else c.ljust(w)
            for c, w, s in zip(row, widths, source or row, strict=True)
        ]
        return "  ".join(parts).rstrip()

    ruled = ["  ".join("-" * w for w in widths)]
    return "\n".join(
        [line(head, None), *ruled, *(line(c, r) for c, r in zip(cells, rows, strict=True))]
    )


def quantity(value: float, unit: str) -> str:
    """`quantity(1.5e-5, "s")` is "15 us"; bytes count in powers of 1024."""
    if unit == "B":
        for prefix in ("", "Ki", "Mi", "Gi"):
            if value < 1024 or prefix == "Gi":
                return f"{value:.0f} {prefix}B" if not prefix else f"{value:.1f} {prefix}B"
            value /= 1024
    for scale, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value / 1e-9:.3g} n{unit}"
