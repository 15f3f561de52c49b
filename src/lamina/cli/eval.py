"""`lamina eval`: the test data, by the checkpoint of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lamina.base.errors import UsageError
from lamina.cli import command
from lamina.cli.recipe.config import Config
from lamina.cli.recipe.run import prepare

EXAMPLES = """\
  lamina eval digits.toml                      the checkpoint with the lowest loss
  lamina eval digits.toml --checkpoint latest
  lamina eval digits.toml --checkpoint 220     that of a step
"""


def add_command(commands: Any) -> None:
    """Add `eval` to the command line."""
    one = command.add(commands, "eval", "evaluate a checkpoint of a run on its test data", EXAMPLES)
    one.add_argument("config", type=Path, help="the file that `lamina train` was given")
    one.add_argument("--checkpoint", default="best", help="best, latest or a step (best)")
    one.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as for `lamina train`"
    )
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Restore, evaluate, print a number a line."""
    recipe = prepare(Config(options.config, options.set))
    kept = recipe.trainer.checkpoints
    assert kept is not None
    steps = kept.steps()
    named = {"best": kept.best_step(), "latest": kept.latest_step()}
    named |= {str(step): step for step in steps}
    step = named.get(options.checkpoint)
    if step is None:
        raise UsageError(
            "eval: there is no such checkpoint",
            [f"asked for: {options.checkpoint}", f"in: {recipe.folder}", f"steps: {steps}"],
            "name one of these" if steps else "lamina train makes them",
        )
    saved = kept.load(step)
    recipe.trainer.model.load_state_dict(saved["model"])
    print(f"step {step}")
    for name, value in recipe.trainer.evaluate(recipe.test).items():
        print(f"{name} {value:.4f}")
    return 0
