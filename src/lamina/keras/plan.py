"""The plan of a model that was described with symbols: which layer is called with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lamina.base.errors import UsageError
from lamina.keras.layer import Layer
from lamina.keras.symbols import Call, Symbol, flattened, mapped, symbols_in


@dataclass(frozen=True)
class Slot:
    """A tensor of a plan: output number `index` of call number `call`."""

    call: int
    index: int


@dataclass(frozen=True, eq=False)
class Step:
    """A call of the layer of that name; `args` and `kwargs` have slots in place of symbols."""

    layer: str
    args: Any
    kwargs: Any


@dataclass(frozen=True, eq=False)
class Plan:
    """All calls in an order in which they can run.

    Attributes:
        steps: one for each call; those of inputs have no arguments.
        inputs: where what is given goes, a slot or a structure of them.
        outputs: what comes out, a slot or a structure of them.
        symbols: of the inputs, for their shapes.
    """

    steps: tuple[Step, ...]
    inputs: Any
    outputs: Any
    symbols: tuple[Symbol, ...]

    def run(self, layers: Mapping[str, Any], given: list[Any]) -> Any:
        """What comes out of the layers for tensors, or symbols, at the inputs."""
        entered = {slot.call: value for slot, value in zip(flattened(self.inputs), given)}
        found: dict[Slot, Any] = {}
        for number, step in enumerate(self.steps):
            if number in entered:
                found[Slot(number, 0)] = entered[number]
                continue
            args, kwargs = (_filled(part, found) for part in (step.args, step.kwargs))
            result = layers[step.layer](*args, **kwargs)
            for index, part in enumerate(flattened(result)):
                found[Slot(number, index)] = part
        return _filled(self.outputs, found)


def plan_of(inputs: Any, outputs: Any) -> tuple[Plan, dict[str, Layer]]:
    """The plan between symbols, and its layers by name.

    Raises:
        UsageError: an output needs an input that is not given, or two layers have one name.
    """
    given = symbols_in(inputs)
    calls = _calls_of(symbols_in(outputs), {id(s.call) for s in given})
    known = {id(call): number for number, call in enumerate(calls)}
    _require_inputs(calls, given)
    layers: dict[str, Layer] = {}
    for call in calls:
        if layers.setdefault(call.layer.name, call.layer) is not call.layer:
            raise UsageError(
                "Model: two layers have one name", [f"name: {call.layer.name!r}"], "name one anew"
            )

    def slots(structure: Any) -> Any:
        def slot(value: Any) -> Any:
            is_symbol = isinstance(value, Symbol)
            return Slot(known[id(value.call)], value.index) if is_symbol else value

        return mapped(slot, structure)

    steps = [Step(c.layer.name, slots(c.args), slots(c.kwargs)) for c in calls]
    return Plan(tuple(steps), slots(inputs), slots(outputs), tuple(given)), layers


def _calls_of(outputs: list[Symbol], given: set[int]) -> list[Call]:
    """The calls that outputs rest on, in the order in which they were made."""
    found: dict[int, Call] = {}
    waiting = [symbol.call for symbol in outputs]
    while waiting:
        call = waiting.pop()
        if call.number not in found:
            found[call.number] = call
            if id(call) not in given:
                waiting += [symbol.call for symbol in symbols_in([call.args, call.kwargs])]
    return [found[number] for number in sorted(found)]


def _require_inputs(calls: list[Call], given: list[Symbol]) -> None:
    known = {id(symbol.call) for symbol in given}
    used = {id(call) for call in calls}
    missing = [c.layer.name for c in calls if not c.args and id(c) not in known]
    unused = [symbol.call.layer.name for symbol in given if id(symbol.call) not in used]
    if missing or unused:
        raise UsageError(
            "Model: the outputs do not rest on the inputs",
            [f"inputs not given: {', '.join(missing)}", f"inputs not used: {', '.join(unused)}"],
            "pass every keras.Input that the outputs need, and no other",
        )


def _filled(structure: Any, found: Mapping[Slot, Any]) -> Any:
    return mapped(lambda v: found[v] if isinstance(v, Slot) else v, structure)
