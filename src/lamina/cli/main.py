"""The commands and their options."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from lamina.base.errors import LaminaError

# A module each; of those that need the front end, only the one that is called is loaded.
COMMANDS = ("demo", "info", "train", "eval", "generate", "bench", "tune", "run", "completion")

EXAMPLES = """examples:
  lamina demo                      train a network on real digits and show what it learned
  lamina info                      the machine, the target and the caches as Lamina sees them
  lamina train digits.toml         a run that a TOML file describes
  lamina generate gpt2/ --prompt "The meaning of life is"
  lamina bench                     how fast this machine is, beside NumPy
  lamina tune net.lamina           measure other schedules of its kernels, keep the fastest
  lamina run net.lamina --input x.npy --output y.npy
  source <(lamina completion bash)

lamina COMMAND --help says more, with examples.
"""


def parser(wanted: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line of `lamina`, with the commands that are `wanted`."""
    top = argparse.ArgumentParser(
        prog="lamina",
        description="Lamina: a machine-learning system that compiles.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in wanted:
        importlib.import_module(f"lamina.cli.{name}").add_command(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status.

    Errors that Lamina raises on purpose are shown as their message alone.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    wanted = given[:1] if given[:1] and given[0] in COMMANDS else COMMANDS
    options = parser(wanted).parse_args(given)
    try:
        return options.run(options)
    except BrokenPipeError:  # who reads has seen enough, as in `lamina generate ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (LaminaError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
