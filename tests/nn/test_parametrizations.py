"""Weight norm, spectral norm, orthogonality: PyTorch's values, gradients and names; one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from tests.nn.parity import Parity, check
from tests.nn.test_errors import message

P = nn.parametrizations


def of(condition_name: str, make: Any, **options: Any) -> Any:
    """The layer with a condition, of both systems."""

    def condition(library: Any) -> Any:
        layer = make(library)
        if library is nn:
            return getattr(P, condition_name)(layer, **options)
        return getattr(library.utils.parametrizations, condition_name)(layer, **options)

    return condition


def linear(inputs: int, outputs: int) -> Any:
    return lambda library: library.Linear(inputs, outputs)


BOTH = ("float64", "float32")
CONV = lambda library: library.Conv2d(2, 3, 2)
TWICE = lambda layer, x: (layer(x), layer.eval()(x))
CASES = (
    Parity(
        "weight norm", of("weight_norm", linear(3, 4)), ((2, 3),), dtypes=("float64", "float32")
    ),
    Parity("weight norm of a convolution", of("weight_norm", CONV, dim=1), ((2, 2, 3, 3),)),
    Parity("weight norm of all", of("weight_norm", linear(3, 4), dim=None), ((2, 3),)),
    Parity("spectral norm", of("spectral_norm", linear(3, 4)), ((2, 3),), TWICE),
    Parity(
        "spectral norm of a convolution",
        of("spectral_norm", CONV, dim=1, n_power_iterations=3),
        ((2, 2, 3, 3),),
        TWICE,
    ),
    Parity("spectral norm of a bias", of("spectral_norm", linear(3, 4), name="bias"), ((2, 3),)),
    *(
        Parity(
            f"orthogonal, {kind}, {outputs} x {inputs}",
            of("orthogonal", linear(inputs, outputs), orthogonal_map=kind),
            ((2, inputs),),
        )
        for kind, inputs, outputs in (
            ("matrix_exp", 3, 3),
            ("cayley", 3, 4),
            ("householder", 4, 2),
            ("householder", 2, 4),
        )
    ),
    Parity(
        "orthogonal of its own weight",
        of("orthogonal", linear(3, 4), orthogonal_map="cayley", use_trivialization=False),
        ((2, 3),),
    ),
)


def moved(make: Any) -> Any:
    """The layer away from where it began, where derivatives say more."""

    def other(library: Any) -> Any:
        layer = make(library)
        if library is nn:
            return layer
        torch = pytest.importorskip("torch")
        with torch.no_grad():
            for parameter in layer.parametrizations.parameters():
                parameter += 0.3 * torch.tril(torch.randn_like(torch.atleast_2d(parameter)), -1)[
                    tuple([0] * (parameter.ndim < 2))
                ].reshape(parameter.shape)
        return layer

    return other


@pytest.mark.parametrize(
    "case, dtype",
    [(case, dtype) for case in CASES for dtype in case.dtypes],
    ids=lambda x: getattr(x, "name", x),
)
def test_against_torch(case: Parity, dtype: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    made = moved(case.make) if case.name.startswith("orthogonal") else case.make
    check(Parity(case.name, made, case.inputs, case.call), dtype)


@pytest.mark.parametrize(
    "shape, kind", [((3, 3), "matrix_exp"), ((4, 2), "cayley"), ((2, 4), "householder")], ids=str
)
def test_orthogonal_while_training(shape: tuple[int, int], kind: str) -> None:
    """The tensor begins as what it was, if that was orthogonal, and stays so when steps move it."""
    lm.random.seed(0)
    layer = nn.Linear(shape[1], shape[0], dtype=lm.float64)
    layer.weight = first = nn.init.orthogonal(layer.weight)
    P.orthogonal(layer, orthogonal_map=kind)
    np.testing.assert_allclose(layer.weight.numpy(), first.numpy(), atol=1e-12)
    optimizer = lm.optim.SGD(layer, lr=0.3)
    x = lm.random.normal((5, shape[1]), dtype=lm.float64)
    for _ in range(3):
        grads = lm.grad(lambda layer: lm.sum(lm.sin(layer(x))))(layer)
        optimizer.update(layer, grads)
    now = layer.weight.numpy()
    short = now if shape[0] <= shape[1] else now.T
    np.testing.assert_allclose(short @ short.T, np.eye(min(shape)), atol=1e-12)
    assert np.abs(now - first.numpy()).max() > 1e-2


def test_spectral_norm_finds_the_greatest_singular_value() -> None:
    layer = P.spectral_norm(nn.Linear(4, 6, dtype=lm.float64), key=lm.random.key(0))
    step = lm.jit(lambda layer, x: layer(x))
    for _ in range(60):  # each use while training is a step more
        step(layer, np.ones((1, 4)))
    assert np.linalg.svd(layer.eval().weight.numpy())[1][0] == pytest.approx(1.0, abs=1e-6)


class Doubled(nn.Module):
    """Twice its parameter."""

    def forward(self, x: Any) -> Any:
        return 2.0 * x

    def right_inverse(self, x: Any) -> Any:
        return x / 2.0


class Symmetric(nn.Module):
    """The mean of a matrix and its transpose."""

    def forward(self, x: Any) -> Any:
        return (x + x.mT) / 2.0


def test_of_ones_own() -> None:
    layer = nn.Linear(2, 2)
    before = layer.weight.numpy()
    other = P.register_parametrization(layer.copy(), "weight", Doubled())
    P.register_parametrization(layer, "weight", Doubled())
    assert isinstance(layer, nn.Linear) and type(layer) is type(other)
    np.testing.assert_array_equal(layer.weight.numpy(), before)
    np.testing.assert_array_equal(layer.parametrizations["weight"].original.numpy(), before / 2)
    layer.weight = lm.ones((2, 2))
    assert layer.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    layer.weight = lm.asarray([[1.0, 3.0], [1.0, 1.0]])
    P.register_parametrization(layer, "weight", Symmetric())
    assert layer.weight.tolist() == [[1.0, 2.0], [2.0, 1.0]]
    assert layer.copy().weight.tolist() == layer.weight.tolist()
    assert message(lambda: setattr(layer, "weight", lm.ones((2, 2)))) == (
        "UsageError: parametrization: Symmetric cannot be assigned through\n  value: f32[2,2]\n"
        "  help: give it a method right_inverse, or assign its original"
    )
    P.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and not P.is_parametrized(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert layer.weight.tolist() == [[1.0, 2.0], [2.0, 1.0]]


MESSAGES = [
    (
        lambda: P.register_parametrization(nn.Linear(2, 2, bias=False), "bias", Doubled()),
        "UsageError: register_parametrization: Linear has no tensor 'bias'\n  attribute: NoneType",
    ),
    (
        lambda: P.remove_parametrizations(nn.Linear(2, 2), "weight"),
        "UsageError: remove_parametrizations: 'weight' of Linear is not parametrized\n"
        "  parametrized: nothing",
    ),
    (
        lambda: P.spectral_norm(nn.Linear(2, 2), dim=2),
        "UsageError: spectral_norm: there is at least one step, and dim is an axis\n"
        "  n_power_iterations: 1\n  dim: 2\n  weight: f32[2,2]",
    ),
    (
        lambda: P.orthogonal(nn.Linear(2, 2), name="bias"),
        "ShapeError: orthogonal: a matrix has two axes or more\n  weight: f32[2]",
    ),
    (
        lambda: P.orthogonal(nn.Linear(2, 3), use_trivialization=False),
        "UsageError: orthogonal: no map 'householder' with use_trivialization=False\n"
        "  there are: matrix_exp, cayley, householder\n"
        "  householder needs use_trivialization=True",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
