"""The rules of a well-formed graph, checked after each pass when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.base.errors import VerifyError
from lamina.base.records import field_names
from lamina.base.spans import at
from lamina.graph.ir.graph import Graph
from lamina.graph.ir.printer import names, statement
from lamina.graph.ir.types import TensorType, TupleType
from lamina.graph.ir.value import Value


def verify(graph: Graph, after: str = "") -> None:
    """Check `graph` and the graphs inside its ops; `after` names the pass that made it.

    The rules: (1) there is no cycle; (2) inputs are distinct placeholders; (3) every other value
    has an op, that is, nothing is used that is not defined; (4) ids are unique; (5) the type of
    each node is what its op gives for its operands; so only ops that take tuples apart read
    tuples.

    Raises:
        VerifyError: names the pass, the node, its neighbours and the user's line.
    """
    try:
        values = graph.values
    except VerifyError as cycle:
        raise VerifyError(_by(after) + cycle.summary, cycle.facts, _HELP, cycle.span) from None
    check = _Check(graph, after)
    check.inputs()
    check.ids()
    for v in values[len(graph.inputs) :]:
        check.node(v)
    for v in graph.nodes:
        for body in _bodies(v):
            verify(body, f"{after}, inside {v.op.name}" if after else f"inside {v.op.name}")


_HELP = "this is a defect of the pass, not of your program; please report it with the graph"


def _by(after: str) -> str:
    return f"verify after {after}: " if after else "verify: "


def _bodies(v: Value) -> list[Graph]:
    return [p for p in (getattr(v.op, name) for name in field_names(v.op)) if isinstance(p, Graph)]


class _Check:
    """The rules on one graph, and what is shown where one is broken."""

    def __init__(self, graph: Graph, after: str):
        self.graph = graph
        self.after = after

    def inputs(self) -> None:
        seen: set[int] = set()
        for i, v in enumerate(self.graph.inputs):
            if v.op is not None:
                self.fail(f"input {i} is not a placeholder", v)
            if v.id in seen:
                self.fail(f"input {i} is there twice", v)
            seen.add(v.id)

    def ids(self) -> None:
        """Single assignment: walks by object, since a set of ids would hide the second one."""
        first: dict[int, Value] = {v.id: v for v in self.graph.inputs}
        walked: set[int] = set()
        stack = list(self.graph.outputs)
        while stack:
            v = stack.pop()
            if id(v) in walked:
                continue
            walked.add(id(v))
            if first.setdefault(v.id, v) is not v:
                self.fail(f"two values have the id {v.id}", v, [f"other:     {first[v.id]!r}"])
            stack.extend(v.operands)

    def node(self, v: Value) -> None:
        if v.op is None:
            self.fail("a placeholder is used that is not an input", v)
        op: Any = v.op
        if not isinstance(v.type, TensorType | TupleType):
            self.fail("a node has no type", v)
        try:
            with at(v.span):
                type = op.check(*[o.type for o in v.operands])
        except Exception as error:  # whatever a type rule raises, the node is wrong
            if any(isinstance(o.type, TupleType) for o in v.operands):
                self.fail(f"{op.name} takes no tuple", v)
            self.fail(f"{op.name} refuses its operands", v, [f"because:   {error}"])
        if type != v.type:
            self.fail(f"{op.name} gives another type than declared", v, [f"gives:     {type}"])

    def fail(self, problem: str, v: Value, facts: Sequence[str] = ()) -> None:
        name = names(self.graph)
        about = [f"node:      {_line(v, name)}", *facts]
        about += [f"operand:   {_line(o, name)}" for o in v.operands]
        about += [f"user:      {_line(u, name)}" for u in self.graph.users.get(v.id, ())]
        with at(v.span):
            raise VerifyError(_by(self.after) + problem, about, _HELP) from None


def _line(v: Value, name: dict[int, str]) -> str:
    """A statement that fits a line; literals are cut."""
    first, *more = statement(v, name).splitlines()
    return first[:160] + (" ..." if more or len(first) > 160 else "")
