"""Random programs: transforms nested in any order around a small function, beside PyTorch or JAX.

    python -m tests.parity.composed.random_programs --cases 1000 --seed 1

A program is a list of names, the outermost first; the last one is a function of three numbers, and
each of the others makes another such function of it. What differs from the peer is shrunk to the
shortest list that still does, and printed. PyTorch takes hundredths of a second for a program, JAX
seconds. With LAMINA_TARGET=reference nothing is compiled. The suite runs a few of them.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.parity.composed.namespaces import OURS, Namespace, of_jax
from tests.parity.composed.torch_names import of_torch

Function = Callable[[Any], Any]
Level = Callable[[Any, Function, Any], Function]
"""(namespace, function of x[3], constant[3]) -> function of x[3]"""

CORES: dict[str, Callable[[Any, Any], Any]] = {
    "dense": lambda xp, x: xp.tanh(xp.asarray(WEIGHTS) @ x),
    "mixed": lambda xp, x: x[np.array([2, 1, 0])] * xp.exp(-x * x) + xp.cumsum(x),
    "ratios": lambda xp, x: xp.softmax(x, axis=0) * xp.logsumexp(x) - x / (2.0 + xp.cos(x)),
    "chosen": lambda xp, x: xp.where(x > 0.2, xp.log1p(x * x), xp.sinh(x)) + x[np.array([1, 1, 0])],
    "products": lambda xp, x: xp.einsum("i,j,ij->i", x, xp.sin(x), xp.asarray(WEIGHTS)),
    "sorted": lambda xp, x: xp.sort(x) ** 3 - xp.max(x) * x,
    "solved": lambda xp, x: xp.linalg.inv(xp.eye(3, dtype=x.dtype) + 0.1 * x[:, None] * x) @ x,
    "powers": lambda xp, x: (1.5 + xp.sin(x)) ** 2.5 + xp.sqrt(1.0 + x**4),
}
WEIGHTS = np.array([[0.5, -1.1, 0.3], [0.9, 0.2, -0.7], [-0.4, 0.8, 0.6]])

LEVELS: dict[str, Level] = {}
DERIVATIVES: set[str] = set()  # each raises the order
FORWARD: set[str] = set()  # of these, those that JAX cannot take of a custom_vjp


def level(*kinds: set[str]) -> Callable[[Level], Level]:
    """Add a level, of some kinds."""

    def add(make: Level) -> Level:
        LEVELS[make.__name__] = make
        for kind in kinds:
            kind.add(make.__name__)
        return make

    return add


@level(DERIVATIVES)
def grad(xp: Any, f: Function, c: Any) -> Function:
    return xp.grad(lambda x: xp.sum(c * f(x)))


@level(DERIVATIVES)
def grad_closed(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.grad(lambda t: xp.sum(x * f(t)))(c * x)


@level(DERIVATIVES)
def value_and_grad(xp: Any, f: Function, c: Any) -> Function:
    def g(x: Any) -> Any:
        y, bar = xp.value_and_grad(lambda t: xp.sum(f(t) * t))(x)
        return y * bar + c

    return g


@level(DERIVATIVES)
def vjp(xp: Any, f: Function, c: Any) -> Function:
    def g(x: Any) -> Any:
        y, pull = xp.vjp(lambda a, b: f(a) * b, x, c * x)
        return sum(pull(y))

    return g


@level(DERIVATIVES, FORWARD)
def jvp(xp: Any, f: Function, c: Any) -> Function:
    def g(x: Any) -> Any:
        y, dot = xp.jvp(f, (x,), (c * x,))
        return y + dot

    return g


@level(DERIVATIVES, FORWARD)
def linearize(xp: Any, f: Function, c: Any) -> Function:
    def g(x: Any) -> Any:
        y, push = xp.linearize(f, x)
        return push(c) + y * push(x)

    return g


@level(DERIVATIVES)
def jacrev(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.jacrev(f)(x) @ c


@level(DERIVATIVES, FORWARD)
def jacfwd(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: x @ xp.jacfwd(f)(c + x)


@level(DERIVATIVES, FORWARD)
def hvp(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.hvp(lambda t: xp.sum(c * f(t)), (x,), (c,))


@level()
def vmap(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.mean(xp.vmap(f)(xp.stack([x, c * x, x - c])), axis=0)


@level()
def vmap_columns(xp: Any, f: Function, c: Any) -> Function:
    rows = lambda x: xp.stack([x, c * x], axis=1)
    return lambda x: xp.sum(xp.vmap(f, in_axes=1, out_axes=1)(rows(x)), axis=1)


@level()
def vmap_closed(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.vmap(lambda a: xp.sum(f(a * x) * x))(c + x)


@level()
def vmap_one_of_two(xp: Any, f: Function, c: Any) -> Function:
    def g(x: Any) -> Any:
        both = xp.vmap(lambda a, t: (a * f(t), xp.sum(t) * a), in_axes=(0, None))(c, x)
        return both[0][1] + both[1]

    return g


@level()
def jit(xp: Any, f: Function, c: Any) -> Function:
    return xp.jit(f)


@level()
def jit_closed(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.jit(lambda t: f(t["a"]) * x + t["b"][0])({"a": c * x, "b": (x * x,)})


@level()
def checkpoint(xp: Any, f: Function, c: Any) -> Function:
    return xp.checkpoint(f)


@level()
def checkpoint_closed(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.checkpoint(lambda t: f(t) * x)(x - c)


@level()
def scan(xp: Any, f: Function, c: Any) -> Function:
    def g(x: Any) -> Any:
        last, ys = xp.scan(lambda s, a: (0.5 * f(s) + a * x, a * s), x, c)
        return last + xp.sum(ys, axis=0)

    return g


@level()
def scan_in_reverse(xp: Any, f: Function, c: Any) -> Function:
    def step(s: Any, row: Any) -> Any:
        y = f(row)
        return {"s": s["s"] + y * row}, y[0]

    def g(x: Any) -> Any:
        rows = xp.stack([x, c, x * c])
        last, ys = xp.scan(step, {"s": x}, rows, reverse=True, unroll=2)
        return last["s"] * ys

    return g


@level()
def fori_loop(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.fori_loop(1, 4, lambda i, s: 0.5 * s + f(s) * (0.1 * i) + c, x)


@level()
def while_loop(xp: Any, f: Function, c: Any) -> Function:
    go = lambda s: xp.sum(s[0] * s[0]) < 4.0
    step = lambda s: (s[0] + 0.5 * f(s[0]) + c, s[1] * 1.5)
    return lambda x: sum(xp.while_loop(go, step, (x, x), max_steps=3))


@level()
def mapped(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.sum(xp.map(lambda row: f(row) * x, xp.stack([x, c])), axis=0)


@level()
def cond(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.cond(x[0] > 0.1, f, lambda t: xp.sin(t) * c, x)


@level()
def cond_closed(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: xp.cond(xp.sum(x) > 0.1, lambda t: t * x, lambda t: f(t) + x, c * x)


@level()
def switch(xp: Any, f: Function, c: Any) -> Function:
    branches = [lambda t: t * c, f, lambda t: f(t) * t]
    return lambda x: xp.switch(xp.argmax(x), branches, x)


@level()
def custom_jvp(xp: Any, f: Function, c: Any) -> Function:
    """A rule that is not the derivative: what counts is that it is taken."""
    g = xp.custom_jvp(f)

    def rule(primals: Any, tangents: Any) -> Any:
        return g(*primals), c * xp.jvp(f, primals, tangents)[1]

    rule.factor = c  # type: ignore[attr-defined]
    g.defjvp(rule)
    return lambda x: g(x)


@level()
def custom_vjp(xp: Any, f: Function, c: Any) -> Function:
    g = xp.custom_vjp(f)
    g.defvjp(lambda x: (f(x), x), lambda x, bar: (c * xp.vjp(f, x)[1](bar)[0],))
    return lambda x: g(x)


@level()
def stopped(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: f(x) * xp.stop_gradient(f(c * x)) + x


@level()
def twice(xp: Any, f: Function, c: Any) -> Function:
    return lambda x: f(c - f(x))


def tame(xp: Any, f: Function) -> Function:
    """`f` with results of at most 1, so that deep programs stay well conditioned."""

    def g(x: Any) -> Any:
        y = f(x)
        return y / xp.sqrt(1.0 + xp.sum(y * y))

    return g


def made(xp: Any, names: list[str]) -> Function:
    """The function that a list of names stands for."""
    *levels, core = names
    f = tame(xp, lambda x: CORES[core](xp, x))
    for depth, name in enumerate(reversed(levels)):
        c = xp.asarray(np.cos(1.3 * depth + np.array([0.2, 2.1, 4.4])))
        f = tame(xp, LEVELS[name](xp, f, c))
    return f


def value_and_gradient(xp: Any, names: list[str]) -> Callable[[Any], tuple[Any, Any]]:
    """What is compared: the results, and the derivative of a sum of them."""
    f = made(xp, names)
    weights = np.array([1.0, -2.0, 0.5])
    return lambda x: (f(x), xp.grad(lambda t: xp.sum(f(t) * xp.asarray(weights)))(x))


def is_possible(names: list[str]) -> bool:
    """JAX takes no forward derivative of a custom_vjp, and orders above four take long."""
    order, reverse_only = 1, False
    for name in reversed(names[:-1]):
        order += name in DERIVATIVES
        if reverse_only and (name in FORWARD or name == "custom_jvp"):
            return False
        reverse_only |= name == "custom_vjp"
    loops = sum(name in ("scan", "while_loop", "fori_loop", "mapped", "twice") for name in names)
    return order <= 3 and loops <= 3


def programs(seed: int, deepest: int) -> Iterator[tuple[list[str], np.ndarray]]:
    """Endlessly, lists of names and where to evaluate them."""
    rng = random.Random(seed)
    for k in itertools.count():
        names = [rng.choice(list(LEVELS)) for _ in range(rng.randint(1, deepest))]
        names.append(rng.choice(list(CORES)))
        point = np.random.default_rng(k + rng.randrange(2**31)).normal(0.3, 0.8, 3)
        if is_possible(names):
            yield names, point


def of_torch_anywhere(torch: Any) -> Namespace:
    """PyTorch's names, where branches are computed both and chosen from, so that they batch."""

    def where(p: Any, a: Any, b: Any) -> Any:
        tree = torch.utils._pytree
        return tree.tree_map(lambda x, y: torch.where(p, x, y), a, b)

    def switch(i: Any, branches: list[Function], x: Any) -> Any:
        return where(i == 0, branches[0](x), where(i == 1, branches[1](x), branches[2](x)))

    def while_loop(go: Function, f: Function, s: Any, max_steps: int) -> Any:
        for _ in range(max_steps):
            s = where(go(s), f(s), s)
        return s

    def custom_jvp(f: Function) -> Any:
        """Of a rule that scales the derivative of the results, for which no rule is needed."""

        class Scaled:
            def defjvp(self, rule: Any) -> None:
                self.factor = rule.factor

            def __call__(self, x: Any) -> Any:
                y = f(x)
                return self.factor * y + ((1.0 - self.factor) * y).detach()

        return Scaled()

    return Namespace(
        of_torch(torch),
        cond=lambda p, f, g, x: where(p, f(x), g(x)),
        switch=switch,
        while_loop=while_loop,
        custom_jvp=custom_jvp,
        sort=lambda x: torch.sort(x)[0],
        map=lambda f, xs: torch.stack([f(x) for x in xs]),
        linearize=lambda f, x: (f(x), lambda dot: torch.func.jvp(f, (x,), (dot,))[1]),
    )


