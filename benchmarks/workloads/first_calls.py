"""The first call of a training step: with nothing compiled yet, and from a disk cache.

Each sample is a process of its own. Cold, its caches are empty folders; warm, they hold what an
earlier process of the same peer left there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training import Network, numpy_step
from benchmarks.workload import Builder, Data, Prepared, Workload
from benchmarks.workloads import cnn_train, resnet_train, transformer_train

TIMEOUT_S = 300.0
Caches = Callable[[Path], dict[str, str]]

CACHES: dict[str, Caches] = {
    "lamina": lambda folder: {"LAMINA_CACHE_DIR": str(folder)},
    "torch_compile": lambda folder: {"TORCHINDUCTOR_CACHE_DIR": str(folder)},
    "jax": lambda folder: {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    },
}
"""The variables that say where each peer keeps compiled code."""


def first_call(workload: str, builder: str, cache: Path) -> dict[str, Any]:
    """Runs `benchmarks.first_call` with its caches in `cache`.

    Raises:
        RuntimeError: it failed; with the last line that it wrote.
    """
    threads = os.environ.get("LAMINA_THREADS", "1")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_call", workload, builder, threads],
        env=dict(os.environ) | CACHES[builder](cache),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"code {done.returncode}"]
        raise RuntimeError(f"first call of {workload}: {said[0]}")
    return json.loads(done.stdout)


def cold_builder(workload: str, builder: str) -> Builder:
    """Every sample begins with empty caches."""

    def call() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="cold-") as folder:
            return first_call(workload, builder, Path(folder))

    def build(_: Data) -> Prepared:
        return prepared(call)

    return build


def warm_builder(workload: str, builder: str) -> Builder:
    """The check fills the caches, the samples use them."""

    def build(_: Data) -> Prepared:
        folder = Path(tempfile.mkdtemp(prefix="warm-"))  # goes with the folder of the run
        return prepared(partial(first_call, workload, builder, folder))

    return build


def prepared(call: Callable[[], dict[str, Any]]) -> Prepared:
    """Its result is the loss of the first step."""
    return Prepared(
        run=call,
        result=lambda: [np.array(call()["value"])],
        seconds=lambda: call()["seconds"],
    )


def first_loss(network: Network) -> Callable[[Data], list[np.ndarray]]:
    """The loss of the first step in float64."""

    def reference(_: Data) -> list[np.ndarray]:
        prepared = numpy_step(network, network.workload().make_data(), np.float64)
        return [np.array(prepared.run())]

    return reference


def compilation(network: Network, kind: str, make: Callable[[str, str], Builder]) -> Workload:
    """A workload that compiles the step of `network`."""
    step = network.workload()
    name = f"compile_{kind}_{step.name}"
    return Workload(
        name,
        f"the first call of {step.name}, {kind}",
        lambda _: {},
        first_loss(network),
        {builder: make(name, builder) for builder in CACHES},
        step.tolerance,
        fresh=True,
        inside={builder: with_data_of(step, step.builders[builder]) for builder in CACHES},
    )


def with_data_of(step: Workload, builder: Builder) -> Builder:
    """The data of a row of first calls are made where they are used."""
    return lambda _: builder(step.make_data())


NETWORKS = (
    cnn_train.network(cnn_train.Sizes(8, 64)),
    cnn_train.network(cnn_train.Sizes(28, 128)),
    transformer_train.TWELVE_LAYERS,
    transformer_train.GPT,
    resnet_train.network(resnet_train.Sizes()),
)

WORKLOADS = tuple(
    compilation(network, kind, make)
    for network in NETWORKS
    for kind, make in (("cold", cold_builder), ("warm", warm_builder))
)
