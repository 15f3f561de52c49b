"""Operators of users: a type rule, and code in NumPy or behind a C interface that computes them."""

from __future__ import annotations

import ctypes
import functools
import inspect
import os
import types
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lamina.base.dims import Dim
from lamina.base.dtypes import DType, dtype
from lamina.base.errors import ShapeError, UsageError, user_frames
from lamina.graph.ir import REGISTRY, Value, emit
from lamina.graph.ir.op import snake
from lamina.graph.ir.pattern import Rule, Term
from lamina.graph.ops import Definition, Foreign, ForeignKernel, item
from lamina.runtime.foreign import Prepared, run
from lamina.tensor.control.bodies import recorded, require_callable
from lamina.tensor.conversion import asarray
from lamina.tensor.custom import custom_jvp, custom_vjp
from lamina.tensor.lowering import Lowering
from lamina.tensor.tensor import Tensor, wrap

DTypes = Any  # one for all operands, or a tuple with one for each; a list of such


def include_dir() -> str:
    """The folder with `lamina/kernel.h`, the C interface of kernels.

    Example:
        >>> import os
        >>> os.path.isfile(os.path.join(include_dir(), "lamina", "kernel.h"))
        True
    """
    return str(Path(__file__).parents[1] / "include")


def custom_op(rule: Callable[..., Any] | None = None, *, outputs: Sequence[str] = ()) -> Any:
    """An operator that is defined outside Lamina, and takes part in everything.

    The decorated function is its type rule. It gets the types of the operands (`shape`, `dtype`,
    `with_shape`, `with_dtype`) as positional arguments and the operator's attributes as keywords,
    raises where they do not fit, and returns the type of the result, or a tuple of types. It runs
    when the operator is called, before anything is computed.

    What computes it: `deflower` writes it with other operators; `register_kernel` gives machine
    code by dtype, which comes first; `defreference` gives NumPy, which serves where there is
    neither. What it varies like: `defjvp` or `defvjp`, in functions of tensors; else its lowering.
    Under `vmap` the operator runs on each example; Lamina loops, and shares the examples between
    threads, unless `defvmap` says what many examples give.

    Args:
        rule: the type rule. Positional parameters are operands; those after `*` are attributes:
            numbers, strings, None, and tuples of numbers.
        outputs: names for several results, which then come as a named tuple.

    Returns:
        A `CustomOp`, which is called like a function of tensors.

    Example:
        >>> import numpy as np
        >>> import lamina as lm
        >>> @custom_op
        ... def running_max(x):
        ...     return x
        >>> @running_max.defreference
        ... def _(x):
        ...     return np.maximum.accumulate(x, axis=-1)
        >>> lm.jit(lambda x: running_max(x) * 2.0)(lm.asarray([1.0, 3.0, 2.0]))
        Tensor([2., 6., 6.], shape=(3,), dtype=float32)
    """
    if rule is None:
        return lambda f: CustomOp(f, outputs)
    return CustomOp(rule, outputs)


