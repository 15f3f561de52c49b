"""What the forms of a contraction share: loops over expressions, masks, results with epilogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Const, Expr, For, If, Param, Stmt, Var, const
from lamina.backend.schedule.loops import bind_inputs, faults, kernel_name, params
from lamina.backend.schedule.policies.contract_axes import Axes, Letters, Reader, accumulates_in
from lamina.backend.schedule.policies.contract_words import Words
from lamina.backend.schedule.pull import Index, Pull
from lamina.backend.schedule.schedule import Still
from lamina.backend.targets import Target
from lamina.graph.ir import Graph, Value
from lamina.graph.ir.graph import topological

MEMORY_CYCLES = 0.12  # a byte from the last cache or from memory, on one core
NEAR_SHARE = 2  # what takes less than one part in so many of the second cache stays there

Make = Callable[[Expr], Sequence[Stmt]]
At = Mapping[str, Expr]  # an index for each letter


def name_of(form: str, axes: Axes, body: Graph | None = None) -> str:
    """A kernel's name: the form, the letters of operands and result, the other operations.

    `contract_ik_jk_ij_add_maximum` is a layer with ReLU.
    """
    terms, out = axes.value.op.spec.replace(" ", "").split("->")
    roles = [form, *(part for part in (*terms.split(","), out) if part)]
    inside = kernel_name("", body) if body is not None else ""
    return "_".join([*roles, *(part for part in inside.split("_") if part not in ("", "contract"))])


def over(
    s: Builder,
    hint: str,
    stop: Expr | int,
    make: Make,
    kind: str = "serial",
    start: Expr | int = 0,
    step: int = 1,
    copies: int = 1,
) -> For:
    """A loop over a fresh variable around `make(variable)`."""
    first, last = s.lift(start), s.lift(stop)
    low, high = s.range_of(first)[0], s.range_of(last)[1]
    if isinstance(first, Const):
        high = low + (high - 1 - low) // step * step + 1
    var = s.bound(Var("i64", s.fresh(hint)), low, max(high - 1, low))
    return For(var.name, first, last, tuple(make(var)), kind, step, copies)


def letter_loops(
    s: Builder, letters: Letters, count: At, make: Callable[[At], list[Stmt]]
) -> list[Stmt]:
    """Loops over several letters around `make(index of each)`."""

    def inside(rest: Letters, at: dict[str, Expr]) -> list[Stmt]:
        if not rest:
            return make(at)
        first, stop = rest[0], count[rest[0]]
        if s.range_of(stop) == (1, 1):
            return inside(rest[1:], at | {first: s.constant(0)})
        return [over(s, first, stop, lambda i: inside(rest[1:], at | {first: i}))]

    return inside(letters, {})


def only_if(condition: Expr, body: Sequence[Stmt]) -> list[Stmt]:
    """The body where a uniform condition is true; the body itself where it always is."""
    if getattr(condition, "value", None) is True:
        return list(body)
    return [If(condition, tuple(body))] if body else []


@contextmanager
def masked(s: Builder, condition: Expr) -> Iterator[None]:
    """Loads and stores made inside happen where the condition is true."""
    outer = s.mask
    if getattr(condition, "value", None) is not True:
        s.mask = condition if outer is None else s.and_(outer, condition)
    try:
        yield
    finally:
        s.mask = outer


@dataclass
class Work:
    """A body to be scheduled: its contraction's roles, and what makes its expressions.

    Attributes:
        chunks: into how many parts the sum is cut; with several, results are partial ones.
        chunk: the number of the part being summed.
        shared: the temporaries that an earlier task has filled for this one.
        still: the inputs that are frozen, by number.
    """

    body: Graph
    axes: Axes
    target: Target
    s: Builder = field(default_factory=Builder)
    chunks: int = 1
    chunk: Expr | None = None
    shared: tuple[Param, ...] = ()
    still: Still = frozenset()

    def __post_init__(self) -> None:
        self.pull = Pull(self.s)
        bind_inputs(self.pull, self.body)
        self.terms = Reader(self.s, self.pull, self.axes)
        self.words = Words(self.terms) if self.axes.together > 1 else None
        self.reader = self.words or self.terms
        self.dtype = accumulates_in(str(self.axes.value.dtype))
        self.lanes = self.target.lanes("u8" if self.dtype == "bool" else self.dtype)
        self.checks = False

    @property
    def fused(self) -> bool:
        """Whether the target multiplies and adds in one instruction."""
        return self.target.has("fma") or self.target.arch == "aarch64"

    def multiply_add(self, a: Expr, b: Expr, c: Expr) -> Expr:
        """a·b + c as fast as the target can; a is of the row operand where that matters."""
        if self.words is not None:
            return self.words.multiply_add(a, b, c)
        if self.fused:
            return self.s.multiply_add(a, b, c)
        return self.s.add(self.s.multiply(a, b), c)

    @property
    def whole(self) -> Reader | Words:
        """Reads steps of the sum that are known to lack no term."""
        return self.reader if self.words is None else self.words.whole

    @property
    def whole_steps(self) -> int:
        """How many of these there are."""
        return self.axes.extent(self.axes.terms) // self.axes.together

    @property
    def kept_dtype(self) -> str:
        """Of an element of columns that are packed for several tasks."""
        return self.dtype if self.words is None else self.words.kept_dtype

    def kept_column(self, batch: At, n: At, k: At) -> Expr:
        """The element of the column operand as it is packed."""
        at = dict(batch), dict(n), dict(k)
        return self.reader.column(*at) if self.words is None else self.words.kept_column(*at)

    def load_kept(self, buffer: str, offset: Expr) -> Expr:
        """The element of the column operand of what is packed of it."""
        kept = self.s.load(buffer, offset, self.kept_dtype)
        return kept if self.words is None else self.words.widened(kept)

    @property
    def partial(self) -> str:
        """The temporary that holds the results of each part."""
        return f"tmp{len(self.shared)}"

    def zero(self) -> Expr:
        return self.s.constant(0, self.dtype)

    def checked(self) -> list[Stmt]:
        """Faults that pulling asked for."""
        found = faults(self.s)
        self.checks = self.checks or bool(found)
        return found

    def results(self, total: Expr, index: Index) -> list[Stmt]:
        """Every output at `index`, where the contraction is `total`, computed and then stored."""
        s, value = self.s, self.axes.value
        if self.chunks > 1:
            assert self.chunk is not None
            at = s.linearize((self.chunk, *index), (self.chunks, *value.shape))
            return [s.store(self.partial, at, total)]
        rounded = s.cast(total, str(value.dtype))
        self.pull.forget()
        self.pull.bind(value, lambda _: rounded)
        lets: list[Stmt] = []
        writes: list[Stmt] = []
        for number, out in enumerate(self.body.outputs):
            element = self.pull.element(out, index)
            if len(self.body.outputs) > 1:
                let, element = s.let("r", element)
                lets.append(let)
            writes.append(s.store(f"out{number}", s.linearize(index, out.shape), element))
        return [*self.checked(), *lets, *writes]

    def parameters(self) -> tuple[Param, ...]:
        """`in0` ..., shared temporaries, `out0` ...; an output may replace an input that only the
        epilogue reads. Where the sum is cut, the temporary for partial results instead of outputs.
        Inputs of which all that is needed lies in shared temporaries are left out.
        """
        packed = self._packed() if self.shared else set()
        if self.chunks > 1:
            size = self.chunks * self.axes.value.type.size
            inputs = [p for p in params(self.body) if p.role == "in" and p.name not in packed]
            partial = Param(self.partial, self.dtype, size, "out")
            return (*inputs, *self.shared, partial)
        inner = {v.id for v in topological(self.axes.value.operands)}
        within = {f"in{i}" for i, v in enumerate(self.body.inputs) if v.id in inner}
        found = [
            replace(p, may_alias=" ".join(n for n in p.may_alias.split() if n not in within))
            for p in params(self.body)
        ]
        count = len(self.body.inputs)
        inputs = [p for p in found[:count] if p.name not in packed]
        return (*inputs, *self.shared, *found[count:])

    def _packed(self) -> set[str]:
        """The inputs that nothing but the column operand reads."""
        value = self.axes.value
        behind = topological(self.body.outputs, stop=lambda v: v is value)
        read = {v.id for v in (*topological((self.axes.operands[0],)), *behind)}
        return {f"in{i}" for i, v in enumerate(self.body.inputs) if v.id not in read}

    def is_still(self, which: int) -> bool:
        """Whether the row operand (0) or the column operand (1) is frozen."""
        read = self._reads(which)
        return bool(read) and self.still.issuperset(read)

    def inputs_of(self, which: int) -> tuple[Param, ...]:
        """The inputs that the row operand (0) or the column operand (1) reads."""
        every = params(self.body)
        return tuple(every[i] for i in self._reads(which))

    def _reads(self, which: int) -> list[int]:
        inside = {v.id for v in topological((self.axes.operands[which],))}
        return [i for i, v in enumerate(self.body.inputs) if v.id in inside]

    @property
    def element_bytes(self) -> int:
        """Of a number that is summed."""
        return self.target.vector_bytes // self.lanes


def far_cycles(elements: int, work: Work) -> float:
    """Cycles that an element of so many takes to come from memory; 0 where a cache holds them."""
    return MEMORY_CYCLES * work.element_bytes * is_far(elements, work)


def is_far(elements: int, work: Work) -> bool:
    """Whether so many do not stay in the second cache with all else that is there."""
    return elements * work.element_bytes > work.target.caches.near_bytes // NEAR_SHARE


def ceil_to(s: Builder, x: Expr, multiple: int) -> Expr:
    """The next multiple at or above x."""
    return s.multiply(s.floor_divide(s.add(x, multiple - 1), multiple), multiple)


def parallel(s: Builder, hint: str, count: int, make: Make) -> tuple[Stmt, ...]:
    """The outermost loop; no loop at all around a single task."""
    if count == 1:
        return tuple(make(s.constant(0)))
    return (over(s, hint, const(count), make, "parallel"),)


def elementwise_above(value: Value, body: Graph) -> bool:
    """Whether every output depends on `value` through elementwise ops alone."""
    above = {value.id}
    for v in body.nodes:
        if any(o.id in above for o in v.operands):
            if v.op is None or v.op.lane is None:
                return False
            above.add(v.id)
    return True
