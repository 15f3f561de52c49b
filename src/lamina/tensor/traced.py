"""A function traced for one signature: its graph, its program, and what a call reads and writes."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.backend import execution
from lamina.base import dtypes
from lamina.graph.ir import Graph, TensorType, Value, graph_at, topological, type_at
from lamina.graph.transforms import numbers_as_inputs
from lamina.runtime import Mode
from lamina.tensor import closures, eager, effects, random
from lamina.tensor.containers import (
    Place,
    Substitution,
    contents,
    entries,
    is_leaf,
    rebuilt,
)
from lamina.tensor.conversion import asarray
from lamina.tensor.exclusive import exclusive
from lamina.tensor.frozen_arguments import Frozen, frozen_leaves, is_settled, refuse_replaced
from lamina.tensor.promotion import is_number
from lamina.tensor.templates import (
    Argument,
    Assignment,
    Built,
    Fixed,
    Function,
    Leaf,
    Output,
    Reader,
    Recorded,
    Removal,
    reach,
    reader,
)
from lamina.tensor.tensor import Tensor, from_buffers, from_numpy, placeholder

_SOURCE = eager.Source("jit")
_NUMBER_SOURCE = eager.Source("jit", scalar=True)
_ONLY_HOLDER = 3  # references that getrefcount sees: the tensor, a local name, its argument
_IN_CALL = 3  # the binding, the list of this call's buffers, the argument of getrefcount


class Traced:
    """The program of one signature.

    Args:
        f: the function of the list of arguments.
        call: the arguments of the first call.
        flat: the same, flattened.
        donate: whether replaced leaves give their memory away.
        relaxed: liberties that the program may take.
        frozen: arguments whose tensors are seldom others.
        executor: what the program runs under.

    Attributes:
        graph: inputs are the leaves, the captured tensors and the generator's state.
        frozen: the numbers of those inputs that are seldom others: leaves of frozen arguments, and
            captured tensors.
    """

    def __init__(
        self,
        f: Callable[[list[Any]], Any],
        call: list[Any],
        flat: Any,
        donate: bool,
        relaxed: tuple[str, ...] = (),
        frozen: Sequence[Frozen] = (),
        executor: Mode = "threads",
    ):
        self._recipe = Recipe(f, call, flat)
        recipe = self._recipe
        self.graph: Graph = recipe.graph
        self._program: Any = None
        self._relaxed = relaxed
        self._executor: Mode = executor
        self._serves_many = False  # sizes: then its kernels do too
        self._read = recipe.read  # leaves the program reads; the others stay out of the call
        self._captured = [v.data.buffer for v in recipe.captured]
        self._generator = recipe.generator
        self._outputs = recipe.outputs
        self._updates = recipe.updates
        self._structure = [_step(step, len(flat.leaves)) for step in recipe.structure]
        self._result = reader(recipe.result, len(flat.leaves))
        kept = recipe.returned_leaves
        replaced = {i for i, _ in self._updates}
        self._donors = [
            (at, i)
            for at, i in enumerate(self._read)
            if donate and i in replaced and i not in kept and type(flat.leaves[i]) is Tensor
        ]
        self._inputs = len(self._read) + len(self._captured) + len(self._generator)
        still = frozen_leaves(call, flat.leaves, frozen)
        refuse_replaced(call, frozen, flat.leaves, replaced & still)
        self.frozen = tuple(self._frozen(flat.leaves, still))
        self._recipe = None  # type: ignore[assignment]

    @property
    def program(self) -> Any:
        """The compiled program, made when first asked for."""
        if self._program is None:
            self._program = execution.compile(
                self.graph, self._serves_many, self._relaxed, self.frozen, self._executor
            )
        return self._program

    def _frozen(self, leaves: list[Any], still: set[int]) -> Iterator[int]:
        for at, i in enumerate(self._read):
            if i in still and is_settled(leaves[i]):
                yield at
        for at, buffer in enumerate(self._captured, len(self._read)):
            if buffer.serial:  # else somebody may write to it
                yield at

    def at(self, sizes: Mapping[str, int]) -> Traced:
        """The program for given sizes of its symbols; the function does not run again."""
        made = copy.copy(self)
        place = len(self._read) + len(self._captured)
        graph, numbers = numbers_as_inputs(self.graph, place)
        made.graph = graph_at(graph, sizes)
        made._captured = [
            *self._captured,
            *(execution.scalar(n.at(sizes), dtype) for n, dtype in numbers),
        ]
        made._inputs += len(numbers)
        made._outputs = [type_at(t, sizes) for t in self._outputs]
        made._serves_many = True
        made.frozen = ()  # what is kept would be kept for each size
        return made

    def call(self, call: list[Any], flat: Any) -> Any:
        """Run the program and write the new leaves back."""
        leaves = flat.leaves
        if not self._outputs:
            return self._returned(call, flat, [])  # what is there already, in other places
        if not self._generator:
            return self._returned(call, flat, self._run(flat, leaves))
        with exclusive:  # a draw of another thread must not come in between
            made = self._run(flat, leaves)
            for name, at in self._generator:
                random.default.__dict__[name] = made[at]
        return self._returned(call, flat, made)

    def _run(self, flat: Any, leaves: list[Any]) -> list[Tensor]:
        """What the program computes."""
        program = self._program or self.program
        buffers = self.inputs(leaves)
        donated = self._donated(flat, leaves) if self._donors else None
        return from_buffers(program.run(buffers, donated), self._outputs)

    def _returned(self, call: list[Any], flat: Any, made: list[Tensor]) -> Any:
        """What a call returns; assigns what the function assigned."""
        leaves = flat.leaves
        for i, part in self._updates:
            flat.write(i, made[part.index] if type(part) is Output else leaves[part.index])
        if self._structure:
            self._restructure(call, leaves, made)
        return self._result(call, leaves, made)

    def inputs(self, leaves: list[Any]) -> list[Any]:
        """The buffers that the program reads, from the leaves of a call."""
        buffers = input_buffers([leaves[i] for i in self._read])
        buffers += self._captured
        if self._generator:
            buffers += input_buffers([random.default.__dict__[n] for n, _ in self._generator])
        return buffers

    def _donated(self, flat: Any, leaves: list[Any]) -> list[bool]:
        """Which inputs nobody else can see: not another tensor, a pending operation, or a view."""
        mask = [False] * self._inputs
        unique = flat.unique_mask()
        count = sys.getrefcount
        for at, i in self._donors:
            if unique[i]:
                value = leaves[i]._value
                mask[at] = count(value) <= _ONLY_HOLDER and count(value.data.buffer) <= _IN_CALL
        return mask

    def _restructure(self, call: list[Any], leaves: list[Any], made: list[Tensor]) -> None:
        for path, key, read in self._structure:
            held = contents(reach(call, path))
            if read is None:
                del held[key]  # type: ignore[union-attr]
                continue
            value = read(call, leaves, made)
            if isinstance(held, list) and key == len(held):
                held.append(value)
            else:
                held[key] = value  # type: ignore[index]


def _step(step: Assignment | Removal, leaves: int) -> tuple[tuple[Any, ...], Any, Reader | None]:
    """A path, a key, and what reads the value for it; None removes the key."""
    read = reader(step.template, leaves) if isinstance(step, Assignment) else None
    return step.path, step.key, read


def input_buffers(leaves: Iterable[Any]) -> list[Any]:
    """The buffers of tensors, arrays and Python numbers; pending tensors are computed together."""
    found = []
    pending = []
    for leaf in leaves:
        if type(leaf) is Tensor:
            buffer = leaf._value.data.buffer
            if buffer is None:
                pending.append((len(found), leaf))
            found.append(buffer)
        else:
            found.append(_number_buffer(leaf))
    if pending:
        eager.force([t._value for _, t in pending], "jit")
        for at, t in pending:
            found[at] = t._value.data.buffer
    return found


def _number_buffer(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray | np.generic):
        return from_numpy(np.asarray(leaf))._value.data.buffer
    return execution.scalar(leaf, _leaf_type(leaf).dtype)


def _leaf_type(leaf: Any) -> TensorType:
    if isinstance(leaf, Tensor):
        return leaf.type
    if isinstance(leaf, np.ndarray | np.generic):
        return TensorType(dtypes.dtype(leaf.dtype.newbyteorder("=")), leaf.shape)
    if isinstance(leaf, bool):
        return TensorType(dtypes.bool_)
    if isinstance(leaf, complex):
        return TensorType(dtypes.complex128)
    return TensorType(dtypes.int64 if isinstance(leaf, int) else dtypes.float64)


class Recipe:
    """The tracing itself: what the function returned and assigned, and the graph of it."""

    def __init__(self, f: Callable[[list[Any]], Any], call: list[Any], flat: Any):
        self.leaves = flat.leaves
        self._keywords = (len(call) - 1,)
        since = eager.now()
        self.placeholders = self._placeholders()
        self.inputs = [t._value for t in self.placeholders]  # before anything is assigned into
        self.index = {id(t): i for i, t in reversed(list(enumerate(self.placeholders)))}
        self._numbers = {v._value.id: i for i, v in reversed(list(enumerate(self.placeholders)))}
        self.values: list[Value] = []
        self._output_of: dict[int, int] = {}
        self.returned_leaves: set[int] = set()
        self.updates: list[tuple[int, Any]] = []
        self.structure: list[Any] = []
        self.replaced: set[int] = set()  # ids of places
        self.generator: list[tuple[str, int]] = []
        random_state = self._state = _hidden_state()
        with eager.history_kept(), eager.closed("jit", since):
            self.substitution = Substitution(call, self._replacer())
            saved = dict(random.default.__dict__)
            random.default.__dict__.update(random_state)
            try:
                with effects.collecting() as tokens:
                    result = f(self.substitution.root)
                after = dict(random.default.__dict__)
            finally:
                random.default.__dict__.update(saved)
                changed = [(p, p.changes(), p.removed()) for p in self.substitution.places]
                self.substitution.restore()
            self.result = self._template(result)
            for token in tokens:
                self._output(token._value)
            for place, assigned, removed in changed:
                self._assigned(place, assigned, removed)
            self._finish(random_state, after)

    def _placeholders(self) -> list[Tensor]:
        """One for each leaf; a leaf that occurs twice has one."""
        first: dict[int, Tensor] = {}
        found = []
        for leaf in self.leaves:
            known = first.get(id(leaf)) if is_leaf(leaf) else None
            if known is None:
                number = not is_leaf(leaf)
                known = placeholder(_leaf_type(leaf), _NUMBER_SOURCE if number else _SOURCE)
                known.weak = is_number(leaf)
                first[id(leaf)] = known
            found.append(known)
        return found

    def _replacer(self) -> Callable[[Any, Any, tuple[Any, ...]], Any]:
        """Leaves in the order in which `flatten` met them."""
        order = iter(self.placeholders)

        def replace(leaf: Any, node: Any, path: tuple[Any, ...]) -> Any:
            if is_leaf(leaf):
                return next(order)
            dynamic = node is None and type(leaf) in (float, int, bool)
            return next(order) if dynamic else leaf

        return replace

    def _template(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            return self._tensor(obj)
        held = contents(obj)
        if held is None:
            return self._other(obj)
        place = self.substitution.place_of(obj)
        if place is not None:
            return Argument(place.path)
        return Built(_empty_like(obj), tuple(self._template(c) for _, c in entries(held)))

    def _other(self, obj: Any) -> Any:
        """A function that holds what was traced, a recorded value, or what is the same always."""
        if isinstance(obj, Value):
            return self._recorded(obj)
        if type(obj) in closures.KINDS:
            key, values = closures.spread(obj)
            if key is not None and closures.leaves(values) is not None:
                parts = tuple([self._template(v) for v in values])
                if not all(map(_is_fixed, parts)):
                    return Function(obj, parts)
        return Fixed(obj)

    def _recorded(self, value: Value) -> Any:
        """A value that was recorded and that the program need not compute, of a derivative say.

        It may depend on placeholders that are none of this trace. What it reads that does not, and
        that the program knows, becomes an output: what is kept for the way back.
        """
        own = {v.id for v in self.inputs} | {t._value.id for t in self._state.values()}
        order = topological([value], stop=has_data)
        open_: set[int] = set()
        for v in order:
            foreign = v.op is None and not has_data(v) and v.id not in own
            if foreign or any(o.id in open_ for o in v.operands):
                open_.add(v.id)
        read = [o for v in order if v.id in open_ for o in v.operands if o.id not in open_]
        ends = {v.id: v for v in (read if value.id in open_ else [value])}
        if ends:
            eager.bind(list(ends.values()))
        known = [v for v in ends.values() if v.data.source is not None and not has_data(v)]
        if not known:
            return Fixed(value)
        return Recorded(value, tuple([(v.id, Output(self._output(v))) for v in known]))

    def _tensor(self, t: Tensor) -> Any:
        value = (asarray(t) if t.weak else t)._value
        if value.data.buffer is not None:
            return Fixed(t)
        if value.id in self._numbers and is_leaf(self.leaves[self._numbers[value.id]]):
            index = self._numbers[value.id]
            if isinstance(self.leaves[index], Tensor):
                self.returned_leaves.add(index)
                return Leaf(index)
        return Output(self._output(value))

    def _output(self, value: Value) -> int:
        found = self._output_of.get(value.id)
        if found is None:
            found = self._output_of[value.id] = len(self.values)
            self.values.append(value)
        return found

    def _assigned(self, place: Place, assigned: list[tuple[Any, Any]], removed: list[Any]) -> None:
        if place.path in ((), self._keywords):
            return  # the arguments themselves, by position and by keyword: the function's own
        if id(place) in self.replaced:
            return  # what a fresh container in its place holds is written instead
        for key in reversed(removed):
            self.structure.append(Removal(place.path, key))
        for key, new in assigned:
            updates = self._leaf_updates(_get(place.installed, key), new)
            if updates is None:
                self.structure.append(Assignment(place.path, key, self._template(new)))
            else:
                self.updates += updates
                self._replace(_get(place.installed, key), new)

    def _replace(self, old: Any, new: Any) -> None:
        """Note the containers in whose place fresh ones are written into them."""
        place = self.substitution.place_of(old)
        if place is None or old is new:
            return
        self.replaced.add(id(place))
        for (_, a), (_, b) in zip(entries(place.installed), entries(new), strict=True):
            self._replace(a, b)

    def _leaf_updates(self, old: Any, new: Any) -> list[tuple[int, Any]] | None:
        """`new` in place of `old` as new leaves, if both have one structure.

        A fresh dict or list in place of one with the same keys is written into the old one.
        """
        if isinstance(old, Tensor) and isinstance(new, Tensor):
            places = [i for i, t in enumerate(self.placeholders) if t is old]
            template = self._tensor(new)
            if len(places) == 1 and type(template) in (Output, Leaf):
                return [(places[0], template)]
            return None
        place = self.substitution.place_of(old)
        same = type(old) is type(new) and isinstance(old, dict | list)
        if place is None or not same or self.substitution.place_of(new) is not None:
            return [] if old is new and contents(old) is None else None
        before, after = list(entries(place.installed)), list(entries(new))
        if [k for k, _ in before] != [k for k, _ in after]:
            return None
        found: list[tuple[int, Any]] = []
        for (_, a), (_, b) in zip(before, after, strict=True):
            part = [] if a is b else self._leaf_updates(a, b)
            if part is None:
                return None
            found += part
        return found

    def _finish(self, state: dict[str, Tensor], after: dict[str, Any]) -> None:
        changed = {n: t for n, t in state.items() if after[n] is not t}
        order = topological(self.values, stop=lambda v: v.op is None)
        used = {v.id for v in order}
        if changed or any(t._value.id in used for t in state.values()):
            for name in state:
                self.generator.append((name, self._output(after[name]._value)))
        self.captured = _captured(self.values)
        reached = {v.id for v in topological(self.values, stop=has_data)}
        self.read = [
            i
            for i, t in enumerate(self.placeholders)
            if self.inputs[i].id in reached and self.index[id(t)] == i
        ]
        self.hidden = [state[n]._value for n, _ in self.generator]
        leaves = [self.inputs[i] for i in self.read]
        self.graph = clean_graph([*leaves, *self.captured, *self.hidden], self.values)
        self.outputs = [v.type for v in self.values]


def _is_fixed(template: Any) -> bool:
    """Whether a template gives the same at every call."""
    if isinstance(template, Built):
        return all(map(_is_fixed, template.parts))
    return isinstance(template, Fixed)


def _get(held: Any, key: Any) -> Any:
    if isinstance(held, dict):
        return held.get(key)
    return held[key] if key < len(held) else None


def _empty_like(obj: Any) -> Any:
    """A container of the same kind and keys that holds no tensor."""
    held = contents(obj)
    assert held is not None
    return rebuilt(obj, [None] * len(held))


def _hidden_state() -> dict[str, Tensor]:
    """Placeholders for the state of the default random generator."""
    state = random.default.__dict__
    return {n: placeholder(t.type, _SOURCE) for n, t in state.items() if isinstance(t, Tensor)}


def has_data(v: Value) -> bool:
    return v.data is not None and v.data.buffer is not None


def _captured(values: list[Value]) -> list[Value]:
    """Data that the outputs depend on and that is no argument: inputs of the program too.

    What follows from such data alone is computed now, once, rather than at every call.
    """
    order = topological(values, stop=has_data)
    if values:
        eager.bind(values)
    from_data: set[int] = set()
    frontier: dict[int, Value] = {}
    for v in order:
        known = v.data
        if has_data(v) or (
            known is not None
            and known.source is None
            and any(o.id in from_data for o in v.operands)
            and v.op.pure
        ):
            from_data.add(v.id)
    outputs = {v.id for v in values}
    for v in order:
        for o in v.operands if not has_data(v) else ():
            if o.id in from_data and v.id not in from_data:
                frontier[o.id] = o
        if v.id in outputs and v.id in from_data:
            frontier[v.id] = v
    found = list(frontier.values())
    eager.force(found, "jit")
    return found


def clean_graph(inputs: list[Value], outputs: list[Value]) -> Graph:
    """The graph over fresh values that hold neither data nor tensors."""
    new: dict[int, Value] = {v.id: Value(v.type, span=v.span) for v in inputs}
    for v in topological(outputs, stop=lambda v: v.id in new):
        if v.id not in new:
            new[v.id] = Value(v.type, v.op, tuple([new[o.id] for o in v.operands]), v.span)
    return Graph([new[v.id] for v in inputs], [new[v.id] for v in outputs])
