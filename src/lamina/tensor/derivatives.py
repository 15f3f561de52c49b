"""Derivatives of functions over the user's own objects: `grad`, `value_and_grad`, `vjp`, `jvp`.

Each differentiable tensor in the chosen arguments is replaced by a copy of its own (`Identity`),
the function runs on the objects it knows, and the record of what it did is walked backwards or
forwards. The record is ordinary values, so derivatives nest in any order with each other, `vmap`
and `jit`. A class says by `__trainable__(name)` which of its attributes are parameters.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.base.errors import DTypeError, ShapeError, UsageError, user_frames
from lamina.graph.ir import TensorType, Value, emit, topological
from lamina.graph.ops import Identity
from lamina.graph.transforms import pull_back, push_forward
from lamina.tensor import eager
from lamina.tensor.containers import (
    Substitution,
    contents,
    entries,
    is_leaf,
    is_node,
    map_tree_with_node,
    rebuilt,
    tensors,
)
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.creation import ones, zeros, zeros_like
from lamina.tensor.tensor import Tensor, placeholder, wrap

_BAR = eager.Source("vjp")
_DOT = eager.Source("linearize")


class _Variables:
    """The differentiable leaves of some arguments, each replaced by a value of its own.

    A tensor at two places of one argument is one variable, as a shared parameter is; passed as two
    arguments it is two. What two arguments share because they hold one object is shared again.

    Attributes:
        met: the number of the variable at each place where one was found, in order.
    """

    def __init__(self, arguments: Sequence[Any]):
        self.copies: list[Tensor] = []
        self.values: list[Value] = []  # of the copies, before the function assigned into them
        self.met: list[int] = []
        self._of_tensor: dict[tuple[int, int], int] = {}
        self._of_copy: dict[int, int] = {}
        self._of_number: dict[tuple[Any, ...], int] = {}
        self._kept: list[Any] = []  # keeps ids alive
        self.originals = list(arguments)
        self.substitutions = [
            Substitution([a], functools.partial(self._replace, i)) for i, a in enumerate(arguments)
        ]
        self.arguments: list[Any] = [s.root[0] for s in self.substitutions]

    def restore_unassigned(self) -> None:
        """Every leaf as it was before, except where the function assigned something."""
        for substitution in reversed(self.substitutions):  # two may go through one container
            substitution.restore_unassigned()

    def _replace(self, argument: int, leaf: Any, node: Any, path: tuple[Any, ...]) -> Any:
        number = isinstance(leaf, float | complex) and not isinstance(leaf, np.generic)
        if number and node is None:
            self.met.append(len(self.copies))
            self._of_number[(argument, *path[1:])] = len(self.copies)
            return self._copy(asarray(leaf))
        if not is_leaf(leaf) or not _is_trainable(node, path):
            return leaf
        known = self._of_tensor.get((argument, id(leaf)), self._of_copy.get(id(leaf)))
        if known is not None:
            self.met.append(known)
            self._of_tensor[argument, id(leaf)] = known
            return self.copies[known]
        x = asarray(leaf)
        if not x.dtype.is_inexact:
            return leaf
        self._kept.append(leaf)
        self.met.append(len(self.copies))
        self._of_tensor[argument, id(leaf)] = len(self.copies)
        return self._copy(x)

    def _copy(self, x: Tensor) -> Tensor:
        made = emit(Identity(), x)
        self._of_copy[id(made)] = len(self.copies)
        self.copies.append(made)
        self.values.append(made._value)
        return made

    def tree(self, index: int, found: Sequence[Any]) -> Any:
        """An object like argument `index`, `found` in place of its variables and None elsewhere."""
        return self._tree(self.originals[index], (index,), (None, 0), found)

    def tangents(self, given: list[Tensor]) -> list[Tensor]:
        """One for each variable, from one for each place where a variable was met."""
        if len(given) != len(self.met):
            raise UsageError(
                "jvp: another number of tangents than of floating tensors",
                [f"tensors:  {len(self.met)}", f"tangents: {len(given)}"],
                "give trees like the primals, with None where there is nothing to differentiate",
            )
        first = {number: given[place] for place, number in reversed(list(enumerate(self.met)))}
        return [first[number] for number in range(len(self.copies))]

    def _tree(
        self, obj: Any, path: tuple[Any, ...], around: tuple[Any, int], found: Sequence[Any]
    ) -> Any:
        """`around`: the nearest registered object, and how much of the path leads there."""
        held = contents(obj)
        node, depth = around
        if held is None:
            if path in self._of_number and not is_leaf(obj):
                return found[self._of_number[path]]
            if is_leaf(obj):
                at = self._of_tensor.get((path[0], id(obj)))
                if at is None or not _is_trainable(node, path[depth:]):
                    return None
                return found[at]
            return obj if node is not None else None
        place = self.substitutions[path[0]].place_of(obj)
        before = held if place is None else place.before
        inner = (obj, len(path)) if is_node(obj) else around
        children = [self._tree(c, (*path, k), inner, found) for k, c in entries(before)]
        if isinstance(before, dict) and is_node(obj):
            other = copy.copy(obj)
            other.__dict__.clear()
            other.__dict__.update(zip(before, children, strict=True))
            return other
        return rebuilt(before, children)


def _is_trainable(node: Any, path: tuple[Any, ...]) -> bool:
    asked = getattr(type(node), "__trainable__", None)
    return True if asked is None or not path else bool(asked(node, path[0]))


def _positions(argnums: int | Sequence[int], count: int) -> list[int]:
    chosen = [argnums] if isinstance(argnums, int) else list(argnums)
    for i in chosen:
        if not -count <= i < count:
            raise UsageError(
                f"grad: no positional argument {i}",
                [f"given: {count} positional arguments", f"argnums: {argnums}"],
                "pass what is differentiated by position",
            )
    return [i % count for i in chosen]


def _loss(result: Any, has_aux: bool, holomorphic: bool) -> tuple[Tensor, Any]:
    loss, aux = result, None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise UsageError("grad: with has_aux the function returns (loss, aux)")
        loss, aux = result
    if not isinstance(loss, Tensor):
        raise UsageError(
            "grad: the function did not return a tensor",
            [f"returned: {type(loss).__name__}"],
            "return the loss, or pass has_aux=True and return (loss, aux)",
        )
    if loss.shape != ():
        raise ShapeError(
            "grad: the loss is not one number",
            [f"loss: {loss.type}", "wanted: shape ()"],
            "reduce it with mean() or sum(), or use vjp",
        )
    if holomorphic and not loss.dtype.is_complex:
        raise DTypeError(
            "grad: a holomorphic function gives a complex number",
            [f"loss: {loss.type}"],
            "leave out holomorphic=True",
        )
    if loss.dtype.is_complex and not holomorphic:
        raise DTypeError(
            "grad: the loss is complex",
            [f"loss: {loss.type}"],
            "take its real part or its length; grad(f, holomorphic=True) differentiates a "
            "holomorphic function",
        )
    if not loss.dtype.is_inexact:
        raise DTypeError(
            "grad: the loss is not floating", [f"loss: {loss.type}"], "cast it to float32"
        )
    return loss, aux


def _require_complex(variables: Sequence[Tensor]) -> None:
    """The derivative of a holomorphic function is that in a complex number."""
    real = [str(t.type) for t in variables if not t.dtype.is_complex]
    if real:
        raise DTypeError(
            "grad: a holomorphic function takes complex numbers",
            [f"argument: {', '.join(real)}"],
            "cast the argument to complex64, or leave out holomorphic=True",
        )


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The function that gives `f(*args)` and its gradient.

    Args:
        f: returns one floating number; with `has_aux`, (loss, anything).
        argnums: the arguments to differentiate: one, or several.
        has_aux: whether `f` returns (loss, aux).
        holomorphic: whether `f` is a complex function of complex numbers that has a complex
            derivative, which then is the gradient. Without it the loss is real, and its gradient in
            z = x + i y is df/dx - i df/dy.

    Returns:
        A function that returns (loss, gradients), or ((loss, aux), gradients). Gradients have the
        structure of the argument; for a module a copy of it with gradients in place of parameters
        and None for other tensors. What `f` assigns to its arguments stays assigned.

    Example:
        >>> import lamina as lm
        >>> value_and_grad(lambda x: x * x)(lm.asarray(3.0))
        (Tensor(9., shape=(), dtype=float32), Tensor(6., shape=(), dtype=float32))
    """

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen = _positions(argnums, len(args))
        with user_frames, eager.history_kept():
            variables = _Variables([args[i] for i in chosen])
            arguments = list(args)
            for i, x in zip(chosen, variables.arguments, strict=True):
                arguments[i] = x
            try:
                if holomorphic:
                    _require_complex(variables.copies)
                loss, aux = _loss(f(*arguments, **kwargs), has_aux, holomorphic)
            finally:
                variables.restore_unassigned()
            bars = pull_back([loss._value], [ones((), dtype=loss.dtype)._value], variables.values)
            found = _wrapped(bars, variables.copies)
        trees = [variables.tree(i, found) for i in range(len(chosen))]
        gradients = trees[0] if isinstance(argnums, int) else tuple(trees)
        return ((loss, aux) if has_aux else loss), gradients

    return differentiated


