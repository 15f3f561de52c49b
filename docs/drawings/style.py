"""One look for all pictures: few lines, few colours, and files that do not change by themselves."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

TEAL, ORANGE, BLUE, GREY = "#0b8f7a", "#e07a1f", "#3b6fb6", "#9aa3ab"
INK = "#24292f"

SETTINGS = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.prop_cycle": mpl.cycler(color=[TEAL, ORANGE, BLUE, GREY]),
    "font.family": "sans-serif",
    "font.size": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 160,  # of what is points, not lines
    "svg.fonttype": "none",  # letters stay letters
    "svg.hashsalt": "lamina",  # the same names inside the file every time
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def figure(width: float = 7.0, height: float = 3.0, **grid: Any) -> tuple[Figure, Any]:
    """A figure in inches and its axes; `grid` as for `Figure.subplots`."""
    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots(**grid)


def svg(drawn: Figure | str) -> str:
    """The text of the file."""
    if isinstance(drawn, str):
        return drawn
    file = io.StringIO()
    drawn.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
