"""The driver's end of a worker: a process that answers lines of JSON, and may die at any time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks import peers

ROOT = Path(__file__).resolve().parents[1]
TAIL_BYTES = 4000  # of what a worker wrote to standard error
GOODBYE_S = 2.0


class WorkerError(Exception):
    """A worker refused, crashed or took too long; the text is for the page, without local paths."""

    def __init__(self, text: str):
        super().__init__(text.replace(f"{ROOT}{os.sep}", ""))


class Worker:
    """A running worker.

    Args:
        argv: the command.
        environment: its variables.

    Raises:
        WorkerError: from `ask`, whenever no good answer came.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str] | None = None):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the worker
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=ROOT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
        self._unread = b""

    def ask(self, op: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """The answer to a request."""
        line = json.dumps({"op": op, **fields}) + "\n"
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(line.encode())
            stdin.flush()
        except OSError:
            raise WorkerError(self._last_words()) from None
        reply = self._line(op, timeout_s)
        try:
            answer = json.loads(reply)
        except ValueError:
            raise WorkerError(f"answered {op} with {reply[:80]!r}") from None
        if not answer.get("ok"):
            raise WorkerError(answer.get("error", "refused without a reason"))
        return answer

    def _line(self, op: str, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        number = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([number], [], [], left)[0]:
                self.kill()
                raise WorkerError(f"no answer to {op} in {timeout_s:g} s")
            found = os.read(number, 1 << 16)
            if not found:
                raise WorkerError(self._last_words())
            self._unread += found
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _last_words(self) -> str:
        """Why the process ended, with the last line that it wrote."""
        try:
            code = self._process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            return "closed its output"
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(self._errors.tell() - TAIL_BYTES, 0))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        said = f": {lines[-1].strip()}" if lines else ""
        if code < 0:
            return f"killed by {signal.Signals(-code).name}{said}"
        return f"ended with code {code}{said}"

    def kill(self) -> None:
        """Ends the worker and whatever it started, now."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Asks the worker to go, and insists."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        with contextlib.suppress(OSError):
            stdin.write(b'{"op": "quit"}\n')
        with contextlib.suppress(OSError):
            stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GOODBYE_S)
        self.kill()
        stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()


def start(peer: peers.Peer, threads: int, cache: Path) -> Worker:
    """A worker for `peer` with its threads and its environment."""
    argv = [sys.executable, "-m", "benchmarks.worker"]
    return Worker(argv, peers.environment(peer, threads, cache))
