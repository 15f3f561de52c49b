"""Writes docs/ops.md: a table of all primitives, read off their classes.

python -m docs.make_ops           write the page
python -m docs.make_ops --check   fail if it is out of date
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import defaultdict
from pathlib import Path

from lamina.base.records import field_names
from lamina.graph.ir import REGISTRY, Op
from lamina.graph.ops import Contract, Reduction

PAGE = Path(__file__).with_name("ops.md")

HEAD = """\
# The primitives

Made by `python -m docs.make_ops` from the classes in `src/lamina/graph/ops/`; do not edit.

Everything that a program computes is made of these {count} ops. Each is one class that says what
it means, how it varies and how it loops; [the page on the compiler](guide/compiler.md) says how to
add one. Axes count from the end, and every op works along any leading axes too.

*Derivative* is the one way in which an op says how it varies, from which forward mode, reverse mode
and all orders follow: `partials` (one factor for each operand), `transpose` (linear in each
operand), `transpose, jointly` (linear in all of them together), `jvp` (a tangent, written with
ops), or `constant` (it does not vary). `fusion` and `item` come after derivatives and refuse them.

*Loops* is how an element comes about: `lane` (from one element of each operand), `view` (from
operands read at computed places), `reduction` or `contraction` (along axes), `composed` (of other
ops, before code is made).
"""


def page() -> str:
    """The text of docs/ops.md."""
    families: dict[str, list[type[Op]]] = defaultdict(list)
    for op in REGISTRY.values():
        if op.__module__.startswith("lamina.graph.ops."):
            families[op.__module__].append(op)
    count = sum(map(len, families.values()))
    sections = [_section(module, ops) for module, ops in sorted(families.items())]
    return "\n".join([HEAD.format(count=count), *sections])


def _section(module: str, ops: list[type[Op]]) -> str:
    name = module.rpartition(".")[2]
    about = (inspect.getdoc(sys.modules[module]) or "").split("\n\n")[0]
    head = ["op", "meaning", "inputs", "derivative", "loops"]
    rows = [head, ["---"] * len(head), *map(_row, ops)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"## {name}\n\n{' '.join(about.split())}\n\n{table}\n"


def _row(op: type[Op]) -> list[str]:
    meaning, inputs = _described(op)
    return [f"`{_call(op)}`", meaning, inputs, _derivative(op), _loops(op)]


def _call(op: type[Op]) -> str:
    """`permute(order)`: the printed name, with the parameters."""
    name = next(name for name, found in REGISTRY.items() if found is op)
    fields = field_names(op)
    return f"{name}({', '.join(fields)})" if fields else name


def _described(op: type[Op]) -> tuple[str, str]:
    """What the docstring says, and the sentence of it behind `Inputs:`."""
    text = " ".join((inspect.getdoc(op) or "").split())
    text = text.replace("|", "\\|").replace("*", "\\*")
    parts = re.split(r"\s*\b(Inputs|Source): ", text)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    inputs, _, more = found.get("Inputs", "").partition(". ")
    meaning = " ".join(part.rstrip(".") + "." for part in (parts[0], more) if part)
    return meaning, inputs.rstrip(".")


def _derivative(op: type[Op]) -> str:
    if op.constant:
        return "constant"
    if op.transpose is not None:
        return "transpose, jointly" if op.jointly else "transpose"
    return "partials" if op.partials is not None else "jvp" if op.jvp is not None else "none"


def _loops(op: type[Op]) -> str:
    if issubclass(op, Reduction):
        return "reduction"
    if op is Contract:
        return "contraction"
    forms = {"lane": op.lane, "view": op.view, "composed": op.compose}
    return next((name for name, form in forms.items() if form is not None), "its own")


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    if "--check" in arguments:
        current = PAGE.read_text() if PAGE.exists() else ""
        if current != page():
            print("docs/ops.md is out of date: run python -m docs.make_ops", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
