"""Converted functions against the same functions run by Python."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import functions
import numpy as np
import pytest
from random_programs import HELPER, Writer

import lamina as lm
from lamina.base.errors import DTypeError, ShapeError, TraceError, UsageError
from lamina.tensor.containers import tensors

F = lm.float64


def numbers(result: Any) -> list[Any]:
    """The numbers of a result, in order."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, list | tuple):
        return [n for x in result for n in numbers(x)]
    return [np.asarray(result, dtype=np.float64)]


def agree(got: Any, want: Any) -> None:
    for a, b in zip(numbers(got), numbers(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("f", functions.SCALARS)
def test_one_number(f: Callable[..., Any]) -> None:
    converted = lm.jit(f, control_flow="convert")
    for x in (-3.0, 0.0, 1.0, 2.5, 4.0, 9.0):
        given = lm.asarray(x, dtype=F)
        agree(converted(given), f(given))


@pytest.mark.parametrize("f", functions.VECTORS)
def test_vectors(f: Callable[..., Any]) -> None:
    converted = lm.jit(f, control_flow="convert")
    for xs in ([1.0, 3.0, 2.0], [-1.0, 0.5, 4.0], [5.0, -2.0, 1.5]):
        given = lm.asarray(xs, dtype=F)
        agree(converted(given), f(given))


@pytest.mark.parametrize("seed", range(16))
def test_random_programs(seed: int) -> None:
    text = Writer(seed).program() + HELPER
    name = f"random_program_{seed}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {}
    exec(compile(text, name, "exec"), namespace)
    f = namespace["f"]
    converted = lm.jit(f, control_flow="convert")
    for a, b, xs in [(1, 2, [3, 1, 4]), (5, -2, [0, 7, 2]), (0, 11, [2, 2, 9])]:
        got = converted(lm.asarray(a), lm.asarray(b), lm.asarray(xs))
        assert [int(v) for v in got] == list(f(a, b, xs)), text


def test_a_plain_jit_does_not_bake_a_branch_in() -> None:
    with pytest.raises(TraceError):
        lm.jit(functions.if_else)(lm.asarray(1.0))


def test_gradients() -> None:
    for x in (-2.0, 3.0, 7.0):
        given = lm.asarray(x, dtype=F)
        f = functions.nested_return
        agree(lm.jit(lm.grad(lm.convert(f)))(given), lm.grad(f)(given))
    xs = lm.asarray([1.0, 3.0, -2.0], dtype=F)
    agree(
        lm.jit(lm.grad(lm.convert(functions.until_negative)))(xs),
        lm.grad(functions.until_negative)(xs),
    )


def halve(x: Any) -> Any:
    while x > 1:
        lm.bound_steps(20)
        x = x * x * 0.1
    return x


def unbounded(x: Any) -> Any:
    while x > 1:
        x = x * x * 0.1
    return x


def test_a_bound_gives_loops_a_reverse_mode() -> None:
    x = lm.asarray(9.0, dtype=F)
    agree(lm.jit(lm.grad(lm.convert(halve)))(x), lm.grad(halve)(x))
    with pytest.raises(UsageError, match="no reverse derivative of a loop of unknown length"):
        lm.jit(lm.grad(lm.convert(unbounded)))(x)


def test_many_examples() -> None:
    xs = lm.asarray([-2.0, 0.0, 3.0, 9.0], dtype=F)
    got = lm.vmap(lm.convert(functions.nested_return))(xs)
    agree(got.tolist(), [float(functions.nested_return(x)) for x in xs])


class Counter(lm.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", lm.asarray(0.0))
        self.inner = Scaled()

    def forward(self, x: Any) -> Any:
        if x.sum() > 0:
            self.seen = self.seen + 1.0
        return self.inner(x)


class Scaled(lm.nn.Module):
    def forward(self, x: Any) -> Any:
        if x.sum() > 2:
            return x * 2
        return x


def test_modules_and_their_attributes() -> None:
    model = Counter()
    step = lm.jit(lambda m, x: m(x), control_flow="convert")
    for x, want in [(1.0, 1.0), (3.0, 6.0), (-1.0, -1.0)]:
        assert step(model, lm.asarray([x])).tolist() == [want]
    assert float(model.seen) == 2.0
    assert len(tensors(model)) == 1


def shapes_differ(x: Any) -> Any:
    if x.sum() > 0:
        y = x
    else:
        y = x[:1]
    return y


def dtypes_differ(x: Any) -> Any:
    if x.sum() > 0:
        y = x
    else:
        y = x.astype(lm.int32)
    return y


def one_side_only(x: Any) -> Any:
    if x.sum() > 0:
        y = x
    return y


def grows(x: Any) -> Any:
    while x.sum() < 10:
        x = lm.concat([x, x])
    return x


def fills(x: Any) -> Any:
    found = []
    while x.sum() < 10:
        x = x + 1
        found.append(x)
    return found


def raises(x: Any) -> Any:
    if x.sum() > 0:
        raise ValueError("positive")
    return x


def recurses(x: Any) -> Any:
    return x if x.sum() < 0 else recurses(x - 1)


@pytest.mark.parametrize(
    ("f", "kind", "parts"),
    [
        (shapes_differ, ShapeError, ["if: 'y' has two types", "f32[1]", "f32[2]"]),
        (dtypes_differ, DTypeError, ["if: 'y' has two types", "i32[2]", "f32[2]"]),
        (one_side_only, UsageError, ["'y' has a value on one side only", "no value"]),
        (grows, ShapeError, ["while: 'x' has two types", "f32[2]", "f32[4]"]),
        (fills, UsageError, ["the list 'found' has another length after a step"]),
        (raises, UsageError, ["raise: a tensor decides whether it happens"]),
        (recurses, UsageError, ["a function calls itself again and again"]),
    ],
)
def test_errors(f: Callable[..., Any], kind: type[Exception], parts: list[str]) -> None:
    with pytest.raises(kind) as error:
        lm.jit(f, control_flow="convert")(lm.asarray([1.0, 2.0]))
    for part in parts:
        assert part in str(error.value)
    if f not in (raises, recurses):
        assert f"in {f.__name__}:  {error.value.summary.partition(':')[0]} " in str(error.value)


def test_what_cannot_be_converted() -> None:
    namespace: dict[str, Any] = {}
    exec("def f(x): return x", namespace)
    with pytest.raises(UsageError, match="the source of f is not known"):
        lm.convert(namespace["f"])

    def numbers_of(x: Any) -> Any:
        yield x

    with pytest.raises(UsageError, match="is a generator or a coroutine"):
        lm.convert(numbers_of)
