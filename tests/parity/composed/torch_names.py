"""PyTorch in the same words, for the programs that torch.func can say; its loops are Python's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.parity.composed.namespaces import Namespace

BEYOND = {
    "gather_and_scatter": "x.at[...] is no method of its tensors",
    "implicit_root_mapped_in_jit": "vmap stops at a loop that looks at values",
    "linearized": "the derivative of linearize is lost",
    "interpolation": "there is no interp",
    "pairwise_distances": "x.max(axis) returns a pair",
    "pieces": "pad counts axes from the end",
    "sorted_statistics": "its median is the lower of two",
}
"""Programs that PyTorch says in other words, or not at all, and why."""


def of_torch(torch: Any) -> Namespace:
    """PyTorch's names, and what it lacks or calls otherwise, in Lamina's words."""
    nn, func = torch.nn.functional, torch.func

    def over(f: Callable[..., Any]) -> Callable[..., Any]:
        """A reduction, over all axes when none is named."""

        def reduced(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
            return f(x, dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=keepdims)

        return reduced

    def along(f: Callable[..., Any]) -> Callable[..., Any]:
        """A function that goes along an axis, of which PyTorch wants to know."""
        return lambda x, axis=0: f(x, dim=axis)

    def vjp(f: Callable[..., Any], *primals: Any) -> Any:
        y, pull = func.vjp(f, *primals)
        return y, lambda bar: pull(bar) if len(primals) > 1 else (pull(bar)[0],)

    def value_and_grad(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *xs: func.grad_and_value(f)(*xs)[::-1]

    linalg = Namespace(
        torch.linalg,
        expm=torch.linalg.matrix_exp,
        svd=lambda a, full_matrices: torch.linalg.svd(a, full_matrices=full_matrices),
        solve_triangular=solve_triangular(torch),
    )
    return Namespace(
        torch, func, torch.special, nn, **loops(torch),
        sum=over(torch.sum), mean=over(torch.mean), max=over(torch.amax), min=over(torch.amin),
        logsumexp=over(torch.logsumexp), softmax=along(torch.softmax), cumsum=along(torch.cumsum),
        log_softmax=along(torch.log_softmax), cumprod=along(torch.cumprod),
        split=lambda x, n, axis=0: torch.chunk(x, n, dim=axis), permute_dims=torch.permute,
        take=lambda x, i, axis: torch.index_select(x, axis, i), top_k=torch.topk,
        take_along_axis=lambda x, i, axis: torch.take_along_dim(x, i, dim=axis),
        make_complex=torch.complex, stop_gradient=torch.Tensor.detach, linalg=linalg,
        jit=lambda f: f, checkpoint=lambda f: f, vjp=vjp, value_and_grad=value_and_grad,
        vmap=lambda f, in_axes=0, out_axes=0: func.vmap(f, in_dims=in_axes, out_dims=out_axes),
        hvp=lambda f, primals, tangents: func.jvp(func.grad(f), primals, tangents)[1],
        custom_vjp=lambda f: CustomVjp(torch, f), custom_jvp=lambda f: CustomJvp(torch, f),
    )  # fmt: skip


def solve_triangular(torch: Any) -> Callable[..., Any]:
    """With a vector on the right too."""

    def solve(a: Any, b: Any, lower: bool = False) -> Any:
        columns = b if b.ndim == a.ndim else b[..., None]
        found = torch.linalg.solve_triangular(a, columns, upper=not lower)
        return found.reshape(b.shape)

    return solve


def loops(torch: Any) -> dict[str, Callable[..., Any]]:
    """Loops and branches, which ask for values."""
    tree = torch.utils._pytree

    def mapped(f: Callable[..., Any], *trees: Any) -> Any:
        """Over the tensors of trees; None, which is a leaf to PyTorch, stays."""
        return tree.tree_map(lambda *xs: None if xs[0] is None else f(*xs), *trees)

    def scan(
        f: Callable[..., Any],
        s: Any,
        xs: Any,
        length: int = 0,
        reverse: bool = False,
        unroll: int = 1,
    ) -> Any:
        count = length if xs is None else len(tree.tree_leaves(xs)[0])
        order = range(count)[::-1] if reverse else range(count)
        made = []
        for t in order:
            s, y = f(s, mapped(lambda x, t=t: x[t], xs))
            made.append(y)
        made = made[::-1] if reverse else made
        return s, mapped(lambda *rows: torch.stack(rows), *made)

    def fori_loop(lower: int, upper: int, f: Callable[..., Any], s: Any) -> Any:
        for i in range(lower, upper):
            s = f(i, s)
        return s

    def while_loop(
        go: Callable[..., Any], f: Callable[..., Any], s: Any, max_steps: int = 0
    ) -> Any:
        while go(s):
            s = f(s)
        return s

    def associative_scan(join: Callable[..., Any], xs: Any) -> Any:
        step = lambda s, x: (join(s, x),) * 2
        rest = mapped(lambda x: x[1:], xs)
        first = mapped(lambda x: x[0], xs)
        ys = scan(step, first, rest)[1]
        return mapped(lambda x, y: torch.cat([x[:1], y]), xs, ys)

    return {
        "scan": scan,
        "fori_loop": fori_loop,
        "while_loop": while_loop,
        "associative_scan": associative_scan,
        "cond": lambda p, f, g, *xs: f(*xs) if p else g(*xs),
        "switch": lambda i, branches, *xs: branches[int(i)](*xs),
    }


class CustomVjp:
    """A function whose reverse derivative is given; what that keeps is made again for it."""

    def __init__(self, torch: Any, f: Callable[..., Any]):
        self._torch, self._f = torch, f
        self._applied: Callable[..., Any] = f

    def __call__(self, *xs: Any) -> Any:
        return self._applied(*xs)

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        f = self._f

        class Applied(self._torch.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(*xs: Any) -> Any:
                return f(*xs)

            @staticmethod
            def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx: Any, bar: Any) -> Any:
                return backward(forward(*ctx.saved_tensors)[1], bar)

        self._applied = Applied.apply


class CustomJvp:
    """A function of one argument whose forward derivative is given, and transposed for reverse."""

    def __init__(self, torch: Any, f: Callable[..., Any]):
        self._torch, self._f = torch, f
        self._applied: Callable[..., Any] = f

    def __call__(self, x: Any) -> Any:
        return self._applied(x)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        f, func = self._f, self._torch.func

        class Applied(self._torch.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(x: Any) -> Any:
                return f(x)

            @staticmethod
            def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx: Any, bar: Any) -> Any:
                (x,) = ctx.saved_tensors
                return func.vjp(lambda dot: rule((x,), (dot,))[1], bar)[1](bar)[0]

        self._applied = Applied.apply
        return rule
