"""Writes the text of one LLVM function; loop-invariant and repeated instructions find their place.

A `Scope` is a stretch of code that runs under the same loops and conditions. Every value knows the
scope it lives in. A pure instruction goes to the end of the innermost scope that one of its
operands lives in: code that does not depend on a loop's variable lands in front of that loop, and
the same instruction asked for twice is written once. So the text needs neither LICM nor GVN.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from .lanes import Lane, llvm_type

_OPERAND = re.compile(r"%t(\d+)")


@dataclass
class Scope:
    """Lines that run under the same loops and conditions, and what is known while it is open."""

    conditional: bool = False  # may be skipped: nothing that can trap leaves it
    writes: Collection[str] = frozenset()  # buffers and accumulators changed inside
    lines: list[str] = field(default_factory=list)
    pure: dict[str, str] = field(default_factory=dict)  # text -> name
    reads: dict[tuple[str, str], Lane] = field(default_factory=dict)  # (what, text) -> value


class Writer:
    """A function under construction."""

    def __init__(self) -> None:
        self.allocas: list[str] = []
        self.declarations: dict[str, None] = {}
        self.scopes = [Scope()]
        self._depth: list[int] = []  # of value %tN
        self._labels = 0

    # --- values ------------------------------------------------------------------------------

    def pure(self, text: str) -> str:
        """An instruction without side effects, at the shallowest scope where it can stand."""
        depth = self.depth_of(text)
        scope = self.scopes[depth]
        name = scope.pure.get(text)
        if name is None:
            name = scope.pure[text] = self.at(depth, text)
        return name

    def at(self, depth: int, text: str) -> str:
        """An instruction at the end of the scope `depth`; returns its value's name."""
        name = f"%t{len(self._depth)}"
        self._depth.append(depth)
        self.scopes[depth].lines.append(f"  {name} = {text}")
        return name

    def here(self, text: str) -> str:
        """An instruction with a value, in the innermost scope."""
        return self.at(len(self.scopes) - 1, text)

    def do(self, text: str) -> None:
        """An instruction without a value, in the innermost scope."""
        self.scopes[-1].lines.append(f"  {text}")

    def depth_of(self, text: str) -> int:
        """The innermost scope that an operand of `text` lives in."""
        depths = self._depth
        return max([depths[int(n)] for n in _OPERAND.findall(text)], default=0)

    def declare(self, line: str) -> None:
        """A module-level line, once."""
        self.declarations[line] = None

    def stack(self, kind: str, align: int = 64) -> str:
        """Stack space at the function's entry."""
        name = f"%t{len(self._depth)}"
        self._depth.append(0)
        self.allocas.append(f"  {name} = alloca {kind}, align {align}")
        return name

    # --- what reads memory ---------------------------------------------------------------------

    def read_depth(self, what: str, least: int, traps: bool = True) -> int:
        """The shallowest scope, `least` or deeper, where reading `what` gives the value of here."""
        depth = len(self.scopes) - 1
        while depth > least:
            scope = self.scopes[depth]
            if what in scope.writes or (traps and scope.conditional):
                break
            depth -= 1
        return depth

    def changed(self, what: str) -> None:
        """`what` has been written: values read from it before are stale."""
        for scope in self.scopes:
            stale = [key for key in scope.reads if key[0] == what]
            for key in stale:
                del scope.reads[key]

    # --- control flow --------------------------------------------------------------------------

    def label(self) -> str:
        """A fresh block name."""
        self._labels += 1
        return f"b{self._labels}"

    def mark(self, label: str) -> None:
        """Begins the block `label` in the innermost scope."""
        self.scopes[-1].lines.append(f"{label}:")

    def open(self, conditional: bool = False, writes: Collection[str] = frozenset()) -> None:
        """Opens a scope. What is written before it closes can still land in front of it."""
        self.scopes.append(Scope(conditional, writes))

    def close(self) -> list[str]:
        """Closes the innermost scope and hands its lines over, to be placed by the caller."""
        return self.scopes.pop().lines

    def loop(self, start: Lane, stop: Lane, step: int, writes: Collection[str]) -> LoopFrame:
        """A loop that runs at least once; use as a context: `with writer.loop(...) as variable`."""
        return LoopFrame(self, start, stop, step, writes)

    def when(self, condition: Lane, writes: Collection[str] = frozenset()) -> WhenFrame:
        """A conditional stretch: `with writer.when(condition): ...`."""
        return WhenFrame(self, condition, writes)


class LoopFrame:
    """`do { ... } while ((variable += step) < stop)`."""

    def __init__(
        self, writer: Writer, start: Lane, stop: Lane, step: int, writes: Collection[str]
    ) -> None:
        self.writer, self.start, self.stop, self.step = writer, start, stop, step
        self.writes = writes

    def __enter__(self) -> Lane:
        w = self.writer
        self.entry, self.head, self.latch, self.exit = (w.label() for _ in range(4))
        w.open(writes=self.writes)
        self.variable = Lane(w.here("phi"), "i64")
        return self.variable

    def __exit__(self, failed: object, *_: object) -> None:
        w = self.writer
        lines = w.close()
        if failed:
            return
        following = self.variable.name + ".next"
        lines[0] = (
            f"  {self.variable.name} = phi i64 [ {self.start.name}, %{self.entry} ],"
            f" [ {following}, %{self.latch} ]"
        )
        outer = w.scopes[-1].lines
        outer += [f"  br label %{self.entry}", f"{self.entry}:", f"  br label %{self.head}"]
        outer += [f"{self.head}:", *lines, f"  br label %{self.latch}", f"{self.latch}:"]
        outer += [
            f"  {following} = add nsw i64 {self.variable.name}, {self.step}",
            f"  {self.variable.name}.more = icmp slt i64 {following}, {self.stop.name}",
            f"  br i1 {self.variable.name}.more, label %{self.head}, label %{self.exit}",
            f"{self.exit}:",
        ]


class WhenFrame:
    """`if (condition) { ... }`."""

    def __init__(self, writer: Writer, condition: Lane, writes: Collection[str]) -> None:
        self.writer, self.condition, self.writes = writer, condition, writes

    def __enter__(self) -> None:
        self.writer.open(conditional=True, writes=self.writes)

    def __exit__(self, failed: object, *_: object) -> None:
        w = self.writer
        lines = w.close()
        if failed:
            return
        inside, after = w.label(), w.label()
        outer = w.scopes[-1].lines
        outer += [f"  br i1 {self.condition.name}, label %{inside}, label %{after}"]
        outer += [f"{inside}:", *lines, f"  br label %{after}", f"{after}:"]


def pointer_lanes(width: int) -> str:
    """The type of `width` pointers."""
    return "ptr" if width == 1 else f"<{width} x ptr>"


def memory_type(dtype: str, width: int = 1) -> str:
    """The LLVM type of elements in a buffer: a bool is a byte there."""
    return llvm_type("u8" if dtype == "bool" else dtype, width)
