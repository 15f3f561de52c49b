"""The user's functions as bodies of loops and branches: graphs over placeholders.

A body is traced once. Tensors that it takes from outside become operands of the loop; what the body
of a loop computes from those alone is computed outside, once, but that of a branch only where the
branch is taken. Random numbers that it draws from the default
generator move the generator's state along with the loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lamina.base.dtypes import bool_
from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ir import Graph, TensorType, Value, emit, topological
from lamina.graph.ir import placeholder as input_of
from lamina.graph.ops import item
from lamina.tensor import eager, effects, random
from lamina.tensor.containers import contents, entries, is_leaf, map_tree, map_tree_with_node
from lamina.tensor.conversion import asarray
from lamina.tensor.exclusive import exclusive
from lamina.tensor.promotion import is_number
from lamina.tensor.tensor import Tensor, as_number, placeholder, wrap


class Unknown(BaseException):
    """A call of a recursive function of which nothing is known yet; ends the branch it is in.

    Attributes:
        name: of the function.
    """

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


class _Slot:
    """Where a tensor stands in a tree."""

    __slots__ = ("index",)

    def __init__(self, index: int):
        self.index = index


@dataclass
class Tree:
    """A tree of tensors taken apart.

    Attributes:
        leaves: its tensors, in order.
        numbers: for each leaf, whether the user gave a Python number.
    """

    shape: Any
    leaves: list[Tensor]
    numbers: list[bool]

    @classmethod
    def of(cls, tree: Any) -> Tree:
        """Take a tree apart; numbers and arrays become tensors, other leaves stay.

        Numbers in modules stay too: they are settings, and part of the structure.
        """
        leaves: list[Tensor] = []
        numbers: list[bool] = []

        def note(leaf: Any, node: Any) -> Any:
            number = node is None and is_number(leaf)
            if not number and not is_leaf(leaf):
                return leaf
            numbers.append(number)
            leaves.append(asarray(leaf))
            return _Slot(len(leaves) - 1)

        return cls(map_tree_with_node(note, tree), leaves, numbers)

    def filled(self, leaves: Sequence[Any]) -> Any:
        """The tree with other leaves."""
        return map_tree(lambda x: leaves[x.index] if isinstance(x, _Slot) else x, self.shape)

    def with_numbers(self, leaves: Sequence[Tensor]) -> Any:
        """The tree with other tensors, which stand for Python numbers where its own are some."""
        known = zip(leaves, self.leaves, self.numbers, strict=True)
        return self.filled([as_number(t) if n or old.weak else t for t, old, n in known])

    @property
    def types(self) -> list[TensorType]:
        return [t.type for t in self.leaves]

    @property
    def values(self) -> list[Value]:
        return [t._value for t in self.leaves]

    def structure(self) -> str:
        """The structure in one line, with the types of the tensors."""
        return _described(self.shape, self.leaves)


def _described(shape: Any, leaves: Sequence[Tensor]) -> str:
    if isinstance(shape, _Slot):
        return str(leaves[shape.index].type)
    held = contents(shape)
    if held is None:
        return repr(shape)
    inner = [
        f"{key}: {_described(x, leaves)}" if isinstance(held, dict) else _described(x, leaves)
        for key, x in entries(held)
    ]
    if isinstance(shape, tuple) and not hasattr(shape, "_fields"):
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    opened, closed = {list: "[]", dict: "{}"}.get(type(shape), (f"{type(shape).__name__}(", ")"))
    return f"{opened}{', '.join(inner)}{closed}"


@dataclass
class Body:
    """A function traced on placeholders.

    Attributes:
        inputs: the placeholders, in the order of the arguments' leaves.
        result: what it returned, as it is.
        state: the default generator's tensors before, by name, as placeholders.
        after: the same after the function.
        since: values made by the function have ids from here on.
        tokens: none, or one that stands for all the function's effects.
    """

    inputs: list[Tensor]
    result: Any
    state: dict[str, Tensor]
    after: dict[str, Tensor]
    since: int
    tokens: list[Tensor]

    @property
    def draws(self) -> bool:
        """Whether the function moved the default generator on."""
        return any(self.after[name] is not t for name, t in self.state.items())


def like(tree: Tree, types: Sequence[TensorType]) -> Tree:
    """A tree of the same structure whose tensors have other types, and no elements."""
    source = eager.Source("scan")
    return Tree(tree.shape, [placeholder(t, source) for t in types], [False] * len(types))


def begin() -> int:
    """An id that all values have or exceed that are made from here on."""
    return input_of(TensorType(bool_)).id


def trace(name: str, f: Callable[..., Any], arguments: Sequence[Tree]) -> Body:
    """Run `f` once on placeholders like the leaves of `arguments`.

    Args:
        name: of the transform, for errors.
        f: the user's function.
        arguments: one tree for each positional argument.
    """
    source = eager.Source(name)
    since = begin()
    made = [[placeholder(t, source) for t in tree.types] for tree in arguments]
    inputs = [t._value for leaves in made for t in leaves]
    with (
        exclusive,
        eager.history_kept(),
        eager.closed(name, since),
        _generator(source) as (state, after),
        effects.collecting() as tokens,
    ):
        result = f(*[tree.filled(leaves) for tree, leaves in zip(arguments, made, strict=True)])
        after.update({n: random.default.__dict__[n] for n in state})
    whole = effects.together(tokens)
    return Body([wrap(v) for v in inputs], result, state, after, since, whole)


@contextmanager
def _generator(source: eager.Source) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """The default generator on placeholders; afterwards it is as it was."""
    saved = dict(random.default.__dict__)
    state = {n: placeholder(t.type, source) for n, t in generator_tensors().items()}
    random.default.__dict__.update(state)
    try:
        yield state, {}
    finally:
        random.default.__dict__.update(saved)


def generator_tensors() -> dict[str, Tensor]:
    """The default generator's tensors as they are now, by name."""
    return {n: t for n, t in random.default.__dict__.items() if isinstance(t, Tensor)}


