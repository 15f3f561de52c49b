"""What a pass did to a graph, in names that values keep from one stage to the next.

A graph numbers its nodes anew each time it is printed, so a node that goes shifts every number
after it. Here a value keeps the name it was first printed with: it is found again as the same
object, or as the same op on operands of the same names, or as the same op of the same line of the
user's program. What is left over is new and gets the next free number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lamina.graph.ir import Graph, Value
from lamina.graph.ir.printer import names, statement
from lamina.graph.ops import Constant, Fusion, Item, splat_value
from lamina.graph.passes.fuse import is_step
from lamina.graph.passes.order import ordered

LINE_LENGTH = 200  # longer statements are cut
LITERAL_ELEMENTS = 16  # longer arrays are counted rather than written

Names = dict[int, str]


@dataclass(frozen=True)
class Change:
    """The difference between two graphs.

    Attributes:
        names: of the values after, by id.
        removed, added, rewired: the names of nodes that went, came, or read other operands.
        merged: for a removed node the equal one that stayed.
        text: the difference by lines, with `-` and `+`; for a fused graph its groups.
    """

    names: Names
    removed: tuple[str, ...]
    added: tuple[str, ...]
    rewired: tuple[str, ...]
    merged: dict[str, str]
    text: str


def _kind_of_step(v: Value) -> str:
    """What a step that is no kernel does."""
    return "calls a library" if v.op is not None and v.op.call is not None else "runs its bodies"


class Trail:
    """Follows a graph through passes.

    Example:
        >>> from lamina.base import dtypes
        >>> from lamina.graph import ops
        >>> from lamina.graph.ir import TensorType, trace
        >>> from lamina.graph.passes import simplify
        >>> graph = trace(lambda x: ops.exp(-(-x)), TensorType(dtypes.float32, (4,)))
        >>> print(Trail(graph).follow(simplify(graph)).text)
        removed 2: negative 2
        read other operands 1: exp
          - %0: f32[4] = negative %a
          - %1: f32[4] = negative %0
          - %2: f32[4] = exp %1
          + %2: f32[4] = exp %a
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.names = names(graph)
        self._next = len(graph.nodes)

    def follow(self, after: Graph) -> Change:
        """The change from the last graph to `after`, which becomes the last."""
        if _is_fused(after) and not _is_fused(self.graph):
            change = self._grouped(after)
        else:
            change = self._changed(after)
        self.graph, self.names = after, change.names
        return change

    def text(self) -> str:
        """The whole of the last graph, in its names."""
        inputs = ", ".join(f"{self.names[v.id]}: {v.type}" for v in self.graph.inputs)
        lines = [f"  {line(v, self.names)}{comment(v)}" for v in self.graph.nodes]
        outputs = ", ".join(self.names[v.id] for v in self.graph.outputs)
        return "\n".join([f"graph({inputs}) {{", *lines, f"  return {outputs}", "}"])

    def _fresh(self) -> str:
        self._next += 1
        return f"%{self._next - 1}"

    # ------------------------------------------------------------ a pass that rewrites

    def _changed(self, after: Graph) -> Change:
        found = self._carried(after)
        old = {self.names[v.id]: v for v in self.graph.nodes}
        new = {found[v.id]: v for v in after.nodes}
        removed = tuple(n for n in old if n not in new)
        added = tuple(n for n in new if n not in old)
        rewired = tuple(
            n for n in old if n in new and line(old[n], self.names) != line(new[n], found)
        )
        merged = self._merged(old, removed, new)
        lines = _summary(old, new, removed, added, rewired, merged)
        lines += self._difference(after, found, {*removed, *rewired}, {*added, *rewired}, merged)
        return Change(found, removed, added, rewired, merged, "\n".join(lines))

    def _carried(self, after: Graph) -> Names:
        """The names of the values of `after`."""
        found = {v.id: self.names[v.id] for v in after.values if v.id in self.names}
        taken = set(found.values())
        same: dict[Any, str] = {}
        alike: dict[Any, list[Value]] = defaultdict(list)
        for v in self.graph.nodes:
            same.setdefault(_key(v, self.names), self.names[v.id])
            if v.operands:
                alike[v.op, v.span, v.type].append(v)
        for v in after.nodes:
            if v.id in found:
                continue
            name = same.get(_key(v, found))
            if name is None or name in taken:
                reads = {found[o.id] for o in v.operands}
                free = [u for u in alike[v.op, v.span, v.type] if self.names[u.id] not in taken]
                nearest = max(free, key=lambda u: len(reads & self._reads(u)), default=None)
                name = self._fresh() if nearest is None else self.names[nearest.id]
            found[v.id] = name
            taken.add(name)
        return found

    def _reads(self, v: Value) -> set[str]:
        return {self.names[o.id] for o in v.operands}

    def _merged(
        self, old: dict[str, Value], removed: Iterable[str], new: dict[str, Value]
    ) -> dict[str, str]:
        """For a removed node the node that stayed and computed the same."""
        stayed: dict[int, str] = {}
        numbers: dict[Any, int] = {}  # one for each thing that is computed
        number = {v.id: numbers.setdefault(v.id, len(numbers)) for v in self.graph.inputs}
        for v in self.graph.nodes:
            key = (v.op, *[number[o.id] for o in v.operands])
            number[v.id] = numbers.setdefault(key, len(numbers))
            name = self.names[v.id]
            if name in new:
                stayed.setdefault(number[v.id], name)
        return {n: stayed[k] for n in removed if (k := number[old[n].id]) in stayed}

    def _difference(
        self, after: Graph, found: Names, gone: set[str], come: set[str], merged: dict[str, str]
    ) -> list[str]:
        """Removed, added and rewired lines in the order of the program."""
        place = {self.names[v.id]: i for i, v in enumerate(self.graph.nodes)}
        end = len(place)
        where: dict[int, int] = {}
        for v in reversed(after.nodes):  # what is new stands before what reads it first
            readers = [where[u.id] for u in after.users[v.id]]
            where[v.id] = place.get(found[v.id], min(readers, default=end))
        rows: list[tuple[int, int, str]] = []
        for i, v in enumerate(self.graph.nodes):
            name = self.names[v.id]
            if name in gone:
                equal = f"    equals {merged[name]}" if name in merged else ""
                rows.append((i, 0, f"  - {line(v, self.names)}{equal}"))
        for v in after.nodes:
            if found[v.id] in come:
                rows.append((where[v.id], 1, f"  + {line(v, found)}"))
        rows.sort(key=lambda row: row[:2])
        results = [
            ", ".join(name[v.id] for v in graph.outputs)
            for graph, name in ((self.graph, self.names), (after, found))
        ]
        lines = [text for _, _, text in rows]
        if results[0] != results[1]:
            lines += [f"  - return {results[0]}", f"  + return {results[1]}"]
        return lines

    # ------------------------------------------------------------ the pass that fuses

    def _grouped(self, after: Graph) -> Change:
        """Each fusion as a step that reads, computes and stores values of the graph before."""
        same = {_key(v, self.names): self.names[v.id] for v in reversed(self.graph.nodes)}
        found: Names = {v.id: self.names[v.id] for v in after.inputs}
        lines: list[str] = []
        computed: Counter[str] = Counter()
        stores: dict[int, list[str]] = {}
        steps = 0
        for v in ordered(after):
            if isinstance(v.op, Item):
                whole = v.operands[0]
                part = stores[whole.id][v.op.index] if whole.id in stores else None
                found[v.id] = part or same.get(_key(v, found)) or self._fresh()
            elif is_step(v):
                found[v.id] = same.get(_key(v, found)) or self._fresh()
                lines += [f"step {steps}: {_kind_of_step(v)}", f"    {line(v, found)}{comment(v)}"]
                steps += 1
            elif isinstance(v.op, Fusion):
                reads = [found[o.id] for o in v.operands]
                inner = self._inside(v.op.body, reads, same)
                stores[v.id] = [inner[u.id] for u in v.op.body.outputs]
                found[v.id] = ", ".join(stores[v.id])
                nodes = [inner[u.id] for u in v.op.body.nodes if splat_value(u) is None]
                computed.update(dict.fromkeys(nodes, 1))
                lines += [
                    f"step {steps}: reads {', '.join(reads) or 'nothing'}",
                    *(f"    {line(u, inner)}{comment(u)}" for u in v.op.body.nodes),
                    f"    stores {found[v.id]}",
                ]
                steps += 1
            else:
                found[v.id] = same.get(_key(v, found)) or self._fresh()
        again = [name for name, count in computed.items() if count > 1]
        if again:
            lines.append(f"computed in several steps rather than stored: {', '.join(again)}")
        return Change(found, (), (), (), {}, "\n".join(lines))

    def _inside(self, body: Graph, reads: Sequence[str], same: dict[Any, str]) -> Names:
        """Names in the body of a fusion: those of the nodes that it was made of."""
        inner = {v.id: name for v, name in zip(body.inputs, reads, strict=True)}
        for v in body.nodes:
            inner[v.id] = same.get(_key(v, inner)) or self._fresh()
        return inner


