"""Long programs: endless eager loops, deep chains in one `jit`, many operands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lamina as lm
from lamina.tensor import eager

Step = Callable[[lm.Tensor], lm.Tensor]


def repeated(step: Step, count: int) -> Step:
    def f(x: lm.Tensor) -> lm.Tensor:
        for _ in range(count):
            x = step(x)
        return x

    return f


def test_ten_thousand_eager_ops() -> None:
    """The loop is computed in pieces, by few programs, and its history is freed."""
    x = lm.zeros((4,))
    x = repeated(lambda x: x + 1.0, 1000)(x)
    x.block()
    programs = eager.program_count()
    x = repeated(lambda x: x + 1.0, 10_000)(x)
    assert x.tolist() == [11_000.0] * 4
    assert eager.program_count() <= programs + 1
    assert x._value.op is None


def test_a_loop_that_keeps_all_of_its_values() -> None:
    kept = [lm.ones((2,))]
    for _ in range(1500):
        kept.append(kept[-1] + 1.0)
    assert [float(t[0]) for t in kept[::500]] == [1.0, 501.0, 1001.0, 1501.0]


CHAINS: dict[str, tuple[Step, Callable[[np.ndarray], np.ndarray]]] = {
    "sine": (lambda x: lm.sin(x) + x * 0.1, lambda x: np.sin(x) + x * 0.1),
    "additions": (lambda x: x + 0.5, lambda x: x + 0.5),
    "choices": (lambda x: lm.where(x > 3, x - 1, x + 1), lambda x: np.where(x > 3, x - 1, x + 1)),
    "flips": (lambda x: lm.flip(x) * 0.999, lambda x: x[::-1] * 0.999),
    "rows": (
        lambda x: x - x.mean() + 0.5,
        lambda x: x - x.mean() + 0.5,
    ),
    "casts": (
        lambda x: x.astype(lm.float64).astype(lm.float32),
        lambda x: x,
    ),
    "rolls": (lambda x: lm.roll(x, 1) + 1, lambda x: np.roll(x, 1) + 1),
    "lookups": (lambda x: x[lm.asarray([3, 2, 1, 0, 4])] + 1, lambda x: x[[3, 2, 1, 0, 4]] + 1),
}


@pytest.mark.parametrize("name", CHAINS)
def test_two_thousand_ops_in_one_jit(name: str) -> None:
    """No recursion: neither the graph's passes nor code generation go as deep as the chain."""
    step, like = CHAINS[name]
    a = np.array([0.1, -0.4, 2.0, 3.5, 1.0], np.float32)
    count = 200 if name in ("rolls", "lookups") else 1000
    wanted = a
    for _ in range(count):
        wanted = like(wanted).astype(np.float32)
    got = lm.jit(repeated(step, count))(lm.asarray(a)).numpy()
    np.testing.assert_allclose(got, wanted, rtol=2e-2, atol=2e-2)


def test_a_chain_of_random_keys() -> None:
    """A key is a hundred operations deep by itself."""

    def last(key: lm.Tensor) -> lm.Tensor:
        for i in range(40):
            key = lm.random.fold_in(key, i)
        return lm.random.split(key)[1]

    key = lm.random.key(7)
    assert lm.jit(last)(key).tolist() == last(key).tolist()


def test_the_gradient_of_a_long_chain() -> None:
    x = lm.asarray([0.5, 1.5])
    loss = lambda x: repeated(lambda x: x + 0.001 * lm.sin(x), 400)(x).sum()
    eagerly = lm.grad(loss)(x).numpy()
    np.testing.assert_allclose(lm.jit(lm.grad(loss))(x).numpy(), eagerly, rtol=1e-4)


def test_a_deep_recursion_of_the_user() -> None:
    """A call from deep inside a user's recursion has stack enough to compile."""

    def deep(n: int, x: lm.Tensor) -> float:
        if n:
            return deep(n - 1, x)
        return float(lm.jit(repeated(lambda x: lm.tanh(x) + x * 0.25, 150))(x))

    assert np.isfinite(deep(300, lm.ones(())))


def test_many_operands_in_one_kernel() -> None:
    """Hundreds of buffers: parameters of a kernel and arguments of a program."""
    parts = [np.full((3,), i, np.float32) for i in range(300)]
    total = lm.jit(lambda xs: sum(xs[1:], xs[0]))
    np.testing.assert_array_equal(total(parts).numpy(), np.sum(parts, axis=0))
    joined = lm.jit(lambda xs: lm.concat(xs))(parts)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate(parts))
    stacked = lm.stack([lm.asarray(p) for p in parts])
    np.testing.assert_array_equal(stacked.numpy(), np.stack(parts))
    outs = lm.jit(lambda xs: [x * 2 for x in xs])(parts)
    np.testing.assert_array_equal(np.stack([o.numpy() for o in outs]), np.stack(parts) * 2)
