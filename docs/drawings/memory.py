"""The arena of a training step: which bytes hold which tensor, and from which kernel to which."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from docs.drawings import style
from docs.drawings.kernels import step
from lamina import models, optim
from lamina.base.text import quantity


def draw() -> Any:
    """A rectangle for each tensor: its life across, its place up."""
    model = models.DigitNet(side=28)
    images, labels = np.zeros((32, 1, 28, 28), np.float32), np.zeros(32, np.int64)
    record = step.program(model, optim.SGD(model, lr=0.1), images, labels).record
    assert record.lowered is not None and record.plan is not None
    plan, slots = record.plan, [s for s in record.lowered.slots if s.kind == "arena"]
    made, panel = style.figure(8.0, 3.4)
    for i, slot in enumerate(sorted(slots, key=lambda slot: -slot.size_bytes)):
        place = (slot.first - 0.5, slot.offset / 1024)
        color = (style.TEAL, style.ORANGE, style.BLUE, style.GREY)[i % 4]
        size = (slot.last - slot.first + 1, slot.size_bytes / 1024)
        panel.add_patch(Rectangle(place, *size, facecolor=color, alpha=0.55, edgecolor="white"))
    panel.set_xlim(-0.5, len(record.lowered.steps) - 0.5)
    panel.set_ylim(0, plan.arena_bytes / 1024)
    whole, used = quantity(plan.sum_bytes, "B"), quantity(plan.arena_bytes, "B")
    panel.set(
        title=f"a training step of DigitNet, 32 images: {len(slots)} tensors of {whole} in {used}",
        xlabel="kernel",
        ylabel="KiB of the arena",
    )
    return made
