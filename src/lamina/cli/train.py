"""`lamina train`: a run that a TOML file describes, interrupted and resumed as you like."""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from lamina import train as training
from lamina.base.errors import UsageError
from lamina.cli import command
from lamina.cli.recipe.config import Config
from lamina.cli.recipe.run import CHECKPOINTS, EXAMPLE, folder_of, prepare

EXAMPLES = """\
  lamina train --example > digits.toml         a file to begin with
  lamina train digits.toml                     Control-C saves; the same command goes on from there
  lamina train digits.toml --check             is it right? without training
  lamina train digits.toml --set optimizer.lr=0.01 --set run.folder=runs/faster
  lamina train digits.toml --fresh             from the beginning, over what was there
"""


def add_command(commands: Any) -> None:
    """Add `train` to the command line."""
    one = command.add(commands, "train", "train a model that a TOML file describes", EXAMPLES)
    one.add_argument("config", type=Path, nargs="?", help="the file")
    one.add_argument("--example", action="store_true", help="print a file to begin with")
    one.add_argument("--check", action="store_true", help="make all parts, and train nothing")
    one.add_argument("--fresh", action="store_true", help="remove the checkpoints that are there")
    one.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="in place of what the file says: section.key=value, as often as needed",
    )
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prepare, train, and say where the results are."""
    if options.example:
        print(EXAMPLE, end="")
        return 0
    if options.config is None:
        raise UsageError(
            "train: which file?", [], "lamina train --example prints one to begin with"
        )
    config = Config(options.config, options.set)
    if options.fresh and not options.check:
        shutil.rmtree(folder_of(config) / CHECKPOINTS, ignore_errors=True)
    recipe = prepare(config, [training.ProgressBar()])
    trainer = recipe.trainer
    count = sum(parameter.size for parameter in trainer.model.parameters())
    name = recipe.names["model"] or type(trainer.model).__name__
    print(
        f"{name} of {count:,} parameters on {recipe.names['data']}: "
        f"{len(recipe.batches)} steps an epoch, {recipe.epochs} epochs"
    )
    if options.check:
        return 0
    if trainer.checkpoints is not None and trainer.checkpoints.latest_step() is not None:
        print(f"going on from step {trainer.checkpoints.latest_step()} in {recipe.folder}")
    began = time.perf_counter()
    record = trainer.fit(recipe.batches, epochs=recipe.epochs, validation=recipe.test, resume=True)
    said = "  ".join(
        f"{name} {value:.4g}" for name, value in sorted(record.items()) if "val_" in name
    )
    print(f"train: {trainer.step} steps, {time.perf_counter() - began:.1f} s  {said}")
    print(f"results in {recipe.folder}: checkpoints, log.csv")
    return 0
