"""`lamina tune`: schedules measured on this machine, and the table of products by each form."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import functional
from lamina.backend.compile import choices
from lamina.backend.exported import load_program
from lamina.backend.targets import select
from lamina.backend.tuning.table import LAYOUTS, SIZES, products
from lamina.base import dtypes
from lamina.base.errors import UsageError
from lamina.base.text import quantity, table
from lamina.cli import command
from lamina.tensor.jit import as_jitted
from lamina.tune import SECONDS, tune_graph

EXAMPLES = """\
  lamina tune net.lamina                      the kernels of an exported program
  lamina tune --op matmul 512x512 512x512     those of one function of arrays
  lamina tune --op functional.softmax 4096x1024 --seconds 5
  lamina tune --table mm                      products of many shapes by each form, beside NumPy
  lamina tune --table mm --sizes 512 32x768x3072 --layout nt
  lamina tune --list                          what was found on this machine
  lamina tune --forget                        take the model's schedules again
"""


def add_command(commands: Any) -> None:
    """Add `tune` to the command line."""
    about = "measure other schedules of kernels on this machine, and keep the fastest"
    one = command.add(commands, "tune", about, EXAMPLES)
    one.add_argument("program", nargs="?", help="a file that Exported.save wrote")
    one.add_argument(
        "--op",
        nargs="+",
        metavar=("NAME", "SHAPE"),
        help="a function of Lamina's names, and the shape of each array that it takes",
    )
    one.add_argument("--dtype", default="float32", help="of the arrays of --op (float32)")
    one.add_argument("--table", choices=("mm",), help="show a table; nothing is kept")
    one.add_argument(
        "--sizes", nargs="+", metavar="MxKxN", default=list(SIZES), help="products of the table"
    )
    one.add_argument(
        "--layout", choices=LAYOUTS, default="nn", help="which operands are transposed (nn)"
    )
    one.add_argument(
        "--seconds",
        type=command.not_negative,
        default=SECONDS,
        help=f"for each kernel, about ({SECONDS:g})",
    )
    one.add_argument("--again", action="store_true", help="also kernels that were searched before")
    one.add_argument("--list", action="store_true", help="show what was found")
    one.add_argument("--forget", action="store_true", help="drop what was found")
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do the one thing that is asked for."""
    asked = [name for name in ("program", "op", "table", "list", "forget") if vars(options)[name]]
    if len(asked) != 1:
        raise UsageError(
            "tune: takes one of a program, --op, --table, --list, --forget",
            [f"given: {', '.join(asked) or 'none'}"],
            "lamina tune --help shows examples",
        )
    if options.table:
        sizes = [_product(text) for text in options.sizes]
        print(products(sizes, options.layout, select(), options.seconds))
    elif options.list:
        print(_listed())
    elif options.forget:
        print(f"forgot what was found for {choices.forget(select())} kernels")
    else:
        how = _how_of(options.op, options.dtype) if options.op else _loaded(options.program)
        bar = sys.stderr.isatty()
        print(tune_graph(**how, seconds=options.seconds, again=options.again, progress=bar))
    return 0


def _loaded(path: str) -> dict[str, Any]:
    """The graph of an exported program, and how it is compiled."""
    loaded = load_program(path)
    return {"graph": loaded.graph, "relaxed": loaded.signature.relaxed, "frozen": loaded.frozen}


def _how_of(words: list[str], dtype: str) -> dict[str, Any]:
    """The graph of a function of arrays of given shapes."""
    name, *shapes = words
    found: Any = functional if name.startswith("functional.") else lm
    found = getattr(found, name.removeprefix("functional."), None)
    if not callable(found):
        raise UsageError(
            f"tune: there is no function {name!r}",
            ["looked in: lamina, lamina.functional"],
            "as in --op matmul 512x512 512x512, or --op functional.softmax 4096x1024",
        )
    kind = dtypes.dtype(dtype)
    arrays = [lm.asarray(np.ones(_shape(text), kind.numpy)) for text in shapes]
    jitted, given = as_jitted(found, tuple(arrays))
    return {"graph": jitted.lower(*given).graph}


def _shape(text: str) -> tuple[int, ...]:
    """`512x768`."""
    if not re.fullmatch(r"\d+(x\d+)*", text):
        raise UsageError(f"tune: {text!r} is not a shape", [], "sizes joined by x, as in 512x768")
    return tuple(map(int, text.split("x")))


def _product(text: str) -> tuple[int, int, int]:
    """`512`, or `32x768x3072`."""
    shape = _shape(text)
    if len(shape) not in (1, 3) or 0 in shape:
        raise UsageError(
            f"tune: {text!r} is no product", [], "one size, or rows x inner x columns, above 0"
        )
    m, k, n = shape * 3 if len(shape) == 1 else shape
    return m, k, n


def _listed() -> str:
    found = choices.known(select()).found.values()
    rows = [
        [
            one.kernel,
            quantity(one.model_s, "s"),
            quantity(one.best_s, "s"),
            one.name or "the model's",
        ]
        for one in found
    ]
    return table(["kernel", "model's", "best", "candidate"], rows) if rows else "nothing was found"
