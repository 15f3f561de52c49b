"""nn.init: the distributions of PyTorch, exact values where there is no chance, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.nn import init
from tests.nn.test_errors import message
from tests.nn.test_initialisation import critical, distance

SHAPE = (40, 30, 3)
DRAWN: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    (name, lambda w, key, f=f, **k: f(w, key=key, **k), options)
    for name, f, options in [
        ("uniform_", init.uniform, {"a": -2.0, "b": 3.0}),
        ("normal_", init.normal, {"mean": 1.0, "std": 2.0}),
        ("trunc_normal_", init.trunc_normal, {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 3.0}),
        ("xavier_uniform_", init.xavier_uniform, {"gain": 2.0}),
        ("xavier_normal_", init.xavier_normal, {"gain": 0.5}),
        ("kaiming_uniform_", init.kaiming_uniform, {"a": 0.3}),
        ("kaiming_uniform_", init.kaiming_uniform, {"mode": "fan_out", "nonlinearity": "tanh"}),
        ("kaiming_normal_", init.kaiming_normal, {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_normal_", init.kaiming_normal, {"nonlinearity": "selu"}),
    ]
]


@pytest.mark.parametrize("name, draw, options", DRAWN, ids=[f"{n} {o}" for n, _, o in DRAWN])
def test_the_distribution_of_torch(name: str, draw: Any, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    torch.manual_seed(0)
    theirs = getattr(torch.nn.init, name)(torch.empty(SHAPE, dtype=torch.float64), **options)
    ours = draw(lm.zeros(SHAPE, dtype=lm.float64), lm.random.key(4), **options).numpy()
    assert ours.shape == SHAPE and ours.dtype == np.float64
    b = np.sort(theirs.numpy().ravel())
    empirical = lambda x: np.searchsorted(b, x, side="right") / len(b)
    assert distance(ours.ravel(), empirical) < critical(ours.size, b.size)
    again = draw(SHAPE, lm.random.key(4), dtype=lm.float64, **options)
    np.testing.assert_array_equal(again.numpy(), ours)  # the key alone decides


def test_values_without_chance() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    for shape, groups in (((4, 3, 3), 1), ((6, 2, 3, 2), 3), ((2, 4, 1, 2, 5), 2)):
        theirs = torch.nn.init.dirac_(torch.empty(shape), groups)
        np.testing.assert_array_equal(init.dirac(shape, groups).numpy(), theirs.numpy())
    np.testing.assert_array_equal(init.eye((3, 2)).numpy(), np.eye(3, 2))
    like = lm.ones((2, 2), dtype=lm.float16)
    assert init.zeros(like).dtype == lm.float16 and init.constant(like, 3.0).tolist()[0] == [3, 3]
    assert init.ones(like, dtype=lm.float64).dtype == lm.float64
    names = ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")
    for name in names:
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    expected = torch.nn.init.calculate_gain("leaky_relu", 0.3)
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (6, 2, 2)], ids=str)
def test_orthogonal(shape: tuple[int, ...]) -> None:
    made = init.orthogonal(shape, 2.0, dtype=lm.float64, key=lm.random.key(1)).numpy()
    flat = made.reshape(shape[0], -1)
    short = flat if flat.shape[0] <= flat.shape[1] else flat.T
    np.testing.assert_allclose(short @ short.T, 4 * np.eye(len(short)), atol=1e-12)


def test_sparse() -> None:
    made = init.sparse((11, 5), 0.3, std=2.0, key=lm.random.key(2)).numpy()
    assert ((made == 0).sum(axis=0) == 4).all()
    assert (made[:, 0] == 0).tolist() != (made[:, 1] == 0).tolist()
    assert 1.0 < made[made != 0].std() < 3.0


def test_a_seed_serves_without_a_key() -> None:
    lm.random.seed(3)
    first = init.kaiming_uniform((4, 4))
    lm.random.seed(3)
    np.testing.assert_array_equal(first.numpy(), init.kaiming_uniform((4, 4)).numpy())


MESSAGES = [
    (
        lambda: init.xavier_uniform_,
        "UsageError: nn.init: there is no xavier_uniform_, because tensors are immutable\n"
        "  there is: xavier_uniform, which returns the values\n"
        "  help: layer.weight = nn.init.xavier_uniform(layer.weight)",
    ),
    (
        lambda: init.xavier_normal((3,)),
        "ShapeError: fan_in_and_fan_out: a weight has two axes or more\n  shape: (3,)",
    ),
    (
        lambda: init.kaiming_normal((3, 2), mode="fan"),
        "UsageError: kaiming: no mode 'fan'\n  there are: fan_in, fan_out",
    ),
    (
        lambda: init.dirac((3, 2, 1), 2),
        "ShapeError: dirac: not kernels whose number the groups divide\n"
        "  shape: (3, 2, 1)\n  groups: 2",
    ),
    (lambda: init.eye((3,)), "ShapeError: eye: a matrix has two axes\n  shape: (3,)"),
    (lambda: init.sparse((3,), 0.1), "ShapeError: sparse: a matrix has two axes\n  shape: (3,)"),
    (
        lambda: init.orthogonal((3,)),
        "ShapeError: orthogonal: a weight has two axes or more\n  shape: (3,)",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected


def test_unknown_names_stay_attribute_errors() -> None:
    assert not hasattr(init, "nothing")
    assert message(lambda: init.calculate_gain("x")).startswith(
        "UsageError: calculate_gain: no gain of 'x'"
    )
