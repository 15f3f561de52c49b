"""Complex tensors: numbers in and out, promotion, arithmetic with real ones, derivatives."""

from __future__ import annotations

import itertools
import operator

import numpy as np
import pytest

import lamina as lm

Z = np.array([1 + 2j, -0.5 + 0.25j, 3 - 1j])
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv]
RNG = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


# ------------------------------------------------------------------ in and out


@pytest.mark.parametrize("kind", [lm.complex64, lm.complex128])
def test_numpy_in_and_out(kind: lm.DType) -> None:
    for shape in ((), (0, 3), (3,), (2, 1, 5)):
        array = numbers(*shape).astype(kind.numpy)
        x = lm.asarray(array)
        assert x.dtype is kind and x.shape == shape
        np.testing.assert_array_equal(x.numpy(), array)
        np.testing.assert_array_equal((x * 1).numpy(), array)


def test_python_numbers_in_and_out() -> None:
    assert lm.asarray(1 + 2j).dtype is lm.complex64
    assert lm.asarray([1, 2j]).dtype is lm.complex64
    assert lm.asarray(1j, dtype=lm.complex128).dtype is lm.complex128
    x = lm.asarray(0.5 - 2j)
    assert complex(x) == x.item() == 0.5 - 2j
    assert lm.asarray([1j, 2]).tolist() == [1j, 2 + 0j]
    assert repr(lm.asarray([1 + 2j])) == "Tensor([1.+2.j], shape=(1,), dtype=complex64)"
    with pytest.raises(TypeError):
        float(x)


def test_views_and_strides_of_numpy() -> None:
    array = numbers(4, 6)
    for view in (array.T, array[::2, 1::3], array[::-1]):
        np.testing.assert_array_equal((lm.asarray(view) + 0).numpy(), view)


# ------------------------------------------------------------------ promotion

REAL = {
    "int8": lm.complex64, "uint64": lm.complex64, "bool": lm.complex64, "float16": lm.complex64,
    "bfloat16": lm.complex64, "float32": lm.complex64, "float64": lm.complex128,
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    "f",
    [operator.add, operator.sub, operator.mul, operator.truediv, lm.pow, lm.equal],
    ids=lambda f: f.__name__,
)
def test_real_and_complex_meet(name: str, f) -> None:
    """A complex number of the width of the float; Python numbers take what they meet."""
    x = lm.ones((2,), dtype=name)
    wanted = lm.bool if f is lm.equal else REAL[name]
    assert f(x, 1j).dtype is wanted and f(1j, x).dtype is wanted
    assert f(x, lm.asarray([1j, 2])).dtype is wanted
    big = lm.bool if f is lm.equal else lm.complex128
    assert f(x, lm.asarray(Z[:2])).dtype is big


def test_weak_numbers_keep_the_width() -> None:
    for kind in (lm.complex64, lm.complex128):
        z = lm.asarray(Z, dtype=kind)
        for number in (True, 2, 0.5, 1j):
            assert (z * number).dtype is kind and (number - z).dtype is kind
    assert lm.result_type(lm.float64, 1j) is lm.complex128
    assert lm.result_type(lm.complex64, 1.0) is lm.complex64
    assert lm.where(lm.asarray([True, False]), 1j, lm.asarray([1.0, 2.0])).dtype is lm.complex64


def test_a_traced_number_is_as_weak() -> None:
    f = lm.jit(lambda x, c: x * c)
    assert f(lm.ones((2,)), 2j).dtype is lm.complex64
    assert f(lm.ones((2,), dtype=lm.float64), 2j).tolist() == [2j, 2j]


