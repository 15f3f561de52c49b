"""Loops, branches and recursions as steps of a program: their bodies are programs too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.graph.ir import Graph, Value
from lamina.graph.ops import Recur, Recursion, Scan, Switch, While
from lamina.runtime import Control as NativeControl

if TYPE_CHECKING:
    from lamina.backend.compile.build import Compiled

ALIGNMENT = 64  # of what a kernel writes; slices that begin elsewhere are written beside and copied


@dataclass(frozen=True)
class Control:
    """A loop, a branch, a recursion or a call in one, its bodies compiled.

    Attributes:
        node: the op as it stands in the program.
        parts: the programs of its bodies.
        native: what the executor runs. It takes the operands, the results, and the temporaries.
        temporaries_bytes: memory that it works in; the last is the arena of its parts.
    """

    node: Value
    parts: tuple[Compiled, ...]
    native: Any
    temporaries_bytes: tuple[int, ...]

    @property
    def acts(self) -> bool:
        """Whether it must keep its order with others; a call of what is around may have to."""
        return isinstance(self.node.op, Recur) or any(part.acts for part in self.parts)


def control_of(node: Value, compile_body: Callable[[Graph], Compiled]) -> Control:
    """The loop, branch or call of a node, its bodies compiled by `compile_body`."""
    op: Any = node.op
    if isinstance(op, Scan):
        parts, native, needs = _scan(op, compile_body)
    elif isinstance(op, While):
        parts, native, needs = _while(op, compile_body)
    elif isinstance(op, Recursion):
        parts = tuple(map(compile_body, op.functions))
        functions = [_part(p) for p in parts]
        most = op.most_calls
        native, needs = NativeControl.recursion(op.names, functions, len(node.operands), most), ()
    elif isinstance(op, Recur):
        native, needs = NativeControl.recur(op.to, len(node.operands), len(op.gives)), ()
        parts = ()
    else:
        assert isinstance(op, Switch), f"{op.name} has bodies and no way to run them"
        parts = tuple(map(compile_body, op.branches))
        counts = len(node.operands) - 1, len(op.branches[0].outputs)
        native, needs = NativeControl.switch([_part(p) for p in parts], *counts), ()
    return Control(node, parts, native, (*needs, native.arena_bytes))


_Made = tuple[tuple["Compiled", ...], Any, tuple[int, ...]]


def _scan(op: Scan, compile_body: Callable[[Graph], Compiled]) -> _Made:
    body = compile_body(op.body)
    state = _sizes(op.body.outputs[: op.state])
    made = _sizes(op.body.outputs[op.state :])
    slices = _sizes(op.grouped(op.body.inputs)[2])
    native = NativeControl.scan(
        _part(body), op.length, op.reverse, op.constants, state, slices, made
    )
    beside = [size if size % ALIGNMENT else 0 for size in made]
    return (body,), native, (*state, *beside)


def _while(op: While, compile_body: Callable[[Graph], Compiled]) -> _Made:
    parts = (compile_body(op.condition), compile_body(op.body))
    state = _sizes(op.body.outputs)
    native = NativeControl.while_(_part(parts[0]), _part(parts[1]), op.constants, state)
    return parts, native, (*state, 1)


def _sizes(values: Sequence[Value]) -> list[int]:
    return [v.type.size_bytes for v in values]


_SOURCES = {"output": 0, "input": 1, "constant": 2}


def _part(compiled: Compiled) -> tuple[Any, list[tuple[int, int, int]]]:
    """A program and where each of its results is to be found."""
    types = [v.type for v in compiled.graph.outputs]
    results = [
        (_SOURCES[kind], number, type.size_bytes)
        for (kind, number), type in zip(compiled.results, types, strict=True)
    ]
    return compiled.program.native, results
