"""`lamina run`: an exported program on arrays from files, without the front end."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from lamina.backend.exported import load_program
from lamina.base import safetensors
from lamina.base.errors import FormatError, UsageError
from lamina.cli import command

EXAMPLES = """\
  lamina run net.lamina --input x.npy                       prints what comes out
  lamina run net.lamina --input x.npy --output y.npy
  lamina run net.lamina --input images=x.npy --input scale=s.npy --output all.safetensors
  lamina run train.lamina --input x.npy --save-state train.lamina    goes on from here next time
"""


def add_command(commands: Any) -> None:
    """Add `run` to the command line."""
    one = command.add(commands, "run", "run an exported program on arrays from files", EXAMPLES)
    one.add_argument("program", help="a file that Exported.save wrote")
    one.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="an argument of the program, .npy; once for each, in order or by name",
    )
    one.add_argument(
        "--output",
        metavar="FILE",
        help="where results go: .npy for one array, .safetensors for any number",
    )
    one.add_argument(
        "--save-state", metavar="FILE", help="the program with what this run changed, to run again"
    )
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, call, write or show."""
    program = load_program(options.program)
    given: list[np.ndarray] = []
    named: dict[str, np.ndarray] = {}
    for text in options.input:
        name, _, path = text.rpartition("=")
        array = _read(path)
        if name:
            named[name] = array
        else:
            given.append(array)
    results = dict(_leaves(program(*given, **named), ""))
    if options.output is None:
        for name, result in results.items():
            print(f"{name}: {result}" if name else result)
    else:
        _write(options.output, results)
    if options.save_state is not None:
        program.save(options.save_state)
    return 0


def _read(path: str) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        facts = [f"file: {path}", str(error)]
        raise FormatError("run: no array can be read", facts, "np.save makes .npy files") from None


def _leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Names and arrays of a result; one that is an array alone has an empty name."""
    joint = f"{name}." if name else ""
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from _leaves(part, f"{joint}{key}")
    elif isinstance(tree, tuple | list):
        for i, part in enumerate(tree):
            yield from _leaves(part, f"{joint}{i}")
    elif tree is not None:
        yield name, tree


def _write(path: str, results: dict[str, Any]) -> None:
    if os.path.splitext(path)[1] == ".safetensors":
        arrays = {name or "result": np.asarray(result) for name, result in results.items()}
        safetensors.save(path, arrays, {})
        return
    if len(results) != 1:
        raise UsageError(
            "run: a .npy file holds one array",
            [f"results: {', '.join(results)}"],
            "write to a .safetensors file",
        )
    (result,) = results.values()
    np.save(path, result)
