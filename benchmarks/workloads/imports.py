"""How long `import` takes, in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from benchmarks.workload import Builder, Data, Prepared, Tolerance, Workload

TIMEOUT_S = 120.0
STATEMENTS = {  # Lamina's names come with the first of them
    "lamina": "import lamina; lamina.Tensor",
    "torch": "import torch",
    "jax": "import jax",
}
PROGRAM = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def import_seconds(statement: str) -> float:
    """Seconds of the import statement in a fresh interpreter; starting it does not count.

    Raises:
        subprocess.CalledProcessError: it cannot be imported.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement)],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
        env=environment,
    )
    return float(done.stdout)


def builder(statement: str) -> Builder:
    """Its result is 1 when the import took any time at all; that import also writes bytecode."""

    def build(_: Data) -> Prepared:
        def seconds() -> float:
            return import_seconds(statement)

        return Prepared(seconds, lambda: [np.array(float(seconds() > 0))], seconds=seconds)

    return build


WORKLOADS = (
    Workload(
        "import_time",
        "the import statement in a fresh interpreter, bytecode compiled before",
        lambda _: {},
        lambda _: [np.array(1.0)],
        {name: builder(statement) for name, statement in STATEMENTS.items()},
        Tolerance(),
        fresh=True,
    ),
)
