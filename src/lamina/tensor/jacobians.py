"""Whole matrices of derivatives: `jacfwd`, `jacrev`, `jacobian`, `hessian`; products with them:
`linearize`, `hvp`. And `eval_shape`, which computes nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamina.base.errors import UsageError, user_frames
from lamina.graph.ir import TensorType
from lamina.tensor import eager
from lamina.tensor.batching import vmap
from lamina.tensor.containers import map_tree
from lamina.tensor.control.bodies import Tree, trace
from lamina.tensor.conversion import cast
from lamina.tensor.derivatives import grad, jvp, linearized, vjp
from lamina.tensor.namespace.creation import eye, zeros
from lamina.tensor.namespace.manipulation import concat, permute_dims, reshape
from lamina.tensor.tensor import Tensor


def _at(f: Callable[..., Any], args: Sequence[Any], argnum: int) -> Callable[[Any], Any]:
    """`f` as a function of one of its arguments."""
    return lambda x: f(*args[:argnum], x, *args[argnum + 1 :])


def _position(name: str, argnum: int, count: int) -> int:
    if not isinstance(argnum, int) or not -count <= argnum < count:
        raise UsageError(
            f"{name}: no positional argument {argnum}",
            [f"given: {count} positional arguments", f"argnums: {argnum}"],
            "pass what is differentiated by position",
        )
    return argnum % count


def _basis(tree: Tree) -> tuple[Any, list[Tensor]]:
    """A tree of directions, one for each floating element, and the floating leaves."""
    moving = [t for t in tree.leaves if t.dtype.is_float]
    total = sum(t.size for t in moving)
    found: list[Any] = []
    before = 0
    for t in tree.leaves:
        if not t.dtype.is_float:
            found.append(None)
            continue
        rows = [zeros((before, t.size)), eye(t.size), zeros((total - before - t.size, t.size))]
        block = concat([cast(r, t.dtype) for r in rows])
        found.append(reshape(block, (total, *t.shape)))
        before += t.size
    return tree.filled(found), moving


def _blocks(rows: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """Rows, one for each element of all parts, as one tensor for each part: [*part, *rest]."""
    found = []
    before = 0
    for t in parts:
        block = rows[before : before + t.size]
        found.append(reshape(block, (*t.shape, *rows.shape[1:])))
        before += t.size
    return found


def _filled(tree: Tree, found: Sequence[Any]) -> Any:
    """The tree with one thing for each floating leaf, None for the others."""
    rest = iter(found)
    return tree.filled([next(rest) if t.dtype.is_float else None for t in tree.leaves])


def jacfwd(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The Jacobian of `f` by forward mode: one pass for each element of the argument, all at once.

    Args:
        f: a function of tensors, or trees of them, that returns a tensor or a tree.
        argnums: the argument to differentiate.

    Returns:
        A function that gives, for each tensor y of the result, a tree like the argument with
        dy/dx: [*y.shape, *x.shape].

    Example:
        >>> import lamina as lm
        >>> jacfwd(lambda x: x * x)(lm.asarray([1.0, 2.0])).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
    """

    @functools.wraps(f)
    def jacobian_of(*args: Any) -> Any:
        with user_frames:
            at = _position("jacfwd", argnums, len(args))
            g, x = _at(f, args, at), Tree.of(args[at])
            directions, parts = _basis(x)
            primal = x.filled(x.leaves)
            columns = vmap(lambda d: jvp(g, [primal], [d])[1])(directions)

            def place(rows: Any) -> Any:
                blocks = _blocks(rows, parts)
                turned = [_turned(b, t.ndim) for b, t in zip(blocks, parts, strict=True)]
                return _filled(x, turned)

            return map_tree(place, columns)

    return jacobian_of


def _turned(block: Tensor, ndim: int) -> Tensor:
    """The first `ndim` axes moved behind the others."""
    order = (*range(ndim, block.ndim), *range(ndim))
    return permute_dims(block, order)


