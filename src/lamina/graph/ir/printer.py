"""Graphs as text that `parser.parse` reads back without loss.

    graph(%a: f32[8,784], %b: f32[784,256]) {
      %0: f32[8,256] = contract("ik,kj->ij") %a, %b    # model.py:41 in MLP.__call__
      %1: f32[8,256] = constant(0.5, f32, (8, 256))
      return %0, %1
    }

Inputs have letters, nodes have numbers. The parameters of an op are its fields in order. Sizes that
are symbols are declared with the smallest size that each stands for: `graph[B >= 1](%a: f32[B,4])`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.base.dims import Dim
from lamina.base.dtypes import DType
from lamina.base.records import field_names
from lamina.base.spans import Span
from lamina.graph.ir.types import TensorType

if TYPE_CHECKING:
    from lamina.graph.ir.graph import Graph
    from lamina.graph.ir.op import Op
    from lamina.graph.ir.value import Value


def to_text(graph: Graph, indent: str = "") -> str:
    """The text of `graph`; lines after the first begin with `indent`."""
    name = names(graph)
    inputs = ", ".join(f"{name[v.id]}: {v.type}" for v in graph.inputs)
    lines = [f"graph{_declared(graph)}({inputs}) {{"]
    for v in graph.nodes:
        lines.append(f"{indent}  {statement(v, name, indent + '  ')}{_comment(v.span)}")
    outputs = ", ".join(name[v.id] for v in graph.outputs)
    return "\n".join([*lines, f"{indent}  return {outputs}".rstrip(), f"{indent}}}"])


def _declared(graph: Graph) -> str:
    """The symbols in the types of all values."""
    found: dict[str, int] = {}
    for v in graph.values:
        if v.type.symbolic:
            for t in getattr(v.type, "items", (v.type,)):
                for n in t.shape:
                    found |= n.symbols if type(n) is Dim else {}
    return f"[{', '.join(f'{n} >= {found[n]}' for n in sorted(found))}]" if found else ""


def names(graph: Graph) -> dict[int, str]:
    """The printed name of each value, by its id: `%a` for inputs, `%0` for nodes."""
    found = {v.id: f"%{_letters(i)}" for i, v in enumerate(graph.inputs)}
    return found | {v.id: f"%{i}" for i, v in enumerate(graph.nodes)}


def statement(value: Value, name: dict[int, str], indent: str = "") -> str:
    """One node as `%1: f32[8] = exp %0`."""
    made = op_text(value.op, indent) if value.op is not None else "input"
    operands = ", ".join(name.get(o.id, "%?") for o in value.operands)
    return f"{name.get(value.id, '%?')}: {value.type} = {made} {operands}".rstrip()


def op_text(op: Op, indent: str = "") -> str:
    """An op with its parameters: `permute((-1, -2))`, or just `exp`."""
    fields = [getattr(op, name) for name in field_names(op)]
    return f"{op.name}({', '.join(_parameter(p, indent) for p in fields)})" if fields else op.name


def _letters(i: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    text = ""
    i += 1
    while i:
        i, digit = divmod(i - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def _comment(span: Span | None) -> str:
    if span is None:
        return ""
    text = f"{span} in {span.function}" if span.function else str(span)
    return "    # " + " ".join(text.split())


def _parameter(p: Any, indent: str) -> str:
    """The text of one parameter of an op."""
    if isinstance(p, np.generic):
        p = p.item()
    if p is None or isinstance(p, bool):
        return {None: "none", True: "true", False: "false"}[p]
    if isinstance(p, int | float | Dim):
        return repr(p)
    if isinstance(p, complex):
        return f"complex({p.real!r}, {p.imag!r})"
    if isinstance(p, DType):
        return p.name
    if isinstance(p, TensorType):
        return str(p)
    if isinstance(p, str):
        return json.dumps(p)
    if isinstance(p, tuple):
        inner = ", ".join(_parameter(q, indent) for q in p)
        return f"({inner},)" if len(p) == 1 else f"({inner})"
    if hasattr(p, "inputs") and hasattr(p, "outputs"):
        return to_text(p, indent)
    if hasattr(p, "printed"):  # code, such as the rule of a custom derivative
        return json.dumps(p.printed)
    return _array(p)


def _array(p: Any) -> str:
    """`literal([[1.0, 2.0]], f32)`; the shape follows where the brackets do not tell it."""
    array = np.asarray(p.array)
    shape = f", {_parameter(array.shape, '')}" if array.size == 0 else ""
    return f"literal({_elements(array)}, {p.dtype}{shape})"


def _elements(array: np.ndarray) -> str:
    if array.ndim:
        return f"[{', '.join(_elements(part) for part in array)}]"
    value = array.item() if array.dtype.kind in "biufc" else float(array)
    if value != value:
        return _nan(array)
    return _parameter(value, "")


def _nan(array: np.ndarray) -> str:
    """`nan`, with its bits where they are not those that `nan` is read as."""
    bits = array.tobytes()
    if bits == np.asarray(np.nan, array.dtype).tobytes():
        return "nan"
    return f"nan(0x{int.from_bytes(bits, 'little'):x})"
