"""`lm.fft` gives what NumPy gives, of any length, in every norm, in the precision of its input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm

LENGTHS = (1, 2, 3, 4, 5, 7, 8, 12, 13, 31, 60, 97)
NORMS = ("backward", "ortho", "forward")
PRECISIONS = ("single", "double")
REAL = {"single": np.float32, "double": np.float64}
COMPLEX = {"single": np.complex64, "double": np.complex128}
TOLERANCE = {"single": 2e-6, "double": 1e-14}


def real(shape: tuple[int, ...], precision: str, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((*shape[:-1], 2 * shape[-1]))
    return x.astype(REAL[precision])[..., ::2]


def mixed(shape: tuple[int, ...], precision: str) -> np.ndarray:
    return (real(shape, precision) + 1j * real(shape, precision, 1)).astype(COMPLEX[precision])


def close(got: Any, wanted: np.ndarray, precision: str) -> None:
    found = np.asarray(got)
    kind = COMPLEX if np.iscomplexobj(wanted) else REAL
    assert found.dtype == kind[precision]
    assert found.shape == wanted.shape
    size = max(1.0, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(found, wanted, 0, TOLERANCE[precision] * size)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft"])
def test_complex_input(name: str, norm: str, precision: str) -> None:
    for n in LENGTHS:
        x = mixed((2, n), precision)
        if n > 1 or name in ("fft", "ifft"):
            wanted = getattr(np.fft, name)(x, norm=norm)
            close(getattr(lm.fft, name)(x, norm=norm), wanted, precision)
    x = mixed((3, 6, 2), precision)
    for size in (1, 4, 5, 6, 9, 14):
        wanted = getattr(np.fft, name)(x, size, axis=1, norm=norm)
        close(getattr(lm.fft, name)(x, n=size, axis=1, norm=norm), wanted, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "ihfft", "irfft", "hfft"])
def test_real_input(name: str, norm: str, precision: str) -> None:
    for n in LENGTHS[1:]:
        x = real((2, n), precision)
        wanted = getattr(np.fft, name)(x, norm=norm)
        close(getattr(lm.fft, name)(x, norm=norm), wanted, precision)
    x = real((3, 6, 2), precision)
    for size in (1, 4, 5, 6, 9, 14):
        wanted = getattr(np.fft, name)(x, size, axis=1, norm=norm)
        close(getattr(lm.fft, name)(x, n=size, axis=1, norm=norm), wanted, precision)


MANY = (
    {}, {"axes": (0,)}, {"axes": (-1, 0)}, {"s": (3, 5)}, {"s": (7, 2), "axes": (1, 0)},
    {"s": (-1, 4), "axes": (0, 2)}, {"s": (2, 6, 5)},
)  # fmt: skip


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
@pytest.mark.filterwarnings("ignore:`axes` should not be `None`:DeprecationWarning")
def test_several_axes(name: str, norm: str, precision: str) -> None:
    x = (real if name == "rfftn" else mixed)((4, 3, 6), precision)
    for arguments in MANY:
        wanted = getattr(np.fft, name)(x, norm=norm, **arguments)
        close(getattr(lm.fft, name)(x, norm=norm, **arguments), wanted, precision)


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2"])
def test_two_axes(name: str) -> None:
    x = (real if name == "rfft2" else mixed)((2, 4, 5), "double")
    close(getattr(lm.fft, name)(x), getattr(np.fft, name)(x), "double")
    wanted = getattr(np.fft, name)(x, (3, 6), axes=(0, 2))
    close(getattr(lm.fft, name)(x, (3, 6), axes=(0, 2)), wanted, "double")


def test_no_axis_is_no_transform() -> None:
    x = mixed((2, 3), "double")
    np.testing.assert_array_equal(lm.fft.fftn(x, axes=()), x)


def test_empty_batches() -> None:
    assert lm.fft.fft(np.zeros((0, 4))).shape == (0, 4)
    assert lm.fft.rfft(np.zeros((0, 4))).shape == (0, 3)
    assert lm.fft.irfft(np.zeros((0, 4))).shape == (0, 6)


def test_integers_and_halves_become_single() -> None:
    close(lm.fft.fft([1, 2, 3]), np.fft.fft([1, 2, 3]), "single")
    close(lm.fft.rfft(lm.asarray([1, 2, 3], dtype=lm.float16)), np.fft.rfft([1, 2, 3]), "single")


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 11])
def test_frequencies(n: int) -> None:
    for d in (1.0, 0.1):
        close(lm.fft.fftfreq(n, d=d), np.fft.fftfreq(n, d), "single")
        close(lm.fft.rfftfreq(n, d=d, dtype=lm.float64), np.fft.rfftfreq(n, d), "double")


@pytest.mark.parametrize("axes", [None, 0, -1, (0, 1), (1, 2), ()])
def test_shifts(axes: Any) -> None:
    x = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    np.testing.assert_array_equal(lm.fft.fftshift(x, axes=axes), np.fft.fftshift(x, axes))
    np.testing.assert_array_equal(lm.fft.ifftshift(x, axes=axes), np.fft.ifftshift(x, axes))


def test_gradient_of_a_spectrum() -> None:
    """The energy of a spectrum is n times that of the signal (Parseval)."""
    x = lm.asarray(real((7,), "double"))

    def energy(x: Any) -> Any:
        y = lm.fft.fft(x)
        return (lm.real(y) ** 2 + lm.imag(y) ** 2).sum()

    np.testing.assert_allclose(lm.grad(energy)(x), 2 * 7 * x.numpy(), 1e-12)
    np.testing.assert_allclose(lm.jit(lm.grad(energy))(x), 2 * 7 * x.numpy(), 1e-12)


def test_inside_vmap_and_jit() -> None:
    x = real((3, 2, 5), "double")
    got = lm.jit(lm.vmap(lambda x: lm.fft.irfft(lm.fft.rfft(x, axis=0) * 2, n=2, axis=0)))(x)
    np.testing.assert_allclose(got, 2 * x, 1e-14, 1e-14)


@pytest.mark.parametrize("axes", [(-1,), (1,), (0,), (1, 2)])
def test_batches_that_threads_share(axes: tuple[int, ...]) -> None:
    """Large enough for several chunks of rows, where axes lead that are not transformed."""
    x = real((70, 40, 50), "double")
    close(lm.fft.fftn(x, axes=axes), np.fft.fftn(x, axes=axes), "double")
    close(lm.fft.rfftn(x, axes=axes), np.fft.rfftn(x, axes=axes), "double")
    y = np.fft.rfftn(x, axes=axes)
    wanted = np.fft.irfftn(y, s=[x.shape[a] for a in axes], axes=axes)
    close(lm.fft.irfftn(y, s=[x.shape[a] for a in axes], axes=axes), wanted, "double")
