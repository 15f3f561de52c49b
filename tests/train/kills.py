"""Training that is killed at random moments and resumed ends where it ends undisturbed.

    python -m tests.train.kills --kills 50

trains a small network once in one go and once killed by SIGKILL so many times, and compares every
number of the two: parameters, buffers, state of the optimiser, random state, the log.

    python -m tests.train.kills run FOLDER STEPS

is one life of such a process.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lamina as lm
from lamina import data, functional, nn, optim, saving, train
from lamina.base import safetensors

CHECKPOINT_EVERY = 3
FINAL = "final.safetensors"
LOG = "log.jsonl"
STEPS_A_KILL = 8
STEPS_BEHIND = 30  # the last kill, which takes up to 20 ms, comes before the end


class Net(nn.Module):
    """Convolution, batch norm and dropout: a buffer and a random number in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(36, 10)

    def forward(self, x: Any) -> Any:
        x = functional.relu(self.norm(self.conv(x)))
        return self.out(self.drop(x.reshape(x.shape[0], 36)))


def loss_of(model: Net, images: Any, labels: Any) -> Any:
    return functional.cross_entropy(model(images), labels)


def noisy(batch: Any, draws: np.random.Generator) -> Any:
    """Images with noise on them, other in every epoch."""
    images, labels = batch
    return images + draws.normal(0, 0.05, images.shape).astype(np.float32), labels


class Report(train.Callback):
    """Says each step to who watches."""

    def on_step(self, trainer: train.Trainer) -> None:
        print(trainer.step, flush=True)


def live(folder: Path, steps: int) -> None:
    """One life: go on from what there is, to the end if nobody comes between."""
    train.seed_everything(1)
    digits = data.digits()
    images, labels = digits.train_images[:200], digits.train_labels[:200]
    model = Net()
    schedule = optim.schedules.Cosine(3e-3, steps)
    trainer = train.Trainer(
        model,
        loss_of,
        optim.AdamW(model, lr=schedule),
        clip_norm=1.0,
        accumulate=2,
        callbacks=[Report(), train.JsonLinesLog(folder / LOG), train.EarlyStopping(patience=10**9)],
        checkpoints=saving.Checkpoints(folder / "checkpoints", keep=2, best="val_loss"),
        checkpoint_every=CHECKPOINT_EVERY,
        evaluate_every=7,
        log_every=4,
    )
    validation = data.Batches(digits.test_images, digits.test_labels, size=120)
    batches = data.Batches(images, labels, size=16, seed=5, transform=noisy)
    trainer.fit(batches, steps=steps, validation=validation, resume=True)
    arrays = arrays_of(trainer.state_dict())
    safetensors.save(folder / FINAL, arrays, {})


def arrays_of(state: Any, path: str = "") -> dict[str, np.ndarray]:
    """Every number of a state by path."""
    state = saving.state_of(state)
    if isinstance(state, dict):
        parts = state.items()
    elif isinstance(state, list | tuple):
        parts = dict(enumerate(state)).items()
    elif state is None or isinstance(state, str):
        return {}
    else:
        array = state.numpy() if isinstance(state, lm.Tensor) else np.asarray(state)
        return {path: np.array(array)}
    return {n: a for key, part in parts for n, a in arrays_of(part, f"{path}/{key}").items()}


@dataclass(frozen=True)
class Outcome:
    """How a run with kills went.

    Attributes:
        kills: how many there were.
        early: those before the first step of a life.
        lost: steps that were seen and then taken again.
        steps: of the run.
        differences: what is not the same at the end: nothing, if all is well.
    """

    kills: int
    early: int
    lost: int
    steps: int
    differences: tuple[str, ...]


class Process:
    """A life in a process of its own, of a new interpreter."""

    def __init__(self, folder: Path, steps: int):
        command = [sys.executable, "-m", "tests.train.kills", "run", str(folder), str(steps)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.lines = self.process.stdout
        self.number = self.process.pid

    def ended(self) -> int:
        """The status, at its end."""
        self.lines.close()
        return self.process.wait()


class Fork:
    """A life in a fork of this process, which has everything imported."""

    def __init__(self, folder: Path, steps: int):
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            self.number = os.fork()
        if not self.number:
            code = 1
            try:
                os.dup2(writing, 1)
                sys.stdout = os.fdopen(1, "w")
                live(folder, steps)
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        self.lines = os.fdopen(reading)

    def ended(self) -> int:
        """The status, at its end."""
        self.lines.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.number, 0)[1])


def finish(kind: type[Process | Fork], folder: Path, steps: int) -> None:
    """A life that nobody ends."""
    process = kind(folder, steps)
    process.lines.read()
    assert process.ended() == 0


def killed(kind: type[Process | Fork], folder: Path, kills: int, seed: int) -> Outcome:
    """A run with so many kills, compared with one that has none."""
    draws = random.Random(seed)
    steps = STEPS_A_KILL * kills + STEPS_BEHIND
    whole, broken = folder / "whole", folder / "broken"
    whole.mkdir()
    broken.mkdir()
    finish(kind, whole, steps)
    taken, early = 0, 0
    for goal in sorted(draws.sample(range(1, steps - STEPS_BEHIND), kills)):
        process = kind(broken, steps)
        if draws.random() < 0.1:  # while it starts, loads, compiles
            time.sleep(draws.uniform(0.0, 1.0))
            early += 1
        else:
            while (line := process.lines.readline()) and int(line) <= goal:
                taken += 1
            taken += 1
            time.sleep(draws.uniform(0.0, 0.02))
        os.kill(process.number, signal.SIGKILL)
        assert process.ended() == -signal.SIGKILL, "it ended before it was killed"
    kept = max(saving.Checkpoints(broken / "checkpoints").steps(), default=0)
    finish(kind, broken, steps)
    return Outcome(kills, early, taken - kept, steps, tuple(differences(whole, broken)))


def differences(one: Path, other: Path) -> list[str]:
    """What is not the same to the bit."""
    first, second = (safetensors.load(folder / FINAL)[0] for folder in (one, other))
    if list(first) != list(second):
        return sorted(first.keys() ^ second.keys())
    found = [
        name
        for name in first
        if first[name].tobytes() != second[name].tobytes() and "examples_per_s" not in name
    ]
    logs = [
        [
            {k: v for k, v in r.items() if k != "examples_per_s"}
            for r in train.read_json_lines(p / LOG)
        ]
        for p in (one, other)
    ]
    return found + (["the log"] if logs[0] != logs[1] else [])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", nargs="*", help="run FOLDER STEPS")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what[:1] == ["run"]:
        live(Path(options.what[1]), int(options.what[2]))
        return 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = killed(Process, Path(folder), options.kills, options.seed)
    print(f"{outcome}\nin {time.perf_counter() - began:.0f} s")
    return 1 if outcome.differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