def jacrev(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The Jacobian of `f` by reverse mode: one pass for each element of the result, all at once.

    See `jacfwd` for arguments and structure.

    Example:
        >>> import lamina as lm
        >>> jacrev(lambda x: (x * x).sum())(lm.asarray([1.0, 2.0])).tolist()
        [2.0, 4.0]
    """

    @functools.wraps(f)
    def jacobian_of(*args: Any) -> Any:
        with user_frames:
            at = _position("jacrev", argnums, len(args))
            x = Tree.of(args[at])
            result, pull = vjp(_at(f, args, at), x.filled(x.leaves))
            y = Tree.of(result)
            directions, parts = _basis(y)
            rows = vmap(lambda d: pull(d)[0])(directions)
            taken = [_blocks(t, parts) for t in Tree.of(rows).leaves]
            each = [_filled(x, [blocks[i] for blocks in taken]) for i in range(len(parts))]
            return _filled(y, each)

    return jacobian_of


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The Jacobian of `f` by the mode that needs fewer passes.

    Forward mode takes one for each element of the argument, reverse mode one for each element of
    the result. See `jacfwd` for arguments and structure.
    """

    @functools.wraps(f)
    def jacobian_of(*args: Any) -> Any:
        with user_frames:
            at = _position("jacobian", argnums, len(args))
            count = sum(t.size for t in Tree.of(args[at]).leaves if t.dtype.is_float)
            made = Tree.of(eval_shape(f, *args))
            mode = jacfwd if count <= _floating_size(made.shape) else jacrev
            return mode(f, at)(*args)

    return jacobian_of


def _floating_size(tree: Any) -> int:
    sizes: list[int] = []
    map_tree(
        lambda t: sizes.append(t.size if isinstance(t, TensorType) and t.dtype.is_float else 0),
        tree,
    )
    return sum(sizes)


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The second derivatives of `f`: forward mode over reverse mode.

    Args:
        f: returns one floating number.
        argnums: the argument to differentiate.

    Returns:
        A function that gives a tree of trees like the argument: [*x.shape, *z.shape] for each pair
        of its tensors x and z.

    Example:
        >>> import lamina as lm
        >>> hessian(lambda x: (x**3).sum())(lm.asarray([1.0, 2.0])).tolist()
        [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacfwd(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of `f` times a vector, without the Hessian: forward mode over reverse mode.

    Args:
        f: returns one floating number.
        primals: its arguments.
        tangents: trees like them.

    Returns:
        A tree like the argument; a tuple of trees where there are several.

    Example:
        >>> import lamina as lm
        >>> x, v = lm.asarray([1.0, 2.0]), lm.asarray([1.0, 1.0])
        >>> hvp(lambda x: (x**3).sum(), [x], [v]).tolist()
        [6.0, 12.0]

    Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian".
    """
    several = tuple(range(len(primals)))
    return jvp(grad(f, 0 if len(primals) == 1 else several), primals, tangents)[1]


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """`f(*primals)` and its derivative there, a linear function that is traced once.

    Returns:
        (result, push): `push(*tangents)` takes trees like the primals and gives the tangent of the
        result.

    Example:
        >>> import lamina as lm
        >>> y, push = linearize(lambda x: x * x, lm.asarray(3.0))
        >>> push(lm.asarray(2.0))
        Tensor(12., shape=(), dtype=float32)
    """
    with user_frames:
        return linearized(f, primals)


def eval_shape(f: Callable[..., Any], *args: Any) -> Any:
    """What `f(*args)` would return, as types: nothing is computed.

    Args:
        f: any function of tensors and trees of them.
        args: tensors, arrays, numbers, or types (anything with `shape` and `dtype`).

    Returns:
        The tree that `f` returns, with a type (`shape`, `dtype`) in place of each tensor.

    Example:
        >>> import lamina as lm
        >>> eval_shape(lambda x: x @ x.T, lm.ones((3, 2)))
        f32[3,3]
    """
    with user_frames, eager.history_kept():
        body = trace("eval_shape", f, [Tree.of(_from_types(a)) for a in args])
        found = Tree.of(body.result)
        return found.filled(found.types)


def _from_types(tree: Any) -> Any:
    """Types as tensors of zeros, which are never computed."""
    return map_tree(
        lambda x: zeros(x.shape, dtype=x.dtype) if isinstance(x, TensorType) else x, tree
    )
