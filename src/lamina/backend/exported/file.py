"""The file of an exported program: a safetensors file with the program in its metadata.

| metadata | holds |
|---|---|
| `format`, `version` | "lamina program", and the version of this form |
| `graph` | the graph as text, which `graph.ir.parser` reads |
| `signature` | names and structures (see `structure.py`), as JSON |
| `checksum` | of all that, and of the arrays |

The tensors are the inputs that are no arguments: parameters, state, constants. A file may come from
anywhere: it is read with all bounds checked and nothing in it is executed but the program.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.backend.exported.program import Exported, Signature
from lamina.backend.exported.structure import checked, is_index, is_plain, leaves
from lamina.base import safetensors
from lamina.base.errors import FormatError, LaminaError
from lamina.base.liberties import liberties
from lamina.graph import ops as _ops  # noqa: F401  the parser knows the ops that are defined
from lamina.graph.ir import Graph, TensorType
from lamina.graph.ir.parser import parse

FORMAT = "lamina program"
VERSION = 1


def save_program(path: str | os.PathLike[str], exported: Exported) -> None:
    """Write a program with its state; the file is there whole or not at all."""
    arrays = exported.state
    texts = {
        "format": FORMAT,
        "version": str(VERSION),
        "graph": str(exported.graph),
        "signature": json.dumps(_described(exported.signature), allow_nan=True),
    }
    safetensors.save(path, arrays, texts | {"checksum": _checksum(texts, arrays)})


def load_program(path: str | os.PathLike[str]) -> Exported:
    """The program in a file that `Exported.save` wrote; it is compiled for this machine.

    Needs none of the code that the program was made from, nor Lamina's front end.

    Args:
        path: the file.

    Raises:
        FormatError: the file is damaged, cut off, no program, or of a later version.

    Example:
        >>> import lamina as lm
        >>> lm.export(lambda x: lm.exp(x) + 1.0, lm.zeros(3)).save("program.lamina")
        >>> import numpy as np
        >>> program = lm.load_program("program.lamina")
        >>> program
        <exported program <lambda>(x: f32[3]) -> f32[3]>
        >>> program(np.zeros(3, np.float32))
        array([2., 2., 2.], dtype=float32)
    """
    arrays, texts = safetensors.load(path)
    if texts.get("format") != FORMAT:
        help = "lm.export(f, ...).save(path) makes one"
        raise FormatError("load_program: this file holds no program", [f"file: {path}"], help)
    if texts.get("version") != str(VERSION):
        raise FormatError(
            "load_program: another version of the file format",
            [f"file: {path}, version {texts.get('version')!r}", f"known: version {VERSION}"],
            "export the program again, or load it with the Lamina that made it",
        )
    try:
        graph = parse(texts["graph"])
        signature = _signature(json.loads(texts["signature"]), graph)
        restored = {n: _typed(a, n, signature, graph) for n, a in arrays.items()}
    except (LaminaError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, str(error).split("\n  at ")[0]) from None
    given = (part for _, part in (*signature.arguments, *signature.keywords))
    numbers = [i for part in given for i in leaves(part, "input")]
    missing = [n for i, n in enumerate(signature.inputs) if n not in restored and i not in numbers]
    if missing or len(numbers) + len(restored) != len(graph.inputs):
        raise _damaged(path, f"nothing is given for {', '.join(missing) or 'some input once'}")
    unsigned = {name: text for name, text in texts.items() if name != "checksum"}
    if _checksum(unsigned, restored) != texts.get("checksum"):
        raise _damaged(path, "the checksum is another")
    return Exported(graph, signature, restored)


def _damaged(path: str | os.PathLike[str], fact: str) -> FormatError:
    facts = [f"file: {path}", *fact.split("\n")]
    help = "export it again, or get another copy"
    return FormatError("load_program: the file is damaged", facts, help)


def _checksum(texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    found = 0
    for name in sorted(texts):
        found = zlib.crc32(f"{name}={texts[name]};".encode(), found)
    for name in sorted(arrays):
        found = zlib.crc32(name.encode(), found)
        found = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), found)
    return f"{found:08x}"


def _described(signature: Signature) -> dict[str, Any]:
    return {
        "name": signature.name,
        "inputs": signature.inputs,
        "arguments": signature.arguments,
        "keywords": signature.keywords,
        "result": signature.result,
        "updates": signature.updates,
        "writes": signature.writes,
        "relaxed": signature.relaxed,
    }


def _signature(found: Any, graph: Graph) -> Signature:
    """The signature read from JSON, every number in it checked."""
    counts = len(graph.inputs), len(graph.outputs)
    names = tuple(found["inputs"])
    if len(set(names)) != counts[0] or len(names) != counts[0] or not _texts(names):
        raise ValueError(f"{len(names)} names for {counts[0]} inputs")
    updates = tuple((i, k) for i, k in found["updates"])
    for i, k in updates:
        same = is_index(i, counts[0]) and is_index(k, counts[1])
        if not same or graph.inputs[i].type != graph.outputs[k].type:
            raise ValueError(f"output {k} cannot become input {i}")
    arguments = tuple((name, checked(part, counts[0], 0)) for name, part in found["arguments"])
    keywords = tuple((name, checked(part, counts[0], 0)) for name, part in found["keywords"])
    known = [name for name, _ in (*arguments, *keywords)]
    writes = tuple((name, tuple(path), k) for name, path, k in found["writes"])
    for name, path, k in writes:
        if name not in known or not path or not all(map(is_plain, path)):
            raise ValueError(f"nothing can be written to {name}")
        if not is_index(k, counts[1]):
            raise ValueError(f"there is no output {k}")
    if not _texts([found["name"], *known]) or len(set(known)) != len(known):
        raise ValueError("arguments have no names")
    result = checked(found["result"], 0, counts[1])
    relaxed = liberties(found.get("relaxed", ()))  # which the first files did not name
    return Signature(found["name"], names, arguments, keywords, result, updates, writes, relaxed)


def _texts(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _typed(array: np.ndarray, name: str, signature: Signature, graph: Graph) -> np.ndarray:
    """An array of the file as the input that it is for."""
    if name not in signature.inputs:
        raise ValueError(f"tensor {name!r} is no input of the program")
    type: TensorType = graph.inputs[signature.inputs.index(name)].type
    if type.dtype.is_complex and array.dtype == type.dtype.part.numpy and array.shape[-1:] == (2,):
        array = array.view(type.dtype.numpy)[..., 0]
    if (array.dtype, array.shape) != (type.dtype.numpy, type.shape):
        raise ValueError(f"tensor {name!r} is {array.dtype}{list(array.shape)}, not {type}")
    return array
