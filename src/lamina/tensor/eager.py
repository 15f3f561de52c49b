"""Eager evaluation: tensor operations are recorded and computed together when somebody looks.

A recorded value carries a `Binding` in `Value.data`. To force a value is to take the cone of
pending values above data, make one graph of it, look its structure up among the programs compiled
so far, and run. Pending values of living Tensors are outputs of that program if they lie in the
cone or build on it, so nothing is computed twice and what nobody holds stays inside the fused
kernels.

Outside transforms a forced value forgets its operands, so history is freed. While a `grad` or `jvp`
is under way it keeps them: it is a leaf for evaluation and a node for differentiation.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lamina.backend import execution
from lamina.base.dims import Dim
from lamina.base.dtypes import DType, bool_, int64
from lamina.base.errors import (
    LaminaError,
    OutOfMemoryError,
    TraceError,
    VerifyError,
    user_frames,
)
from lamina.base.records import frozen
from lamina.graph.ir import Graph, Op, TensorType, Value, apply, topological
from lamina.graph.ops import Constant, Expand, Literal, Pad, Slice, moved, moves
from lamina.tensor.exclusive import exclusive
from lamina.tensor.family import Family

FLUSH_DEPTH = 300
"""A chain of pending operations of this length is computed, so that endless loops stay small."""

SPECIALISED_PROGRAMS = 2
"""So many programs with constants built in for one structure; then constants become inputs.

