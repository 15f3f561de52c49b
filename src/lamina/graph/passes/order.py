"""In which order the steps of a program run.

The order of the program is kept but for this: a step that frees as much memory as it takes, or
nearly as much, runs as soon as it can. So the gradient of a layer's weights is computed where its
operands die, not after all other gradients, and what a checkpoint makes again lives no longer than
its layer.
"""

from __future__ import annotations

import heapq
from collections import defaultdict

from lamina.graph.ir import Graph, TensorType, TupleType, Value
from lamina.graph.ops import Barrier, Item

LITTLE = 256  # a value this many times smaller than the largest one counts as nothing


def before_barriers(v: Value) -> Value:
    """The value that a value behind barriers is."""
    while isinstance(v.op, Item) and isinstance(v.operands[0].op, Barrier):
        v = v.operands[0].operands[v.op.index]
    return v


def ordered(graph: Graph) -> list[Value]:
    """The nodes of a fused graph in the order in which they run; parts follow their whole."""
    return _Order(graph).run()


class _Order:
    def __init__(self, graph: Graph):
        self.nodes = [v for v in graph.nodes if not isinstance(v.op, Item)]
        self.parts: defaultdict[int, list[Value]] = defaultdict(list)
        for v in graph.nodes:
            if isinstance(v.op, Item):
                self.parts[v.operands[0].id].append(v)
        sizes = [v.type.size_bytes for v in graph.values if isinstance(v.type, TensorType)]
        self.little = max(sizes, default=0) // LITTLE
        self.number = {v.id: i for i, v in enumerate(self.nodes)}
        kept = {v.id for v in graph.inputs} | {before_barriers(v).id for v in graph.outputs}
        self.kept = kept | {v.id for v in graph.nodes if not v.operands}
        self.readers: defaultdict[int, set[int]] = defaultdict(set)  # nodes, by what they read
        self.reads: list[set[Value]] = []
        for i, v in enumerate(self.nodes):
            read = set() if isinstance(v.op, Barrier) else {before_barriers(o) for o in v.operands}
            self.reads.append({o for o in read if o.id not in self.kept})
            for o in self.reads[-1]:
                self.readers[o.id].add(i)

    def run(self) -> list[Value]:
        waiting, followers = self._dependencies()
        ready = [i for i, count in enumerate(waiting) if not count]
        heapq.heapify(ready)
        found: list[Value] = []
        while ready:
            i = self._next(ready)
            found += [self.nodes[i], *self.parts[self.nodes[i].id]]
            for o in self.reads[i]:
                self.readers[o.id].discard(i)
            for j in followers[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    heapq.heappush(ready, j)
        return found

    def _dependencies(self) -> tuple[list[int], list[set[int]]]:
        """How many nodes each one waits for, and which wait for it."""
        followers: list[set[int]] = [set() for _ in self.nodes]
        waiting = []
        for i, v in enumerate(self.nodes):
            whole = {o.operands[0].id if isinstance(o.op, Item) else o.id for o in v.operands}
            before = {self.number[o] for o in whole if o in self.number}
            waiting.append(len(before))
            for j in before:
                followers[j].add(i)
        return waiting, followers

    def _next(self, ready: list[int]) -> int:
        """Out of the ready nodes: the one that frees most, if one frees enough; else the first.

        One that takes next to nothing counts as freeing: what all steps of an optimiser read, such
        as a correction of Adam's, must not hold them up until its turn in the program.
        """
        costs = [(self._growth_bytes(i), i) for i in ready]
        growth, i = min(costs)
        if growth > self.little:
            return heapq.heappop(ready)
        ready.remove(i)
        heapq.heapify(ready)
        return i

    def _growth_bytes(self, i: int) -> int:
        """By how much the memory in use grows when a node runs."""
        v = self.nodes[i]
        if isinstance(v.op, Barrier) or not v.operands:
            return 0
        made = self.parts[v.id] if isinstance(v.type, TupleType) else [v]
        taken = sum(o.type.size_bytes for o in made if o.id not in self.kept)
        dying = [o for o in self.reads[i] if self.readers[o.id] == {i}]
        return taken - sum(o.type.size_bytes for o in dying)
