"""A worker that only pretends: `python fake_worker.py <way>`. The tests of the driver ask it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time


def answer(**fields: object) -> None:
    """One line."""
    print(json.dumps(fields), flush=True)


def main() -> None:
    """Behaves in the way that the first argument names."""
    way = sys.argv[1]
    turns = 0
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "quit":
            return
        if way == f"crash in {request['op']}":
            print("something is badly wrong", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if way == f"exit in {request['op']}":
            print("first line\nSystemError: giving up", file=sys.stderr, flush=True)
            sys.exit(3)
        if way == f"hang in {request['op']}":
            time.sleep(60)
        if way == f"refuse {request['op']}":
            answer(ok=False, error="TypeError: not that")
        elif way == f"chatter in {request['op']}":
            print("Warning: hello", flush=True)
        elif request["op"] == "setup":
            answer(ok=True, seconds=0.25)
        elif request["op"] == "check":
            share = 7.0 if way == "wrong" else 0.5
            answer(ok=True, passed=share <= 1, error=1e-6, share=share)
        else:
            turns += 1
            if way == "crash in pass 2" and turns == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            base = float(way) if way.replace(".", "").isdigit() else 1.0
            answer(
                ok=True,
                samples_s=[base, base * turns, base * 100],
                calls=2,
                grown_bytes=turns << 20,
            )


if __name__ == "__main__":
    main()
