"""Functions that leave `jit` with the tensors they hold, and functions passed into it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.tensor.closures import rebuilt, spread


def f64(x: Any) -> Any:
    return lm.asarray(np.asarray(x, np.float64))


def line(slope: Any, offset: Any = 0.0) -> Any:
    """A closure over two free variables."""
    doubled = slope * 2.0
    return lambda x: x * doubled + offset


def close(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), 1e-12)


# ------------------------------------------------------------------ out of jit


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3)])
def test_a_returned_closure_holds_what_the_program_computed(shape: tuple[int, ...]) -> None:
    make = lm.jit(line)
    for k in range(3):
        slope = np.full(shape, k + 0.5)
        f = make(f64(slope), f64(1.0))
        close(f(f64(2.0)), 4.0 * slope + 1.0)
        close(lm.jit(f)(f64(2.0)), 4.0 * slope + 1.0)
    assert make.signatures == 1
    program = make.graph(f64(1.0), f64(1.0))
    assert [v.op.name for v in program.nodes if v.op.name == "multiply"] == ["multiply"]


def test_functions_in_containers_and_functions_that_hold_others() -> None:
    def make(a: Any) -> Any:
        settings = {"by": [a * 2, 3]}

        def factorial(n: int) -> Any:  # holds itself
            return 1.0 if n <= 0 else settings["by"][0] * settings["by"][1] * factorial(n - 1)

        def shifted(x: Any, *, by: Any = a + 1, n: int = 2) -> Any:
            """Adds."""
            return x + by + factorial(n)

        shifted.mark = "kept"  # type: ignore[attr-defined]
        return {"f": shifted, "g": lm.sin, "h": None}

    found = lm.jit(make)(f64(3.0))
    close(found["f"](f64(1.0)), 1 + 4 + 18**2)
    close(found["f"](f64(1.0), by=f64(0.0), n=0), 2.0)
    assert found["g"] is lm.sin
    assert (found["f"].__name__, found["f"].__doc__, found["f"].mark) == (
        "shifted",
        "Adds.",
        "kept",
    )


def test_a_function_that_holds_no_traced_tensor_stays_the_same_object() -> None:
    outside = (lambda w: lambda x: x * w)(f64(2.0))
    assert lm.jit(lambda a: (outside, a))(f64(1.0))[0] is outside


def test_partials_and_methods_are_returned() -> None:
    make = lm.jit(lambda a: functools.partial(lm.add, a * 2))
    close(make(f64(3.0))(f64(1.0)), 7.0)

    class Scale(lm.nn.Module):
        def __init__(self, by: Any) -> None:
            self.by = by

        def forward(self, x: Any) -> Any:
            return x * self.by

    method = lm.jit(lambda a: Scale(a + 1.0).forward)(f64(2.0))
    close(method(f64(5.0)), 15.0)
    scale = Scale(f64(4.0))
    again = lm.jit(lambda s: s.forward)(scale)
    assert again.__self__ is scale


def test_pullbacks_and_pushforwards_are_returned_with_what_they_keep() -> None:
    f = lambda x: lm.sin(x) * x
    pull = lm.jit(lambda a: lm.vjp(f, a)[1])
    push = lm.jit(lambda a: lm.linearize(f, a)[1])
    for x in (0.3, -2.0):
        slope = np.sin(x) + x * np.cos(x)
        close(pull(f64(x))(f64(2.0))[0], 2.0 * slope)
        close(push(f64(x))(f64(2.0)), 2.0 * slope)
    assert pull.signatures == push.signatures == 1
    kept = [v.op.name for v in pull.graph(f64(0.3)).nodes]
    assert kept.count("sin") == kept.count("cos") == 1 and "multiply" not in kept
    layer = lm.jit(lambda w, x: lm.vjp(lambda w: lm.tanh(x @ w), w))
    value, back = layer(f64(np.eye(2)), f64([[1.0, 2.0]]))
    close(value, np.tanh([[1.0, 2.0]]))
    close(back(f64([[1.0, 1.0]]))[0], np.array([[1.0], [2.0]]) * (1 - np.tanh([[1.0, 2.0]]) ** 2))


def test_a_returned_closure_is_differentiated_inside_an_outer_transform() -> None:
    loss = lambda a: lm.jit(line)(a)(f64(3.0))
    close(lm.grad(loss)(f64(2.0)), 6.0)
    close(lm.jit(lm.vmap(loss))(f64([1.0, 2.0])), [6.0, 12.0])
    nested = lm.jit(lambda a: lm.jit(lambda b: lambda x: x + a * b)(a + 1.0))
    close(nested(f64(2.0))(f64(1.0)), 7.0)


def test_a_returned_recursive_closure() -> None:
    def make(rate: Any) -> Any:
        doubled = rate * 2.0

        @lm.recursive
        def chain(x: Any, n: Any) -> Any:
            return lm.cond(n <= 0, lambda: x, lambda: chain(x * doubled, n - 1))

        return chain

    for rate in (0.5, 1.5):
        chain = lm.jit(make)(f64(rate))
        close(chain(f64(1.0), 3), (2.0 * rate) ** 3)
        close(lm.jit(chain)(f64(1.0), 4), (2.0 * rate) ** 4)
    apply = lm.jit(lambda f, x: f(x, 3))
    for rate in (0.5, 1.5):
        close(apply(make(f64(rate)), f64(1.0)), (2.0 * rate) ** 3)
    assert apply.signatures == 1


# ------------------------------------------------------------------ into jit


def test_closures_of_equal_code_are_traced_once() -> None:
    traced = []

    @lm.jit
    def apply(f: Any, x: Any) -> Any:
        traced.append(1)
        return f(x)

    for k in range(4):
        close(apply(line(f64(k)), f64(3.0)), 6.0 * k)
        close(apply(x=f64(3.0), f=line(f64(k), f64(1.0))), 6.0 * k + 1)
        close(apply(functools.partial(lm.add, f64(k)), f64(3.0)), 3.0 + k)
    assert len(traced) == apply.signatures == 3
    close(apply(lambda x: x - 1.0, f64(3.0)), 2.0)


def test_numbers_and_other_code_in_a_closure_are_part_of_the_signature() -> None:
    apply = lm.jit(lambda f, x: f(x))
    power = lambda a, n: lambda x: sum(x * a for _ in range(n))
    for n, count in ((2, 1), (2, 1), (3, 2)):
        close(apply(power(f64(2.0), n), f64(1.5)), 3.0 * n)
        assert apply.signatures == count


def test_a_bound_method_brings_its_module() -> None:
    class Counter(lm.nn.Module):
        def __init__(self) -> None:
            self.layer = lm.nn.Linear(2, 2)
            self.calls = lm.asarray(0)

        def forward(self, x: Any) -> Any:
            self.calls = self.calls + 1
            return self.layer(x)

    module, x = Counter(), lm.ones((1, 2))
    apply = lm.jit(lambda f, x: f(x))
    for k in range(3):
        wanted = np.asarray(module.layer(x))
        np.testing.assert_allclose(np.asarray(apply(module.forward, x)), wanted, 1e-6)
        assert int(module.calls) == k + 1
        module.layer.bias = module.layer.bias + 1.0
    assert apply.signatures == 1


def test_gradients_with_respect_to_what_a_closure_holds() -> None:
    @lm.jit
    def slope(a: Any, x: Any) -> Any:
        return lm.grad(lambda a: line(a)(x))(a)

    close(slope(f64(1.0), f64(3.0)), 6.0)


def test_a_function_passed_through() -> None:
    f = lm.jit(lambda f: f)(line(f64(5.0)))
    close(f(f64(2.0)), 20.0)
    static = lm.jit(lambda f, x: f(x), static_argnames="f")
    close(static(line(f64(5.0)), f64(2.0)), 20.0)


def test_spread_and_rebuilt_are_inverse() -> None:
    for f in (line(f64(1.0)), functools.partial(line, offset=3), lm.nn.Linear(2, 2).forward):
        key, values = spread(f)
        again = rebuilt(f, values)
        assert spread(again)[0] == key and hash(key) == hash(spread(again)[0])
        assert all(a is b for a, b in zip(spread(again)[1], values, strict=True))
    assert spread(line(f64(1.0)))[0] == spread(line(f64(2.0)))[0]
    assert spread(lm.sin) == (None, [lm.sin])


def test_what_cannot_be_compared_stays_as_it_was() -> None:
    ring: list[Any] = [f64(1.0)]
    ring.append(ring)
    names = {"a", "b"}
    scale = f64(2.0)
    circular, unhashable = lambda x: x * ring[0], lambda x: x * scale * len(names)
    apply = lm.jit(lambda f, x: f(x))
    for _ in range(2):
        close(apply(circular, f64(3.0)), 3.0)
        close(apply(unhashable, f64(3.0)), 12.0)
    assert apply.signatures == 2
    assert lm.jit(lambda x: circular)(f64(1.0)) is circular


# ------------------------------------------------------------------ errors


def test_branches_that_return_functions() -> None:
    choose = lambda n: lm.cond(n > 0, lambda: line(n), lambda: line(-n))
    with pytest.raises(lm.UsageError) as error:
        lm.jit(choose)(f64(2.0))
    first, returned, *others = str(error.value).splitlines()
    assert first == "cond: a branch returns a function"
    assert returned.startswith("  returned: <function line.<locals>.<lambda> at ")
    assert others[:2] == [
        "  which one it is would be known only in the program",
        "  help: return the tensors that the functions hold and make the function of them outside, "
        "or call the functions inside the branches",
    ]


def test_a_function_in_an_exported_program() -> None:
    with pytest.raises(lm.UsageError, match="the result holds what a program cannot return"):
        lm.export(lm.jit(line), f64(1.0))
    with pytest.raises(lm.UsageError, match="convert: does not change recursive functions"):
        lm.convert(lm.recursive(lambda n: n))
