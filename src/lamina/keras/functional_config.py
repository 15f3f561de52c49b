"""The plan of a model as Keras 3 writes it: layers with the calls that lead into them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lamina.base.errors import FormatError
from lamina.keras import config as configs
from lamina.keras.layer import Layer
from lamina.keras.plan import Plan, Slot
from lamina.keras.symbols import Symbol, flattened, mapped

_TENSOR = "__keras_tensor__"


def written(plan: Plan, layers: Mapping[str, Layer]) -> dict[str, Any]:
    """The layers with their calls, the inputs and the outputs."""
    names, numbers, seen = [s.layer for s in plan.steps], [], Counter[str]()
    for name in names:
        numbers.append(seen[name])
        seen[name] += 1

    def history(slot: Slot) -> list[Any]:
        return [names[slot.call], numbers[slot.call], slot.index]

    def tensor(value: Any) -> Any:
        if not isinstance(value, Slot):
            return value
        return {"class_name": _TENSOR, "config": {"keras_history": history(value)}}

    entries = []
    for name, layer in layers.items():
        calls = [step for step in plan.steps if step.layer == name]
        nodes = [
            {"args": mapped(tensor, c.args), "kwargs": mapped(tensor, c.kwargs)} for c in calls
        ]
        is_input = not any(node["args"] for node in nodes)
        entry = configs.written(layer) | {"name": name}
        entries.append(entry | {"inbound_nodes": [] if is_input else nodes})
    ends = {"input_layers": plan.inputs, "output_layers": plan.outputs}
    return {"layers": entries} | {
        key: [history(slot)] if isinstance(slot, Slot) else mapped(history, slot)
        for key, slot in ends.items()
    }


def read(
    config: Mapping[str, Any], custom_objects: Mapping[str, type] | None = None
) -> tuple[Any, Any, list[str]]:
    """The symbols of inputs and outputs, and the names of the layers in their order.

    Raises:
        FormatError: a call needs what no other call gives.
    """
    order = [entry["name"] for entry in config["layers"]]
    layers = {entry["name"]: configs.read(entry, custom_objects) for entry in config["layers"]}
    given: dict[tuple[str, int], list[Symbol]] = {}
    waiting: list[tuple[str, int, Any]] = []
    for entry in config["layers"]:
        name = entry["name"]
        if not entry["inbound_nodes"]:
            given[name, 0] = [layers[name].symbol()]
        waiting += [(name, i, node) for i, node in enumerate(entry["inbound_nodes"])]
    while waiting:
        later = []
        for name, number, node in waiting:
            if not all((h[0], h[1]) in given for h in _histories(node)):
                later.append((name, number, node))
                continue
            args, kwargs = _filled(node["args"], given), _filled(node["kwargs"], given)
            result = layers[name](*args, **{k: v for k, v in kwargs.items() if k != "mask"})
            given[name, number] = list(flattened(result))
        if len(later) == len(waiting):
            raise FormatError(
                "keras: calls of layers need what no other call gives",
                [f"layers: {', '.join(name for name, _, _ in later)}"],
            )
        waiting = later
    ends = (_ends(config[key], given) for key in ("input_layers", "output_layers"))
    return (*ends, order)  # type: ignore[return-value]


def _histories(structure: Any) -> list[Any]:
    """Which outputs of which calls a call needs."""
    if isinstance(structure, dict) and structure.get("class_name") == _TENSOR:
        return [structure["config"]["keras_history"]]
    parts = structure.values() if isinstance(structure, dict) else structure
    return [h for p in parts if isinstance(p, dict | list | tuple) for h in _histories(p)]


def _filled(structure: Any, given: Mapping[tuple[str, int], list[Symbol]]) -> Any:
    if isinstance(structure, dict) and structure.get("class_name") == _TENSOR:
        name, number, index = structure["config"]["keras_history"]
        return given[name, number][index]
    if isinstance(structure, dict):
        return {key: _filled(part, given) for key, part in structure.items()}
    if isinstance(structure, list | tuple):
        return [_filled(part, given) for part in structure]
    return structure


def _ends(found: Any, given: Mapping[tuple[str, int], list[Symbol]]) -> Any:
    """One symbol for one, else a list or dict of them."""
    if isinstance(found, list) and found and isinstance(found[0], str):
        name, number, index = found
        return given[name, number][index]
    if isinstance(found, dict):
        return {key: _ends(part, given) for key, part in found.items()}
    parts = [_ends(part, given) for part in found]
    return parts[0] if len(parts) == 1 else parts
