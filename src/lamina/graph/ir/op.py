"""What an operator is: a frozen record that says what it means, how it varies, how it loops.

An op answers three questions.

*What it means*: `infer` is the type rule, `reference` the NumPy oracle.

*How it varies*: exactly one of
`partials(*operands, out)`, one factor per operand, for ops with a diagonal Jacobian;
`transpose(i, bar, *operands)`, for ops linear in each operand (or, with `jointly = True`, in all
of `linear_operands` together);
`jvp(operands, dots, out)`, in ordinary ops, for the few others (with a `transpose` beside it where
the op is linear in its `linear_operands` only, such as the right-hand side of a linear system);
or `constant = True`, for ops that do not vary (comparisons, integers).
Beside one of them, `vjp(bars, operands, out)` may say how cotangents go back, where that is better
than transposing the tangents: one cotangent or None for each operand.

An op whose type is a TupleType has several results, which `Item` takes apart. The tangent of such
a value is a tuple with a tangent for each part, and so is its cotangent: `jvp` returns one,
`transpose` gets one as `bar`. Where a part is zero, or does not vary, it is None. `vjp` gets a
tuple always, with one entry where there is one result.

*How it loops*: `lane(s, *xs)` for one element from one element of each operand;
`view(s, index, *operands)` for one element from operands read at computed indices (and perhaps
`pieces(s, index)`, where the elements of its operands at an index go when a kernel stores it);
`Reduction` and `Contract` have axes; `compose(*operands)` writes the op with others;
`call(*arrays)` computes it by a library (see `ops.opaque`); or it runs graphs of its own, its
bodies, and varies and lifts as they do, by `push`, `pull` and `lift` (see `ops.bodies`).
Lanes are real: on complex numbers `split(*operands)` writes the op with others on their `Parts`
(see `ops.pairs`), or `part_by_part = True` says that it does to each part what it does to real
numbers; one with neither is a call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

from lamina.base.dtypes import DType
from lamina.base.errors import DTypeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir.types import TensorType, Type

REGISTRY: dict[str, type[Op]] = {}
"""Every op class by its printed name; filled by the definition of the class itself."""


@cache
def snake(name: str) -> str:
    """`LessEqual` is printed `less_equal`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@frozen
class Op:
    """A primitive. Its parameters are its fields, so equality, hashing and printing are free.

    Ops count axes from the end and lift over leading axes.
    """

    arity: ClassVar[int | None] = 1  # None: any number of operands, at least one
    constant: ClassVar[bool] = False
    jointly: ClassVar[bool] = False
    pure: ClassVar[bool] = True  # equal operands, equal results, and nothing else happens
    cost: ClassVar[int] = 1  # rough flops for one element; fusing compares it with a load
    partials: ClassVar[Callable[..., Sequence[Any]] | None] = None
    transpose: ClassVar[Callable[..., Any] | None] = None
    jvp: ClassVar[Callable[..., Any] | None] = None
    vjp: ClassVar[Callable[..., Any] | None] = None
    lane: ClassVar[Callable[..., Any] | None] = None
    view: ClassVar[Callable[..., Any] | None] = None
    pieces: ClassVar[Callable[..., Any] | None] = None
    compose: ClassVar[Callable[..., Any] | None] = None
    call: ClassVar[Callable[..., Any] | None] = None
    split: ClassVar[Callable[..., Any] | None] = None
    push: ClassVar[Callable[..., Any] | None] = None
    pull: ClassVar[Callable[..., Any] | None] = None
    lift: ClassVar[Callable[..., Any] | None] = None
    settle: ClassVar[Callable[..., Op] | None] = None  # the op, after symbols became sizes in it
    part_by_part: ClassVar[bool] = False
    meets: ClassVar[Callable[..., bool] | None] = None  # see `pattern.Term`

    def __init_subclass__(cls, abstract: bool = False, **kw: Any) -> None:
        super().__init_subclass__(**kw)
        cls.abstract = abstract
        if not abstract:
            REGISTRY[snake(cls.__name__)] = cls

    abstract: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return snake(type(self).__name__)

    def linear_operands(self, count: int) -> Sequence[int]:
        """The operands in which an op is linear; indices and matrices of systems are not."""
        return range(count)

    def infer(self, *types: TensorType) -> Type:
        """The type of the result; raises ShapeError or DTypeError where the operands do not fit."""
        raise NotImplementedError

    def reference(self, *arrays: Any) -> Any:
        """The result by NumPy."""
        raise NotImplementedError

    def check(self, *types: TensorType) -> Type:
        """`infer`, after the number of operands."""
        if self.arity is not None and len(types) != self.arity:
            raise UsageError(f"{self.name}: takes {self.arity} operands, got {len(types)}")
        return self.infer(*types)

    def require(self, kinds: str, *types: TensorType) -> None:
        """Raise DTypeError unless each operand's dtype is of one of the `kinds`.

        `kinds` is a string such as "float", "int uint", "bool int uint float".
        """
        for i, t in enumerate(types):
            if t.dtype.kind not in kinds.split():
                raise DTypeError(
                    f"{self.name}: no meaning for {t.dtype.long_name}",
                    [f"operand {i}: {t}", f"takes: {', '.join(kinds.split())}"],
                    _way_out(t.dtype),
                )


def _way_out(dtype: DType) -> str:
    """What to do with a dtype that an op does not take."""
    if dtype.is_complex:
        return "complex numbers have no order: take lamina.real(x) or lamina.abs(x) first"
    stored = f"{dtype.long_name} is for storage: " if dtype.kind == "storage" else ""
    return f"{stored}cast it first, as in x.astype(lamina.float32)"


def same_dtype(op: Op, types: Sequence[TensorType]) -> DType:
    """The one dtype of all operands, or DTypeError. Promotion is the array namespace's matter."""
    if len({t.dtype for t in types}) > 1:
        raise DTypeError(
            f"{op.name}: operands differ in dtype",
            [f"operand {i}: {t}" for i, t in enumerate(types)],
            "cast one of them",
        )
    return types[0].dtype
