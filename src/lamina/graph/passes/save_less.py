"""Save less for readers that come late: what follows cheaply from what lives anyway is made again.

A step that gives both `e` and `e / sum` keeps both for a derivative that is computed much later,
though one follows from the other by a division. Here the late readers read `e` and divide.

The pass works on kernels, where the order of steps, the sizes and the lifetimes are known. It looks
at the step where most memory is in use, as long as that helps. A result of an earlier kernel is
dropped for its readers from that step on, but for those right after that kernel, where

- all of them are kernels, and none computes more than `RECOMPUTE_LIMIT` operations for an element
  that it reads (what it reads several times counts as often);
- what they compute it from lives at that step anyway, or is small;
- no other step then needs more memory than that one did.

Source: ours. The aim is that of the minimal cuts between forward and backward pass of Zheng et al.
2022, "Boosting rematerialization with functorch"; the decision follows from lifetimes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from lamina.graph.ir import Graph, TupleType, Value, grafted, placeholder
from lamina.graph.ops import Barrier, Expand, Fusion, Item, splat_value
from lamina.graph.passes.fuse import RECOMPUTE_LIMIT, is_cheap_view, reads_once
from lamina.graph.passes.order import LITTLE, before_barriers, ordered
from lamina.graph.passes.pass_ import graph_pass

WORTH_BYTES = 1 << 20  # programs that need less lie in a cache
NEAR = 2  # readers at most so many steps after the maker are not late: they may find it in a cache


@graph_pass
def save_less(graph: Graph) -> Graph:
    """Late readers of kernels' results compute what is cheap from what lives anyway.

    Before:  graph(%a: f32[512,512], %b: f32[512,512]) {
               %0: (f32[512,512], f32[512,512]) = fusion(graph(%a: f32[512,512]) {
                 %0: f32[512,512] = exp %a
                 %1: f32[512,512] = add %0, %0
                 return %0, %1
               }) %a
               %1: f32[512,512] = item(0) %0
               %2: f32[512,512] = item(1) %0
               %3: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %2, %b
               %4: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %3, %b
               %5: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %4, %b
               %6: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %2, %5
               %7: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %6, %1
               return %7
             }
    After:   graph(%a: f32[512,512], %b: f32[512,512]) {
               %0: (f32[512,512], f32[512,512]) = fusion(graph(%a: f32[512,512]) {
                 %0: f32[512,512] = exp %a
                 %1: f32[512,512] = add %0, %0
                 return %0, %1
               }) %a
               %1: f32[512,512] = item(1) %0
               %2: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %1, %b
               %3: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %2, %b
               %4: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %3, %b
               %5: f32[512,512] = item(0) %0
               %6: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = add %b, %b
                 %1: f32[512,512] = contract("ij,jk->ik") %0, %a
                 return %1
               }) %4, %5
               %7: f32[512,512] = fusion(graph(%a: f32[512,512], %b: f32[512,512]) {
                 %0: f32[512,512] = contract("ij,jk->ik") %a, %b
                 return %0
               }) %6, %5
               return %7
             }
    """
    if not any(isinstance(v.op, Fusion) for v in graph.nodes):
        return graph
    savings = _Savings(graph)
    savings.choose()
    return _pruned(savings.rewritten()) if savings.dropped else graph


@dataclass
class _Life:
    """A value in memory: the step that makes it, the steps that read it, and its maker's node.

    Attributes:
        root: the output of the kernel's body that it is; None for what is no kernel's result.
        fixed: whether somebody other than a kernel depends on it, as a barrier does.
    """

    value: Value
    size_bytes: int
    first: int
    reads: set[int]
    root: Value | None = None
    fixed: bool = False

    @property
    def last(self) -> int:
        return max(self.reads, default=self.first)


class _Savings:
    """What to drop, and for whom.

    Attributes:
        dropped: for each step, the values that it computes again, each with the nodes of its
            maker's body at which the expression ends.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.steps = [v for v in ordered(graph) if not isinstance(v.op, Item)]
        self.number = {v.id: i for i, v in enumerate(self.steps)}
        self.outer = {v.id: self._outer(v) for v in self.steps if isinstance(v.op, Fusion)}
        self.lives = self._lives()
        self.live = np.zeros(len(self.steps) + 1, np.int64)
        for life in self.lives.values():
            self.live[life.first : life.last + 1] += life.size_bytes
        self.dropped: defaultdict[int, dict[int, set[int]]] = defaultdict(dict)
        self.spent: defaultdict[int, float] = defaultdict(float)
        self.times: dict[tuple[int, int], int] = {}

    def _outer(self, kernel: Value) -> dict[int, Value]:
        """The values outside that inputs and outputs of a kernel's body are, by node."""
        found = dict(zip((p.id for p in kernel.op.body.inputs), kernel.operands))
        outputs = kernel.op.body.outputs
        if isinstance(kernel.type, TupleType):
            found |= {outputs[v.op.index].id: v for v in self.graph.users[kernel.id]}
        else:
            found[outputs[0].id] = kernel
        return found

    def _lives(self) -> dict[int, _Life]:
        """All values that take memory of the program's own."""
        kept = {before_barriers(v).id for v in self.graph.outputs}
        lives: dict[int, _Life] = {}
        for n, step in enumerate(self.steps):
            if isinstance(step.op, Barrier) or not step.operands:
                continue
            several = isinstance(step.type, TupleType)
            parts = self.graph.users[step.id] if several else (step,)
            for v in parts:
                if v.id not in kept:
                    lives[v.id] = _Life(v, v.type.size_bytes, n, set())
            if isinstance(step.op, Fusion):
                for v in parts:
                    if v.id in lives:
                        index = v.op.index if several else 0
                        lives[v.id].root = step.op.body.outputs[index]
        for n, step in enumerate(self.steps):
            for o in step.operands:
                life = lives.get(before_barriers(o).id)
                if life is None:
                    continue
                if isinstance(step.op, Barrier) or o is not life.value:
                    life.fixed = True
                if not isinstance(step.op, Barrier):
                    life.reads.add(n)
        return lives

    # ------------------------------------------------------------ what to drop

    def choose(self) -> None:
        """Drops values at the fullest step, until that no longer helps."""
        for _ in self.steps:
            peak = int(self.live.argmax())
            if self.live[peak] < WORTH_BYTES or not self._lower(peak):
                return

    def _lower(self, peak: int) -> bool:
        """Drops what can be dropped at one step; whether anything was."""
        large = int(self.live[peak]) // LITTLE
        crossing = [
            life
            for life in self.lives.values()
            if life.first < peak <= life.last and life.size_bytes > large
        ]
        crossing.sort(key=lambda life: (-life.size_bytes, -life.first))
        dropped = [self._drop(life, peak) for life in crossing]
        return any(dropped)

    def _drop(self, life: _Life, peak: int) -> bool:
        """Lets the readers from `peak` on compute a value again, where that is a saving."""
        late = {n for n in life.reads if n >= peak and n > life.first + NEAR}
        kernels = all(isinstance(self.steps[n].op, Fusion) for n in late)
        if life.root is None or life.fixed or not late or not kernels:
            return False
        expression = self._expression(life, peak)
        if expression is None:
            return False
        leaves, cut, cost = expression
        costs = {n: cost * self._times(n, life.value) for n in late}
        if any(self.spent[n] + costs[n] > RECOMPUTE_LIMIT for n in late):
            return False
        change = self._change(life, late, leaves)
        if 2 * change[peak] > -life.size_bytes or (self.live + change).max() > self.live[peak]:
            return False
        self.live += change
        life.reads -= late
        for n in late:
            self.spent[n] += costs[n]
            self.dropped[n][life.value.id] = cut
            for leaf in leaves:
                self.times[n, leaf.id] = max(self._times(n, leaf), self._times(n, life.value))
                if leaf.id in self.lives:
                    self.lives[leaf.id].reads.add(n)
        return True

    def _change(self, life: _Life, late: set[int], leaves: list[Value]) -> np.ndarray:
        """By how much the memory in use grows at each step."""
        change = np.zeros_like(self.live)
        change[max(life.reads - late, default=life.first) + 1 : life.last + 1] -= life.size_bytes
        for leaf in leaves:
            lengthened = self.lives.get(leaf.id)
            if lengthened is not None:
                change[lengthened.last + 1 : max(late) + 1] += lengthened.size_bytes
        return change

    def _expression(self, life: _Life, peak: int) -> tuple[list[Value], set[int], float] | None:
        """How a result follows from others: those, the nodes where it ends, operations an element.

        It ends at results that live at `peak`; where it cannot go on, at others; and at the
        operands of the kernel. None where it would have to compute more than elements.
        """
        outer = self.outer[self.steps[life.first].id]
        leaves: dict[int, Value] = {}
        cut: set[int] = set()
        seen: set[int] = set()
        cost = 0.0
        assert life.root is not None
        stack = [life.root]
        while stack:
            u = stack.pop()
            if u.id in seen:
                continue
            seen.add(u.id)
            o = outer.get(u.id) if u is not life.root else None
            if o is not None and (not _computable(u) or self._lives_at(o, peak)):
                leaves[o.id] = o
                cut.add(u.id)
            elif _computable(u):
                cost += u.op.cost * u.type.size / max(1, life.value.type.size)
                stack.extend(u.operands)
            else:
                return None
        return list(leaves.values()), cut, cost

    def _lives_at(self, v: Value, peak: int) -> bool:
        life = self.lives.get(before_barriers(v).id)
        return life is None or life.last >= peak

    def _times(self, n: int, v: Value) -> int:
        """How often a step reads an element of a value."""
        if (n, v.id) not in self.times:
            step = self.steps[n]
            most = 1
            stack = [p for p, o in zip(step.op.body.inputs, step.operands) if o is v]
            while stack:
                for user in step.op.body.users[stack.pop().id]:
                    if user.op.view is not None and user.op.lane is None:
                        if not reads_once(user):
                            most = max(most, math.ceil(user.type.size / max(1, v.type.size)))
                        stack.append(user)
            self.times[n, v.id] = most
        return self.times[n, v.id]

    # ------------------------------------------------------------ the graph without it

    def rewritten(self) -> Graph:
        """The graph whose late readers compute what was dropped."""
        new: dict[int, Value] = {v.id: v for v in self.graph.inputs}
        for v in self.graph.nodes:
            dropped = self.dropped.get(self.number.get(v.id, -1))
            if v.id in new:
                continue  # a part of a kernel's results that was needed earlier
            if dropped:
                new[v.id] = self._with_expressions(v, dropped, new)
            else:
                (new[v.id],) = grafted((v,), {o.id: new[o.id] for o in v.operands})
        return Graph(self.graph.inputs, [new[v.id] for v in self.graph.outputs])

    def _with_expressions(
        self, kernel: Value, dropped: dict[int, set[int]], new: dict[int, Value]
    ) -> Value:
        """A kernel that computes the dropped values in place of reading them."""
        inner: dict[int, Value] = {}
        inputs: list[Value] = []
        operands: list[Value] = []

        def inside(o: Value) -> Value:
            """The value in the new body that a value outside is."""
            if o.id not in inner:
                if o.id in dropped:
                    life = self.lives[o.id]
                    assert life.root is not None
                    maker = self.outer[self.steps[life.first].id]
                    inner[o.id] = copied(life.root, maker, dropped[o.id], {})
                else:
                    inner[o.id] = placeholder(o.type)
                    inputs.append(inner[o.id])
                    operands.append(_made(o, new))
            return inner[o.id]

        def copied(
            u: Value, maker: dict[int, Value], cut: set[int], known: dict[int, Value]
        ) -> Value:
            """A node of the maker's body with what it depends on."""
            if u.id not in known:
                if u.id in cut:
                    known[u.id] = inside(maker[u.id])
                else:
                    over = tuple([copied(o, maker, cut, known) for o in u.operands])
                    known[u.id] = Value(u.type, u.op, over, u.span)
            return known[u.id]

        for o in kernel.operands:
            if o.id not in dropped:
                inside(o)
        body = kernel.op.body
        places = {p.id: inside(o) for p, o in zip(body.inputs, kernel.operands)}
        made = Fusion(Graph(inputs, grafted(body.outputs, places)))
        return Value(kernel.type, made, tuple(operands), kernel.span)


