"""A process that runs one workload in one peer, told what to do by lines of JSON.

    {"op": "setup", "workload": "mm_512", "builder": "torch", "threads": 2}
    {"op": "check"}
    {"op": "time", "seconds": 0.5}
    {"op": "quit"}

Each line is answered by one: `{"ok": true, ...}`, or `{"ok": false, "error": "..."}`. Whatever the
peer prints goes to standard error, so that it cannot disturb the conversation.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from benchmarks import memory, peers
from benchmarks.families import find
from benchmarks.workload import Data, Prepared, Workload, compare

SHORTEST_SAMPLE_S = 2e-4  # shorter calls are timed several at a time
FEWEST_SAMPLES = 3
MOST_SAMPLES = 100  # in a pass; what is kept stays small
WARM_UP_SHARE = 0.2  # of the time for the samples
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Timed:
    """Samples of one pass: seconds for one call, each the mean of `calls` in a row."""

    samples_s: list[float]
    calls: int


class Conversation:
    """The state between requests.

    Attributes:
        workload, data, prepared: what `setup` made; the data until they were checked.
        before_bytes: memory when the peer was imported, and nothing was made.
    """

    workload: Workload
    data: Data
    prepared: Prepared
    before_bytes: int | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            ValueError: there is no such request.
        """
        match request["op"]:
            case "setup":
                return self.setup(request["workload"], request["builder"], request["threads"])
            case "check":
                return self.check()
            case "time":
                return self.time(request["seconds"])
        raise ValueError(f"no request {request['op']!r}")

    def setup(self, name: str, builder: str, threads: int) -> dict[str, Any]:
        """Makes the data and prepares the workload."""
        began = time.perf_counter()
        self.workload = find(name)
        if not self.workload.fresh:
            peers.configure(builder, threads)
        self.before_bytes = memory.resident_bytes()
        self.data = self.workload.make_data()
        self.prepared = self.workload.builders[builder](self.data)
        return {"seconds": time.perf_counter() - began}

    def check(self) -> dict[str, Any]:
        """Compares a result with the reference; the data are let go, for some are large."""
        data, self.data = self.data, {}
        results = self.prepared.result()
        found = compare(results, self.workload.reference(data), self.workload.tolerance)
        share = found.share if math.isfinite(found.share) else None
        error = found.error if math.isfinite(found.error) else None
        return {"passed": found.passed, "error": error, "share": share}

    def time(self, seconds: float) -> dict[str, Any]:
        """Times calls for about so many seconds, and sees how far memory grows meanwhile."""
        self.prepared.reset()
        memory.forget()
        if self.prepared.seconds is not None:
            timed = Timed([self.prepared.seconds()], 1)
        else:
            timed = time_calls(self.prepared.run, seconds)
        most, before = memory.most_bytes(), self.before_bytes
        grown = None if most is None or before is None else most - before
        return {"samples_s": timed.samples_s, "calls": timed.calls, "grown_bytes": grown}


def time_calls(run: Callable[[], object], seconds: float) -> Timed:
    """Warms up, then samples `run` for about `seconds`."""
    sample_s = max(SHORTEST_SAMPLE_S, seconds / MOST_SAMPLES)
    calls = max(1, round(sample_s / warm_up(run, seconds * WARM_UP_SHARE)))
    samples: list[float] = []
    clock = time.perf_counter
    deadline = clock() + seconds
    turns = range(calls)
    while len(samples) < FEWEST_SAMPLES or clock() < deadline:
        began = clock()
        for _ in turns:
            run()
        samples.append((clock() - began) / calls)
    return Timed(samples, calls)


def warm_up(run: Callable[[], object], seconds: float) -> float:
    """Calls `run` for `seconds`, at least twice; the shortest time of a call."""
    clock = time.perf_counter
    shortest = math.inf
    deadline = clock() + seconds
    for turn in range(10**9):
        began = clock()
        run()
        ended = clock()
        shortest = min(shortest, ended - began)
        if turn >= 1 and ended >= deadline:
            break
    return max(shortest, 1e-9)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answers requests until `quit` or the end of the input."""
    conversation = Conversation()
    for line in requests:
        request = json.loads(line)
        if request["op"] == "quit":
            return
        try:
            answer = {"ok": True} | conversation.answer(request)
        except Exception as problem:  # whatever a peer raises is a result of this benchmark
            traceback.print_exc()
            text = " ".join(str(problem).split())
            answer = {"ok": False, "error": f"{type(problem).__name__}: {text}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def die_with_parent() -> None:
    """Asks Linux to end this process when the one that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Serves on standard input and output."""
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
