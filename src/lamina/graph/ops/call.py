"""Functions called as one node: what is differentiated as a whole, and inlined when compiled.

`Checkpoint` makes its values again on the way back instead of keeping them; `Custom` has a
derivative that its author wrote; `Barrier` keeps what is made again apart from what was made first;
`Budget` says how much memory the program that it stands in may take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.graph.ir import Graph, Op, TensorType, TupleType, Value, emit, grafted, placeholder
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ops.bodies import BatchValues, batched_body, closed, or_zero, require_body
from lamina.graph.ops.constant import splat_value, zeros_like
from lamina.graph.ops.contract import Contract
from lamina.graph.ops.elementwise import Elementwise
from lamina.graph.ops.item import item
from lamina.graph.ops.pairs import Parts


@frozen
class Call(Op, abstract=True):
    """The results of `body` applied to the operands. `graph.passes.inline_calls` writes it out."""

    arity = None
    body: Graph

    def infer(self, *types: TensorType) -> TupleType:
        require_body(self, "body", types, self.body)
        return TupleType(tuple(v.type for v in self.body.outputs))

    def reference(self, *arrays: Any) -> tuple[Any, ...]:
        return evaluate(self.body, *arrays)

    def batched(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> Graph:
        """The body for `size` examples; all results get an example axis."""
        made = [True] * len(self.body.outputs)
        return batched_body(self.body, is_batched, made, size, batch_values)


@frozen
class Barrier(Op):
    """The operands, each as a value of its own that comes after all of them.  Inputs: any.

    What follows from it is neither merged with what follows from the operands nor computed before
    them: a second computation stays a second one, and waits.  Source: ours.
    """

    arity = None
    cost = 0

    def infer(self, *types: TensorType) -> TupleType:
        return TupleType(types)

    def reference(self, *arrays: Any) -> tuple[Any, ...]:
        return tuple(arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> tuple[Any, ...]:
        return tuple(dots)

    def vjp(self, bars: Sequence[Any], operands: Sequence[Any], out: Any) -> tuple[Any, ...]:
        return tuple(bars)

    def split(self, *operands: Any) -> Any:
        return emit(self, *[x.joined if isinstance(x, Parts) else x for x in operands])


@frozen
class Name(Elementwise):
    """y = x, under a name that `Checkpoint` can be asked to keep.  Inputs: any.  Source: ours."""

    kinds = "bool int uint float complex"
    cost = 0
    name_: str

    @staticmethod
    def formula(x: Any) -> Any:
        return x

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0,)

    def lane(self, s: Any, x: Any) -> Any:
        return x


def named(x: Any, name: str) -> Any:
    """x under a name."""
    return emit(Name(name), x)


@frozen
class Checkpoint(Call):
    """The results of `body`, whose values are made again where a derivative needs them.

    `keep` says which are kept all the same: "nothing", "products" (results of contractions),
    "names: a, b" (values under these names), or "within: 0.4" and "within: 1000", where the
    compiler chooses so that a `Budget` is met.  Inputs: any.
    Source: Griewank & Walther 2008, chapter 12; Chen et al. 2016, "Training deep nets with
    sublinear memory cost".
    """

    keep: str

    def keeps(self, v: Value) -> bool:
        """Whether a value of the body is kept for the way back."""
        if self.keep == "products":
            return isinstance(v.op, Contract)
        if self.keep.startswith("names:"):
            wanted = [n.strip() for n in self.keep.removeprefix("names:").split(",")]
            return isinstance(v.op, Name) and v.op.name_ in wanted
        return False

    def push(
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of the results, from a checkpoint of values and tangents together."""
        body = self.body
        marks = [None if d is None else placeholder(v.type) for v, d in zip(body.inputs, dots)]
        known = {v.id: m for v, m in zip(body.inputs, marks) if m is not None}
        found = push_forward(body.outputs, known)
        made = [d for d in found if d is not None]
        if not made:
            return tuple(found)
        outside, (whole,) = closed([Graph([*body.inputs, *known.values()], made)])
        given = [d for d in dots if d is not None]
        result = emit(replace(self, body=whole), *outside, *operands, *given)
        places = iter(range(len(made)))
        return tuple(None if d is None else item(result, next(places)) for d in found)

    def pull(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """The cotangents of the operands: the body once more, behind a barrier, and back."""
        body = self.body
        if self.keep.startswith("within:"):
            return self._pull_within(pull_back, operands, bars, wanted)
        kept = [v for v in body.nodes if self.keeps(v)]
        whole = emit(replace(self, body=Graph(body.inputs, [*body.outputs, *kept])), *operands)
        saved = [item(whole, len(body.outputs) + k) for k in range(len(kept))]
        behind = _behind_barrier([*operands, *saved, *bars])
        first, count = len(operands), len(operands) + len(kept)
        again = dict(zip((v.id for v in body.inputs), behind[:first]))
        made = grafted([*body.outputs, *kept], again)
        outputs, remade = made[: len(body.outputs)], made[len(body.outputs) :]
        found = pull_back(outputs, behind[count:], [behind[i] for i in wanted])
        instead = dict(zip((v.id for v in remade), behind[first:count]))
        result: list[Any] = [None] * len(operands)
        for i, bar in zip(wanted, found):
            result[i] = None if bar is None else grafted([bar], instead)[0]
        return result

    def _pull_within(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """As without a checkpoint, but for the budget that a cotangent hands to the compiler."""
        given = list(bars)
        for i, bar in enumerate(given):
            if bar is not None:
                given[i] = within(bar, self.keep.removeprefix("within:").strip())
                break
        made = grafted(self.body.outputs, dict(zip((v.id for v in self.body.inputs), operands)))
        result: list[Any] = [None] * len(operands)
        for i, bar in zip(wanted, pull_back(made, given, [operands[i] for i in wanted])):
            result[i] = bar
        return result

    def lift(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> tuple[Any, ...]:
        """A checkpoint of the batched body."""
        body = self.batched(batch_values, size, operands, is_batched)
        result = emit(replace(self, body=body), *operands)
        return tuple(item(result, i) for i in range(len(body.outputs)))


@frozen
class Budget(Call):
    """The operand, in a program whose intermediates shall fit into `most`.  Inputs: any.

    `most` is "0.4", a share of what the program takes without a budget, or "1000", bytes. Which
    values are dropped and computed again is the compiler's choice.  Source: ours.
    """

    most: str

    def push(
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangent as it is."""
        return tuple(dots)

    def pull(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """The cotangent as it is."""
        return list(bars)

    def lift(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> tuple[Any, ...]:
        """The same of the batched operand."""
        return (within(operands[0], self.most),)


def within(x: Any, most: str) -> Any:
    """x, in a program whose intermediates shall fit into `most`."""
    passed = placeholder(x.type)
    return item(emit(Budget(Graph([passed], [passed]), most), x), 0)


def _behind_barrier(values: Sequence[Any]) -> list[Any]:
    """The values after a barrier that all of them pass; None and numbers stay as they are."""
    found = list(values)
    passing = [i for i, v in enumerate(found) if v is not None and splat_value(v) is None]
    if passing:
        whole = emit(Barrier(), *[found[i] for i in passing])
        for place, i in enumerate(passing):
            found[i] = item(whole, place)
    return found


class Rule(Protocol):
    """The derivative of a `Custom` op, written by its author: one of `push` and `pull`.

    Attributes:
        printed: a name for the text of a graph.
        push: (operands, dots) -> a tangent, or None, for each result.
        pull: (operands, bars) -> a cotangent, or None, for each operand.
    """

    printed: str
    push: Callable[..., Sequence[Any]] | None
    pull: Callable[..., Sequence[Any]] | None

    def lifted(self, size: int, is_batched: Sequence[bool]) -> Rule:
        """The rule for many examples at once."""
        ...


@frozen
class Custom(Call):
    """The results of `body`, with a derivative by `rule` in place of the body's own.

    Inputs: any.  Source: ours.
    """

    rule: Rule

    def push(
        self, push_forward: Callable[..., Any], operands: Sequence[Any], dots: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The tangents of the results by the rule."""
        if self.rule.push is None:
            raise UsageError(
                f"{self.rule.printed}: no forward derivative",
                ["its author gave a reverse derivative only (custom_vjp)"],
                "use reverse mode, or write it with custom_jvp, from which both follow",
            )
        return tuple(self.rule.push(operands, dots))

    def pull(
        self,
        pull_back: Callable[..., Any],
        operands: Sequence[Any],
        bars: Sequence[Any],
        wanted: Sequence[int],
    ) -> list[Any]:
        """The cotangents of the operands by the rule, or by transposing its tangents."""
        if self.rule.pull is not None:
            full = [or_zero(bar, v) for bar, v in zip(bars, self.body.outputs)]
            return list(self.rule.pull(operands, full))
        dots = [placeholder(v.type) if i in wanted else None for i, v in enumerate(operands)]
        assert self.rule.push is not None
        ends = zip(self.rule.push(operands, dots), bars)
        used = [(dot, bar) for dot, bar in ends if dot is not None and bar is not None]
        asked = [dot for dot in dots if dot is not None]
        found = pull_back([dot for dot, _ in used], [bar for _, bar in used], asked)
        anywhere = {dot.id: zeros_like(dot) for dot in asked}  # loops keep what they passed through
        made = iter(grafted([bar for bar in found if bar is not None], anywhere))
        some = iter([None if bar is None else next(made) for bar in found])
        return [None if dot is None else next(some) for dot in dots]

    def lift(
        self,
        batch_values: BatchValues,
        size: int,
        operands: Sequence[Any],
        is_batched: Sequence[bool],
    ) -> tuple[Any, ...]:
        """The batched body with the rule for many examples."""
        body = self.batched(batch_values, size, operands, is_batched)
        rule = self.rule.lifted(size, tuple(is_batched))
        result = emit(Custom(body, rule), *operands)
        return tuple(item(result, i) for i in range(len(body.outputs)))
