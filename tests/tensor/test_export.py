"""`export`: what becomes an argument, what becomes state, and what cannot be exported."""

from __future__ import annotations

from collections import namedtuple
from functools import partial
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from lamina.graph.ir.op import REGISTRY
from tests import opaque_ops

X = np.arange(4, dtype=np.float32)


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.total = lm.zeros(4)
        self.last: Any = lm.zeros(4)

    def forward(self, x: Any) -> Any:
        self.total = self.total + x
        self.last = x
        return self.total * 1.0


def test_assignments_to_state_are_kept_from_call_to_call() -> None:
    program = lm.export(Counter(), X)
    np.testing.assert_array_equal(program(X), X)
    np.testing.assert_array_equal(program(X + 1), 2 * X + 1)
    assert {n: a.tolist() for n, a in program.state.items()} == {
        "total": (2 * X + 1).tolist(),
        "last": (X + 1).tolist(),
    }


def test_state_that_stays_is_frozen() -> None:
    """The statistics of a model in training change; those of one that is used do not."""
    x = np.random.default_rng(0).standard_normal((4, 3, 8, 8), np.float32)
    model = lm.nn.Sequential(lm.nn.Conv2d(3, 20, 3), lm.nn.BatchNorm2d(20))
    trained, used = lm.export(model, x), lm.export(model.eval(), x)
    frozen = lambda p: {p.signature.inputs[i] for i in p.program.program.native.frozen}
    assert "1.running_var" in frozen(used) and "1.running_var" not in frozen(trained)
    for _ in range(2):
        np.testing.assert_allclose(used(x), model(lm.asarray(x)).numpy(), rtol=1e-4, atol=1e-5)


def test_state_is_a_copy_of_what_the_caller_has() -> None:
    counter = Counter()
    program = lm.export(counter.forward, X)
    given = X.copy()
    program(given)
    given[:] = 9
    assert program.state["last"].tolist() == X.tolist()
    assert counter.total.tolist() == [0.0] * 4


def test_a_tensor_that_is_shared_is_one_parameter() -> None:
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    tied[1].weight = tied[0].weight
    program = lm.export(lambda m, x: m(x), tied, X)
    assert list(program.state) == ["m.0.weight"]
    np.testing.assert_allclose(program(X), tied(lm.asarray(X)).numpy(), rtol=1e-5, atol=1e-7)


def test_an_array_given_twice_is_two_arguments() -> None:
    x = lm.asarray(X)
    program = lm.export(lambda a, b, pair: a - b + pair[0], x, x, [x, x])
    np.testing.assert_array_equal(program(X, 2 * X, [X, X]), X * 0)


def test_tensors_from_outside_are_constants() -> None:
    outside = lm.asarray(X) * 2.0
    program = lm.export(lambda x: (x + outside, outside, lm.ones(2)), X)
    first, second, third = program(X)
    np.testing.assert_array_equal(first, 3 * X)
    np.testing.assert_array_equal(second, 2 * X)
    assert third.tolist() == [1.0, 1.0]


def test_results_of_every_structure() -> None:
    pair = namedtuple("pair", "a b")
    program = lm.export(lambda x: {"p": pair(x, [x + 1, "text"]), 2: None, "n": 1.5}, X)
    found = program(X)
    assert found["p"][1][1] == "text" and found[2] is None and found["n"] == 1.5
    np.testing.assert_array_equal(found["p"][0], X)


def test_writes_into_containers_of_the_caller() -> None:
    def step(params: dict[str, Any], x: Any) -> Any:
        params["w"] = params["w"] + x
        return params["w"].sum()

    program = lm.export(step, {"w": X, "b": X}, X)
    params = {"w": X, "b": X}
    assert program(params, X) == 2 * X.sum()
    np.testing.assert_array_equal(params["w"], 2 * X)


def test_static_arguments_and_random_numbers() -> None:
    @partial(lm.jit, static_argnames="n")
    def f(x: Any, n: int) -> Any:
        return lm.concat([x] * n) + lm.random.normal((4 * n,))

    lm.random.seed(3)
    program = lm.export(f, X, 2)
    wanted = [f(lm.asarray(X), 2).numpy() for _ in range(2)]
    np.testing.assert_array_equal([program(X), program(X)], wanted)
    assert "n" not in program.inputs


def test_dead_arguments_stay_arguments() -> None:
    program = lm.export(lambda x, y: x + 1, X, X)
    assert list(program.inputs) == ["x", "y"]
    np.testing.assert_array_equal(program(X, X), X + 1)


class Lazy(nn.Module):
    def forward(self, x: Any) -> Any:
        self.seen = x
        return x


REFUSED: list[tuple[Any, tuple[Any, ...], str]] = [
    (lambda x: lm.pure_callback(np.sin, x, x), (X,), "the function calls Python while it runs"),
    (lambda x: lm.map(lambda r: lm.pure_callback(np.sin, r, r), x), (X,), "calls Python"),
    (lambda x: (lm.io_callback(print, None, x), x)[1], (X,), "calls Python while it runs"),
    (opaque_ops.cube, (X,), "an operator that is defined outside Lamina"),
    (lambda x, f: f(x), (X, lm.sin), "an argument that a file cannot hold"),
    (lambda x: {x.shape: x}, (X,), "a key of the result cannot be saved"),
    (lambda x: (x, object()), (X,), "the result holds what a program cannot return"),
    (lambda m, x: m, (Lazy(), X), "the result holds what a program cannot return"),
    (Lazy(), (X,), "assigns what was no tensor before"),
    (lambda x: x if x.sum() > 0 else -x, (X,), "bool"),
    (3, (), "takes a function or a module"),
]


@pytest.mark.parametrize("f, args, said", REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_cannot_be_exported(f: Any, args: Any, said: str) -> None:
    with pytest.raises(lm.LaminaError, match=said):
        lm.export(f, *[lm.asarray(a) if isinstance(a, np.ndarray) else a for a in args])


def test_the_message_names_the_function_and_the_line() -> None:
    def scaled(x: Any) -> Any:
        return x

    with pytest.raises(lm.UsageError) as caught:
        lm.export(lambda x: lm.pure_callback(scaled, x, x) + 1, lm.asarray(X))
    text, _, line = str(caught.value).partition("\n  at ")
    assert text == (
        "export: the function calls Python while it runs\n"
        "  called: scaled\n"
        "  help: compute it before or after the program, or with operations of Lamina"
    )
    assert "test_export.py" in line and "pure_callback" in line


def test_ops_of_tests_are_known_as_foreign() -> None:
    assert "called_cube" in REGISTRY
