"""`recursive` against Python's own recursion, and against formulas."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest

import lamina as lm


@lm.recursive
def factorial(n: Any) -> Any:
    return lm.cond(n <= 1, lambda: 1, lambda: n * factorial(n - 1))


@lm.recursive
def power(x: Any, n: Any) -> Any:
    return lm.cond(n <= 0, lambda: lm.ones_like(x), lambda: x * power(x, n - 1))


@lm.recursive
def fibonacci(n: Any) -> Any:
    return lm.cond(n < 2, lambda: n, lambda: fibonacci(n - 1) + fibonacci(n - 2))


@lm.recursive
def ackermann(m: Any, n: Any) -> Any:
    return lm.switch(
        lm.astype(m > 0, "int32") * (1 + lm.astype(n > 0, "int32")),
        [
            lambda: n + 1,
            lambda: ackermann(m - 1, 1),
            lambda: ackermann(m - 1, ackermann(m, n - 1)),
        ],
    )


def f64(x: Any) -> Any:
    return lm.asarray(np.asarray(x, np.float64))


def close(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), 1e-10)


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("n", [0, 1, 2, 5, 12])
def test_factorial_in_graph_mode(n: int) -> None:
    for number in (n, lm.asarray(n), lm.asarray(n, dtype=lm.int32)):
        assert int(factorial(number)) == int(lm.jit(factorial)(number)) == math.factorial(n)
    assert float(lm.jit(factorial)(float(n))) == math.factorial(n)


def test_the_graph_holds_one_function_whatever_the_depth() -> None:
    jitted = lm.jit(factorial)
    text = str(jitted.graph(lm.asarray(5)))
    assert text.count("recursion(") == text.count("recur(") == 1
    assert [int(jitted(lm.asarray(n))) for n in (3, 10, 20)] == [6, 3628800, math.factorial(20)]
    assert jitted.signatures == 1


def test_eager_code_runs_plain_python() -> None:
    seen = []

    @lm.recursive
    def digits(n: Any) -> Any:
        seen.append(int(n))
        if n < 10:
            return 1
        return 1 + digits(n // 10)

    assert digits(lm.asarray(4321)) == 4
    assert seen == [4321, 432, 43, 4]
    x = f64(3.0)

    @lm.recursive
    def product(x: Any, k: int) -> Any:
        return x if k == 1 else x * product(x, k - 1)

    close(lm.grad(lambda v: product(v, 3))(x), 27.0)


def test_two_calls_in_one_branch() -> None:
    assert [int(lm.jit(fibonacci)(n)) for n in range(12)] == [
        0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89,
    ]  # fmt: skip


def test_a_call_as_the_argument_of_a_call() -> None:
    def python(m: int, n: int) -> int:
        if m == 0:
            return n + 1
        return python(m - 1, 1) if n == 0 else python(m - 1, python(m, n - 1))

    jitted = lm.jit(ackermann)
    for m, n in ((0, 0), (0, 4), (1, 0), (1, 5), (2, 0), (2, 3), (3, 3)):
        assert int(jitted(m, n)) == python(m, n)


def test_a_tree_that_lies_in_arrays() -> None:
    """Depth-first sums over a tree: node i has children left[i] and right[i], or none (-1)."""
    left = lm.asarray([1, 3, -1, -1, 5, -1])
    right = lm.asarray([2, 4, -1, -1, -1, -1])
    weight = f64([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    @lm.recursive
    def total(node: Any, weight: Any) -> Any:
        inner = lambda: (
            weight[node] * (1.0 + total(left[node], weight) * total(right[node], weight))
        )
        return lm.cond(node < 0, lambda: f64(1.0), inner)

    def python(node: int, w: list[float]) -> float:
        if node < 0:
            return 1.0
        below = [int(side[node]) for side in (left, right)]
        return w[node] * (1.0 + python(below[0], w) * python(below[1], w))

    f = lm.jit(lambda w: total(lm.asarray(0), w))
    w = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    close(f(weight), python(0, w))
    steps = np.eye(6) * 1e-6
    slopes = [(python(0, list(w + s)) - python(0, list(w - s))) / 2e-6 for s in steps]
    np.testing.assert_allclose(np.asarray(lm.jit(lm.grad(f))(weight)), slopes, 1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
def test_shapes_and_dtypes(shape: tuple[int, ...], dtype: str) -> None:
    x = np.arange(1, 1 + math.prod(shape)).reshape(shape).astype(dtype)
    x = x * (1 + 2j) if dtype == "complex128" else x
    np.testing.assert_allclose(np.asarray(lm.jit(power)(lm.asarray(x), 3)), x**3, 1e-6)
    strided = lm.asarray(np.stack([x, x], -1))[..., 0]
    np.testing.assert_allclose(np.asarray(lm.jit(power)(strided, 2)), x**2, 1e-6)


def test_trees_of_arguments_and_results() -> None:
    @lm.recursive
    def euclid(pair: dict[str, Any], steps: Any) -> Any:
        a, b = pair["a"], pair["b"]
        done = lambda: {"gcd": a, "steps": steps}
        return lm.cond(b == 0, done, lambda: euclid({"a": b, "b": a % b}, steps + 1))

    found = lm.jit(euclid)({"a": lm.asarray(1071), "b": lm.asarray(462)}, 0)
    assert (int(found["gcd"]), int(found["steps"])) == (21, 3)


def test_what_is_read_from_outside_is_handed_on() -> None:
    rate, bias = f64(0.5), f64([1.0, 2.0])

    def run(rate: Any, bias: Any, x: Any, n: Any) -> Any:
        table = np.array([3.0, 4.0])  # a new tensor in each trace

        @lm.recursive
        def go(x: Any, n: Any) -> Any:
            onward = lambda: go(x * rate + bias, n - 1) + lm.asarray(table)
            return lm.cond(n <= 0, lambda: x, onward)

        return go(x, n)

    def python(rate: Any, bias: Any, x: Any, n: int) -> Any:
        return x if n <= 0 else python(rate, bias, x * rate + bias, n - 1) + np.array([3.0, 4.0])

    arguments = (rate, bias, f64([1.0, -1.0]))
    for n in (0, 1, 4):
        loss = lambda r, b, x, n=n: (run(r, b, x, n) ** 2).sum()
        loss_python = lambda r, b, x, n=n: (python(r, b, x, n) ** 2).sum()
        close(lm.jit(loss)(*arguments), loss_python(*arguments))
        slopes = [lm.grad(f, argnums=(0, 1, 2)) for f in (loss, loss_python)]
        for got, wanted in zip(lm.jit(slopes[0])(*arguments), slopes[1](*arguments), strict=True):
            close(got, wanted)


def nested(x: Any, n: Any) -> Any:
    """A function inside, which calls itself and the one around it."""

    @lm.recursive
    def inner(y: Any, m: Any) -> Any:
        around = lambda: lm.cond(n > 2, lambda: outer(x * y, n - 2), lambda: x * y)
        return lm.cond(m <= 0, lambda: x, lambda: inner(y * x, m - 1) + lm.sin(y) * around())

    return lm.cond(n <= 0, lambda: x, lambda: inner(x * 0.5, n))


outer = lm.recursive(nested)


def nested_python(x: Any, n: int) -> Any:
    def inner(y: Any, m: int) -> Any:
        if m <= 0:
            return x
        return inner(y * x, m - 1) + lm.sin(y) * (nested_python(x * y, n - 2) if n > 2 else x * y)

    return x if n <= 0 else inner(x * 0.5, n)


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_functions_inside_one_another(n: int) -> None:
    x, count = f64(0.9), lm.asarray(n)
    python = lambda v: nested_python(v, n)
    close(lm.jit(outer)(x, count), python(x))
    close(lm.jit(lm.grad(outer))(x, count), lm.grad(python)(x))
    close(lm.jit(lm.grad(lm.grad(outer)))(x, count), lm.grad(lm.grad(python))(x))
    _, dot = lm.jit(lambda v: lm.jvp(lambda u: outer(u, count), [v], [f64(1.0)]))(x)
    close(dot, lm.grad(python)(x))


def test_random_numbers_and_effects_inside() -> None:
    said = []

    @lm.recursive
    def walk(x: Any, n: Any) -> Any:
        def onward() -> Any:
            lm.io_callback(lambda k: said.append(int(k)), None, n)
            return walk(x + lm.random.normal(()), n - 1)

        return lm.cond(n <= 0, lambda: x, onward)

    lm.random.seed(7)
    got = lm.jit(walk)(lm.asarray(0.0), 4)
    after = lm.random.normal(())
    assert said == [4, 3, 2, 1]
    lm.random.seed(7)
    total = sum(float(lm.random.normal(())) for _ in range(4))
    assert float(got) == pytest.approx(total, rel=1e-6)
    assert float(lm.random.normal(())) == float(after)


def test_methods_and_modules() -> None:
    class Net(lm.nn.Module):
        def __init__(self) -> None:
            self.layer = lm.nn.Linear(3, 3)

        @lm.recursive
        def repeated(self, x: Any, n: Any) -> Any:
            onward = lambda: self.repeated(lm.tanh(self.layer(x)), n - 1)
            return lm.cond(n <= 0, lambda: x, onward)

    net, x = Net(), lm.asarray(np.ones((2, 3), np.float32))
    wanted = x
    for _ in range(3):
        wanted = lm.tanh(net.layer(wanted))
    np.testing.assert_allclose(
        np.asarray(lm.jit(lambda net, x, n: net.repeated(x, n))(net, x, 3)),
        np.asarray(wanted),
        1e-5,
    )


def test_a_recursion_in_a_loop_and_a_loop_in_a_recursion() -> None:
    rows = f64(np.arange(6.0).reshape(3, 2))
    got = lm.jit(lambda r: lm.scan(lambda s, x: (s + power(x, 2), None), r[0] * 0, r)[0])(rows)
    close(got, (np.asarray(rows) ** 2).sum(0))

    @lm.recursive
    def spread(x: Any, depth: Any) -> Any:
        below = lambda: lm.map(lambda k: spread(x * k, depth - 1), f64([1.0, 2.0])).sum()
        return lm.cond(depth <= 0, lambda: x, below)

    close(lm.jit(spread)(f64(1.5), 4), 1.5 * 3**4)
    close(lm.jit(lm.grad(spread))(f64(1.5), 4), 3.0**4)


# ------------------------------------------------------------------ transforms


@pytest.mark.parametrize("n", [0, 1, 2, 6])
def test_derivatives_of_all_orders(n: int) -> None:
    x, count = f64(1.3), lm.asarray(n)
    slope, coefficient = lambda v: power(v, count), 1.0
    for order in range(4):
        wanted = coefficient * 1.3 ** (n - order) if order <= n else 0.0
        close(lm.jit(slope)(x), wanted)
        coefficient *= n - order
        slope = lm.grad(slope)
    forward = lambda v: lm.jvp(lambda u: power(u, count), [v], [f64(1.0)])[1]
    twice = lambda v: lm.jvp(forward, [v], [f64(1.0)])[1]
    close(lm.jit(forward)(x), n * 1.3 ** (n - 1))
    close(lm.jit(twice)(x), n * (n - 1) * 1.3 ** (n - 2))
    close(lm.jit(lm.grad(forward))(x), n * (n - 1) * 1.3 ** (n - 2))


def test_forward_mode_runs_the_function_once() -> None:
    """Value and tangent of a chain of n calls: n calls, not n² and not 2ⁿ."""
    ran = []

    @lm.recursive
    def counted(x: Any, n: Any) -> Any:
        def onward() -> Any:
            lm.io_callback(lambda: ran.append(1), None)
            return x * counted(x, n - 1)

        return lm.cond(n <= 0, lambda: lm.ones_like(x), onward)

    both = lm.jit(lambda x: lm.jvp(lambda v: counted(v, 20), [x], [f64(1.0)]))
    value, dot = both(f64(1.1))
    close(value, 1.1**20)
    close(dot, 20 * 1.1**19)
    assert len(ran) == 20


def test_examples_end_where_they_like() -> None:
    x, n = f64([1.5, 2.0, -1.0]), lm.asarray([3, 0, 5])
    close(lm.jit(lm.vmap(power))(x, n), np.asarray(x) ** np.asarray(n))
    close(lm.vmap(power, in_axes=(None, 0))(f64(2.0), n), 2.0 ** np.asarray(n))
    close(lm.vmap(power, in_axes=(0, None))(x, 2), np.asarray(x) ** 2)
    slopes = np.asarray(n) * np.asarray(x) ** (np.asarray(n) - 1)
    close(lm.jit(lm.vmap(lm.grad(power)))(x, n), slopes)
    close(lm.jit(lm.grad(lambda v: lm.vmap(power)(v, n).sum()))(x), slopes)
    curves = np.asarray(n) * (np.asarray(n) - 1) * np.asarray(x) ** (np.asarray(n) - 2)
    close(lm.jit(lm.vmap(lm.grad(lm.grad(power))))(x, n), curves)
    assert lm.vmap(power)(f64(np.zeros(0)), lm.asarray(np.zeros(0, np.int64))).shape == (0,)


def test_a_batch_of_calls_inside() -> None:
    @lm.recursive
    def leaves(x: Any, depth: Any) -> Any:
        below = lambda: lm.vmap(lambda k: leaves(x + k, depth - 1))(f64([1.0, 3.0])).sum()
        return lm.cond(depth <= 0, lambda: x * x, below)

    def python(x: float, depth: int) -> float:
        return x * x if depth <= 0 else sum(python(x + k, depth - 1) for k in (1.0, 3.0))

    close(lm.jit(leaves)(f64(0.5), 4), python(0.5, 4))


def test_checkpoints_and_rules_of_users_inside() -> None:
    scale = f64(3.0)

    @lm.custom_vjp
    def tripled(x: Any) -> Any:
        return x * 3.0

    tripled.defvjp(lambda x: (x * 3.0, None), lambda kept, bar: (bar * scale,))

    @lm.recursive
    def chain(x: Any, n: Any) -> Any:
        onward = lambda: chain(lm.checkpoint(lm.sin)(tripled(x)), n - 1)
        return lm.cond(n <= 0, lambda: x, onward)

    def python(x: Any, n: int) -> Any:
        return x if n <= 0 else python(lm.sin(x * 3.0), n - 1)

    x = f64(0.4)
    close(lm.jit(lm.grad(chain))(x, 3), lm.grad(lambda v: python(v, 3))(x))


def test_symbolic_sizes() -> None:
    f = lm.jit(power, dynamic_shapes={"x": {0: lm.Dim("B")}})
    for size in (1, 3, 7):
        close(f(f64(np.arange(size) + 1.0), 3), (np.arange(size) + 1.0) ** 3)


# ------------------------------------------------------------------ depth


@lm.recursive
def depth(n: Any) -> Any:
    return lm.cond(n <= 1, lambda: 1, lambda: 1 + depth(n - 1))


def test_the_limit_on_calls_is_exact() -> None:
    jitted = lm.jit(depth)
    assert int(jitted(10_000)) == 10_000
    for n in (10_001, 10_002, 1_000_000_000):
        with pytest.raises(lm.DepthError, match="call number 10001 was refused"):
            jitted(n)
    assert int(jitted(3)) == 3

    @lm.recursive(most_calls=3)
    def shallow(n: Any) -> Any:
        return lm.cond(n <= 1, lambda: 1, lambda: 1 + shallow(n - 1))

    assert int(lm.jit(shallow)(3)) == 3
    with pytest.raises(RecursionError):
        lm.jit(shallow)(4)


def test_a_recursion_without_end_stops() -> None:
    @lm.recursive
    def forever(x: Any) -> Any:
        return lm.cond(x < -1.0, lambda: x, lambda: forever(lm.abs(x)))

    with pytest.raises(lm.DepthError):
        lm.jit(forever)(f64(1.0))


def test_deep_calls_in_threads_and_in_every_mode() -> None:
    deep = lm.recursive(most_calls=60_000)(
        lambda n: lm.cond(n <= 1, lambda: 1, lambda: 1 + deep(n - 1))
    )
    jitted = lm.jit(deep)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(int(jitted(50_000)))) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [50_000] * 3
    program = lm.jit(fibonacci).program(lm.asarray(15))
    for mode in ("serial", "graph", "threads"):
        program.mode = mode
        assert int(lm.jit(fibonacci)(15)) == 610


def test_a_fault_deep_inside_names_its_line() -> None:
    table = lm.asarray([1.0, 2.0, 3.0])

    @lm.recursive
    def walk(i: Any) -> Any:
        return lm.cond(i <= 0, lambda: table[0], lambda: table[i] + walk(i - 7))

    with pytest.raises(lm.BoundsError, match=r"table\[i\] \+ walk\(i - 7\)"):
        lm.jit(walk)(700)
