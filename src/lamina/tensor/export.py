"""`export`: a function traced once, with everything it needs, apart from its Python code."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.backend import execution
from lamina.backend.exported import Exported
from lamina.backend.exported.program import Signature
from lamina.backend.exported.structure import Structure, is_plain, takes_something
from lamina.base.errors import UsageError, user_frames
from lamina.base.records import field_names
from lamina.graph.ir import Graph, Value, placeholder
from lamina.graph.ir.graph import rebuild
from lamina.graph.ir.value import apply
from lamina.graph.ops import Constant, Literal
from lamina.graph.passes import inline_calls, lower_custom_ops
from lamina.runtime import flatten
from lamina.tensor import random
from lamina.tensor.containers import contents, entries, is_leaf, is_node
from lamina.tensor.exclusive import exclusive
from lamina.tensor.jit import Jitted
from lamina.tensor.templates import Argument, Built, Fixed, Function, Leaf, Output
from lamina.tensor.tensor import Tensor, alias
from lamina.tensor.traced import Recipe, clean_graph

LARGE_ELEMENTS = 256  # of a constant that is stored as an array rather than in the text


def export(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Exported:
    """`f` for arguments like these as a program that is saved, loaded and run without `f`.

    Tensors, arrays and numbers in the arguments are arguments of the program, of these shapes and
    dtypes. Sizes that `dynamic_shapes` of a jitted function makes symbols stay symbols: the program
    serves them all. The tensors of modules, optimisers and other such objects, those that `f` finds
    elsewhere, and the state of the default random generator are the program's own: they are saved
    with it, and what a call assigns to them is kept for the next call. A module, or a method of
    one, may be given for `f`. The program may take the liberties of a jitted function (`relaxed`).

    Args:
        f: any function that `lamina.jit` takes, jitted or not.
        args, kwargs: what it is called with; nothing is computed with them.

    Raises:
        TraceError: `f` looks at a value.
        UsageError: it calls Python while it runs, or returns what a file cannot hold.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(3, 2)
        >>> program = lm.export(model, lm.zeros((1, 3)))
        >>> program
        <exported program Linear(x: f32[1,3]) -> f32[1,2]>
        >>> sorted(program.state)
        ['bias', 'weight']
        >>> program.save("linear.lamina")
    """
    with user_frames:
        owner, function, title = _parts_of(f)
        own = [] if owner is None else [owner]
        call = [*own, *map(_fresh, args), {k: _fresh(v) for k, v in kwargs.items()}]
        names = _argument_names(f, function, len(own), len(args))
        static: list[Any] = []

        def run(given: list[Any]) -> Any:
            return function(*given[:-1], **given[-1])

        whole: Callable[[list[Any]], Any] = run
        relaxed: tuple[str, ...] = ()
        if isinstance(function, Jitted):
            whole, static, call = function.for_export(call)
            relaxed = function.relaxed
        with exclusive.lock:
            recipe = Recipe(whole, call, flatten(call))
            return _Export(recipe, call, names, title, range(len(own)), static, relaxed).made()


def _parts_of(f: Any) -> tuple[Any, Callable[..., Any], str]:
    """The object that `f` belongs to, if any, a function that takes it first, and a name."""
    if isinstance(f, types.MethodType) and is_node(f.__self__):
        return f.__self__, f.__func__, str(f.__func__.__name__)
    if is_node(f):
        title = str(type(f).__name__)
        return f, lambda owner, *args, **kwargs: owner(*args, **kwargs), title
    if not callable(f):
        raise UsageError("export: takes a function or a module", [f"given: {type(f).__name__}"])
    return None, f, str(getattr(f, "__name__", type(f).__name__))


def _fresh(tree: Any) -> Any:
    """Arguments in which no array occurs twice: each is an argument of its own."""
    if isinstance(tree, Tensor):
        return alias(tree)
    if isinstance(tree, np.ndarray | np.generic):
        return np.array(tree)
    if isinstance(tree, dict):
        return {key: _fresh(part) for key, part in tree.items()}
    if isinstance(tree, list):
        return [_fresh(part) for part in tree]
    if isinstance(tree, tuple):
        parts = [_fresh(part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return tree


def _argument_names(f: Any, function: Any, owned: int, count: int) -> list[str]:
    """A name for each positional argument, the owner's, which is empty, first."""
    try:
        shown = f.forward if is_node(f) and hasattr(f, "forward") else f
        parameters = list(inspect.signature(shown).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in plain][:count]
    return [""] * owned + names + [f"argument{i}" for i in range(len(names), count)]