def _wrapped(values: Sequence[Value | None], like: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of the values; zeros for None."""
    made = [v for v in values if v is not None]
    if made:
        eager.bind(made)
    return [zeros_like(x) if v is None else wrap(v) for v, x in zip(values, like, strict=True)]


def grad(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The function that gives the gradient of `f`; with `has_aux`, (gradient, aux).

    See `value_and_grad` for arguments and structure.

    Example:
        >>> import lamina as lm
        >>> grad(grad(lambda x: x**3))(lm.asarray(2.0))
        Tensor(12., shape=(), dtype=float32)
    """
    both = value_and_grad(f, argnums, has_aux=has_aux, holomorphic=holomorphic)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        with user_frames:
            value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """`f(*primals)` and the function that pulls a cotangent of it back to the primals.

    Returns:
        (result, pull): `pull(bar)` takes a tree of tensors like the result, with None or anything
        for what is not floating, and returns one cotangent tree for each primal.

    Example:
        >>> import lamina as lm
        >>> y, pull = vjp(lambda x: x * x, lm.asarray([1.0, 2.0]))
        >>> pull(lm.asarray([1.0, 1.0]))[0]
        Tensor([2., 4.], shape=(2,), dtype=float32)
    """
    with user_frames, eager.history_kept():
        variables = _Variables(primals)
        try:
            result = f(*variables.arguments)
        finally:
            variables.restore_unassigned()
        every = tensors(result)
        outputs = [t for t in every if t.dtype.is_inexact]
        bars = [placeholder(t.type, _BAR) for t in outputs]
        pulled = pull_back([t._value for t in outputs], [b._value for b in bars], variables.values)
    inputs = [b._value for b in bars]
    types, count = [t.type for t in every], len(primals)

    def pull(bar: Any) -> tuple[Any, ...]:
        given = [asarray(b) for b in _bar_leaves(bar)]
        if len(given) == len(types):
            given = [b for b, t in zip(given, types, strict=True) if t.dtype.is_inexact]
        _require_types("vjp", [b.type for b in given], [v.type for v in inputs])
        with eager.history_kept():
            values = _applied(pulled, dict(zip([v.id for v in inputs], given, strict=True)))
            found = _wrapped(values, variables.copies)
        return tuple(variables.tree(i, found) for i in range(count))

    return result, pull


def _bar_leaves(tree: Any, in_node: bool = False) -> list[Any]:
    """The tensors and numbers of a tree; numbers inside a module are not among them."""
    held = contents(tree)
    if held is None:
        return [] if tree is None or (in_node and not is_leaf(tree)) else [tree]
    inside = in_node or is_node(tree)
    return [leaf for _, child in entries(held) for leaf in _bar_leaves(child, inside)]


def _require_types(name: str, given: list[TensorType], wanted: list[TensorType]) -> None:
    if given != wanted:
        raise ShapeError(
            f"{name}: the given tensors do not fit",
            [f"given:  {', '.join(map(str, given))}", f"wanted: {', '.join(map(str, wanted))}"],
        )


def _applied(values: Sequence[Value | None], arguments: dict[int, Tensor]) -> list[Value | None]:
    """The values with other inputs: what depends on them is recorded again."""
    new: dict[int, Value] = {i: t._value for i, t in arguments.items()}
    known = [v for v in values if v is not None]
    for v in topological(known, stop=lambda v: v.id in arguments):
        if v.id in new:
            continue
        operands = tuple([new[o.id] for o in v.operands])
        same = all(a is b for a, b in zip(operands, v.operands, strict=True))
        new[v.id] = v if same or v.op is None else eager.record(v.op, operands)
    return [None if v is None else new[v.id] for v in values]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """`f(*primals)` and its derivative in the direction `tangents`.

    Args:
        f: any function of tensors and objects that hold them.
        primals: its arguments.
        tangents: trees like the primals with a tangent for each floating tensor.

    Returns:
        (result, tangent of the result), of one structure.

    Example:
        >>> import lamina as lm
        >>> jvp(lambda x: x * x, [lm.asarray(3.0)], [lm.asarray(1.0)])
        (Tensor(9., shape=(), dtype=float32), Tensor(6., shape=(), dtype=float32))
    """
    with user_frames, eager.history_kept():
        variables = _Variables(primals)
        given = variables.tangents([asarray(t) for tree in tangents for t in _bar_leaves(tree)])
        wanted = [x.type for x in variables.copies]
        given = [g if g.type is t else asarray(g, dtype=t.dtype) for g, t in zip(given, wanted)]
        _require_types("jvp", [g.type for g in given], wanted)
        try:
            result = f(*variables.arguments)
        finally:
            variables.restore_unassigned()
        dots = {v.id: g._value for v, g in zip(variables.values, given, strict=True)}
        outputs = tensors(result)
        found = iter(push_forward([t._value for t in outputs], dots))
        return result, map_tree_with_node(lambda t, node: _tangent(t, node, found), result)


def linearized(f: Callable[..., Any], primals: Sequence[Any]) -> tuple[Any, Callable[..., Any]]:
    """The result of `f`, and its tangent as a function of those of the primals (`linearize`)."""
    with eager.history_kept():
        variables = _Variables(primals)
        dots = [placeholder(x.type, _DOT) for x in variables.copies]
        try:
            result = f(*variables.arguments)
        finally:
            variables.restore_unassigned()
        marks = {v.id: d._value for v, d in zip(variables.values, dots, strict=True)}
        pushed = push_forward([t._value for t in tensors(result)], marks)
    places, types = [d._value.id for d in dots], [d.type for d in dots]

    def push(*tangents: Any) -> Any:
        with user_frames, eager.history_kept():
            leaves = [asarray(t) for tree in tangents for t in _bar_leaves(tree)]
            given = variables.tangents(leaves)
            _require_types("linearize", [g.type for g in given], types)
            values = _applied(pushed, dict(zip(places, given, strict=True)))
            made = [v for v in values if v is not None]
            if made:
                eager.bind(made)
            found = iter(values)
            return map_tree_with_node(lambda t, node: _tangent(t, node, found), result)

    return result, push


def _tangent(t: Any, node: Any, found: Any) -> Any:
    if not isinstance(t, Tensor):
        return t if node is not None else None  # settings of modules stay
    value = next(found)
    return zeros(t.shape, dtype=t.dtype) if value is None else wrap(value)
