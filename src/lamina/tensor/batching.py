"""`vmap`: a function of one example, applied to many at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from lamina.base.dtypes import int32
from lamina.base.errors import ShapeError, UsageError, user_frames
from lamina.graph.ir import TensorType, Value, emit, topological
from lamina.graph.ops import Identity
from lamina.graph.transforms import batch_values, lifted_values, repeated
from lamina.tensor import eager, effects, random
from lamina.tensor.axes import Axes, Leaf, spread
from lamina.tensor.containers import Substitution, map_tree, map_tree_with_node, tensors
from lamina.tensor.conversion import asarray
from lamina.tensor.exclusive import exclusive
from lamina.tensor.named_axes import Axis, AxisName, bound
from lamina.tensor.namespace.creation import arange
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis
from lamina.tensor.promotion import is_number
from lamina.tensor.tensor import Tensor, placeholder, wrap

_SOURCE = eager.Source("vmap")


class _Examples:
    """The mapped tensors of a call, each replaced by a placeholder for one example."""

    def __init__(self, args: Sequence[Any], in_axes: Axes, axis_size: int | None):
        names = [f"argument {i}" for i in range(len(args))]
        axes = _axis_of_each(in_axes, len(args))
        triples = list(zip(names, axes, args, strict=True))
        leaves = [list(spread("vmap", name, axis, arg)) for name, axis, arg in triples]
        self.size = _size_of([leaf for each in leaves for leaf in each], in_axes, axis_size)
        self.batched: dict[int, Any] = {}
        self._axis: dict[int, int] = {}  # of each placeholder
        self._known: dict[tuple[int, int], Tensor] = {}
        self._kept: list[Any] = []
        self.substitutions: list[Substitution] = []
        for arg, each in zip(args, leaves, strict=True):
            replace = functools.partial(self._replace, iter(each))
            self.substitutions.append(Substitution([arg], replace))
        self.arguments = [s.root[0] for s in self.substitutions]
        if self._share_a_container():
            self._require_one_axis(zip(names, axes, self.arguments, strict=True))

    def _replace(self, order: Iterator[Leaf], leaf: Any, node: Any, path: tuple[Any, ...]) -> Any:
        axis = next(order).axis
        if axis is None:
            own = isinstance(leaf, Tensor) and node is None and len(path) == 1
            return emit(Identity(), leaf) if own else leaf  # own: it may be assigned into
        if isinstance(leaf, Tensor) and leaf._value.id in self.batched:
            return leaf  # an earlier argument holds the same object
        known = self._known.get((id(leaf), axis))
        if known is not None:
            return known
        x = asarray(leaf)
        place = axis % x.ndim
        one = x.shape[:place] + x.shape[place + 1 :]
        stand_in = self.stand_in(moveaxis(x, place, 0), TensorType(x.dtype, one))
        self._axis[stand_in._value.id] = axis
        self._kept.append(leaf)
        self._known[(id(leaf), axis)] = stand_in
        return stand_in

    def stand_in(self, batched: Tensor, type: TensorType) -> Tensor:
        """A placeholder for one example of `batched`, whose first axis counts examples."""
        made = placeholder(type, _SOURCE)
        self.batched[made._value.id] = batched._value
        self._kept.append(made)
        return made

    def named(self, name: AxisName) -> Axis:
        """The axis of the examples under a name."""
        place = self.stand_in(arange(self.size, dtype=int32), TensorType(int32))
        return Axis(name, self.size, place._value)

    def _share_a_container(self) -> bool:
        every = [id(p.held) for s in self.substitutions for p in s.places if p.path]
        return len(set(every)) < len(every)

    def _require_one_axis(self, triples: Iterable[tuple[str, Axes, Any]]) -> None:
        """An object that stands in two arguments is mapped in both, or in neither."""
        for name, axis, argument in triples:
            for leaf in spread("vmap", name, axis, argument):
                value = leaf.value._value if isinstance(leaf.value, Tensor) else None
                mapped = None if value is None else self._axis.get(value.id)
                if mapped != leaf.axis:
                    self.restore()
                    raise UsageError(
                        "vmap: one object stands in two arguments that have different axes",
                        [f"{leaf.name}: axis {leaf.axis}", f"elsewhere: axis {mapped}"],
                        "pass a copy of it in one of them",
                    )

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


def _axis_of_each(in_axes: Axes, count: int) -> list[Axes]:
    if in_axes is None or isinstance(in_axes, int):
        return [in_axes] * count
    if not isinstance(in_axes, tuple | list) or len(in_axes) != count:
        several = isinstance(in_axes, tuple | list)
        raise UsageError(
            "vmap: in_axes does not fit the arguments",
            [
                f"in_axes: {len(in_axes)} entries" if several else f"in_axes: {in_axes!r}",
                f"arguments: {count}",
            ],
            "give one axis, or a tree of axes, for each positional argument; None for a shared one",
        )
    return list(in_axes)


def _size_of(leaves: Sequence[Leaf], in_axes: Axes, axis_size: int | None) -> int:
    """The number of examples."""
    size, first = axis_size, f"axis_size: {axis_size}"
    for leaf in leaves:
        if leaf.axis is None:
            continue
        x = asarray(leaf.value)
        count = x.shape[normal_axis(f"vmap: {leaf.name}", leaf.axis, x.ndim)]
        described = f"{leaf.name}: {x.type}, axis {leaf.axis}"
        if size is None:
            size, first = count, described
        if count != size:
            raise ShapeError(
                "vmap: the mapped axes differ in size",
                [first, described],
                "map axes of one size, or pass None in in_axes for shared arguments",
            )
    if size is None:
        raise UsageError(
            "vmap: no tensor is mapped",
            [f"in_axes: {in_axes}"],
            "give an axis to some argument, or the number of examples as axis_size",
        )
    return size


def vmap(
    f: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_name: AxisName | None = None,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """`f` applied to every example along an axis of its arguments.

    Args:
        f: a function of one example.
        in_axes: the example axis of the arguments: one number for all, or an entry for each
            positional argument. An entry is a number, None for a shared argument, or a tree of
            them: a prefix of the argument, so that a number holds for every tensor below it, with
            a dict of attributes for a module. Negative numbers count from the end. Python numbers
            and keyword arguments are shared.
        out_axes: where the example axis goes in the results, in the same way; None where the
            examples have one result, which is given once.
        axis_name: a name for the axis of the examples, by which collectives such as `psum` find
            it inside `f`.
        axis_size: the number of examples; needed where no argument is mapped.

    Returns:
        The function of many examples. Random numbers from the default generator differ between
        examples.

    Raises:
        TraceError: `f` looks at a tensor of one example.
        ShapeError: the mapped axes differ in size.
        UsageError: axes do not fit the arguments or the results, or nothing is mapped.

    Example:
        >>> import lamina as lm
        >>> vmap(lambda row: row.sum())(lm.asarray([[1.0, 2.0], [3.0, 4.0]]))
        Tensor([3., 7.], shape=(2,), dtype=float32)
        >>> batch = {"x": lm.ones((3, 2)), "scale": lm.asarray(2.0)}
        >>> f = vmap(lambda d: d["x"] * d["scale"], in_axes=({"x": 1, "scale": None},), out_axes=-1)
        >>> f(batch).shape
        (3, 2)
    """
    _require_axis(axis_name, axis_size)

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        inside = eager.history_kept(), eager.closed("vmap", eager.now())
        with user_frames, exclusive, inside[0], inside[1]:
            examples = _Examples(args, in_axes, axis_size)
            saved = random.default.key
            lanes = random.split(saved, examples.size)
            random.default.key = examples.stand_in(lanes, saved.type)
            axes = [] if axis_name is None else [examples.named(axis_name)]
            try:
                with effects.collecting() as tokens, bound(axes):
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


def _require_axis(name: AxisName | None, size: int | None) -> None:
    if isinstance(name, tuple):
        raise UsageError(
            "vmap: a tuple is no name of an axis",
            [f"axis_name: {name!r}"],
            "a tuple of names stands for several axes: give each vmap a name of its own",
        )
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise UsageError("vmap: axis_size is no number of examples", [f"axis_size: {size!r}"])


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
    """The results of all examples, each with its axis where `out_axes` says."""

    def number_made_tensor(leaf: Any, node: Any) -> Any:
        number = node is None and is_number(leaf)  # those in modules are settings
        return asarray(leaf) if number else leaf

    one = map_tree_with_node(number_made_tensor, result)
    leaves = list(spread("vmap", "result", out_axes, one))
    outputs = [leaf.value._value for leaf in leaves if isinstance(leaf.value, Tensor)]
    found = iter(lifted_values(outputs, examples.batched, examples.size))
    order = iter(leaves)

    def placed(leaf: Any) -> Any:
        said = next(order)
        if not isinstance(leaf, Tensor):
            return leaf
        value, differs = next(found)
        if said.axis is None:
            return _shared(said, value, differs)
        place = normal_axis(f"vmap: {said.name} with the example axis", said.axis, leaf.ndim + 1)
        return moveaxis(wrap(value if differs else repeated(value, examples.size)), 0, place)

    return map_tree(placed, one)


def _shared(said: Leaf, value: Value, differs: bool) -> Tensor:
    if differs:
        raise UsageError(
            f"vmap: {said.name} differs between the examples",
            [f"{said.name}: {said.value.type}", "out_axes: None"],
            "give the axis where the examples go, or make one of them all, as psum does",
        )
    return wrap(value)
