"""The state of a loop: what its steps change, found by tracing steps until nothing is new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.base.errors import LaminaError, UsageError
from lamina.tensor.control.bodies import Body, Tree, trace
from lamina.tensor.conversion import asarray
from lamina.tensor.convert.operators.merge import Merged, Merger
from lamina.tensor.convert.operators.region import Region, entered, hinted
from lamina.tensor.convert.operators.slots import Slot
from lamina.tensor.convert.operators.state import State
from lamina.tensor.convert.operators.truth import truth
from lamina.tensor.tensor import Tensor

SIDES = ("before the loop", "after a step")
_ROUNDS = 20


class Unsettled(Exception):
    """The state has another type after a step; one step by itself may help."""

    def __init__(self, error: LaminaError):
        self.error = error


class Growing(Exception):
    """A step makes a list longer."""

    def __init__(self, error: LaminaError):
        self.error = error


class Carried:
    """The state of a loop.

    Args:
        name: of the statement, for errors.
        state: the variables of the function.
        key: what is equal when the same loop is met again.

    Attributes:
        hints: what the body said about the loop.
    """

    def __init__(self, name: str, state: State, key: Any):
        self.name = name
        self.key = key
        self.region = Region(name, state)
        self.slots: list[Slot] = self.region.variables()
        self.hints: dict[str, Any] = {}
        self._first = Merger(name, SIDES[:1], False)
        self._merger = Merger(name, SIDES, False)
        self.merged: Merged = self._first(self.slots, [[s.before] for s in self.slots])

    def settle(self, step: Callable[..., Any], others: Sequence[Tree]) -> tuple[Tree, Body, Tree]:
        """The first state, the body, and what it makes of the state.

        Args:
            step: the body; takes what `others` hold.
            others: further inputs of a step.
        """
        for _ in range(_ROUNDS):
            first = Tree.of(self.first())
            with entered(self.name, self.key), hinted() as hints:
                body = trace(self.name, lambda s, *xs: self._step(step, s, xs), [first, *others])
            self.hints = hints
            again = self._merge()
            if again.signature() == self.merged.signature():
                self.merged = again
                return first, body, Tree.of(again.converted()[1])
            self.merged = again
        raise UsageError(f"{self.name}: the state never settles", [], "keep its types the same")

    def _merge(self) -> Merged:
        try:
            return self._merger(self.slots, [[s.before, s.after] for s in self.slots])
        except LaminaError as error:
            raise Unsettled(error) from None

    def first(self) -> list[Tensor]:
        """The state before the loop."""
        return self.merged.converted()[0]

    def _step(self, step: Callable[..., Any], leaves: Sequence[Tensor], inputs: Any) -> None:
        self.install(leaves)
        try:
            step(*inputs)
            known = {s.key for s in self.slots}
            self.slots += [s for s in self.region.changed() if s.key not in known]
            for slot in self.slots:
                slot.after = slot.read()
                self._refuse_growth(slot)
        finally:
            self.region.restore()

    def _refuse_growth(self, slot: Slot) -> None:
        if slot.key[0] != "list":
            return
        before, now = len(slot.before), len(slot.after)
        raise Growing(
            UsageError(
                f"{self.name}: the list {slot.text!r} has another length after a step",
                [f"before the step: {before} elements", f"after it:        {now} elements"],
                "a state has one type in all steps: fill a tensor, as in x[i] = value, or use "
                "lm.scan, which stacks results",
            )
        )

    def install(self, leaves: Sequence[Tensor]) -> None:
        """Put a state into the variables and objects."""
        self.region.open()
        self._write(leaves)

    def finish(self, leaves: Sequence[Tensor]) -> None:
        """Put the last state into the variables and objects."""
        self._write(leaves)

    def _write(self, leaves: Sequence[Tensor]) -> None:
        for slot, value in zip(self.merged.slots, self.merged.values(leaves), strict=True):
            if value is not slot.before:
                slot.write(value)

    def ask(self, test: Callable[[], Any], leaves: Sequence[Tensor]) -> Tensor:
        """What the test says in a state."""
        self.install(leaves)
        try:
            said = test()
            return truth(self.name, said) if isinstance(said, Tensor) else asarray(bool(said))
        finally:
            self.region.restore()

    def run(self, step: Callable[..., Any], leaves: Sequence[Tensor], *inputs: Any) -> list[Tensor]:
        """The state after a step from a settled one."""
        self._step(step, leaves, inputs)
        return self._merge().converted()[1]
