"""A training step as the program that runs: its kernels, and the tensors that pass between them."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.patches import FancyBboxPatch

import lamina as lm
from docs.drawings import style
from lamina import functional, nn, optim
from lamina.base.text import quantity

WIDE, HIGH = 1.0, 0.62  # of a box; columns and rows are at whole numbers
COLORS = {"contract": style.TEAL, "reduce": style.BLUE, "rows": style.BLUE, "map": style.ORANGE}


def loss_of(model: nn.Module, images: Any, labels: Any) -> lm.Tensor:
    """Mean cross entropy of a batch."""
    return functional.cross_entropy(model(images), labels)


@lm.jit
def step(model: nn.Module, optimizer: optim.Optimizer, images: Any, labels: Any) -> lm.Tensor:
    """One step of training."""
    loss, gradients = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, gradients)
    return loss


def levels(steps: list[Any]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """The row of each step, one below all that it reads; and (writer, reader, bytes)."""
    writer: dict[int, int] = {}
    rows, edges = [], []
    for number, one in enumerate(steps):
        read = [slot for name, slot in one.slots.items() if name.startswith("in")]
        before = sorted({(writer[id(s)], s.size_bytes) for s in read if id(s) in writer})
        edges += [(source, number, size) for source, size in before]
        rows.append(1 + max((rows[source] for source, _ in before), default=-1))
        writer |= {id(slot): number for name, slot in one.slots.items() if name.startswith("out")}
    return rows, edges


def columns(rows: list[int], edges: list[tuple[int, int, int]]) -> list[float]:
    """The place of each step in its row: near those it reads, centred."""
    places = [0.0] * len(rows)
    for row in range(max(rows) + 1):
        here = [i for i, found in enumerate(rows) if found == row]
        wish = {
            i: np.mean([places[a] for a, b, _ in edges if b == i] or [float(k)])
            for k, i in enumerate(here)
        }
        for k, i in enumerate(sorted(here, key=lambda i: wish[i])):
            places[i] = 1.35 * (k - (len(here) - 1) / 2)
    return places


def draw() -> Any:
    """Boxes for kernels, row by row in the order in which they can run; lines for tensors."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    images, labels = np.zeros((64, 784), np.float32), np.zeros(64, np.int64)
    record = step.program(model, optim.SGD(model, lr=0.1), images, labels).record
    assert record.lowered is not None
    steps = record.lowered.steps
    rows, edges = levels(steps)
    places = columns(rows, edges)

    made, panel = style.figure(8.5, 0.95 * (max(rows) + 1))
    for source, reader, size in edges:
        x, y = (places[source], places[reader]), (rows[source] + HIGH / 2, rows[reader] - HIGH / 2)
        panel.plot(x, y, color=style.GREY, linewidth=0.6 + 0.35 * np.log10(size), zorder=0)
    for one, row, place in zip(steps, rows, places):
        color = COLORS.get(one.policy.split("_")[0], style.GREY)
        box = FancyBboxPatch(
            (place - WIDE / 2, row - HIGH / 2),
            WIDE,
            HIGH,
            boxstyle="round,pad=0.02",
            facecolor="white",
            edgecolor=color,
        )
        panel.add_patch(box)
        names = [task.nest.name for task in one.tasks]
        panel.text(place, row, _label(names, one), ha="center", va="center", size=7.5)
    panel.set_xlim(min(places) - 0.7, max(places) + 0.7)
    panel.set_ylim(max(rows) + 0.5, -0.5)
    panel.set_axis_off()
    return made


def _label(names: list[str], one: Any) -> str:
    """What the kernel computes, and how many bytes it writes."""
    words = " ".join(names).replace("_", " ")
    written = sum(slot.size_bytes for name, slot in one.slots.items() if name.startswith("out"))
    lines = textwrap.wrap(words, 26)[:3]
    return "\n".join([*lines, f"writes {quantity(written, 'B')}"])
