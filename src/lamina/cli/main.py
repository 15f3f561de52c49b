"""The commands and their options."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from lamina.base.errors import LaminaError

COMMANDS = ("demo", "info", "run")  # a module each; of those that need the front end, one is loaded

EXAMPLES = """examples:
  lamina demo                      train a network on real digits and show what it learned
  lamina demo --epochs 5 --seed 3
  lamina run net.lamina --input x.npy --output y.npy
  lamina info                      the machine, the target and the caches as Lamina sees them
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
    except (LaminaError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
