"""Times one call inside of a workload in one peer, alone in its process.

    python -m benchmarks.first_call compile_cold_cnn_train_8x8_b64 lamina 2

Prints the seconds of the call (tracing, compiling and running; importing the peer and making data
and model come before) and what it returned. Where compiled code is kept, the environment says.
"""

from __future__ import annotations

import json
import os
import sys
import time

from benchmarks import peers
from benchmarks.workloads import find


def main() -> None:
    """One call, one line of JSON."""
    name, builder, threads = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print
    peers.configure(builder, int(threads))
    workload = find(name)
    prepared = workload.inside[builder](workload.make_data())
    began = time.perf_counter()
    value = float(prepared.run())  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "value": value}), file=answers, flush=True)


if __name__ == "__main__":
    main()