def _is_fused(graph: Graph) -> bool:
    return any(isinstance(v.op, Fusion) for v in graph.nodes)


def _key(v: Value, name: Names) -> Any:
    return (v.op, *[name.get(o.id) for o in v.operands])


def line(v: Value, name: Names) -> str:
    """A node as one line; long arrays are counted, and what is longer still is cut."""
    literal = isinstance(v.op, Constant) and splat_value(v) is None
    if literal and v.type.size > LITERAL_ELEMENTS:
        return f"{name[v.id]}: {v.type} = {v.op.name} of {v.type.size} elements"
    first, *more = statement(v, name).splitlines()
    return first[:LINE_LENGTH] + (" ..." if more or len(first) > LINE_LENGTH else "")


def comment(v: Value) -> str:
    """The user's line that a node comes from."""
    if v.span is None:
        return ""
    return f"    # {v.span} in {v.span.function}" if v.span.function else f"    # {v.span}"


def _summary(
    old: dict[str, Value],
    new: dict[str, Value],
    removed: Sequence[str],
    added: Sequence[str],
    rewired: Sequence[str],
    merged: dict[str, str],
) -> list[str]:
    """`removed 2: negative 2`, a line for each way in which nodes changed."""
    counts = (
        ("removed", [old[n] for n in removed if n not in merged]),
        ("merged with an equal one", [old[n] for n in merged]),
        ("added", [new[n] for n in added]),
        ("read other operands", [new[n] for n in rewired]),
    )
    return [f"{what} {len(nodes)}: {_by_op(nodes)}" for what, nodes in counts if nodes]


def _by_op(nodes: Iterable[Value]) -> str:
    """`exp, reshape 2`: the ops of the nodes, most frequent first."""
    count = Counter(v.op.name for v in nodes)
    return ", ".join(f"{op} {n}" if n > 1 else op for op, n in count.most_common())
