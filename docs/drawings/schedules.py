"""Learning rates as they follow the steps."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm
from docs.drawings import style
from lamina.optim import schedules

STEPS = 100
SHOWN = {
    "Step": schedules.Step(1.0, every=25, factor=0.5),
    "Exponential": schedules.Exponential(1.0, factor=0.97),
    "Linear": schedules.Linear(1.0, steps=STEPS, start=1.0, end=0.0),
    "Polynomial": schedules.Polynomial(1.0, steps=STEPS, power=2.0),
    "Cosine": schedules.Cosine(1.0, steps=STEPS, warmup=10),
    "WarmRestarts": schedules.WarmRestarts(1.0, period=25),
    "OneCycle": schedules.OneCycle(1.0, steps=STEPS),
    "WSD": schedules.WSD(1.0, steps=STEPS, warmup=10, decay=30),
}


def draw() -> Any:
    """A small panel for each schedule."""
    made, panels = style.figure(8.5, 3.4, nrows=2, ncols=4, sharex=True, sharey=True)
    for panel, (name, schedule) in zip(panels.flat, SHOWN.items()):
        rates = lm.vmap(schedule)(lm.arange(STEPS + 1)).numpy()
        panel.fill_between(np.arange(STEPS + 1), rates, color=style.TEAL, alpha=0.15, linewidth=0)
        panel.plot(rates)
        panel.set(title=name, ylim=(0, 1.08), yticks=[0, 1])
    return made