class _Export:
    """One export: which input is what, and the structures of arguments and result."""

    def __init__(
        self,
        recipe: Recipe,
        call: list[Any],
        names: list[str],
        title: str,
        owned: Sequence[int],
        static: Sequence[int | str],
        relaxed: tuple[str, ...],
    ):
        self.recipe = recipe
        self.call = call
        self.title = title
        self.relaxed = relaxed
        self.hidden = {*owned, *static}  # positions and names that no caller gives
        self.roots = [*names, *call[-1]]
        self.values: list[Value] = list(recipe.values)
        self.inputs: list[Value] = []  # of the graph
        self.names: list[str] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.input_of: dict[int, int] = {}  # by the number of a leaf
        self.paths: dict[int, tuple[Any, ...]] = {}  # of leaves of the caller, in the call
        self._leaf = iter(range(len(recipe.leaves)))

    def made(self) -> Exported:
        """The exported program."""
        self._refuse_structure()
        *given, named = self.call
        arguments = [
            (i, self.roots[i], self._argument(part, (i,), self.roots[i]))
            for i, part in enumerate(given)
        ]
        keywords = [
            (name, name, self._argument(part, (len(given), name), name))
            for name, part in named.items()
        ]
        recipe = self.recipe
        for value in recipe.captured:
            array = execution.array(value.data.buffer, value.type)
            self._input("constant", value, array)
        for (name, _), value in zip(recipe.generator, recipe.hidden, strict=True):
            self._input(f"random.{name}", value, random.default.__dict__[name].numpy())
        result = self._result(recipe.result)
        updates, writes = self._updates()
        graph = _stored_apart(_portable(clean_graph(self.inputs, self.values)), self)
        signature = Signature(
            self.title,
            tuple(self.names),
            self._taken(arguments),
            self._taken(keywords),
            result,
            updates,
            writes,
            self.relaxed,
        )
        return Exported(graph, signature, self.arrays)

    def _taken(self, found: Sequence[tuple[Any, str, Structure]]) -> Any:
        """Names and structures of what a caller gives."""
        return tuple(
            (name, part)
            for place, name, part in found
            if place not in self.hidden and takes_something(part)
        )

    def _input(self, name: str, value: Value, array: Any = None) -> int:
        """A further input of the graph; one with an array is the program's own."""
        base, number = name or "value", 1
        while name in self.names or not name:
            name, number = f"{base}_{number}", number + 1
        self.names.append(name)
        self.inputs.append(value)
        if array is not None:
            self.arrays[name] = np.array(array)
        return len(self.inputs) - 1

    def _argument(self, tree: Any, path: tuple[Any, ...], name: str) -> Structure:
        """The structure of an argument; its arrays become inputs."""
        held = contents(tree)
        if held is None:
            if is_leaf(tree) or type(tree) in (float, int, bool):
                return {"input": self._leaf_input(next(self._leaf), name, path)}
            if is_plain(tree):
                return {"value": tree}
            raise UsageError(
                "export: an argument that a file cannot hold",
                [f"{name}: {type(tree).__name__}"],
                "bind it with functools.partial, so that it is a part of the function",
            )
        if is_node(tree):
            self._own_leaves(tree, name)
            return {"state": name}
        parts = [(k, self._argument(c, (*path, k), _joined(name, k))) for k, c in entries(held)]
        return _container("an argument", held, parts)

    def _leaf_input(
        self, leaf: int, name: str, path: tuple[Any, ...] = (), array: Any = None
    ) -> int:
        """The input for a leaf of the arguments; a tensor at two places has one."""
        first = self.recipe.index[id(self.recipe.placeholders[leaf])]
        if first not in self.input_of:
            self.input_of[first] = self._input(name, self.recipe.inputs[first], array)
            if array is None:
                self.paths[first] = path
        return self.input_of[first]

    def _own_leaves(self, node: Any, name: str) -> None:
        """The tensors of a module or the like as the program's own state."""
        known = node.state_dict() if hasattr(node, "state_dict") else {}
        named = {id(t): n for n, t in reversed(list(known.items()))}  # a shared one: its first
        for path, leaf in _leaves_below(node, ()):
            number = next(self._leaf)
            own = named.get(id(leaf), ".".join(map(str, path)))
            self._leaf_input(number, _joined(name, own), array=np.asarray(leaf))

    def _refuse_structure(self) -> None:
        for step in self.recipe.structure:
            place = ".".join(map(str, (*step.path[1:], step.key)))
            raise UsageError(
                "export: the function assigns what was no tensor before, or of another structure",
                [f"assigned: {place}"],
                "call the function once before the export, so that the tensor is there",
            )

    def _updates(self) -> tuple[tuple[tuple[int, int], ...], tuple[Any, ...]]:
        """State that is replaced, and what is written into containers of the caller."""
        updates: list[tuple[int, int]] = []
        writes: list[tuple[str, tuple[Any, ...], int]] = []
        for leaf, part in self.recipe.updates:
            output = part.index if isinstance(part, Output) else self._passed_on(part.index)
            if leaf not in self.paths:
                updates.append((self.input_of[leaf], output))
                continue
            first, *rest = self.paths[leaf]
            if first == len(self.call) - 1:  # a keyword
                first, *rest = rest
                writes.append((str(first), tuple(rest), output))
            else:
                writes.append((self.roots[first], tuple(rest), output))
        for name, output in self.recipe.generator:
            updates.append((self.names.index(f"random.{name}"), output))
        return tuple(updates), tuple(writes)

    def _passed_on(self, leaf: int) -> int:
        """The output that is a leaf of the arguments itself."""
        first = self.recipe.index[id(self.recipe.placeholders[leaf])]
        self.values.append(self.recipe.inputs[first])
        return len(self.values) - 1

    def _result(self, template: Any) -> Structure:
        """The structure of the result."""
        if isinstance(template, Output):
            return {"output": template.index}
        if isinstance(template, Leaf):
            return {"output": self._passed_on(template.index)}
        if isinstance(template, Built):
            held = contents(template.like)
            if held is not None and not is_node(template.like):
                keys = [k for k, _ in entries(held)]
                parts = [self._result(part) for part in template.parts]
                return _container("the result", held, list(zip(keys, parts, strict=True)))
        if isinstance(template, Fixed):
            if is_plain(template.value):
                return {"value": template.value}
            if is_leaf(template.value):
                self.values.append(_constant(np.asarray(template.value)))
                return {"output": len(self.values) - 1}
        like = isinstance(template, Built | Function)
        given = template.like if like else getattr(template, "value", None)
        shown = "a container of the arguments" if isinstance(template, Argument) else type(given)
        shown = shown if isinstance(shown, str) else shown.__name__
        raise UsageError(
            "export: the result holds what a program cannot return",
            [f"returned: {shown}"],
            "return tensors in tuples, lists and dicts",
        )


