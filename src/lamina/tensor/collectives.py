"""Collectives: what the members of a named axis give each other: `psum`, `all_gather`, ...

They know neither how many axes there are nor what runs the members (see `named_axes`), so that
they serve any transform that binds a name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.base.dtypes import bool_, int32
from lamina.base.errors import ShapeError, UsageError, user_frames
from lamina.graph.ir import emit
from lamina.graph.ops import AllGather, AllSum, SumScatter
from lamina.tensor.containers import is_leaf, map_tree_with_node
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.named_axes import Axis, AxisName, axes_of, axis_of
from lamina.tensor.namespace.creation import zeros
from lamina.tensor.namespace.indexing.picking import take
from lamina.tensor.namespace.manipulation import concat, moveaxis, normal_axis, reshape
from lamina.tensor.namespace.reductions import max as max_of
from lamina.tensor.namespace.reductions import min as min_of
from lamina.tensor.promotion import is_number
from lamina.tensor.tensor import Tensor


def _each(f: Callable[[Any], Any], tree: Any) -> Any:
    """`f` of every tensor, array and number; other leaves stay, as do numbers in modules."""

    def changed(leaf: Any, node: Any) -> Any:
        return f(leaf) if is_leaf(leaf) or (node is None and is_number(leaf)) else leaf

    return map_tree_with_node(changed, tree)


def axis_size(axis_name: AxisName) -> int:
    """The number of members of a named axis; of a tuple of names, the product.

    Args:
        axis_name: a name that `vmap` was given, or a tuple of names.

    Raises:
        UsageError: no axis has the name.

    Example:
        >>> import lamina as lm
        >>> vmapped = lm.vmap(lambda x: x / axis_size("i"), axis_name="i")
        >>> vmapped(lm.asarray([1.0, 2.0])).tolist()
        [0.5, 1.0]
    """
    with user_frames:
        total = 1
        for axis in axes_of("axis_size", axis_name):
            total *= axis.size
        return total


def axis_index(axis_name: AxisName) -> Tensor:
    """The place on a named axis of the member that the function runs for, as int32.

    Args:
        axis_name: a name that `vmap` was given; of a tuple of names, members are counted with the
            last name as the fastest.

    Raises:
        UsageError: no axis has the name.

    Example:
        >>> import lamina as lm
        >>> lm.vmap(lambda x: x + axis_index("i"), axis_name="i")(lm.asarray([5, 5, 5])).tolist()
        [5, 6, 7]
    """
    with user_frames:
        axes = axes_of("axis_index", axis_name)
        place = axes[0].here
        for axis in axes[1:]:
            place = place * axis.size + axis.here  # type: ignore[operator]
        return place


def psum(x: Any, axis_name: AxisName) -> Any:
    """The sum of `x` over the members of a named axis; every member gets it.

    Args:
        x: a tensor or a tree of them, such as the gradients of a module; of a Python number the sum
            is one too.
        axis_name: a name that `vmap` was given, or a tuple of names.

    Returns:
        A tree like `x`. Booleans are summed as int32.

    Raises:
        UsageError: no axis has the name.

    Example:
        >>> import lamina as lm
        >>> share = lm.vmap(lambda x: x / psum(x, "i"), axis_name="i")
        >>> share(lm.asarray([1.0, 3.0])).tolist()
        [0.25, 0.75]
    """
    with user_frames:
        axes = axes_of("psum", axis_name)

        def total(leaf: Any) -> Any:
            if is_number(leaf):
                return leaf * axis_size(axis_name)
            leaf = asarray(leaf)
            leaf = cast(leaf, int32) if leaf.dtype is bool_ else leaf
            for axis in axes:
                leaf = emit(AllSum(axis.size), leaf, axis.here)
            return leaf

        return _each(total, x)


def pmean(x: Any, axis_name: AxisName) -> Any:
    """The mean of `x` over the members of a named axis; every member gets it.

    See `psum` for arguments.

    Example:
        >>> import lamina as lm
        >>> lm.vmap(lambda x: x - pmean(x, "i"), axis_name="i")(lm.asarray([1.0, 3.0])).tolist()
        [-1.0, 1.0]
    """
    with user_frames:
        axes_of("pmean", axis_name)
        return _each(lambda total: total / axis_size(axis_name), psum(x, axis_name))


def pmax(x: Any, axis_name: AxisName) -> Any:
    """The maximum of `x`, element by element, over the members of a named axis; all get it.

    The derivative goes to the members that have the maximum, in equal shares. See `psum` for
    arguments.

    Example:
        >>> import lamina as lm
        >>> lm.vmap(lambda x: pmax(x, "i") - x, axis_name="i")(lm.asarray([1, 3, 2])).tolist()
        [2, 0, 1]
    """
    with user_frames:
        return _extreme("pmax", max_of, x, axis_name)


def pmin(x: Any, axis_name: AxisName) -> Any:
    """The minimum of `x`, element by element, over the members of a named axis; all get it.

    The derivative goes to the members that have the minimum, in equal shares. See `psum` for
    arguments.

    Example:
        >>> import lamina as lm
        >>> lm.vmap(lambda x: x - pmin(x, "i"), axis_name="i")(lm.asarray([1, 3, 2])).tolist()
        [0, 2, 1]
    """
    with user_frames:
        return _extreme("pmin", min_of, x, axis_name)


def _extreme(function: str, of: Callable[..., Tensor], x: Any, axis_name: AxisName) -> Any:
    axes = axes_of(function, axis_name)
    return _each(lambda leaf: of(_gathered(asarray(leaf), axes), axis=0), x)


def _gathered(x: Tensor, axes: Sequence[Axis]) -> Tensor:
    """The x of all members along one new axis, the first: those of the last axis lie together."""
    one = x.shape
    for axis in reversed(axes):
        x = emit(AllGather(axis.size, -1 - x.ndim), x, axis.here)
    return x if len(axes) == 1 else reshape(x, (-1, *one))


def all_gather(x: Any, axis_name: AxisName, *, axis: int = 0, tiled: bool = False) -> Any:
    """The `x` of all members of a named axis, side by side; every member gets them.

    Args:
        x: a tensor or a tree of them.
        axis_name: a name that `vmap` was given; a tuple of names counts as one axis of all their
            members.
        axis: where the members' axis stands in the result.
        tiled: join the members along the axis that is there, in place of a new one.

    Shapes:
        x: [C] -> [N, C]; with tiled: [N * C].

    Raises:
        UsageError: no axis has the name.
        AxisError: the result has no such axis.

    Example:
        >>> import lamina as lm
        >>> others = lm.vmap(lambda x: all_gather(x, "i"), axis_name="i")
        >>> others(lm.asarray([1, 2])).tolist()
        [[1, 2], [1, 2]]
    """
    with user_frames:
        axes = axes_of("all_gather", axis_name)

        def gathered(leaf: Any) -> Tensor:
            leaf = asarray(leaf)
            place = normal_axis("all_gather", axis, leaf.ndim + (not tiled))
            whole = moveaxis(_gathered(leaf, axes), 0, place)
            if not tiled:
                return whole
            sizes = leaf.shape
            return reshape(whole, (*sizes[:place], -1, *sizes[place + 1 :]))

        return _each(gathered, x)


def psum_scatter(
    x: Any, axis_name: AxisName, *, scatter_dimension: int = 0, tiled: bool = False
) -> Any:
    """The sum of `x` over the members of a named axis, of which each member gets its own slice.

    Args:
        x: a tensor or a tree of them.
        axis_name: a name that `vmap` was given.
        scatter_dimension: the axis that is given away, one slice for each member.
        tiled: keep that axis, with as many elements as fall to each member.

    Shapes:
        x: [N, C] -> [C]; with tiled: [N * M, C] -> [M, C].

    Raises:
        UsageError: no axis has the name.
        ShapeError: there is not one slice for each member.

    Example:
        >>> import lamina as lm
        >>> x = lm.asarray([[1, 2], [10, 20]])
        >>> lm.vmap(lambda row: psum_scatter(row, "i"), axis_name="i")(x).tolist()
        [11, 22]
    """
    with user_frames:
        member = axis_of("psum_scatter", axis_name)

        def scattered(leaf: Any) -> Tensor:
            leaf = asarray(leaf)
            place = normal_axis("psum_scatter", scatter_dimension, leaf.ndim)
            if tiled:
                leaf = _split(leaf, place, member.size)
            return emit(SumScatter(member.size, place - leaf.ndim), leaf, member.here)

        return _each(scattered, x)


def _split(x: Tensor, place: int, count: int) -> Tensor:
    """An axis as two: one of `count` parts, and the elements of each."""
    if x.shape[place] % count:
        raise ShapeError(
            "psum_scatter: the axis does not divide among the members",
            [f"x: {x.type}, axis {place}", f"members: {count}"],
            "pad it to a multiple of the number of members",
        )
    return reshape(x, (*x.shape[:place], count, x.shape[place] // count, *x.shape[place + 1 :]))


def ppermute(x: Any, axis_name: AxisName, perm: Sequence[tuple[int, int]]) -> Any:
    """The `x` of another member of a named axis; zeros where none sends.

    Args:
        x: a tensor or a tree of them.
        axis_name: a name that `vmap` was given.
        perm: pairs (from, to) of places; no place twice on one side.

    Raises:
        UsageError: no axis has the name, or the pairs are no partial permutation of its members.

    Example:
        >>> import lamina as lm
        >>> ring = [(0, 1), (1, 2), (2, 0)]
        >>> around = lm.vmap(lambda x: ppermute(x, "i", ring), axis_name="i")
        >>> around(lm.asarray([1, 2, 3])).tolist()
        [3, 1, 2]
    """
    with user_frames:
        member = axis_of("ppermute", axis_name)
        source = [member.size] * member.size  # nobody: a row of zeros behind those of the members
        for a, b in perm:
            if not (0 <= a < member.size and 0 <= b < member.size) or source[b] != member.size:
                raise _no_permutation(perm, member)
            source[b] = a
        if len({a for a, _ in perm}) != len(perm):
            raise _no_permutation(perm, member)
        chosen = take(asarray(source, dtype=int32), member.here)

        def sent(leaf: Any) -> Tensor:
            every = _gathered(asarray(leaf), [member])
            if len(perm) < member.size:
                every = concat([every, zeros((1, *every.shape[1:]), dtype=every.dtype)])
            return take(every, chosen, axis=0)

        return _each(sent, x)


def _no_permutation(perm: Sequence[tuple[int, int]], axis: Axis) -> UsageError:
    return UsageError(
        "ppermute: the pairs are no permutation of the members",
        [f"perm: {list(perm)}", f"members: {axis.size}"],
        "give pairs (from, to) of places on the axis, none of them twice on one side",
    )
