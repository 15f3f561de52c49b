"""The text of a graph by which what was made of it is found again."""

from __future__ import annotations

import re

from lamina.graph.ir import Graph

_SPAN = re.compile(r'    # [^"\n]*$', re.MULTILINE)


def plain_text(graph: Graph) -> str:
    """The text of a graph without the lines of the user's program."""
    return _SPAN.sub("", str(graph))