def generator_state(body: Body) -> list[Tensor]:
    """The default generator's tensors as they are now, in the order of `body.state`."""
    return [random.default.__dict__[name] for name in body.state]


def move_generator(state: Iterable[str], tensors: Sequence[Tensor]) -> None:
    """Let the default generator go on from where a loop left it.

    Args:
        state: the names of its tensors.
        tensors: what they are now.
    """
    random.default.__dict__.update(zip(state, tensors, strict=True))


class Closure:
    """Graphs over their own inputs and over what they take from outside, which they share.

    Attributes:
        captured: values from outside, in the order in which the graphs take them first.
    """

    def __init__(self) -> None:
        self.captured: list[Value] = []
        self._graphs: list[tuple[list[Value], list[Value]]] = []

    def add(
        self, inputs: Sequence[Value], outputs: Sequence[Value], since: int | None = None
    ) -> None:
        """A graph from `inputs` to `outputs`.

        Args:
            inputs, outputs: recorded values.
            since: what has an id from here on belongs to the graph, even if it does not depend on
                the inputs.
        """
        known = {v.id for v in self.captured}
        for v in _taken(inputs, outputs, since):
            if v.id not in known:
                known.add(v.id)
                self.captured.append(v)
        self._graphs.append((list(inputs), list(outputs)))

    def graphs(self) -> list[Graph]:
        """Every graph with inputs for all captured values first."""
        return [_closed(self.captured, inputs, outputs) for inputs, outputs in self._graphs]


def _inner(inputs: Sequence[Value], outputs: Sequence[Value], since: int | None) -> set[int]:
    """The ids of what depends on the inputs, or was made since then."""
    found = {v.id for v in inputs}
    for v in topological(outputs, stop=lambda v: v.id in found or _is_data(v)):
        new = since is not None and v.id >= since and v.op is not None and not _is_data(v)
        if new or any(o.id in found for o in v.operands):
            found.add(v.id)
    return found


def _is_data(v: Value) -> bool:
    return v.data is not None and v.data.buffer is not None


def _is_number(v: Value) -> bool:
    return not v.operands and eager.is_splat(v)


def _taken(inputs: Sequence[Value], outputs: Sequence[Value], since: int | None) -> list[Value]:
    """Values from outside that a body reads; numbers are written into it instead."""
    inner = _inner(inputs, outputs, since)
    found: dict[int, Value] = {}
    for v in topological(outputs, stop=lambda v: v.id not in inner):
        for o in v.operands if v.id in inner else ():
            if o.id not in inner and not _is_number(o):
                found[o.id] = o
    for v in outputs:
        if v.id not in inner and not _is_number(v):
            found[v.id] = v
    return list(found.values())


def _closed(captured: Sequence[Value], inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
    """The graph over fresh values, which hold neither data nor tensors."""
    own = [*captured, *inputs]
    new = {v.id: input_of(v.type) for v in own}
    fresh = [new[v.id] for v in own]
    for v in topological(outputs, stop=lambda v: v.id in new):
        if v.id not in new:
            new[v.id] = Value(v.type, v.op, tuple([new[o.id] for o in v.operands]), v.span)
    return Graph(fresh, [new[v.id] for v in outputs])


def recorded(op: Any, operands: Sequence[Value], count: int | None = None) -> list[Tensor]:
    """The results of an op with several results on recorded values: the first `count`, or all."""
    whole = emit(op, *operands)
    eager.bind([whole])
    count = len(whole.type.items) if count is None else count
    parts = [item(whole, i) for i in range(count)]
    if parts:
        eager.bind(parts)
    return [wrap(v) for v in parts]


def require_same(name: str, what: str, given: Tree, wanted: Tree) -> None:
    """ShapeError unless two trees have one structure and tensors of the same types."""
    a, b = given.structure(), wanted.structure()
    if a != b:
        raise ShapeError(
            f"{name}: {what}",
            [f"given:  {b}", f"got:    {a}"],
            "the structure, shapes and dtypes stay the same: cast or reshape what is returned",
        )


def require_callable(name: str, **functions: Any) -> None:
    """UsageError unless all are functions."""
    for role, f in functions.items():
        if not callable(f):
            raise UsageError(f"{name}: {role} is no function", [f"given: {type(f).__name__}"])