SPECIAL = [0.0, -0.0, 1.5, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize(
    "f", [operator.add, operator.sub, operator.mul, operator.truediv], ids=lambda f: f.__name__
)
def test_a_real_operand_has_no_imaginary_part(f) -> None:
    """The tables of the standard: what is not there makes no NaN."""
    for a, b, c in itertools.product(SPECIAL, repeat=3):
        z, r = lm.asarray(np.array(complex(a, b))), lm.asarray(np.array(c))
        re, im = f(lm.asarray(np.array(a)), r), lm.asarray(np.array(b))
        if f in (operator.mul, operator.truediv):
            im = f(im, r)
        got = f(z, r).numpy()
        np.testing.assert_array_equal([got.real, got.imag], [re.numpy(), im.numpy()])


def test_a_real_operand_on_the_left() -> None:
    z = lm.asarray(Z)
    np.testing.assert_allclose((3 - z).numpy(), 3 - Z)
    np.testing.assert_allclose((3 / z).numpy(), 3 / Z)
    np.testing.assert_allclose((z - lm.asarray([5, 1, 0], dtype=lm.uint8)).numpy(), Z - [5, 1, 0])
    np.testing.assert_allclose((z[:, None] * lm.ones((2,))).numpy(), Z[:, None] * np.ones(2))


def test_contractions() -> None:
    a, b = numbers(5, 7), numbers(7, 3)
    np.testing.assert_allclose((lm.asarray(a) @ lm.asarray(b)).numpy(), a @ b)
    np.testing.assert_allclose((lm.asarray(b.T) @ lm.asarray(a.T)).numpy(), b.T @ a.T)
    np.testing.assert_allclose((lm.asarray(a.real) @ lm.asarray(b)).numpy(), a.real @ b)
    got = lm.einsum("ij,kj,jl->lik", lm.asarray(a), lm.asarray(a), lm.asarray(b)).numpy()
    np.testing.assert_allclose(got, np.einsum("ij,kj,jl->lik", a, a, b))
    many = numbers(130, 70), numbers(70, 90)
    got = lm.jit(lambda x, y: x @ y)(*map(lm.asarray, many)).numpy()
    np.testing.assert_allclose(got, many[0] @ many[1])


def test_reductions() -> None:
    a = numbers(4, 5, 3)
    x = lm.asarray(a)
    for axis in (None, 0, -1, (0, 2)):
        np.testing.assert_allclose(lm.sum(x, axis=axis).numpy(), a.sum(axis))
        np.testing.assert_allclose(lm.prod(x, axis=axis).numpy(), a.prod(axis))
        np.testing.assert_allclose(lm.mean(x, axis=axis).numpy(), a.mean(axis))
        np.testing.assert_allclose(lm.var(x, axis=axis).numpy(), a.var(axis))
        np.testing.assert_allclose(lm.std(x, axis=axis).numpy(), a.std(axis))
    assert lm.prod(lm.asarray(np.zeros((0,), complex))).item() == 1
    assert lm.any(x).item() is True and lm.all(lm.asarray([1j, 0])).item() is False


def test_powers() -> None:
    for exponent in (0, 1, 2, 3, -2, 7, 0.5, 1j, 2.5 - 1j):
        np.testing.assert_allclose((lm.asarray(Z) ** exponent).numpy(), Z**exponent, 1e-12)
    assert (lm.asarray([0j, 0j]) ** lm.asarray([0j, 2 + 0j])).tolist() == [1, 0]


def test_no_order() -> None:
    z = lm.asarray(Z)
    for f in (lm.max, lm.argmin, lm.floor):
        with pytest.raises(lm.DTypeError, match="complex numbers have no order"):
            f(z)
    with pytest.raises(lm.DTypeError, match="complex numbers have no order"):
        lm.maximum(z, z)


# ------------------------------------------------------------------ derivatives


def test_gradient_of_a_real_function() -> None:
    """df/dx - i df/dy, by central differences."""
    f = lambda z: lm.sum(lm.abs(lm.sin(z) * z) ** 2 + lm.real(z) * lm.imag(z))
    at = lambda z: f(lm.asarray(z)).item()
    h, got = 1e-6, lm.grad(f)(lm.asarray(Z)).numpy()
    for i, step in enumerate(np.eye(3)):
        along = lambda d, step=step: (at(Z + d * h * step) - at(Z - d * h * step)) / (2 * h)
        np.testing.assert_allclose(got[i], along(1) - 1j * along(1j), 1e-6)


def test_descent_goes_against_the_conjugate() -> None:
    target = lm.asarray(2 - 3j, dtype=lm.complex128)
    z = lm.asarray(0j, dtype=lm.complex128)
    for _ in range(60):
        z = z - 0.2 * lm.conj(lm.grad(lambda z: lm.abs(z - target) ** 2)(z))
    np.testing.assert_allclose(complex(z), 2 - 3j, 1e-10)


HOLOMORPHIC = {
    "exp": lm.exp, "expm1": lm.expm1, "log": lm.log, "log1p": lm.log1p, "log2": lm.log2,
    "log10": lm.log10, "sqrt": lm.sqrt, "sin": lm.sin, "cos": lm.cos, "tan": lm.tan,
    "asin": lm.asin, "acos": lm.acos, "atan": lm.atan, "sinh": lm.sinh, "cosh": lm.cosh,
    "tanh": lm.tanh, "asinh": lm.asinh, "acosh": lm.acosh, "atanh": lm.atanh,
    "square": lm.square, "reciprocal": lm.reciprocal, "power": lambda z: z**2.5 + 2.0**z,
    "quotient": lambda z: (z + 1) / (2 - z), "real operand": lambda z: 3.0 * z - lm.ones(()),
}  # fmt: skip


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_derivative_of_a_holomorphic_function(name: str) -> None:
    """Along both axes the difference quotient is the derivative; jvp multiplies with it."""
    f, z, h = HOLOMORPHIC[name], 0.6 + 0.7j, 1e-6
    at = lambda z: complex(f(lm.asarray(np.array(z))))
    point = lm.asarray(np.array(z))
    got = complex(lm.grad(f, holomorphic=True)(point))
    for d in (h, 1j * h):
        np.testing.assert_allclose(got, (at(z + d) - at(z - d)) / (2 * d), 1e-7)
    _, dot = lm.jvp(f, [point], [lm.asarray(np.array(0.5 - 2j))])
    np.testing.assert_allclose(complex(dot), got * (0.5 - 2j), 1e-10)
    twice = complex(lm.grad(lm.grad(f, holomorphic=True), holomorphic=True)(point))
    first = lambda z: complex(lm.grad(f, holomorphic=True)(lm.asarray(np.array(z))))
    np.testing.assert_allclose(twice, (first(z + h) - first(z - h)) / (2 * h), 1e-6)


def test_pull_is_the_transpose_not_the_adjoint() -> None:
    a = numbers(3, 2)
    _, pull = lm.vjp(lambda z: lm.asarray(a) @ z, lm.asarray(numbers(2)))
    bar = numbers(3)
    np.testing.assert_allclose(pull(lm.asarray(bar))[0].numpy(), a.T @ bar)


def test_gradients_of_real_arguments_are_real() -> None:
    f = lambda x, c: lm.real(lm.exp(1j * x) * c)
    gx, gc = lm.grad(f, (0, 1))(lm.asarray(0.3), lm.asarray(2 + 1j))
    assert gx.dtype is lm.float32 and gc.dtype is lm.complex64
    np.testing.assert_allclose(gx.item(), (1j * np.exp(0.3j) * (2 + 1j)).real, 1e-6)
    np.testing.assert_allclose(gc.item(), np.exp(0.3j), 1e-6)


def test_jit_vmap_and_grad_together() -> None:
    f = lambda z: lm.sum(lm.abs(lm.exp(z)) ** 2)
    rows = lm.asarray(numbers(4, 3))
    got = lm.jit(lm.vmap(lm.grad(f)))(rows).numpy()
    np.testing.assert_allclose(got, np.stack([lm.grad(f)(r).numpy() for r in rows]))


@pytest.mark.parametrize(
    ("f", "x", "holomorphic", "words"),
    [
        (lambda z: z * z, 1j, False, "the loss is complex"),
        (lm.abs, 1j, True, "gives a complex number"),
        (lambda x: x * 1j, 1.0, True, "takes complex numbers"),
    ],
)
def test_mistakes_are_explained(f, x, holomorphic: bool, words: str) -> None:
    with pytest.raises(lm.DTypeError, match=words) as error:
        lm.grad(f, holomorphic=holomorphic)(lm.asarray(x))
    assert error.value.facts and error.value.help
