"""`jit`: trace a function once per signature, then run its program.

The arguments are flattened to leaves (tensors, arrays, Python numbers) and a signature. The first
call with a signature runs the function on placeholders and reads off what it returns and what it
assigned to the attributes and entries of its arguments; later calls flatten, look the program up,
run it and write the new leaves back.
"""

from __future__ import annotations

import functools
import time
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from lamina.base.errors import LaminaError, UsageError, hide_frames
from lamina.base.liberties import liberties
from lamina.graph.ir import Graph
from lamina.runtime import Mode, flatten
from lamina.tensor import eager
from lamina.tensor.closures import KINDS, Captured, captured
from lamina.tensor.containers import is_node
from lamina.tensor.dynamic_shapes import DynamicShapes
from lamina.tensor.exclusive import exclusive
from lamina.tensor.frozen_arguments import Frozen, frozen_arguments
from lamina.tensor.retraces import Trace, described, traced_for
from lamina.tensor.static_arguments import Static, static_arguments
from lamina.tensor.traced import Traced

PROGRAMS_KEPT = 512  # of a function with dynamic shapes: the plans of so many sizes


class Jitted:
    """A function that runs as one compiled program for each signature of its arguments.

    Args:
        f: the function.
        statics: its static arguments.
        donate: whether replaced leaves give their memory away.
        dynamic_shapes: sizes that are symbols.
        relaxed: liberties that programs may take.
        frozen: its frozen arguments.
        executor: what programs run under.

    Attributes:
        donate: whether buffers of leaves that a call replaces are given to the results.
        relaxed, executor: as given.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        statics: Sequence[Static],
        donate: bool,
        dynamic_shapes: Mapping[str, Any] | None = None,
        relaxed: tuple[str, ...] = (),
        frozen: Sequence[Frozen] = (),
        executor: Mode = "threads",
    ):
        functools.update_wrapper(self, f)
        self.donate = donate
        self.relaxed = relaxed
        self.executor: Mode = executor
        self._f = f
        self._statics = statics
        self._frozen = frozen
        self._programs: dict[Any, Traced] = {}
        self._traces: list[Trace] = []
        self._shapes = DynamicShapes(f, dynamic_shapes) if dynamic_shapes else None
        self._symbolic: dict[Any, Traced] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if eager.transforming():
            return self._f(*args, **kwargs)  # part of the program that is being recorded
        plain = not kwargs and KINDS.isdisjoint(map(type, args))
        call = [*args, kwargs] if plain else _given(args, kwargs)
        try:
            traced, flat = self._found(call)
            return traced.call(call, flat)
        except LaminaError as error:
            hide_frames(error)
            raise

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph that a call with these arguments runs."""
        return self.lower(*args, **kwargs).graph

    def program(self, *args: Any, **kwargs: Any) -> Any:
        """The compiled program that a call with these arguments runs."""
        return self.lower(*args, **kwargs).program

    def lower(self, *args: Any, **kwargs: Any) -> Traced:
        """Everything known about the program for these arguments, without running it."""
        return self._found(_given(args, kwargs))[0]

    def lowered(self, *args: Any, **kwargs: Any) -> tuple[Graph, list[Any]]:
        """The graph that a call with these arguments runs, and the buffers of its inputs."""
        traced, flat = self._found(_given(args, kwargs))
        return traced.graph, traced.inputs(flat.leaves)

    def clear(self) -> None:
        """Forget all programs."""
        self._programs.clear()
        self._symbolic.clear()
        self._traces.clear()

    @property
    def signatures(self) -> int:
        """How many programs there are."""
        return len(self._programs)

    @property
    def traces(self) -> tuple[Trace, ...]:
        """What was traced, and what made each signature differ from those before."""
        return tuple(self._traces)

    def report(self) -> str:
        """Why the function was traced, one line for each signature."""
        name = getattr(self, "__name__", "function")
        lines = [f"jit {name}: traced {len(self._traces)} times"]
        return "\n".join([*lines, *(f"  {i}: {t}" for i, t in enumerate(self._traces, 1))])

    def _found(self, call: list[Any]) -> tuple[Traced, Any]:
        """The program for a call, traced when there is none yet, and the call flattened."""
        statics = self._take_statics(call) if self._statics else ()
        if self._shapes is not None:
            self._shapes.take_arrays(call)
        with exclusive.lock:
            flat = flatten(call)
            key = (flat.signature, statics) if statics else flat.signature
            try:
                traced = self._programs.get(key)
            except TypeError:
                raise _unhashable(statics) from None
            if traced is None:
                find = self._trace if self._shapes is None else self._at_sizes
                traced = self._programs[key] = find(call, flat, statics)
        return traced, flat

    def _at_sizes(self, call: list[Any], flat: Any, statics: tuple[Any, ...]) -> Traced:
        """The program for the sizes of a call: traced with symbols once, then made from that."""
        assert self._shapes is not None
        fit = self._shapes.fit(call)
        symbolic = flatten(fit.call)
        key = symbolic.signature, statics
        traced = self._symbolic.get(key)
        if traced is None:
            traced = self._symbolic[key] = self._trace(fit.call, symbolic, statics)
        if len(self._programs) >= PROGRAMS_KEPT:
            self._programs.pop(next(iter(self._programs)))
        return traced.at(fit.sizes)

    def _take_statics(self, call: list[Any]) -> tuple[Any, ...]:
        """Static arguments out of the call; their places hold None."""
        kwargs = call[-1]
        found: list[Any] = []
        for position, name in self._statics:
            if position is not None and position < len(call) - 1:
                found.append((position, _kind(call[position]), call[position]))
                call[position] = None
            elif name in kwargs:
                found.append((name, _kind(kwargs[name]), kwargs[name]))
                kwargs[name] = None
        return tuple(found)

    def _trace(self, call: list[Any], flat: Any, statics: tuple[Any, ...]) -> Traced:
        arguments = described(self._f, call, {place: value for place, _, value in statics})
        start = time.perf_counter()
        f = self._on_arguments(statics)
        options = self.donate, self.relaxed, self._frozen, self.executor
        traced = Traced(f, call, flat, *options)
        seconds = time.perf_counter() - start
        self._traces.append(traced_for(arguments, self._traces, seconds))
        return traced

    def for_export(
        self, call: list[Any]
    ) -> tuple[Callable[[list[Any]], Any], list[Any], list[Any]]:
        """The function of the list of arguments; positions and names of the static ones; the call.

        Those are filled in, and their places in `call` hold None. Tensors with sizes that are
        symbols have stand-ins of such types.
        """
        statics = self._take_statics(call)
        if self._shapes is not None:
            self._shapes.take_arrays(call)
            call = self._shapes.fit(call).call
        return self._on_arguments(statics), [place for place, _, _ in statics], call

    def _on_arguments(self, statics: tuple[Any, ...]) -> Callable[[list[Any]], Any]:
        def run(arguments: list[Any]) -> Any:
            given, kwargs = list(arguments[:-1]), dict(arguments[-1])
            for place, _, value in statics:
                if isinstance(place, int):
                    given[place] = value
                else:
                    kwargs[place] = value
            for held in (dict(enumerate(given)), kwargs):
                for place, value in held.items():
                    if type(value) is Captured:
                        (kwargs if held is kwargs else given)[place] = value.function()
            return self._f(*given, **kwargs)

        return run