class CustomOp:
    """An operator of a user's; `custom_op` makes one.

    Functions that were compiled before a kernel, a reference or a derivative is added keep what
    they were compiled with.

    Args:
        rule: the type rule.
        outputs: names for several results.
        dialect: the name of the group that it belongs to, if any.
        require: (name, types, attributes); raises where they do not fit, before the type rule.
    """

    def __init__(
        self,
        rule: Callable[..., Any],
        outputs: Sequence[str] = (),
        dialect: str = "",
        require: Callable[..., None] | None = None,
    ):
        require_callable("custom_op", rule=rule)
        functools.update_wrapper(self, rule)
        title = f"{dialect}.{rule.__name__}" if dialect else rule.__name__
        known = REGISTRY.get(snake(title))
        if known is not None and not issubclass(known, Foreign):
            raise UsageError(
                f"custom_op: {title} is an operator already",
                [f"defined in {known.__module__}"],
                "give the function another name",
            )
        self._signature = inspect.signature(rule)
        operands, self._attributes = _parameters(title, self._signature)
        self._definition = Definition(title, operands, rule, require=require)
        self._module = rule.__module__
        self._class = self._made()
        self._forward: Any = None
        self._backward: Any = None
        self._named: Any = namedtuple(rule.__name__, outputs) if outputs else None

    def __call__(self, *args: Any, **attributes: Any) -> Any:
        with user_frames:
            bound = self._bound(args, attributes)
            if any(isinstance(x, Term) for x in bound.values()):
                return self._pattern(bound)
            operands = [asarray(bound[name]) for name in self._definition.operands]
            given = self._given(bound)
            plain = functools.partial(self._apply, given)
            if self._forward is None and self._backward is None:
                return plain(*operands)
            plain.__name__ = self._definition.title  # type: ignore[attr-defined]
            return self._customised(plain, dict(given))(*operands)

    def _customised(self, plain: Callable[..., Any], given: dict[str, Any]) -> Any:
        if self._forward is not None:
            made: Any = custom_jvp(plain)
            made.defjvp(functools.partial(self._forward, **given))
            return made
        made = custom_vjp(plain)
        forward, backward = self._backward
        made.defvjp(functools.partial(forward, **given), functools.partial(backward, **given))
        return made

    def _apply(self, given: tuple[tuple[str, Any], ...], *operands: Tensor) -> Any:
        """The operator itself, without its derivative."""
        op = self._class(given)
        parts = recorded(op, [t._value for t in operands])
        if self._named is not None and len(parts) == len(self._named._fields):
            return self._named(*parts)
        return parts[0] if len(parts) == 1 else tuple(parts)

    def _pattern(self, arguments: dict[str, Any]) -> Any:
        """The operator in the pattern of a rule, where wildcards stand for some arguments."""
        given = [arguments[name] for name in self._definition.operands]
        terms = [x if isinstance(x, Term) else Term(scalar=x) for x in given]
        whole = emit(self._class(self._given(arguments)), *terms)
        if self._named is None:
            return item(whole, 0)
        return self._named(*[item(whole, i) for i in range(len(self._named._fields))])

    def _bound(self, args: Sequence[Any], attributes: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name."""
        title = self._definition.title
        try:
            bound = self._signature.bind(*args, **attributes)
        except TypeError as problem:
            raise UsageError(
                f"{title}: {problem}",
                [f"it is called as {title}{self._signature}"],
            ) from None
        bound.apply_defaults()
        return bound.arguments

    def _given(self, arguments: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        """The attributes of a call."""
        title = self._definition.title
        return tuple((n, _attribute(title, n, arguments[n])) for n in self._attributes)

    def _made(self) -> Any:
        """The class of the operator in graphs, with what is defined up to now."""
        body = {"definition": self._definition, "__module__": self._module}
        body["__doc__"] = self._definition.rule.__doc__
        name = self._definition.title
        return types.new_class(name, (Foreign,), {}, lambda held: held.update(body))

    def _is(self, op: Any) -> bool:
        """Whether an op of a graph or a pattern is this operator."""
        return isinstance(op, Foreign) and op.definition.rule is self._definition.rule

    def _add_pattern(self, rule: Rule) -> None:
        others = [one for one in self._definition.patterns if one.name != rule.name]
        self._changed(patterns=(*others, rule))

    def _changed(self, **parts: Any) -> None:
        self._definition = replace(self._definition, **parts)
        self._class = self._made()

    # ------------------------------------------------------------------ definitions

    def defreference(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """`f(*arrays, **attributes)` computes one example in NumPy; a decorator.

        It returns an array, or a tuple of them, of the types that the type rule gives.
        """
        self._changed(reference=f)
        return f

    def deflower(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """`f(*operands, **attributes)` says what other operators it is made of; a decorator.

        It is a function of tensors for one example, traced once for each signature. Where there is
        no kernel it stands in the operator's place before kernels are made, so it fuses with what
        is around it: an elementwise one is a loop body. Derivatives follow from it unless `defjvp`
        or `defvjp` gives others.

        Raises:
            UsageError: when the operator is called: the function comes back to the operator itself,
                or reads tensors from outside.
            ShapeError: when the operator is called: it gives other types than the type rule.

        Example:
            >>> import lamina as lm
            >>> @custom_op
            ... def softclip(x, *, at=1.0):
            ...     return x
            >>> @softclip.deflower
            ... def _(x, *, at):
            ...     return at * lm.tanh(x / at)
            >>> lm.grad(lambda x: softclip(x, at=2.0))(lm.asarray(0.0))
            Tensor(1., shape=(), dtype=float32)
        """
        require_callable(f"{self._definition.title}.deflower", f=f)
        self._changed(lowering=Lowering(f))
        return f

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """`rule(primals, tangents, **attributes) -> (result, tangent)`; a decorator.

        Both modes of derivatives follow from it. See `custom_jvp`.
        """
        self._forward = rule
        return rule

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """A reverse derivative in two functions, as for `custom_vjp`.

        `forward(*args, **attributes) -> (result, kept)`;
        `backward(kept, bar, **attributes)` -> a tuple with a cotangent, or None, for each operand.
        """
        self._backward = (forward, backward)

    def defvmap(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """What the operator gives for many examples, in place of one after the other; a decorator.

        `rule(axis_size, in_batched, *operands, **attributes)` gets tensors: where
        `in_batched` says so, an operand has the examples along its first axis; the others are
        shared. It returns the result, or a tuple of them, with the examples along the first axis.
        It may call the operator, on larger operands.

        Example:
            >>> import numpy as np
            >>> import lamina as lm
            >>> @custom_op
            ... def sorted_rows(x):
            ...     return x
            >>> @sorted_rows.defreference
            ... def _(x):
            ...     return np.sort(x, axis=-1)
            >>> @sorted_rows.defvmap
            ... def _(axis_size, in_batched, x):
            ...     return sorted_rows(x)  # rows of many matrices are rows all the same
            >>> lm.vmap(sorted_rows)(lm.asarray([[2, 1], [4, 3]])).tolist()
            [[1, 2], [3, 4]]
        """
        self._changed(many=functools.partial(_many, rule))
        return rule

    def register_kernel(
        self,
        dtypes: DTypes,
        function: Any,
        symbol: str = "",
        *,
        device: str = "cpu",
        workspace: int | Callable[..., int] = 0,
        thread_safe: bool = True,
        batched: bool = False,
    ) -> None:
        """Machine code for operands of some dtypes: a function of the C interface.

        Args:
            dtypes: one name for all operands, or a tuple with one for each; a list of such
                registers each, `{dtype}` in the symbol being that of the first operand.
            function: a path of a shared library or a `ctypes.CDLL`, both with `symbol`; a function
                of one; a function pointer of ctypes; an object with `address` (Numba's `cfunc`); or
                an address. It is kept alive.
            symbol: the name in the library, as in "smooth_l1_{dtype}".
            device: "cpu".
            workspace: bytes of memory that a call works in, or a function that gives them for the
                types and attributes of a call. They are planned with the program's memory.
            thread_safe: whether several calls may be under way at once; else they come one by one.
            batched: whether a call takes `rows` examples; else it gets one.

        Raises:
            UsageError: there is no such library or symbol, or no such device.
        """
        title = self._definition.title
        if device != "cpu":
            raise UsageError(f"{title}: no device {device!r}", ["devices: cpu"])
        library = function
        if isinstance(function, str | os.PathLike):
            library = _library(title, function)
        kernels = dict(self._definition.kernels)
        for one in dtypes if isinstance(dtypes, list) else [dtypes]:
            key = _key(self._definition, one)
            name = symbol.replace("{dtype}", key[0])
            address, known = _address(title, library, name)
            lock = ctypes.c_int32(0)
            kernels[key] = ForeignKernel(
                address, known, workspace, thread_safe, batched, library, lock, _computed
            )
        self._changed(kernels=kernels)

    def holds(self, *args: Any, **attributes: Any) -> bool:
        """Whether all that computes it gives the same for these operands, for one example.

        Compares the reference, the lowering and the kernel, those of them that there are.

        Raises:
            AssertionError: two of them differ.
            UsageError: there is nothing to compare.

        Example:
            >>> import numpy as np
            >>> import lamina as lm
            >>> @custom_op
            ... def square(x):
            ...     return x
            >>> _ = square.deflower(lambda x: x * x), square.defreference(np.square)
            >>> square.holds(lm.asarray([1.0, -2.0]))
            True
        """
        bound = self._bound(args, attributes)
        tensors = [asarray(bound[name]) for name in self._definition.operands]
        op, types = self._class(self._given(bound)), [t.type for t in tensors]
        ways = op.ways(types, [t.numpy() for t in tensors])
        if len(ways) < 2:
            raise UsageError(
                f"{self._definition.title}: there is nothing to compare",
                [f"what computes it: {', '.join(ways)}"],
                "define a reference, which is compared with the lowering and the kernel",
            )
        (first, wanted), *others = ways.items()
        for name, results in others:
            for i, (a, b) in enumerate(zip(wanted, results, strict=True)):
                message = f"{self._definition.title}: {first} and {name}, result {i}"
                np.testing.assert_allclose(b, a, 1e-4, 1e-4, err_msg=message, strict=True)
        return True

    @property
    def kernels(self) -> dict[tuple[str, ...], str]:
        """The symbols of its kernels, by the dtypes of the operands."""
        return {key: kernel.symbol for key, kernel in self._definition.kernels.items()}

    def __repr__(self) -> str:
        return f"<custom_op {self._definition.title}{self._signature}>"


def _many(
    rule: Callable[..., Any],
    op: Foreign,
    size: int,
    operands: Sequence[Value],
    is_batched: Sequence[bool],
) -> tuple[Value, ...]:
    """The results for many examples, by the author's rule."""
    one = [
        v.type.with_shape(v.shape[1:]) if batched else v.type
        for v, batched in zip(operands, is_batched, strict=True)
    ]
    wanted = [t.with_shape((size, *t.shape)) for t in op.gives(one)]
    made = rule(size, tuple(is_batched), *[wrap(v) for v in operands], **dict(op.attributes))
    found = [asarray(part) for part in (made if isinstance(made, tuple) else (made,))]
    if [t.type for t in found] != wanted:
        raise ShapeError(
            f"{op.name}: the rule for many examples gives something else",
            [
                f"type rule, {size} examples: {', '.join(map(str, wanted))}",
                f"given: {', '.join(str(t.type) for t in found)}",
            ],
            "return each result with the examples along its first axis",
        )
    return tuple(t._value for t in found)


def _parameters(
    title: str, signature: inspect.Signature
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of operands and attributes."""
    operands, attributes = [], []
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UsageError(
                f"custom_op: {title} takes any number of arguments",
                [f"signature: {title}{signature}"],
                "name each operand, and each attribute after a *",
            )
        keyword = parameter.kind is parameter.KEYWORD_ONLY
        (attributes if keyword else operands).append(name)
    if not operands:
        raise UsageError(
            f"custom_op: {title} has no operand",
            [f"signature: {title}{signature}"],
            "positional parameters are operands, those after a * are attributes",
        )
    return tuple(operands), tuple(attributes)


def _attribute(title: str, name: str, value: Any) -> Any:
    """An attribute as plain numbers, which graphs hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str | Dim | Term):
        return value
    if isinstance(value, tuple | list):
        items = tuple(_attribute(title, name, v) for v in value)
        if all(isinstance(v, bool | int | float) for v in items):
            return items
    raise UsageError(
        f"{title}: attribute {name} is of a kind that an operator cannot hold",
        [f"given: {type(value).__name__}"],
        "attributes are numbers, strings, None and tuples of numbers; tensors are operands",
    )


def _key(definition: Definition, dtypes: Any) -> tuple[str, ...]:
    count = len(definition.operands)
    given = dtypes if isinstance(dtypes, tuple) else (dtypes,) * count
    if len(given) != count:
        raise UsageError(
            f"{definition.title}: a kernel needs a dtype for each operand",
            [f"operands: {', '.join(definition.operands)}", f"dtypes: {given}"],
        )
    return tuple((d if isinstance(d, DType) else dtype(d)).long_name for d in given)


def _library(title: str, path: Any) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(os.fspath(path))
    except OSError as problem:
        raise UsageError(
            f"{title}: the library cannot be loaded", [f"path: {path}", str(problem)]
        ) from None


def _address(title: str, function: Any, symbol: str) -> tuple[int, str]:
    """Where a kernel begins, and its name."""
    if isinstance(function, ctypes.CDLL):
        found = getattr(function, symbol, None) if symbol else None
        if found is None:
            raise UsageError(
                f"{title}: the library has no such function",
                [f"library: {function._name}", f"symbol: {symbol or 'none given'}"],
                "export it with LAMINA_EXPORT, and give its name as symbol=",
            )
        function = found
    known = symbol or getattr(function, "__name__", "")
    if isinstance(function, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        address = ctypes.cast(function, ctypes.c_void_p).value or 0
    else:
        address = getattr(function, "address", function)
    if isinstance(address, bool) or not isinstance(address, int) or address <= 0:
        raise UsageError(
            f"{title}: this is no kernel",
            [f"given: {type(function).__name__}"],
            "give a library and a symbol, a function of ctypes, or an address",
        )
    return address, known or hex(address)


def _computed(
    op: Foreign,
    kernel: ForeignKernel,
    arrays: list[np.ndarray],
    takes: Sequence[Any],
    gives: Sequence[Any],
) -> list[np.ndarray]:
    """A kernel's results for one example, where no compiled program calls it."""
    rows = [False] * (len(takes) + len(gives))
    asked = op.workspace_bytes(takes)
    results = [np.empty(t.shape, t.dtype.numpy) for t in gives]
    run(
        kernel.address,
        Prepared(takes, gives, rows, op.attributes, asked, 1),
        [*arrays, *results],
    )
    return results
