"""Speed against the fastest other system and against the machine, from docs/benchmarks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docs.drawings import style

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results.json"


def draw() -> Any:
    """A bar for each workload in each panel, slower ones as well as faster ones."""
    results = json.loads(RESULTS.read_text())
    rows = [row for row in results["workloads"] if row["ratio"] is not None][::-1]
    made, (left, right) = style.figure(11.0, 0.21 * len(rows) + 1.0, ncols=2, sharey=True)
    speeds = [row["ratio"] for row in rows]
    bars(left, speeds, [f"{row['ratio']:.2f}x  {row['best_peer']}" for row in rows])
    left.set_title("speed over that of the fastest other system", size=9)
    left.set_xticks([0.1, 0.5, 1, 2, 4], ["0.1x", "0.5x", "1x", "2x", "4x"])
    left.set_yticks(range(len(rows)), [row["name"] for row in rows], size=8)
    left.set_ylim(-0.7, len(rows) - 0.3)
    shares = [row["cells"]["lamina"].get("share_of_floor") for row in rows]
    bars(right, shares, ["" if share is None else f"{share:.0%}" for share in shares])
    right.set_title("share of the machine's limit that is reached", size=9)
    right.set_xticks([0.01, 0.1, 0.5, 1], ["1%", "10%", "50%", "100%"])
    right.tick_params(axis="y", left=False)
    made.suptitle(
        f"{results['plan']['threads']} threads, revision {results['revision']}",
        size=10,
    )
    return made


def bars(panel: Any, ratios: Sequence[float | None], labels: Sequence[str]) -> None:
    """Bars from 1 on a logarithmic axis, with what they say at their ends."""
    known = [(i, ratio) for i, ratio in enumerate(ratios) if ratio is not None]
    places, values = zip(*known)
    colors = [style.TEAL if ratio >= 1 else style.ORANGE for ratio in values]
    panel.barh(places, [ratio - 1 for ratio in values], left=1, color=colors, height=0.7)
    for i, ratio in known:
        side = "left" if ratio >= 1 else "right"
        panel.text(ratio, i, f" {labels[i]} ", va="center", ha=side, size=8)
    panel.set_xscale("log")
    panel.set_xlim(min(values) / 6, max(*values, 1.0) * 2.5)
    panel.minorticks_off()
    panel.axvline(1, color=style.INK, linewidth=0.8)
