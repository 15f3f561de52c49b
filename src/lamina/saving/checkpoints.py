"""The checkpoints of a run: one folder for each step, the newest and the best kept."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from lamina.base.errors import FormatError, UsageError
from lamina.saving import checkpoint, disk
from lamina.saving.state import copied, put_back, state_of

_NAME = re.compile(r"step-(\d+)|\.step-(\d+)\.before")


class Checkpoints:
    """Checkpoints of a run in `folder`, by step.

    Args:
        folder: made when the first checkpoint is written.
        keep: how many of the newest stay; the others are deleted once a newer one is on the disk.
        best: the name of a metric; the checkpoint where it was best stays too.
        mode: "min" or "max": which value is best.
        background: write in a thread, from a copy that later steps do not touch. There is one write
            at a time; its error is raised by the next `save`, `wait` or `close`.

    Raises:
        UsageError: `keep` or `mode` make no sense.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(3, 2)
        >>> with lm.saving.Checkpoints("run", keep=2, best="loss") as checkpoints:
        ...     for step, loss in enumerate([0.9, 0.2, 0.5, 0.4, 0.3]):
        ...         checkpoints.save(step, {"model": model}, {"loss": loss})
        >>> checkpoints.steps(), checkpoints.best_step(), checkpoints.latest_step()
        ([1, 3, 4], 1, 4)
        >>> tree = checkpoints.restore({"model": model})
    """

    def __init__(
        self,
        folder: checkpoint.Path_,
        *,
        keep: int = 3,
        best: str | None = None,
        mode: str = "min",
        background: bool = True,
    ):
        if keep < 1:
            raise UsageError("Checkpoints: at least one is kept", [f"keep: {keep}"])
        if mode not in ("min", "max"):
            raise UsageError("Checkpoints: mode is 'min' or 'max'", [f"mode: {mode!r}"])
        self.folder = Path(folder)
        self.keep = keep
        self.best = best
        self.mode = mode
        self.background = background
        self._writing: threading.Thread | None = None
        self._error: Exception | None = None
        disk.remove_unfinished(self.folder, "step-*")

    def save(self, step: int, tree: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Write the checkpoint of a step, once the write before it has ended.

        Args:
            step: its number; a checkpoint of the same step is replaced.
            tree: see `saving.save`.
            metrics: numbers that are kept beside it, see `metrics`.

        Raises:
            OSError: the write before this one failed; or this one, when not in the background.
        """
        self.wait()
        if step < 0:
            raise UsageError("Checkpoints.save: steps count from 0", [f"step: {step}"])
        state = state_of(tree)
        known = {"step": int(step), "metrics": {k: float(v) for k, v in (metrics or {}).items()}}
        if not self.background:
            self._write(int(step), state, known)
            return
        state = copied(state)

        def write() -> None:
            try:
                self._write(int(step), state, known)
            except Exception as error:
                self._error = error

        self._writing = threading.Thread(target=write, name="lamina-checkpoint")
        self._writing.start()

    def wait(self) -> None:
        """Until the last write has ended; raises its error."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """The same as `wait`; `with` does it."""
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def steps(self) -> list[int]:
        """The steps whose checkpoints are on the disk, in order."""
        if not self.folder.is_dir():
            return []
        found = (_NAME.fullmatch(entry.name) for entry in self.folder.iterdir())
        return sorted({int(name[1] or name[2]) for name in found if name})

    def latest_step(self) -> int | None:
        """The last step with a checkpoint; None when there is none."""
        self.wait()
        return max(self.steps(), default=None)

    def best_step(self) -> int | None:
        """The step where the metric was best, the latest of equals; None when nobody knows."""
        self.wait()
        return self._best(self.steps())

    def path(self, step: int) -> Path:
        """The folder of the checkpoint of a step."""
        return self.folder / f"step-{step:09}"

    def metrics(self, step: int) -> dict[str, float]:
        """The metrics that were saved with a step."""
        return checkpoint.metadata_of(self.path(step))["metrics"]

    def load(self, step: int | None = None) -> Any:
        """The tree of a step, of the latest when None; see `saving.load`.

        Raises:
            FormatError: there is none, or it is damaged.
        """
        return checkpoint.load(self.path(self._given(step)))

    def restore(self, tree: Any, step: int | None = None) -> Any:
        """Put the checkpoint of a step, of the latest when None, into `tree`; see `saving.restore`.

        Raises:
            FormatError: there is none, or it is damaged.
            UsageError: it has another structure.
        """
        return put_back(tree, self.load(step))

    def _given(self, step: int | None) -> int:
        found = self.latest_step() if step is None else step
        if found is None:
            raise FormatError(
                "Checkpoints: there is none yet",
                [f"folder: {self.folder}"],
                "save one, or look whether the folder is the right one",
            )
        return found

    def _write(self, step: int, state: Any, known: dict[str, Any]) -> None:
        checkpoint.save(self.path(step), state, known)
        for old in self._surplus():
            disk.remove_folder(self.path(old))

    def _surplus(self) -> list[int]:
        steps = self.steps()
        kept = {*steps[-self.keep :], self._best(steps)}
        return [step for step in steps if step not in kept]

    def _best(self, steps: list[int]) -> int | None:
        if self.best is None:
            return None
        better: Callable[[float], float] = (lambda x: -x) if self.mode == "min" else (lambda x: x)
        values = [(self._value(step), step) for step in steps]
        known = [(better(value), step) for value, step in values if not math.isnan(value)]
        return max(known)[1] if known else None

    def _value(self, step: int) -> float:
        try:
            return float(self.metrics(step).get(str(self.best), math.nan))
        except FormatError:
            return math.nan  # damaged: it can be none to keep