Constants are numbers repeated, and the places of slices and of their mirror: `x[i]` and
`x[i * 64 : (i + 1) * 64]` in a loop are one structure.
"""


@frozen
class Source:
    """Why a value has no data: the transform that made its placeholder."""

    transform: str  # "jit" or "vmap"
    scalar: bool = False  # the placeholder stands for a Python number
    symbolic: bool = False  # no placeholder: there are elements once the sizes are known


_SYMBOLIC = Source("jit", symbolic=True)
_RULE = Source("a derivative")  # the graph's own placeholders, which rules of users see


class Binding:
    """What is known about a value at run time; the `data` of a value that belongs to a Tensor."""

    __slots__ = ("buffer", "depth", "family", "holder", "source")

    def __init__(
        self,
        buffer: Any = None,
        depth: int = 0,
        source: Source | None = None,
        family: Family | None = None,
    ):
        self.buffer = buffer
        self.depth = depth
        self.source = source
        self.family = family
        self.holder: weakref.ref[Any] | None = None


class _Transforms(threading.local):
    """How many transforms this thread is in; they need the history of values looked at."""

    active = 0
    closed: tuple[tuple[str, int], ...] = ()  # the transforms that trace, and what is theirs


_transforms = _Transforms()
_threads_transforming: set[int] = set()


@contextmanager
def history_kept() -> Iterator[None]:
    """Inside, forced values keep their operands, in all threads."""
    _transforms.active += 1
    _threads_transforming.add(threading.get_ident())
    try:
        yield
    finally:
        _transforms.active -= 1
        if not _transforms.active:
            _threads_transforming.discard(threading.get_ident())


def transforming() -> bool:
    """Whether a transform is under way in this thread."""
    return _transforms.active > 0


@contextmanager
def closed(transform: str, since: int) -> Iterator[None]:
    """Inside, what is traced belongs to `transform`: values with ids from `since` on.

    Older tensors cannot be assigned into, because that would happen once, while tracing, and leave
    in them a value that exists only there.
    """
    outer = _transforms.closed
    _transforms.closed = (*outer, (transform, since))
    try:
        yield
    finally:
        _transforms.closed = outer


def tracing() -> bool:
    """Whether a function of this thread is being traced, so that it runs once for many values."""
    return bool(_transforms.closed)


def now() -> int:
    """An id above those of all values made so far."""
    return Value(TensorType(bool_)).id


def closed_to(value: Value) -> str | None:
    """The transform that is under way and in which `value` was not made."""
    if not _transforms.closed:
        return None
    transform, since = _transforms.closed[-1]
    return transform if value.id < since else None


def leaf(type: TensorType, buffer: Any) -> Value:
    """A value that is data."""
    return Value(type, data=Binding(buffer))


def record(op: Op, operands: tuple[Value, ...]) -> Value:
    """The pending value of `op`, its type checked now and its elements computed later."""
    value = apply(op, operands, 2)  # this function, and who calls it
    value.data = sourced(value) if value.type.symbolic or not operands else _derived(operands)
    return value


def sourced(value: Value) -> Binding:
    """The Binding of a value that may depend on symbolic sizes, in its type or as a number."""
    if value.op is None:
        return Binding(None, 0, _RULE)
    found = _derived(value.operands)
    number = type(value.op) is Constant and type(value.op.value) is Dim
    if found.source is None and (value.type.symbolic or number):
        return Binding(None, found.depth, _SYMBOLIC)
    return found


def _derived(operands: Sequence[Value]) -> Binding:
    depth = 0
    source = None
    family: Family | None = None
    for operand in operands:
        known = operand.data
        if known is None:
            known = bind([operand])
        if known.depth > depth:
            depth = known.depth
        if known.source is not None:
            source = known.source
        if known.family is not None:
            root = known.family.root()
            family = root if family is None else family.joined(root)
    if source is not None:
        return Binding(None, depth + 1, source)
    if family is None and operands:
        family = Family()
    return Binding(None, depth + 1, None, family)


def bind(values: Sequence[Value]) -> Binding:
    """Give every value below `values` that a transform made a Binding; that of the last."""
    for v in topological(values, stop=lambda v: v.data is not None):
        if v.data is None:
            v.data = sourced(v)
    return values[-1].data


def force(values: Sequence[Value], look: str = "the value") -> None:
    """Compute `values`, and living Tensors under them or on the same pending operands.

    Raises:
        TraceError: a value depends on a placeholder of `jit` or `vmap`.
    """
    with exclusive.lock:
        if len(values) == 1 and _force_one(values[0]):
            return
        with user_frames:
            _force(values, look)


def _force(values: Sequence[Value], look: str) -> None:
    wanted: dict[int, Value] = {}
    for v in values:
        known = v.data if v.data is not None else bind([v])
        if known.buffer is None:
            if known.source is not None:
                raise looked_inside(v, known.source, look)
            wanted[v.id] = v
    if not wanted:
        return
    roots = list(wanted.values())
    related = _related(roots)
    cone = _Cone([*roots, *related])
    try:
        results = _run(cone)
    except LaminaError:
        if not related:
            raise
        cone = _Cone(roots)  # what nobody looks at must not stop what somebody does
        results = _run(cone)
    for v, buffer in zip(cone.outputs, results, strict=True):
        _become_data(v, buffer)


def _become_data(value: Value, buffer: Any) -> None:
    known = value.data
    known.buffer = buffer
    known.depth = 0
    known.family = None
    if not _threads_transforming:
        value.op = None
        value.operands = ()


def _force_one(root: Value) -> bool:
    """Compute one op on data whose program is there: the shortest way for most small programs.

    False where it is something else, or where it fails, which the long way reports.
    """
    known, operands = root.data, root.operands
    if known is None or known.depth != 1 or known.source is not None or known.family is None:
        return False
    if not (known.family.alone and root.op.pure):
        return False
    if len(operands) > 1 and len(set(operands)) < len(operands):
        return False
    buffers = [v.data.buffer for v in operands]
    if None in buffers:
        return False
    found = _programs.get(_key_of_one(root.op, operands))
    program = None if found is None else found.special.get(())
    if program is None:
        return False
    try:
        (result,) = program.run(buffers)
    except LaminaError:
        return False
    _become_data(root, result)
    return True


def _key_of_one(op: Any, operands: tuple[Value, ...]) -> Any:
    """The key of the `_Cone` of one op on different operands that are data."""
    count = len(operands)
    return (*[v.type for v in operands], (op, *range(count))), (count,)


def hold(value: Value, tensor: Any) -> None:
    """Note that `tensor` stands for `value`."""
    binding = value.data
    binding.holder = weakref.ref(tensor)
    if binding.family is not None:
        binding.family.root().add(binding.holder)


def hold_too(value: Value, tensor: Any) -> None:
    """Note that `tensor` stands for `value` beside another one, which it may outlive."""
    if value.data.family is not None:
        value.data.family.root().add(weakref.ref(tensor))


def let_go(value: Value, tensor: Any) -> None:
    """Note that `tensor` stands for `value` no more."""
    binding = value.data
    if binding.holder is not None and binding.holder() is tensor:
        binding.holder = None


def _related(roots: Sequence[Value]) -> list[Value]:
    """Values of living tensors that share pending operands with `roots`, or depend on them.

    They are computed along. Otherwise what a training loop replaces before it looks (the parameters
    behind a printed loss) would be computed again and again, in programs that grow by a step each.
    """
    families = {v.data.family.root(): None for v in roots if v.data.family is not None}
    if len(families) == 1 and len(roots) == 1 and next(iter(families)).alone:
        return []
    members = [tensor._value for family in families for tensor in family.living()]
    wanted = {v.id for v in roots}
    living = [v for v in members if v.id not in wanted]
    if not living:
        return []
    touched = {v.id for v in topological(roots, stop=_is_data) if not _is_data(v) and v.operands}
    for v in topological(living, stop=_is_data):
        if not _is_data(v) and any(o.id in touched for o in v.operands):
            touched.add(v.id)
    return [v for v in living if v.id in touched]


def looked_inside(value: Value, source: Source, look: str) -> TraceError:
    """The error of looking at a value that does not exist yet."""
    where = source.transform
    facts = [f"tensor: {value.type}"]
    if value.span is not None and value.op is not None:
        facts.append(f"made at {value.span.describe()}")
    if source.symbolic:
        return TraceError(
            f"{look}: the tensor has a symbolic size, and no elements before the sizes are known",
            facts,
            "return it from a function jitted with dynamic_shapes, and call that with tensors",
        )
    if not transforming():
        return TraceError(
            f"{look}: the tensor was made inside {where} and has no value outside",
            facts,
            "return it from the function, or assign it to an attribute of an argument",
        )
    way_out = f"choose between values with lm.where(condition, x, y), or look outside {where}"
    if where == "recursive":
        way_out = (
            "write the branch that ends the recursion and the one that goes on with lm.cond, as in "
            "lm.cond(n <= 1, lambda: 1, lambda: n * f(n - 1)), or choose between values with "
            "lm.where"
        )
    elif look == "bool()":  # an if, a while, an assert, an and
        rewrite = 'lm.jit(f, control_flow="convert")' if where == "jit" else "lm.convert(f)"
        way_out += f"; {rewrite} turns if and while into lm.cond and lm.while_loop"
    if source.scalar and where == "jit":
        way_out += "; a Python number that steers the program goes into static_argnames"
    return TraceError(f"{look}: the tensor has no value yet inside {where}", facts, way_out)


Numbers = list[tuple[Any, DType]]


class _Cone:
    """Pending values above data, in order, with what identifies their program."""

    def __init__(self, roots: Sequence[Value]):
        wanted = {v.id for v in roots}
        number: dict[int, int] = {}
        structure: list[Any] = []
        self.leaves: list[Value] = []
        self.nodes: list[Value] = []
        self.outputs: list[Value] = []
        self.numbers: dict[int, Numbers] = {}  # by the id of their node, in order
        for v in _shallow(roots) or topological(roots, stop=_is_data):
            number[v.id] = len(number)
            known = v.data
            if known is not None and known.buffer is not None:
                self.leaves.append(v)
                structure.append(v.type)
                continue
            op = v.op
            if op is None:
                raise VerifyError("eager: a value has neither data nor an op", [repr(v)])
            self.nodes.append(v)
            places = [number[o.id] for o in v.operands]
            numbered = _numbered(v)
            if numbered is None:
                structure.append((op, *places))
            else:
                way, self.numbers[v.id] = numbered
                structure.append((way, *places))
            held = known is not None and known.holder is not None and known.holder() is not None
            if held or v.id in wanted:
                if v.data is None:
                    v.data = sourced(v)
                self.outputs.append(v)
        self.key = (tuple(structure), tuple([number[v.id] for v in self.outputs]))

    def graph(self, hoisted: bool) -> Graph:
        """The program over fresh placeholders; with `hoisted`, its numbers are inputs too."""
        new: dict[int, Value] = {}
        inputs: list[Value] = []
        scalars: list[Value] = []
        for v in self.leaves:
            new[v.id] = Value(v.type, span=v.span)
            inputs.append(new[v.id])
        for v in self.nodes:
            numbers = self.numbers.get(v.id, ()) if hoisted else ()
            given = [Value(TensorType(dtype), span=v.span) for _, dtype in numbers]
            scalars += given
            if hoisted and is_splat(v):
                new[v.id] = _spread(given[0], v.type.shape)
            elif given:
                x = new[v.operands[0].id]
                new[v.id] = moved(v.op, x, v.type, given)  # type: ignore[arg-type]
            else:
                new[v.id] = Value(v.type, v.op, tuple([new[o.id] for o in v.operands]), v.span)
        return Graph([*inputs, *scalars], [new[v.id] for v in self.outputs])


def _is_data(v: Value) -> bool:
    return v.data is not None and v.data.buffer is not None


def _shallow(roots: Sequence[Value]) -> list[Value] | None:
    """What `topological` gives for one op on data, which is what most small programs are."""
    root = roots[0]
    if len(roots) > 1 or root.data.depth != 1:
        return None
    operands = root.operands
    for v in operands:
        if v.data.buffer is None:
            return None
    return [*(operands if len(operands) < 2 else dict.fromkeys(operands)), root]


def is_splat(v: Value) -> bool:
    """Whether `v` is one Python number repeated."""
    return isinstance(v.op, Constant) and not isinstance(v.op.value, Literal)


def _numbered(v: Value) -> tuple[Any, Numbers] | None:
    """What the op of `v` does whatever its numbers are, and these; None where it has none."""
    op = v.op
    if isinstance(op, Slice | Pad):
        way, starts = moves(op, v.type, v.operands[0].type)
        return way, [(start, int64) for start in starts]
    if is_splat(v):
        return ("splat", v.type), [(op.value, v.type.dtype)]  # type: ignore[union-attr]
    return None


def constant_key(value: Any) -> Any:
    """A key that tells 0.0 from -0.0, 1 from 1.0 from True, and finds NaN equal to itself."""
    return (type(value), repr(value))


def _spread(scalar: Value, shape: tuple[int, ...]) -> Value:
    if not shape:
        return scalar
    return apply(Expand(tuple(range(-len(shape), 0)), shape), (scalar,))


@dataclass
class _Programs:
    """The programs of one structure: a few with constants built in, and a general one."""

    special: dict[tuple[Any, ...], execution.Program] = field(default_factory=dict)
    general: execution.Program | None = None


STRUCTURES_KEPT = 512
_programs: dict[Any, _Programs] = {}  # the oldest first


def clear_programs() -> None:
    """Forget every eager program."""
    _programs.clear()


def program_count() -> int:
    """How many eager programs are kept."""
    return sum(len(p.special) + (p.general is not None) for p in _programs.values())


def _run(cone: _Cone) -> list[Any]:
    found = _programs.get(cone.key)
    if found is None:
        found = _programs[cone.key] = _Programs()
        if len(_programs) > STRUCTURES_KEPT:
            _programs.pop(next(iter(_programs)), None)
    buffers = [v.data.buffer for v in cone.leaves]
    numbers = [number for given in cone.numbers.values() for number in given]
    constants = tuple([constant_key(number) for number, _ in numbers])
    program = found.special.get(constants)
    if program is None and len(found.special) < SPECIALISED_PROGRAMS:
        program = found.special[constants] = execution.compile(cone.graph(hoisted=False), True)
    hoisted = program is None
    if program is None:
        if found.general is None:
            found.general = execution.compile(cone.graph(hoisted=True), True)
        program = found.general
        buffers += [execution.scalar(number, dtype) for number, dtype in numbers]
    try:
        return program.run(buffers)
    except OutOfMemoryError:
        raise
    except LaminaError:  # names the lines where this structure was met first; fail on these lines
        if not all(v.op.pure for v in cone.nodes):
            raise
        return execution.compile(cone.graph(hoisted), True).run(buffers)
