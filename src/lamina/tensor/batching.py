"""`vmap`: a function of one example, applied to many at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError, user_frames
from lamina.graph.ir import TensorType, emit, topological
from lamina.graph.ops import Identity
from lamina.graph.transforms import batch_values
from lamina.tensor import eager, effects, random
from lamina.tensor.containers import Place, Substitution, map_tree, map_tree_with_node, tensors
from lamina.tensor.conversion import asarray
from lamina.tensor.exclusive import exclusive
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis
from lamina.tensor.promotion import is_number
from lamina.tensor.tensor import Tensor, placeholder, wrap

_SOURCE = eager.Source("vmap")

Axes = int | None | Sequence[Any]


class _Examples:
    """The mapped tensors of a call, each replaced by a placeholder for one example."""

    def __init__(self, args: Sequence[Any], in_axes: Axes):
        axes = _axis_of_each(in_axes, len(args))
        self.size: int | None = None
        self.batched: dict[int, Any] = {}
        self._first = ""
        self._known: dict[tuple[int, int], Tensor] = {}
        self._kept: list[Any] = []
        self.places: list[Place] = []
        self.substitutions: list[Substitution] = []
        self.arguments: list[Any] = []
        for i, (arg, axis) in enumerate(zip(args, axes, strict=True)):
            replace = functools.partial(self._replace, i, axis)
            substitution = Substitution(
                [arg], lambda leaf, node, path, r=replace: r(leaf, node is None and len(path) == 1)
            )
            self.substitutions.append(substitution)
            self.arguments.append(substitution.root[0])
        if self.size is None:
            self.restore()
            raise UsageError(
                "vmap: no tensor is mapped",
                [f"in_axes: {in_axes}"],
                "give an axis to some argument",
            )

    def _replace(self, position: int, axis: int | None, leaf: Any, direct: bool) -> Any:
        if axis is None and isinstance(leaf, Tensor) and direct:
            return emit(Identity(), leaf)  # the function's own, which it may assign into
        if axis is None or not isinstance(leaf, Tensor | np.ndarray):
            return leaf
        if isinstance(leaf, Tensor) and leaf._value.id in self.batched:
            return leaf  # an earlier argument holds the same object
        known = self._known.get((id(leaf), axis))
        if known is not None:
            return known
        x = asarray(leaf)
        place = normal_axis(f"vmap: argument {position}", axis, x.ndim)
        count = x.shape[place]
        described = f"argument {position}: {x.type}, axis {axis}"
        if self.size is not None and count != self.size:
            self.restore()
            raise ShapeError(
                "vmap: the mapped axes differ in size",
                [self._first, described],
                "map axes of one size, or pass None in in_axes for shared arguments",
            )
        self.size, self._first = count, self._first or described
        one = x.shape[:place] + x.shape[place + 1 :]
        stand_in = self.stand_in(moveaxis(x, place, 0), TensorType(x.dtype, one))
        self._kept.append(leaf)
        self._known[(id(leaf), axis)] = stand_in
        return stand_in

    def stand_in(self, batched: Tensor, type: TensorType) -> Tensor:
        """A placeholder for one example of `batched`, whose first axis counts examples."""
        made = placeholder(type, _SOURCE)
        self.batched[made._value.id] = batched._value
        self._kept.append(made)
        return made

    def restore(self) -> None:
        for substitution in reversed(self.substitutions):  # two may go through one container
            substitution.restore_unassigned()

    def assigned(self) -> list[Tensor]:
        """The tensors that the function assigned to its arguments."""
        return [
            t
            for substitution in self.substitutions
            for place in substitution.places
            if place.path  # else it is the list around an argument
            for _, value in place.changes()
            for t in tensors(value)
        ]


def _axis_of_each(in_axes: Axes, count: int) -> list[int | None]:
    if in_axes is None or isinstance(in_axes, int):
        return [in_axes] * count
    if len(in_axes) != count:
        raise UsageError(
            "vmap: in_axes does not fit the arguments",
            [f"in_axes: {len(in_axes)} entries", f"arguments: {count}"],
            "give one axis for each positional argument, None for a shared one",
        )
    return list(in_axes)


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """`f` applied to every example along an axis of its arguments.

    Args:
        f: a function of one example.
        in_axes: the example axis of each positional argument, None for a shared one; one number
            for all. Every tensor inside a mapped argument has the axis. Keywords are shared.
        out_axes: where the example axis goes in each result; one number for all.

    Returns:
        The function of many examples. Random numbers from the default generator differ between
        examples.

    Raises:
        TraceError: `f` looks at a tensor of one example.

    Example:
        >>> import lamina as lm
        >>> vmap(lambda row: row.sum())(lm.asarray([[1.0, 2.0], [3.0, 4.0]]))
        Tensor([3., 7.], shape=(2,), dtype=float32)
    """

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        inside = eager.history_kept(), eager.closed("vmap", eager.now())
        with user_frames, exclusive, inside[0], inside[1]:
            examples = _Examples(args, in_axes)
            assert examples.size is not None
            saved = random.default.key
            lanes = random.split(saved, examples.size)
            random.default.key = examples.stand_in(lanes, saved.type)
            try:
                with effects.collecting() as tokens:
                    result = f(*examples.arguments, **kwargs)
                _require_shared(examples)
            finally:
                random.default.key = saved
                examples.restore()
            values = [t._value for t in effects.together(tokens)]
            for token in batch_values(values, examples.batched, examples.size):
                effects.note(wrap(token))  # all examples' tokens in one tensor
            return _collected(result, examples, out_axes)

    return mapped


def _require_shared(examples: _Examples) -> None:
    """Nothing that belongs to one example may stay in the arguments."""
    for t in examples.assigned():
        if any(v.id in examples.batched for v in topological([t._value])):
            raise UsageError(
                "vmap: the function assigned a tensor of one example to its arguments",
                [f"tensor: {t.type}"],
                "return it instead",
            )


def _collected(result: Any, examples: _Examples, out_axes: Axes) -> Any:
    leaves: list[Tensor] = []

    def note(leaf: Any, node: Any) -> Any:
        number = node is None and is_number(leaf)  # those in modules are settings
        if not isinstance(leaf, Tensor) and not number:
            return _Numbered(leaf, given=True)
        leaves.append(asarray(leaf))
        return _Numbered(len(leaves) - 1)

    numbered = map_tree_with_node(note, result)
    values = batch_values([t._value for t in leaves], examples.batched, examples.size or 0)
    found = [wrap(v) for v in values]

    def place(tree: Any, axis: Any) -> Any:
        def put(n: Any) -> Any:
            if n.given:
                return n.value
            return moveaxis(found[n.value], 0, axis) if axis else found[n.value]

        return map_tree(put, tree)

    if isinstance(out_axes, int):
        return place(numbered, out_axes)
    if not isinstance(numbered, tuple | list) or len(out_axes or ()) != len(numbered):
        raise UsageError("vmap: out_axes does not fit the results", [f"out_axes: {out_axes}"])
    parts = [place(n, a) for n, a in zip(numbered, out_axes or (), strict=True)]
    return type(numbered)(parts)


class _Numbered:
    """The place of a leaf in a result, or what is returned as it was given."""

    __slots__ = ("given", "value")

    def __init__(self, value: Any, given: bool = False):
        self.value = value
        self.given = given
