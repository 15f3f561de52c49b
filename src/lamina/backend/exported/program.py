"""`Exported`: a graph with its parameters, and how it is called."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from lamina.backend import execution
from lamina.backend.exported import structure as trees
from lamina.backend.exported.structure import Structure
from lamina.base import dtypes
from lamina.base.dims import Dim
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir import Graph, TensorType, graph_at
from lamina.graph.ir.sizes import sizes_from
from lamina.graph.transforms import numbers_as_inputs

Path = tuple[Any, ...]
PROGRAMS_KEPT = 64  # of one exported program, for the sizes that its symbols had last


@frozen
class Signature:
    """What an exported program takes, gives and keeps.

    Attributes:
        name: of the function it was made from.
        inputs: a name for each input of the graph.
        arguments: name and structure of each positional argument that a caller gives.
        keywords: those of the arguments that were given by name.
        result: the structure of what a call returns.
        updates: (input, output): state that a call replaces.
        writes: (argument, path, output): what a call assigns into a list or dict of the caller.
        relaxed: liberties that the program may take.
    """

    name: str
    inputs: tuple[str, ...]
    arguments: tuple[tuple[str, Structure], ...]
    keywords: tuple[tuple[str, Structure], ...]
    result: Structure
    updates: tuple[tuple[int, int], ...] = ()
    writes: tuple[tuple[str, Path, int], ...] = ()
    relaxed: tuple[str, ...] = ()


class Exported:
    """A program apart from the code that made it: call it, save it, look at it.

    Takes and gives NumPy arrays (and takes anything that NumPy reads) in the tuples, lists and
    dicts of the function it was made from. Objects such as modules and optimisers, and tensors
    that the function found elsewhere, are its own: they are no arguments any more, and what a call
    assigns to them is kept for the next.

    Args:
        graph: typed inputs and outputs.
        signature: what its inputs and outputs are.
        arrays: a value for each input that is no argument, by name.

    Attributes:
        graph, signature: as given.
        frozen: numbers of the inputs that are state which no call replaces.
    """

    def __init__(self, graph: Graph, signature: Signature, arrays: Mapping[str, np.ndarray]):
        self.graph = graph
        self.signature = signature
        names = signature.inputs
        self._kept = {i: _copied(arrays[n]) for i, n in enumerate(names) if n in arrays}
        outputs = {v.id for v in graph.outputs}
        replaced = {i for i, _ in signature.updates}
        self._donated = [i in replaced and v.id not in outputs for i, v in enumerate(graph.inputs)]
        self.frozen = [i for i in self._kept if i not in replaced]
        own = {v.id for v in graph.inputs}
        self._aliases = {k for k, v in enumerate(graph.outputs) if v.id in own}
        self._lock = threading.Lock()
        self._symbolic = any(v.type.symbolic for v in graph.inputs)
        self._sized: dict[tuple[int, ...], _Sized] = {}

    @cached_property
    def program(self) -> Any:
        """The compiled program, made when first asked for.

        State that no call replaces is frozen: what follows from it alone is computed once.

        Raises:
            UsageError: it serves many sizes, each of which has a program.
        """
        if self._symbolic:
            raise UsageError(
                f"{self}: has a program for each size",
                [f"takes: {', '.join(map(str, self.inputs.values()))}"],
                "call it with arrays",
            )
        relaxed = self.signature.relaxed
        return execution.compile(self.graph, relaxed=relaxed, frozen=self.frozen)

    def _for(self, sizes: Mapping[str, int]) -> _Sized:
        """The program for given sizes; those used last are kept."""
        key = tuple(sizes.values())
        found = self._sized.get(key)
        if found is None:
            found = self._sized_for(sizes) if sizes else _Sized(self.program, self.graph, ())
            if len(self._sized) >= PROGRAMS_KEPT:
                self._sized.pop(next(iter(self._sized)), None)
            self._sized[key] = found
        return found

    def _sized_for(self, sizes: Mapping[str, int]) -> _Sized:
        """The program for these sizes of its symbols, whose kernels serve others too."""
        opened, numbers = numbers_as_inputs(self.graph, len(self.graph.inputs))
        graph = graph_at(opened, sizes)
        given = tuple(execution.scalar(n.at(sizes), dtype) for n, dtype in numbers)
        program = execution.compile(graph, generic=True, relaxed=self.signature.relaxed)
        return _Sized(program, graph, given)

    @property
    def inputs(self) -> dict[str, TensorType]:
        """The types of the arrays that a caller gives, by name, in order."""
        typed = zip(self.signature.inputs, self.graph.inputs, strict=True)
        return {name: v.type for i, (name, v) in enumerate(typed) if i not in self._kept}

    @property
    def outputs(self) -> tuple[TensorType, ...]:
        """The types of the arrays of the result, in order."""
        given = trees.leaves(self.signature.result, "output")
        return tuple(self.graph.outputs[k].type for k in given)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Parameters, and whatever else the program keeps, by name: copies."""
        with self._lock:
            kept = list(self._kept.items())
            values = self.graph.inputs
            return {
                self.signature.inputs[i]: execution.array(buffer, values[i].type).copy()
                for i, buffer in kept
            }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write program and state to a file that `lamina.load_program` reads.

        The file is there whole or not at all. It is a safetensors file: other tools read the
        parameters from it.
        """
        from lamina.backend.exported.file import save_program  # which reads Exported back

        save_program(path, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program.

        Raises:
            ShapeError, DTypeError: an array of another type than at the export.
            UsageError: other arguments than at the export.
        """
        given = self._bound(args, kwargs)
        buffers: list[Any] = [None] * len(self.graph.inputs)
        wanted: list[tuple[str, Any, int]] = []  # a place, its symbolic size, the size of the array

        def note(number: int, name: str, leaf: Any) -> None:
            type = self.graph.inputs[number].type
            array = self._array(name, leaf, type)
            if type.symbolic:
                facts = enumerate(zip(type.shape, array.shape, strict=True))
                wanted.extend((f"{name}, axis {i}", n, m) for i, (n, m) in facts)
            buffers[number] = execution.buffer(array)

        signature = self.signature
        for name, structure in (*signature.arguments, *signature.keywords):
            trees.taken(structure, given[name], name, note)
        sized = self._for(sizes_from(str(self), wanted) if wanted else {})
        if signature.updates:
            with self._lock:  # the next call reads what this one writes
                made = self._run(sized, buffers)
                for i, k in signature.updates:
                    self._kept[i] = _duplicate(made[k]) if k in self._aliases else made[k]
        else:
            made = self._run(sized, buffers)
        results = [execution.array(b, v.type) for b, v in zip(made, sized.graph.outputs)]
        for name, path, k in signature.writes:
            trees.reach(given[name], path[:-1])[path[-1]] = results[k]
        return trees.filled(signature.result, lambda kind, number: results[number])

    def _run(self, sized: _Sized, buffers: Sequence[Any]) -> list[Any]:
        inputs = [self._kept[i] if b is None else b for i, b in enumerate(buffers)]
        donated = [*self._donated, *[False] * len(sized.numbers)] if any(self._donated) else None
        return sized.program.run([*inputs, *sized.numbers], donated)

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """What is given for each argument, by name."""
        positional = [name for name, _ in self.signature.arguments]
        wanted = [*positional, *(name for name, _ in self.signature.keywords)]
        given = dict(zip(positional, args)) | dict(kwargs)
        twice = [name for name in positional[: len(args)] if name in kwargs]
        if len(args) > len(positional) or twice or set(given) != set(wanted):
            shown = [*("an array" for _ in args), *kwargs]
            raise UsageError(
                f"{self}: other arguments than at the export",
                [f"given: {', '.join(shown) or 'none'}", f"takes: {', '.join(wanted) or 'none'}"],
                "modules and optimisers are a part of the program and are not given",
            )
        return given

    def _array(self, name: str, leaf: Any, type: TensorType) -> np.ndarray:
        """What was given for an input as an array of its type; numbers take the dtype asked for."""
        array = np.asarray(leaf)
        if isinstance(leaf, bool | int | float | complex):
            if np.can_cast(array.dtype, type.dtype.numpy, "same_kind") or _fits(leaf, type):
                array = array.astype(type.dtype.numpy)
        elif array.dtype.byteorder not in "=|":
            array = array.astype(array.dtype.newbyteorder("="))
        fits = len(array.shape) == type.rank and all(
            n == m or isinstance(n, Dim) for n, m in zip(type.shape, array.shape)
        )
        if array.dtype == type.dtype.numpy and fits:
            return np.ascontiguousarray(array).reshape(array.shape)
        known = dtypes.is_known(array.dtype)
        shown = f"{dtypes.dtype(array.dtype) if known else array.dtype}"
        facts = [f"given: {shown}[{','.join(map(str, array.shape))}]", f"takes: {type}"]
        if not fits:
            help = "a program serves the shapes that it was exported for"
            raise ShapeError(f"{self}: {name} has another shape than at the export", facts, help)
        help = "cast it first"
        raise DTypeError(f"{self}: {name} has another dtype than at the export", facts, help)

    def __str__(self) -> str:
        return f"exported program {self.signature.name}"

    def __repr__(self) -> str:
        takes = ", ".join(f"{name}: {type}" for name, type in self.inputs.items())
        return f"<{self}({takes}) -> {', '.join(map(str, self.outputs))}>"


@frozen
class _Sized:
    """An exported program for given sizes.

    Attributes:
        program, graph: compiled, and as it was compiled.
        numbers: buffers for its last inputs: numbers that are made of the sizes.
    """

    program: Any
    graph: Graph
    numbers: tuple[Any, ...]


def _fits(number: Any, type: TensorType) -> bool:
    """Whether an integer is in the range of an integer dtype that NumPy would not cast it to."""
    if type.dtype.kind != "uint" or isinstance(number, bool) or not isinstance(number, int):
        return False
    return 0 <= number <= np.iinfo(type.dtype.numpy).max


def _copied(array: np.ndarray) -> Any:
    """A buffer of its own with the elements of an array."""
    return _duplicate(execution.buffer(np.ascontiguousarray(array)))


def _duplicate(buffer: Any) -> Any:
    made = execution.Buffer(buffer.nbytes)
    memoryview(made).cast("B")[:] = memoryview(buffer).cast("B")
    return made
