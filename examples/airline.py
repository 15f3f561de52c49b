"""An LSTM that forecasts airline passengers: two years that it has not seen, with a picture.

    python examples/airline.py                      forecast.svg, errors beside last year's numbers
    python examples/airline.py --horizon 36 --seed 1 --picture /tmp/forecast.svg

It reads by how much the logarithm of each month's passengers is above that of a year before, and
says by how much the next month's will be; a forecast feeds on its own answers. FOLDER holds
airline-passengers.csv: 144 months from 1949 on.

Source: Box and Jenkins, "Time series analysis", 1976, series G.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress, TextColumn

import lamina as lm
from lamina import functional, nn, optim

YEAR = 12  # months


class Forecaster(nn.Module):
    """The growth over a year of the next month, after each month.

    Shapes: `growth: [B, T] -> [B, T]`, and the state to go on from.
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(hidden, 1)

    def forward(self, growth: Any, state: Any = None) -> tuple[lm.Tensor, Any]:
        y, state = self.lstm(lm.expand_dims(growth, axis=-1), state)  # (B, T, hidden)
        return self.out(self.dropout(y))[..., 0], state


def loss_of(model: Forecaster, growth: Any) -> lm.Tensor:
    """Mean squared error of the next month's growth, over all months."""
    return functional.mse_loss(model(growth[:, :-1])[0], growth[:, 1:])


@lm.jit
def step(model: Forecaster, optimizer: optim.Optimizer, growth: Any) -> lm.Tensor:
    """One training step, compiled to one native call."""
    loss, grads = lm.value_and_grad(loss_of)(model, growth)
    optimizer.update(model, grads)
    return loss


@lm.jit
def answer(model: Forecaster, growth: Any, state: Any) -> tuple[lm.Tensor, Any]:
    """The growth after the last month given, and the state to go on from."""
    following, state = model(growth, state)
    return following[:, -1:], state


def read(path: Path) -> np.ndarray:
    """Passengers of each month, in thousands."""
    with path.open(newline="") as file:
        return np.array([float(row["Passengers"]) for row in csv.DictReader(file)])


def train(options: argparse.Namespace, growth: np.ndarray) -> Forecaster:
    """Learn the growth of each month from those before.  Shapes: `growth: [1, T]`"""
    lm.random.seed(options.seed)
    model = Forecaster(options.hidden)
    optimizer = optim.AdamW(model, lr=options.lr)
    columns = (*Progress.get_default_columns(), TextColumn("loss {task.fields[loss]:.4f}"))
    with Progress(*columns) as progress:
        bar = progress.add_task("train", total=options.steps, loss=np.nan)
        for done in range(options.steps):
            optimizer.lr = options.lr * 0.5 * (1 + np.cos(np.pi * done / options.steps))
            loss = step(model, optimizer, growth)
            if (done + 1) % 10 == 0:
                progress.update(bar, completed=done + 1, loss=float(loss))
    return model.eval()


def forecast(model: Forecaster, growth: np.ndarray, horizon: int) -> np.ndarray:
    """The growth of the next `horizon` months.  Shapes: `[1, T] -> [horizon]`"""
    following, state = answer(model, growth, None)
    found = [following]
    for _ in range(horizon - 1):
        following, state = answer(model, following, state)
        found.append(following)
    return lm.concat(found, axis=1).numpy()[0]


def errors(predicted: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Root mean squared error in thousands of passengers, and mean absolute error in percent."""
    off = predicted - seen
    return float(np.sqrt(np.mean(off**2))), float(100 * np.mean(np.abs(off) / seen))


def draw(path: Path, seen: np.ndarray, predicted: np.ndarray) -> None:
    """The months as a line, the forecast over its end, as an SVG picture."""
    width, height, edge, top = 800, 400, 50, 100 * np.ceil(max(*seen, *predicted) / 100)

    def place(month: float, value: float) -> str:
        x = edge + (width - 2 * edge) * month / (len(seen) - 1)
        return f"{x:.1f},{height - edge - (height - 2 * edge) * value / top:.1f}"

    def line(first: int, values: np.ndarray, colour: str) -> str:
        points = " ".join(place(first + i, value) for i, value in enumerate(values))
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'

    def text(month: float, value: float, words: str, colour: str = "#555") -> str:
        x, y = place(month, value).split(",")
        return f'<text x="{x}" y="{y}" fill="{colour}">{words}</text>'

    first = len(seen) - len(predicted)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *(text(m, -0.07 * top, f"{1949 + m // YEAR}") for m in range(0, len(seen), 2 * YEAR)),
        *(text(-7, v, f"{v}") for v in range(0, int(top), 200)),
        text(0, 1.03 * top, "thousands of passengers a month"),
        text(YEAR * 4, 0.9 * top, "seen", "#333"),
        text(YEAR * 5, 0.9 * top, f"forecast from {1949 + first / YEAR:.0f} on", "#d62728"),
        line(0, seen, "#333"),
        line(first, predicted, "#d62728"),
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n")


def run(options: argparse.Namespace, passengers: np.ndarray) -> tuple[float, float]:
    """Train on all but the last months, forecast them, draw; errors of the forecast."""
    known, hidden = passengers[: -options.horizon], passengers[-options.horizon :]
    growth = np.log(known[YEAR:] / known[:-YEAR])
    mean, spread = growth.mean(), growth.std()
    scaled = ((growth - mean) / spread).astype(np.float32)[None]
    model = train(options, scaled)
    grown = np.exp(spread * forecast(model, scaled, options.horizon) + mean)
    predicted = list(known[-YEAR:])
    for factor in grown:
        predicted.append(predicted[-YEAR] * factor)
    draw(options.picture, passengers, np.array(predicted[YEAR:]))
    last_year = np.resize(known[-YEAR:], options.horizon)
    root, percent = errors(last_year, hidden)
    print(f"last year's numbers: root mean squared error {root:.1f}, mean error {percent:.1f} %")
    return errors(np.array(predicted[YEAR:]), hidden)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, forecast, and sum up in one line; the exit status."""
    home = os.environ.get("LAMINA_DATA")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(home) / "tabular" if home else None,
        required=not home,
        metavar="FOLDER",
        help="where the file is (the folder tabular in LAMINA_DATA)",
    )
    parser.add_argument("--horizon", type=int, default=24, help="months to forecast (24)")
    parser.add_argument("--hidden", type=int, default=32, help="width of the LSTM (32)")
    parser.add_argument("--steps", type=int, default=100, help="training steps (100)")
    parser.add_argument("--lr", type=float, default=1e-2, help="highest learning rate (0.01)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and dropout (0)")
    parser.add_argument("--picture", type=Path, default=Path("forecast.svg"), help="to write")
    parser.add_argument("--quick", action="store_true", help="40 steps of a narrow LSTM")
    options = parser.parse_args(arguments)
    if options.quick:
        options.steps, options.hidden = 40, 16
    began = time.perf_counter()
    try:
        root, percent = run(options, read(options.data / "airline-passengers.csv"))
    except (lm.LaminaError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - began
    print(
        f"airline: {options.horizon} months, root mean squared error {root:.1f} thousand, "
        f"mean error {percent:.1f} %, {seconds:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
