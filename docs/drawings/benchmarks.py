"""Speed against the fastest other system, from the last measurement in docs/benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.drawings import style

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results.json"


def draw() -> Any:
    """A bar for each workload that another system has too, slower ones as well as faster ones."""
    results = json.loads(RESULTS.read_text())
    rows = [row for row in results["workloads"] if row["ratio"] is not None][::-1]
    made, panel = style.figure(8.0, 0.21 * len(rows) + 1.0)
    ratios = [row["ratio"] for row in rows]
    colors = [style.TEAL if ratio >= 1 else style.ORANGE for ratio in ratios]
    panel.barh(range(len(rows)), [ratio - 1 for ratio in ratios], left=1, color=colors, height=0.7)
    for i, row in enumerate(rows):
        says = f" {row['ratio']:.2f}x  {row['best_peer']} "
        at_right = row["ratio"] >= 1
        panel.text(row["ratio"], i, says, va="center", ha="left" if at_right else "right", size=8)
    panel.set_xscale("log")
    panel.set_xlim(min(ratios) / 4, max(ratios) * 2.5)
    panel.set_xticks([0.1, 0.5, 1, 2, 4], ["0.1x", "0.5x", "1x", "2x", "4x"])
    panel.minorticks_off()
    panel.set_yticks(range(len(rows)), [row["name"] for row in rows], size=8)
    panel.set_ylim(-0.7, len(rows) - 0.3)
    panel.axvline(1, color=style.INK, linewidth=0.8)
    made.suptitle(
        f"speed over that of the fastest other system: {results['plan']['threads']} threads, "
        f"revision {results['revision']}",
        size=10,
    )
    return made