def as_jitted(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Jitted, tuple[Any, ...]]:
    """Anything that can be called as a jitted function, and the arguments for that."""
    if isinstance(f, types.MethodType) and isinstance(f.__func__, Jitted):
        return f.__func__, (f.__self__, *args)
    if isinstance(f, Jitted):
        return f, args
    if isinstance(f, types.FunctionType | types.MethodType):
        return Jitted(f, (), donate=True), args
    if is_node(f):  # a module's tensors are arguments, as where it is trained
        return Jitted(lambda module, *a, **k: module(*a, **k), (), donate=True), (f, *args)
    return Jitted(lambda *a, **k: f(*a, **k), (), donate=True), args


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments of a call in one list; functions that hold tensors are containers of them."""
    for name, x in kwargs.items():
        if type(x) in KINDS:
            kwargs[name] = captured(x)
    return [*[captured(x) if type(x) in KINDS else x for x in args], kwargs]


def _kind(value: Any) -> Any:
    """What equality overlooks: 1, 1.0 and True are different programs, and so are 0.0 and -0.0."""
    if isinstance(value, tuple):
        return (type(value), *map(_kind, value))
    return (float, repr(value)) if type(value) is float else type(value)


def _unhashable(statics: tuple[Any, ...]) -> UsageError:
    """The error of a signature that cannot be looked up."""
    facts = [f"argument {place}: {kind.__name__}" for place, kind, _ in statics]
    return UsageError(
        "jit: a static argument is not hashable",
        facts or ["an object in the arguments, which is part of the signature"],
        "pass a tuple in place of a list, or a frozen dataclass in place of a dict",
    )


def jit(
    f: Callable[..., Any] | None = None,
    *,
    static_argnames: Sequence[str] | str = (),
    static_argnums: Sequence[int] | int = (),
    donate: bool = True,
    control_flow: str = "trace",
    dynamic_shapes: Mapping[str, Any] | None = None,
    relaxed: Sequence[str] | str = (),
    frozen: Sequence[str] | str = (),
    executor: Mode = "threads",
) -> Any:
    """`f` as one compiled program for each signature of its arguments.

    Tensors, NumPy arrays and Python numbers in the arguments are inputs of the program; strings,
    None and other objects are part of the signature, as are numbers inside modules. The function
    may assign tensors to attributes and entries of its arguments: the old ones go in and the new
    ones are written back. Inside `jit`, `grad` and `vmap` it is part of the outer program.

    Args:
        f: the function; without it, `jit(...)` is a decorator with options.
        static_argnames: arguments whose values are part of the signature, for Python control flow.
        static_argnums: the same by position, from the end if negative. An argument that has a name
            and a position is static however a call gives it.
        donate: give the memory of tensors that a call replaces to the results.
        control_flow: "trace" runs Python's `if`, `while` and `for` once, while tracing; "convert"
            rewrites them from the source, so that tensors may decide (see `convert`).
        dynamic_shapes: sizes that are symbols, by the name of the argument, as in
            `{"x": {0: lm.Dim("B")}}`: the function is traced once for all of them. A tuple
            `(lm.Dim("B"), None)` describes each axis; tuples, lists and dicts of tensors take the
            same with such descriptions in them.
        relaxed: liberties that strict numerics forbid, by name. "winograd": convolutions of 3 × 3
            with fewer multiplications, where that is faster; a result is rounded as the largest
            element and weight that it reads demand, and an infinity among them makes it NaN.
            "winograd4": the same with larger tiles, about four times the error, and a tile feels
            what any of its results reads. "algebra": rules such as x - x = 0, whatever x is.
        frozen: names of arguments that hold the same tensors from call to call, such as the model
            of a forward pass. What follows from them alone is computed once and kept: weights in
            the order in which kernels read them, say, which takes their memory again. It is
            computed again when a tensor is replaced, so results are right in any case. Tensors that
            share memory with an array somebody may write to count as replaced at every call, and
            with `dynamic_shapes` nothing is kept.
        executor: "threads" runs one kernel after the other, each split over all threads. "graph"
            runs each on one thread, as soon as what it reads is there: for functions of loops or
            calls of libraries that do not depend on one another, such as the two directions of a
            recurrent network. The program takes a little more memory, in which none of them
            waits for another. "serial" uses one thread.

    Raises:
        UsageError: the function has no such argument, replaces a tensor in a frozen one, a static
            argument is not hashable, or there is no such liberty or executor.
        TraceError: the function looks at a value while it is traced, or at a size that is a symbol.
        ShapeError: sizes of a call do not fit `dynamic_shapes`.

    Example:
        >>> import lamina as lm
        >>> @lm.jit
        ... def double(x):
        ...     return x + x
        >>> double(lm.asarray([1.0, 2.0]))
        Tensor([2., 4.], shape=(2,), dtype=float32)
    """
    if f is not None and not callable(f):
        raise UsageError(
            "jit: takes a function",
            [f"given: {type(f).__name__}"],
            "options have names, as in @lm.jit(static_argnames='n')",
        )
    if control_flow not in ("trace", "convert"):
        raise UsageError(
            f"jit: no control flow {control_flow!r}", ['there are: "trace", "convert"']
        )
    if executor not in get_args(Mode):
        names = ", ".join(f'"{name}"' for name in get_args(Mode))
        raise UsageError(f"jit: no executor {executor!r}", [f"there are: {names}"])
    prepared: Callable[[Any], Any] = lambda g: g
    if control_flow == "convert":
        from lamina.tensor.convert.convert import convert  # the rewriters: on first use only

        prepared = convert

    allowed = liberties(relaxed)

    def jitted(g: Callable[..., Any]) -> Jitted:
        statics = static_arguments(g, static_argnames, static_argnums)
        still = frozen_arguments(g, frozen)
        return Jitted(prepared(g), statics, donate, dynamic_shapes, allowed, still, executor)

    return jitted if f is None else jitted(f)