class Peers:
    """Lamina and another system on one program."""

    def __init__(self, peer: str = "torch"):
        import lamina as lm

        self.lm, self.left_out = lm, 0
        self.wanted = self._of_torch() if peer == "torch" else self._of_jax()

    def _of_torch(self) -> Callable[..., list[np.ndarray]]:
        import torch

        theirs = of_torch_anywhere(torch)

        def wanted(names: list[str], point: np.ndarray) -> list[np.ndarray]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = value_and_gradient(theirs, names)(torch.tensor(point))
            return [y.detach().numpy() for y in found]

        return wanted

    def _of_jax(self) -> Callable[..., list[np.ndarray]]:
        import jax

        theirs = of_jax(jax)

        def wanted(names: list[str], point: np.ndarray) -> list[np.ndarray]:
            with jax.enable_x64(True):
                found = jax.jit(value_and_gradient(theirs, names))(point)
                return [np.asarray(y) for y in found]

        return wanted

    def difference(self, names: list[str], point: np.ndarray, eager: bool = True) -> str:
        """Empty where all agree, or where the peer cannot say; else what is wrong."""
        try:
            wanted = self.wanted(names, point)
        except RuntimeError:  # PyTorch's assertions, on deep nestings
            self.left_out += 1
            return ""
        f = value_and_gradient(OURS, names)
        ways = {"compiled": self.lm.jit(f)} | ({"eager": f} if eager else {})
        for way, g in ways.items():
            try:
                found = [y.numpy() for y in g(self.lm.asarray(point))]
            except Exception:
                return f"{way}: {traceback.format_exc()}"
            for what, a, b in zip(("values", "gradient"), found, wanted, strict=True):
                if not np.allclose(a, b, 1e-8, 1e-9, equal_nan=True):
                    return f"{way} {what}: {a}, the peer has {b}"
        return ""

    def shrunk(self, names: list[str], point: np.ndarray) -> list[str]:
        """Without the levels that do not matter."""
        for k in range(len(names) - 1):
            fewer = names[:k] + names[k + 1 :]
            if is_possible(fewer) and self.difference(fewer, point):
                return self.shrunk(fewer, point)
        return names


def main(arguments: list[str] | None = None) -> int:
    """Compare many programs; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--deepest", type=int, default=5, help="levels of a program at most")
    parser.add_argument("--peer", choices=["torch", "jax"], default="torch")
    parser.add_argument("--no-eager", action="store_true", help="compare the compiled program only")
    options = parser.parse_args(arguments)
    peers, wrong = Peers(options.peer), 0
    for k, (names, point) in enumerate(programs(options.seed, options.deepest)):
        if k == options.cases:
            break
        if k % 100 == 0:
            print(f"{k} programs, {wrong} wrong, {peers.left_out} left out", flush=True)
        found = peers.difference(names, point, not options.no_eager)
        if found:
            wrong += 1
            least = peers.shrunk(names, point)
            print(f"{names}\n  shortest: {least} at {point.tolist()}")
            print("  " + peers.difference(least, point)[-1500:], flush=True)
    print(f"{options.cases} programs, {wrong} wrong, {peers.left_out} left out")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
