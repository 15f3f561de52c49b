"""The commands and their options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lamina.base.errors import LaminaError
from lamina.cli import demo, info

EXAMPLES = """examples:
  lamina demo                      train a network on real digits and show what it learned
  lamina demo --epochs 5 --seed 3
  lamina info                      the machine, the target and the caches as Lamina sees them
"""


def parser() -> argparse.ArgumentParser:
    """The command line of `lamina`."""
    top = argparse.ArgumentParser(
        prog="lamina",
        description="Lamina: a machine-learning system that compiles.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (demo, info):
        module.add_command(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status.

    Errors that Lamina raises on purpose are shown as their message alone.
    """
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except LaminaError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