def _computable(u: Value) -> bool:
    """Whether an element can be computed anywhere, from elements of operands at fixed places."""
    if u.op is None:
        return False
    if u.op.lane is not None or splat_value(u) is not None or isinstance(u.op, Expand):
        return True
    if not u.operands:
        return u.op.view is not None
    one = len(u.operands) == 1 and u.type.size <= u.operands[0].type.size
    return one and is_cheap_view(u)


def _made(v: Value, new: dict[int, Value]) -> Value:
    """The new value of an old one; a part of a kernel's results may not have been met yet."""
    if v.id not in new:
        new[v.id] = Value(v.type, v.op, (new[v.operands[0].id],), v.span)
    return new[v.id]


def _pruned(graph: Graph) -> Graph:
    """Kernels without the results that nobody reads."""
    new: dict[int, Value] = {v.id: v for v in graph.inputs}
    places: dict[int, dict[int, int]] = {}
    for v in graph.nodes:
        operands = tuple([new[o.id] for o in v.operands])
        if isinstance(v.op, Fusion) and isinstance(v.type, TupleType):
            used = sorted({part.op.index for part in graph.users[v.id]})
            places[v.id] = {index: i for i, index in enumerate(used)}
            new[v.id] = _with_results(v, used, operands)
        elif isinstance(v.op, Item) and v.operands[0].id in places:
            index = places[v.operands[0].id][v.op.index]
            alone = len(places[v.operands[0].id]) == 1
            new[v.id] = operands[0] if alone else Value(v.type, Item(index), operands, v.span)
        else:
            (new[v.id],) = grafted((v,), {o.id: new[o.id] for o in v.operands})
    return Graph(graph.inputs, [new[v.id] for v in graph.outputs])


def _with_results(kernel: Value, used: list[int], operands: tuple[Value, ...]) -> Value:
    """A kernel with some of its results, on the inputs that those need."""
    body = kernel.op.body
    if len(used) == len(body.outputs):
        return Value(kernel.type, kernel.op, operands, kernel.span)
    outputs = [body.outputs[i] for i in used]
    needed = {v.id for v in Graph((), outputs).values}
    kept = [i for i, p in enumerate(body.inputs) if p.id in needed]
    made = Fusion(Graph([body.inputs[i] for i in kept], outputs))
    types = tuple([v.type for v in outputs])
    type = types[0] if len(types) == 1 else TupleType(types)
    return Value(type, made, tuple([operands[i] for i in kept]), kernel.span)