def _constant(array: np.ndarray) -> Value:
    literal = Literal.of(array)
    return apply(Constant(literal, literal.dtype, literal.shape))


def _container(what: str, held: Any, parts: Sequence[tuple[Any, Structure]]) -> Structure:
    if isinstance(held, dict):
        for key, _ in parts:
            if not is_plain(key):
                facts = [f"key: {key!r}"]
                raise UsageError(f"export: a key of {what} cannot be saved", facts, "use strings")
        return {"dict": [list(pair) for pair in parts]}
    return {"tuple" if isinstance(held, tuple) else "list": [part for _, part in parts]}


def _joined(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _leaves_below(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The arrays inside a registered object, in the order in which `flatten` meets them."""
    held = contents(tree)
    if held is None:
        if is_leaf(tree):
            yield path, tree
        return
    for key, child in entries(held):
        yield from _leaves_below(child, (*path, key))


def _portable(graph: Graph) -> Graph:
    """The graph without derivatives and operators of others, if all of it can be written down.

    Raises:
        UsageError: an op calls Python or is defined outside Lamina.
    """
    graph = lower_custom_ops(inline_calls(graph), portable=True)
    for v in graph.nodes:
        _refuse_foreign(v)
    return rebuild(graph, _with_portable_bodies)


def _with_portable_bodies(v: Value, operands: tuple[Value, ...]) -> Value | None:
    changed = {}
    for name in field_names(v.op):
        held = getattr(v.op, name)
        if isinstance(held, Graph):
            changed[name] = _portable(held)
        elif isinstance(held, tuple) and any(isinstance(g, Graph) for g in held):
            changed[name] = tuple(_portable(g) if isinstance(g, Graph) else g for g in held)
    return apply(replace(v.op, **changed), operands) if changed else None


def _refuse_foreign(v: Value) -> None:
    op = v.op
    code = [x.printed for n in field_names(op) if hasattr(x := getattr(op, n), "printed")]
    if code:
        raise UsageError(
            "export: the function calls Python while it runs",
            [f"called: {', '.join(code)}"],
            "compute it before or after the program, or with operations of Lamina",
            v.span,
        )
    if not type(op).__module__.startswith("lamina."):
        raise UsageError(
            "export: an operator that is defined outside Lamina",
            [f"operator: {op.name}, of {type(op).__module__}"],
            "a process that loads the program does not know it; say by deflower what operations of "
            "Lamina it is made of, or use those",
            v.span,
        )


def _stored_apart(graph: Graph, export: _Export) -> Graph:
    """The graph with large constants as inputs, whose arrays the file holds."""
    inputs = list(graph.inputs)

    def rewrite(v: Value, operands: tuple[Value, ...]) -> Value | None:
        op = v.op
        if not isinstance(op, Constant) or not isinstance(op.value, Literal):
            return None
        if v.type.size <= LARGE_ELEMENTS:
            return None
        inputs.append(placeholder(v.type))
        export._input("constant", inputs[-1], op.value.array)
        return inputs[-1]

    made = rebuild(graph, rewrite)
    return Graph(inputs, made.outputs)
