"""Records of a run in files: CSV, JSON lines, TensorBoard.

A checkpoint holds how many records there were. A run that is resumed takes those behind them out
of the file, so that nothing stands in it twice; one that begins anew begins the file anew.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.base import safetensors
from lamina.base.errors import UsageError
from lamina.train.callbacks import Callback, Record

if TYPE_CHECKING:
    from lamina.train.trainer import Trainer


class FileLog(Callback):
    """What logs in a file share: the number of records, and how a resumed run goes on.

    Args:
        path: of the file.

    Attributes:
        records: how many were written.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.records = 0

    def state_dict(self) -> dict[str, int]:
        """How many records there are."""
        return {"records": self.records}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on behind so many."""
        self.records = int(state["records"])


class JsonLinesLog(FileLog):
    """Writes each record to a file as a line of JSON.

    Args:
        path: of the file.
    """

    def on_start(self, trainer: Trainer) -> None:
        kept = read_json_lines(self.path)[: self.records]
        self.records = len(kept)
        _rewrite(self.path, "".join(f"{json.dumps(record)}\n" for record in kept))

    def on_log(self, trainer: Trainer, record: Record) -> None:
        self.records += 1
        with self.path.open("a") as file:
            file.write(f"{json.dumps(record)}\n")


class CsvLog(FileLog):
    """Writes each record to a file as a line of a table; new names become columns.

    Args:
        path: of the file.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        self._columns: list[str] = []

    def on_start(self, trainer: Trainer) -> None:
        rows = read_csv(self.path)[: self.records]
        self.records = len(rows)
        self._columns = list(rows[0]) if rows else []
        self._write_whole(rows)

    def on_log(self, trainer: Trainer, record: Record) -> None:
        self.records += 1
        added = [name for name in record if name not in self._columns]
        if added:
            rows: list[dict[str, Any]] = [*read_csv(self.path), dict(record)]
            self._columns += added
            self._write_whole(rows)
            return
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(record)

    def _write_whole(self, rows: Sequence[Mapping[str, Any]]) -> None:
        text = io.StringIO(newline="")
        if self._columns:
            writer = csv.DictWriter(text, self._columns)
            writer.writeheader()
            writer.writerows(rows)
        _rewrite(self.path, text.getvalue())


class TensorBoardLog(Callback):
    """Writes each record to a folder that TensorBoard shows. Needs the extra `tensorboard`.

    Args:
        folder: of the run.

    Raises:
        UsageError: tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        try:
            import tensorboardX
        except ImportError:
            raise UsageError(
                "TensorBoardLog: tensorboardX is not installed",
                ["it writes the files of TensorBoard"],
                "pip install lamina[tensorboard]",
            ) from None
        self.folder = Path(folder)
        self._writer: Any = None
        self._make = tensorboardX.SummaryWriter

    def on_start(self, trainer: Trainer) -> None:
        self._writer = self._make(str(self.folder), purge_step=trainer.step + 1)

    def on_log(self, trainer: Trainer, record: Record) -> None:
        for name, value in record.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(record["step"]))

    def on_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()


def read_json_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The records in a file of `JsonLinesLog`; a line that a kill cut off is left out."""
    path = Path(path)
    found: list[dict[str, Any]] = []
    for line in path.read_text().splitlines(keepends=True) if path.is_file() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if line.endswith("\n") and isinstance(record, dict) and "step" in record:
            found.append(record)
    return found


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """The rows of a file of `CsvLog`, as text; one that a kill cut off is left out."""
    path = Path(path)
    if not path.is_file():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    return [row for row in csv.DictReader(io.StringIO(whole)) if None not in row.values()]


def _rewrite(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.write_whole(path, [text.encode()])
