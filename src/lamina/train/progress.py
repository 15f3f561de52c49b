"""A bar of the steps in the terminal, with the last loss and the speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lamina.train.callbacks import Callback, Record

if TYPE_CHECKING:
    from lamina.train.trainer import Trainer


class ProgressBar(Callback):
    """Shows steps, the numbers of the last records, examples in a second, and the time left.

    Args:
        console: of rich; the terminal when None.
    """

    def __init__(self, console: Any = None):
        self._console = console
        self._progress: Progress | None = None
        self._task: Any = None
        self._shown: Record = {}

    def on_start(self, trainer: Trainer) -> None:
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task(
            "train", total=trainer.total_steps, completed=trainer.step, epoch=0, numbers=""
        )
        self._progress.start()

    def on_step(self, trainer: Trainer) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=trainer.step, epoch=trainer.epoch)

    def on_log(self, trainer: Trainer, record: Record) -> None:
        self._shown |= {k: v for k, v in record.items() if k not in ("step", "epoch")}
        numbers = "  ".join(_shown(name, value) for name, value in self._shown.items())
        if self._progress is not None:
            self._progress.update(self._task, numbers=numbers)

    def on_end(self, trainer: Trainer) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _shown(name: str, value: float) -> str:
    if name == "utilisation":
        return f"{name} {100 * value:.0f} %"
    return f"{name} {value:,.0f}" if abs(value) >= 1000 else f"{name} {value:.4g}"
