"""`x[key] = value`: the object takes other elements, and nothing else changes with it."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import lamina as lm
from lamina import nn


def test_the_object_stays_the_same() -> None:
    x = lm.zeros(3)
    same, number, known = x, id(x), {x: "found"}
    x[1] = 2.0
    assert x is same and id(x) == number and known[x] == "found"
    assert same.tolist() == [0.0, 2.0, 0.0]
    assert x.dtype is lm.float32 and x.shape == (3,)


def test_nothing_made_of_it_changes() -> None:
    data = np.zeros((2, 2), np.float32)
    x = lm.asarray(data)
    others = [x[0], x[...], x[:], x.reshape((2, 2)), x.reshape(4), x.T, x + 0, x.astype(lm.float32),
              x.permute_dims((0, 1)), lm.flip(x, axis=()), lm.broadcast_to(x, (2, 2)),
              lm.squeeze(x), x.numpy(), lm.asarray(x, copy=True), lm.roll(x, 0)]  # fmt: skip
    x[...] = 5.0
    assert x.tolist() == [[5.0, 5.0], [5.0, 5.0]]
    assert not data.any()
    for i, other in enumerate(others):
        assert not np.asarray(other).any(), i


def test_a_value_does_not_change_either() -> None:
    x, v = lm.zeros(3), lm.ones(3)
    x[...] = v
    x[0] = 7.0
    assert v.tolist() == [1.0, 1.0, 1.0] and x.tolist() == [7.0, 1.0, 1.0]
    x[:] = x[::-1]
    assert x.tolist() == [1.0, 1.0, 7.0]


def test_operators_in_place_make_new_tensors() -> None:
    x = lm.zeros(2)
    y = x
    x += 1.0
    assert y.tolist() == [0.0, 0.0] and x.tolist() == [1.0, 1.0]
    x[0] += 4.0
    assert x.tolist() == [5.0, 1.0]


def test_pending_tensors_and_many_assignments() -> None:
    x = lm.exp(lm.zeros(50))
    y = x * 2
    for i in range(50):
        x[i] = float(i)
        if i == 20:
            half = x + 0.0
    assert x.tolist() == list(range(50))
    assert y.tolist() == [2.0] * 50
    assert half.tolist() == [*range(21), *[1.0] * 29]


def test_a_deep_copy_is_separate() -> None:
    x = lm.zeros(2)
    y = copy.deepcopy(x)
    z = copy.copy(x)
    x[0] = 1.0
    assert y.tolist() == [0.0, 0.0] and z.tolist() == [0.0, 0.0]


def test_frozen() -> None:
    x = lm.zeros(2)
    assert not x.is_frozen and x.freeze() is x and x.is_frozen
    y = x[...]
    y[0] = 1.0
    assert x.tolist() == [0.0, 0.0] and y.tolist() == [1.0, 0.0]


# ------------------------------------------------------------------ transforms


def test_an_argument_of_jit_is_its_own() -> None:
    @lm.jit
    def f(x, *, y):
        x[0] = y[1]
        y[1] = 8.0
        return x, y

    x, y = lm.zeros(2), lm.ones(2)
    for _ in range(2):
        a, b = f(x, y=y)
        assert a.tolist() == [1.0, 0.0] and b.tolist() == [1.0, 8.0]
        assert x.tolist() == [0.0, 0.0] and y.tolist() == [1.0, 1.0]


def test_what_a_container_holds_is_written_back() -> None:
    @lm.jit
    def f(model, cache, state):
        model.weight[0, 0] = 5.0
        cache[1][0] += 1.0
        state["seen"][...] = cache[1]
        return model.weight.sum()

    model = nn.Linear(2, 1)
    cache, state = [lm.zeros(2), lm.zeros(2)], {"seen": lm.zeros(2)}
    for count in (1.0, 2.0):
        total = f(model, cache, state)
        assert model.weight.tolist()[0][0] == 5.0
        np.testing.assert_allclose(float(total), model.weight.numpy().sum(), 1e-6)
        assert cache[0].tolist() == [0.0, 0.0] and cache[1].tolist() == [count, 0.0]
        assert state["seen"].tolist() == [count, 0.0]


def test_gradients_follow_assignments() -> None:
    def loss(x, v):
        y = lm.zeros(4)
        y[1:3] = x * v
        y[0] = x[0]
        x[1] = 0.0
        return lm.sum(y * y) + lm.sum(x)

    x, v = lm.asarray([2.0, 3.0]), lm.asarray([5.0, 7.0])
    for f in (lm.grad(loss, argnums=(0, 1)), lm.jit(lm.grad(loss, argnums=(0, 1)))):
        to_x, to_v = f(x, v)
        assert to_x.tolist() == [2 * 2 * 25 + 2 * 2 + 1.0, 2 * 3 * 49.0]
        assert to_v.tolist() == [2 * 4 * 5.0, 2 * 9 * 7.0]
    assert x.tolist() == [2.0, 3.0]


def test_grad_keeps_what_is_assigned_into_a_module() -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight = lm.asarray([[1.0, 2.0]])

    def loss(model):
        result = lm.sum(model.weight * model.weight)
        model.weight[0, 1] = 9.0
        return result

    gradient = lm.grad(loss)(model)
    assert gradient.weight.tolist() == [[2.0, 4.0]]
    assert model.weight.tolist() == [[1.0, 9.0]]


def test_vmap_assigns_in_each_example() -> None:
    def f(x, i, shared):
        x[i] = 0.0
        shared[0] = x[1]
        return x, shared

    x, shared = lm.ones((3, 2)), lm.zeros(2)
    a, b = lm.vmap(f, in_axes=(0, 0, None))(x, lm.asarray([0, 1, 0]), shared)
    assert a.tolist() == [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    assert b.tolist() == [[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    assert x.tolist() == [[1.0, 1.0]] * 3 and shared.tolist() == [0.0, 0.0]


def test_a_loop_body_assigns_into_its_carry() -> None:
    def step(carry, x):
        carry[0] += x
        carry[1] = x
        return carry, carry[0]

    start = lm.zeros(2)
    last, sums = lm.scan(step, start, lm.asarray([1.0, 2.0, 4.0]))
    assert last.tolist() == [7.0, 4.0] and sums.tolist() == [1.0, 3.0, 7.0]
    assert start.tolist() == [0.0, 0.0]


OUTSIDE = lm.zeros(2)


@pytest.mark.parametrize("transform", ["jit", "vmap", "scan"])
def test_a_tensor_from_outside_is_refused(transform: str) -> None:
    def into_outside(x):
        OUTSIDE[0] = x
        return x

    def into_number(x):
        OUTSIDE[0] = 1.0
        return x

    run = {
        "jit": lambda f: lm.jit(f)(lm.ones(())),
        "vmap": lambda f: lm.vmap(f)(lm.ones(3)),
        "scan": lambda f: lm.scan(lambda c, x: (f(c), x), lm.ones(()), lm.ones(3)),
    }[transform]
    for f in (into_outside, into_number):
        with pytest.raises(lm.ImmutableError, match=f"made outside {transform}"):
            run(f)
    assert OUTSIDE.tolist() == [0.0, 0.0]


def test_grad_may_assign_outside_as_python_does() -> None:
    seen = lm.zeros(2)

    def loss(x):
        seen[1] = x * x
        return lm.sum(seen) * x

    assert float(lm.grad(loss)(lm.asarray(3.0))) == 27.0
    assert seen.tolist() == [0.0, 9.0]


def test_no_function_gives_its_argument_back() -> None:
    """An assignment into the result would change the argument; `asarray` says that it does."""
    for dtype in (lm.float32, lm.int64, lm.bool_):
        for shape in ((), (1,), (2, 2)):
            x = lm.ones(shape, dtype=dtype)
            for name in lm.tensor.api.__all__:
                f = getattr(lm, name)
                if isinstance(f, type) or not callable(f) or name == "asarray":
                    continue
                try:
                    result = f(x)
                except (TypeError, ValueError, lm.LaminaError):
                    continue  # it takes something else
                parts = result if isinstance(result, tuple | list) else (result,)
                assert not any(part is x for part in parts), name
