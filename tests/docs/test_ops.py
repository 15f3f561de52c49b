"""docs/ops.md is made from the classes of the ops, and is up to date."""

from __future__ import annotations

import re

from docs import make_ops
from lamina.graph.ir import REGISTRY


def test_the_table_is_up_to_date() -> None:
    message = "docs/ops.md is out of date: run python -m docs.make_ops"
    assert make_ops.PAGE.read_text() == make_ops.page(), message


def test_every_op_has_a_row_with_its_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)[^|]*` \| ([^|]+) \|", make_ops.page().replace(r"\|", "/"), re.M)
    ours = {n for n, op in REGISTRY.items() if op.__module__.startswith("lamina.graph.ops.")}
    assert {name for name, _ in rows} == ours
    assert all(len(meaning) > 4 for _, meaning in rows)
