"""Group nodes into kernels: each group becomes one `fusion` node whose body is a graph.

    Before:  graph(%a: f32[4,8]) {
               %0: f32[4] = max((-1,)) %a
               %1: f32[4,8] = expand((-1,), (8,)) %0
               %2: f32[4,8] = subtract() %a, %1
               %3: f32[4,8] = exp() %2
               return %3
             }
    After:   one fusion that finds the maximum of a row and writes the row's result while the row
             is in cache

Three facts decide (ours; the classes are those of graph-kernel fusion, CAPABILITIES BE-4):

1. *Stored or pulled.* Contractions, reductions, running sums and their like, scatters,
   concatenations of many parts, outputs, and what loops, branches and library calls take and give
   are stored. Any other value is recomputed where it is read (pulled), unless that costs more than
   reading it back.
2. *Space.* A stored value loops over a space: its shape, or, for a reduction, its operand's shape.
   Values share a kernel when their spaces fit: equal; or rows of one, reduced over trailing axes.
3. *Order.* A group must not need, from outside, anything that depends on the group.

What follows from frozen inputs alone shares no kernel with what does not, so that it can be made
once. It is stored where it costs anything and is no larger than what it is made of: a prepared
operand that takes more bytes to read than the frozen one is better made where it is read.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lamina.graph.ir import Graph, Value, apply, emit, inline, placeholder
from lamina.graph.ir.types import Shape
from lamina.graph.ops import (
    Barrier,
    Cast,
    Concatenate,
    Contract,
    Cumulative,
    Expand,
    Fusion,
    Item,
    Reduction,
    Scatter,
    splat_value,
)
from lamina.graph.passes.frozen import follows
from lamina.graph.passes.pass_ import graph_pass

RECOMPUTE_LIMIT = 6  # flops a value may cost and still be recomputed by several readers
REPLICATE_LIMIT = 3  # likewise where one reader reads each element many times
CONTRACT_LIMIT = 4  # likewise where the reader is a contraction, which packs its operands
GROUP_LIMIT = 160  # operations on the way to an element; longer chains gain nothing more
PARTS_LIMIT = 8  # parts of a concatenation that a reader may choose from for each element

ALONE = ("scatter", "join", "cumulate", "step")  # groups of these kinds have one member


@dataclass
class Group:
    """A kernel in the making.

    Attributes:
        kind: "map", "rows", "reduce", "contract", "scatter", "join", "cumulate";
            or "step", which stays a node.
        space: the shape that its loops run over.
        kept: for rows, the leading part of the space; for reduce and contract, the result's shape.
        axes: the reduced axes (negative), for rows and reduce.
        ancestors: bit set of the groups that this one depends on.
        readers: numbers of the groups that read a member of this one.
        still: whether its members follow from frozen inputs alone.
    """

    number: int
    kind: str
    space: Shape
    kept: Shape
    axes: tuple[int, ...] = ()
    members: list[Value] = field(default_factory=list)
    ancestors: int = 0
    readers: set[int] = field(default_factory=set)
    size: int = 0
    still: bool = False


@graph_pass
def fuse(graph: Graph, frozen: Sequence[int] = ()) -> Graph:
    """Group nodes into kernels (see the module's docstring). Fusions that are there are opened.

    Args:
        graph: the program.
        frozen: numbers of inputs that are seldom others than at the call before.
    """
    return _Fuser(_opened(graph), frozen).run()


def _opened(graph: Graph) -> Graph:
    """`graph` with the body of each fusion in its place."""
    if not any(isinstance(v.op, Fusion) for v in graph.nodes):
        return graph
    new: dict[int, Value] = {v.id: v for v in graph.inputs}
    parts: dict[int, tuple[Value, ...]] = {}
    for v in graph.nodes:
        if isinstance(v.op, Fusion):
            parts[v.id] = inline(v.op.body, [new[o.id] for o in v.operands], emit)
            new[v.id] = parts[v.id][0]
        elif isinstance(v.op, Item) and v.operands[0].id in parts:
            new[v.id] = parts[v.operands[0].id][v.op.index]
        else:
            new[v.id] = _copy(v, tuple(new[o.id] for o in v.operands))
    return Graph(graph.inputs, [new[v.id] for v in graph.outputs])


def is_trailing(axes: tuple[int, ...]) -> bool:
    """Whether the reduced axes are the last ones."""
    return axes == tuple(range(-len(axes), 0))


class _Fuser:
    def __init__(self, graph: Graph, frozen: Sequence[int]):
        self.graph = graph
        self.still = follows(graph, frozen)
        self.inputs = {v.id for v in graph.inputs}
        self.outputs = {v.id for v in graph.outputs}
        self.whole = self.outputs | {o.id for v in graph.nodes if is_step(v) for o in v.operands}
        self.stored: set[int] = set()
        self.groups: list[Group] = []
        self.group_of: dict[int, Group] = {}
        self.leaves_of: dict[int, list[Value]] = {}
        self.readers_of: defaultdict[int, set[int]] = defaultdict(set)  # groups, by what they read
        self.cone_cost: dict[int, int] = {}

    def run(self) -> Graph:
        self._choose_stored()
        for v in self.graph.nodes:
            if isinstance(v.op, Item):
                self.group_of[v.id] = self.group_of[v.operands[0].id]
            elif v.id in self.stored:
                self._place(v)
        self._absorb()
        return self._build()

    # ------------------------------------------------------------ stored or pulled

    def _choose_stored(self) -> None:
        for v in self.graph.nodes:
            if _is_literal(v) and v.id not in self.outputs:
                self.cone_cost[v.id] = 0  # lies in memory already
                continue
            if is_step(v) or isinstance(v.op, Item):
                self.stored.add(v.id)
                self.cone_cost[v.id] = 0
                continue
            cost = self._pull_cost(v)
            must = v.id in self.whole or not pullable(v) or _has_many_parts(v)
            if must or (cost > 0 and (self._better_stored(v, cost) or self._better_once(v))):
                self.stored.add(v.id)
                cost = 0
            self.cone_cost[v.id] = cost

    def _pull_cost(self, v: Value) -> int:
        if v.op is None or splat_value(v) is not None:
            return 0
        own = v.op.cost if v.op.lane is not None else (v.op.cost if not v.operands else 0)
        big = sum(1 for o in v.operands if o.type.size == v.type.size and o.type.rank > 0)
        extra_loads = max(0, big - 1)
        return own + extra_loads + sum(self.cone_cost.get(o.id, 0) for o in v.operands)

    def _better_stored(self, v: Value, cost: int) -> bool:
        if is_cheap_view(v):
            return False
        users = self._users(v)
        if len(users) > 1 and cost > RECOMPUTE_LIMIT:
            return True
        for user in users:
            if isinstance(user.op, Contract) and (cost > CONTRACT_LIMIT or len(users) > 1):
                return True
            if cost > CONTRACT_LIMIT and self._is_widened_for_contraction(user, v):
                return True
            replicates = user.op.view is not None and user.type.size > v.type.size
            if replicates and cost > REPLICATE_LIMIT and not reads_once(user):
                return True
        return self._length(v) > GROUP_LIMIT

    def _is_widened_for_contraction(self, user: Value, v: Value) -> bool:
        """Whether `user` is `v` in a wider dtype for a contraction, which can read `v` as well."""
        if not isinstance(user.op, Cast) or user.type.size_bytes <= v.type.size_bytes:
            return False
        return any(isinstance(reader.op, Contract) for reader in self._users(user))

    def _better_once(self, v: Value) -> bool:
        """Whether `v` is made once, where others read it than what is made once too."""
        if v.id not in self.still or all(u.id in self.still for u in self._users(v)):
            return False
        return v.type.size_bytes <= sum(u.type.size_bytes for u in self._leaves(v))

    def _users(self, v: Value) -> list[Value]:
        """The nodes that read `v`, seen through views: those are read where they are needed."""
        found: list[Value] = []
        stack = list(self.graph.users[v.id])
        while stack:
            user = stack.pop()
            if is_cheap_view(user) and user.id not in self.whole:
                stack.extend(self.graph.users[user.id])
            else:
                found.append(user)
        return found

    def _length(self, v: Value) -> int:
        """How deep the expression of an element of `v` is, along the costliest chain."""
        depth = 0
        while v.operands and depth <= GROUP_LIMIT:
            depth += max(1, v.op.cost) if v.op.view is not None else 1  # views may be long
            v = max(v.operands, key=lambda o: self.cone_cost.get(o.id, 0))
            if v.id in self.stored:
                break
        return depth

    # ------------------------------------------------------------ which group

    def _leaves(self, v: Value) -> list[Value]:
        """The stored values that the kernel of `v` reads for it, each once."""
        found: dict[int, Value] = {}
        stack = list(reversed(v.operands))
        seen: set[int] = set()
        while stack:
            o = stack.pop()
            if o.id in seen:
                continue
            seen.add(o.id)
            if o.id in self.stored or o.id in self.inputs or _is_literal(o):
                found[o.id] = o
            else:
                stack.extend(reversed(o.operands))
        return list(found.values())

    def _place(self, v: Value) -> None:
        leaves = self.leaves_of[v.id] = self._leaves(v)
        producers = [self.group_of[u.id] for u in leaves if u.id in self.group_of]
        wanted = list(dict.fromkeys(g.number for g in reversed(producers)))
        wanted += [g.number for g in self._siblings(v, leaves) if g.number not in wanted]
        for number in wanted:
            group = self.groups[number]
            joined = self._join(group, v)
            if joined is not None and self._ordered(group, leaves):
                group.kind, group.space, group.kept, group.axes = joined
                self._add(group, v, leaves)
                return
        kind, space, kept, axes = _shape_of(v)
        group = Group(len(self.groups), kind, space, kept, axes, still=v.id in self.still)
        self.groups.append(group)
        self._add(group, v, leaves)

    def _siblings(self, v: Value, leaves: Iterable[Value]) -> list[Group]:
        """Groups that read something that `v` reads too, the latest first."""
        found: set[int] = set()
        large = math.prod(_shape_of(v)[1])
        for u in leaves:
            if u.type.rank > 0 and u.type.size >= large:
                found |= self.readers_of[u.id]
        siblings = [self.groups[n] for n in sorted(found, reverse=True)]
        return [g for g in siblings if g.kind not in ("contract", *ALONE)]

    def _ordered(self, group: Group, leaves: Iterable[Value]) -> bool:
        """Whether nothing that `v` reads from elsewhere depends on `group`."""
        for u in leaves:
            producer = self.group_of.get(u.id)
            if producer is None or producer is group:
                continue
            if producer.ancestors >> group.number & 1:
                return False
        return True

    def _add(self, group: Group, v: Value, leaves: Iterable[Value]) -> None:
        group.members.append(v)
        group.size += self._length(v)
        self.group_of[v.id] = group
        new = 0
        for u in leaves:
            self.readers_of[u.id].add(group.number)
            producer = self.group_of.get(u.id)
            if producer is not None and producer is not group:
                producer.readers.add(group.number)
                new |= producer.ancestors | (1 << producer.number)
        stack = [group]
        while stack:  # whoever depends on the group depends on its ancestors
            other = stack.pop()
            if other.ancestors | new != other.ancestors:
                other.ancestors |= new
                stack.extend(self.groups[n] for n in other.readers)

    def _join(self, group: Group, v: Value) -> tuple[str, Shape, Shape, tuple[int, ...]] | None:
        """What the group would be with `v` in it, or None where they do not fit."""
        kind, space, kept, axes = _shape_of(v)
        if group.still != (v.id in self.still):
            return None
        if group.size + self._length(v) > GROUP_LIMIT or 0 in space or 0 in group.space:
            return None
        if kind in ("contract", *ALONE) or group.kind in ALONE:
            return None
        if kind == "map":
            if group.kind == "map" and space != group.space:
                return None
            if group.kind != "map" and v.op.pieces is not None:
                return None
            if group.kind == "rows" and space not in (group.space, group.kept):
                return None
            if group.kind in ("reduce", "contract") and space != group.kept:
                return None
            joined = (group.kind, group.space, group.kept, group.axes)
        elif kind == "rows":
            if any(m.op.pieces is not None for m in group.members):
                return None
            if group.kind == "map" and group.space not in (space, kept):
                return None
            if group.kind == "rows" and (space, kept) != (group.space, group.kept):
                return None
            if group.kind not in ("map", "rows"):
                return None
            joined = ("rows", space, kept, axes)
        else:
            if group.kind != "reduce" or (space, axes) != (group.space, group.axes):
                return None
            joined = ("reduce", space, kept, axes)
        members = {m.id for m in group.members}
        inner = v.operands[0] if isinstance(v.op, Reduction) else v
        return joined if self._aligned(inner, v, members, joined) else None

    def _aligned(
        self, start: Value, root: Value, members: set[int], joined: tuple[str, Shape, Shape, tuple]
    ) -> bool:
        """Whether every member that `root` reads is read at the index at which the loops are.

        A value of the whole space is read at its own element; a value of the rows through expands
        of the reduced axes. For `reduce` and `contract` only the result's space counts.
        """
        incomplete = joined[0] == "reduce" and isinstance(root.op, Reduction)
        seen: set[int] = set()
        stack = [start]
        while stack:
            u = stack.pop()
            if u.id in seen:
                continue
            seen.add(u.id)
            if u is not root and u.id in members:
                if incomplete:
                    return False
                continue
            read = self._read_in_place(u, root, joined)
            if read is None and self._reaches(u, members):
                return False
            stack.extend(read or ())
        return True

    def _read_in_place(
        self, u: Value, root: Value, joined: tuple[str, Shape, Shape, tuple]
    ) -> tuple[Value, ...] | None:
        """The operands of `u` that are read at the loops' index; None where that is elsewhere."""
        kind, space, kept, _ = joined
        if u.op is None or (u is not root and u.id in self.stored):
            return ()
        if u is root and u.op.pieces is not None:
            return u.operands
        if u.op.lane is not None or (kind == "rows" and _expands_rows(u, space, kept)):
            return u.operands
        return None if u.operands else ()

    def _reaches(self, v: Value, members: set[int]) -> bool:
        return any(u.id in members for u in self._leaves(v))

    # ------------------------------------------------------------ afterwards

    def _absorb(self) -> None:
        """Un-store a value that only one other kernel reads, where it is cheap to pull there."""
        for group in reversed(self.groups):
            if group.kind != "map" or len(group.members) != 1:
                continue
            v = group.members[0]
            readers = self.readers_of[v.id]
            if v.id in self.outputs or len(readers) != 1 or not pullable(v):
                continue
            reader = self.groups[next(iter(readers))]
            if group.still and not reader.still:
                continue
            cheap = self._pull_cost(v) <= 2 * RECOMPUTE_LIMIT
            if not cheap or reader.kind not in ("reduce", "rows") or v.type.shape != reader.space:
                continue
            self.stored.discard(v.id)
            del self.group_of[v.id]
            group.members.clear()
            for u in self.leaves_of[v.id]:
                self.readers_of[u.id].discard(group.number)
                self.readers_of[u.id].add(reader.number)
            for m in reader.members:
                self.leaves_of[m.id] = self._leaves(m)

    def _build(self) -> Graph:
        new: dict[int, Value] = {v.id: v for v in self.graph.inputs}
        used = {v.id for v in self.graph.outputs}
        for group in self.groups:
            for m in group.members:
                used.update(
                    u.id for u in self.leaves_of[m.id] if self.group_of.get(u.id) is not group
                )
        for group in self._sorted_groups():
            if group.kind == "step":
                self._keep(group.members[0], new)
            else:
                self._emit(group, [m for m in group.members if m.id in used], new)
        return Graph(self.graph.inputs, tuple(new[v.id] for v in self.graph.outputs))

    def _sorted_groups(self) -> list[Group]:
        """Every group after those that it depends on, as near to the program's order as can be."""
        live = [g for g in self.groups if g.members]
        waiting: dict[int, int] = {}
        readers: defaultdict[int, list[int]] = defaultdict(list)
        for g in live:
            read = {self.group_of[u.id].number for m in g.members for u in self.leaves_of[m.id]
                    if u.id in self.group_of} - {g.number}  # fmt: skip
            waiting[g.number] = len(read)
            for number in read:
                readers[number].append(g.number)
        ready = [number for number, count in waiting.items() if not count]
        order: list[Group] = []
        while ready:
            number = heapq.heappop(ready)
            order.append(self.groups[number])
            for reader in readers[number]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(ready, reader)
        assert len(order) == len(live), "fuse: groups depend on each other in a cycle"
        return order

    def _keep(self, step: Value, new: dict[int, Value]) -> None:
        """A step of its own and its parts, on the stored values that it reads."""
        operands = tuple(new.setdefault(o.id, o) for o in step.operands)
        new[step.id] = _copy(step, operands)
        for part in self.graph.users[step.id]:
            if isinstance(part.op, Item):
                new[part.id] = _copy(part, (new[step.id],))

    def _emit(self, group: Group, outputs: list[Value], new: dict[int, Value]) -> None:
        body_of: dict[int, Value] = {}
        outer: list[Value] = []
        inner: list[Value] = []
        members = {m.id for m in group.members}

        def copy(v: Value) -> Value:
            stack = [v]
            while stack:
                u = stack[-1]
                if u.id in body_of:
                    stack.pop()
                    continue
                boundary = u.id not in members and (u.id in self.stored or u.op is None)
                if boundary or _is_literal(u):
                    body_of[u.id] = placeholder(u.type)
                    inner.append(body_of[u.id])
                    outer.append(new.setdefault(u.id, u))
                    stack.pop()
                    continue
                missing = [o for o in u.operands if o.id not in body_of]
                if missing:
                    stack.extend(reversed(missing))
                    continue
                body_of[u.id] = _copy(u, tuple(body_of[o.id] for o in u.operands))
                stack.pop()
            return body_of[v.id]

        made = [copy(v) for v in outputs]
        if not made:
            return
        fused = apply(Fusion(Graph(inner, made)), tuple(outer))
        fused.span = outputs[0].span
        for i, v in enumerate(outputs):
            new[v.id] = fused if len(outputs) == 1 else _copy_span(apply(Item(i), (fused,)), v)


def _copy(v: Value, operands: tuple[Value, ...]) -> Value:
    return Value(v.type, v.op, operands, v.span)


def _copy_span(new: Value, old: Value) -> Value:
    new.span = old.span
    return new


def is_step(v: Value) -> bool:
    """Whether `v` is a step of its own, between the kernels: a library call, a loop, a branch.

    A barrier is one too, that does nothing.
    """
    if v.op is None:
        return False
    return v.op.call is not None or v.op.push is not None or isinstance(v.op, Barrier)


def pullable(v: Value) -> bool:
    """Whether an element of `v` can be computed where it is read: lanes, views and splats."""
    if v.op is None:
        return False
    return v.op.lane is not None or v.op.view is not None or splat_value(v) is not None


def _is_literal(v: Value) -> bool:
    """An array constant: it lies in memory and is read like an input."""
    return (
        v.op is not None and not v.operands and v.op.name == "constant" and splat_value(v) is None
    )


def is_cheap_view(v: Value) -> bool:
    """A value that is another one seen at other indices, like a permutation or a window."""
    view = v.op.view is not None and v.op.lane is None and bool(v.operands) and v.op.cost <= 2
    return view and not _has_many_parts(v)


def _has_many_parts(v: Value) -> bool:
    """A concatenation that is stored, part by part."""
    return isinstance(v.op, Concatenate) and len(v.operands) > PARTS_LIMIT


def reads_once(user: Value) -> bool:
    """A padding or concatenation reads each element once, however large its result is."""
    return user.op is not None and user.op.name in ("pad", "concatenate", "interleave")


def _expands_rows(v: Value, space: Shape, kept: Shape) -> bool:
    """Whether `v` spreads a value of the rows over the rows' elements."""
    if not isinstance(v.op, Expand) or v.type.shape != space:
        return False
    return is_trailing(v.op.axes) and v.operands[0].type.shape == kept


def _shape_of(v: Value) -> tuple[str, Shape, Shape, tuple[int, ...]]:
    """Kind, space, kept part and reduced axes of the group that `v` would make by itself."""
    if is_step(v):
        return "step", (), (), ()
    shape = v.type.shape
    if isinstance(v.op, Contract):
        return "contract", shape, shape, ()
    if isinstance(v.op, Scatter):
        return "scatter", shape, shape, ()
    if isinstance(v.op, Cumulative):
        return "cumulate", shape, shape, ()
    if _has_many_parts(v):
        return "join", shape, shape, ()
    if isinstance(v.op, Reduction):
        space = v.operands[0].type.shape
        axes = tuple(v.op.axes)
        if is_trailing(axes):
            return "rows", space, shape, axes
        return "reduce", space, shape, axes
    if v.op.pieces is not None:
        shape = v.operands[0].type.shape
    return "map", shape, shape, ()
