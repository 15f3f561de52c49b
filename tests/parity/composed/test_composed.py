"""Programs of many parts: values and gradients are JAX's and PyTorch's, eager and compiled."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import pytest

import lamina as lm
from tests.parity.composed import algebra, learning, loops, orders
from tests.parity.composed.namespaces import OURS, Namespace, of_jax
from tests.parity.composed.table import PROGRAMS
from tests.parity.composed.torch_names import BEYOND, of_torch

try:
    import torch
except ImportError:
    torch = None

jax = pytest.importorskip("jax", reason="JAX is not installed (extra: test)")

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
THEIRS = of_jax(jax)
ROOMS = (algebra, learning, loops, orders)
NAMES = sorted(PROGRAMS)


def operands(name: str, dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return [rng.standard_normal(shape).astype(dtype) for shape in PROGRAMS[name][1]]


def with_gradients(xp: Namespace, leaves: Any, name: str) -> Any:
    """The values of a program, and the gradients of one number in which all of them meet."""
    f, shapes = PROGRAMS[name]

    def loss(*xs: Any) -> Any:
        values = leaves(f(xp, *xs))
        total = 0.0
        for i, y in enumerate(values):
            weights = np.cos(1.0 + i + np.arange(math.prod(y.shape))).reshape(tuple(y.shape))
            total = total + xp.sum(xp.real(y) * xp.asarray(weights, dtype=xs[0].dtype))
        return total, values

    return xp.grad(loss, tuple(range(len(shapes))), has_aux=True)


def close(found: Any, wanted: list[np.ndarray], tolerance: float, what: str) -> None:
    found = lm.tree.leaves(found)
    assert len(found) == len(wanted)
    for a, b in zip(map(np.asarray, found), wanted, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), what
        scale = float(np.abs(b).max(initial=1e-3))
        np.testing.assert_allclose(a, b, tolerance, tolerance * scale, err_msg=what)


def by_torch(name: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    def leaves(found: Any) -> list[Any]:
        return [x for x in torch.utils._pytree.tree_leaves(found) if x is not None]

    found = with_gradients(of_torch(torch), leaves, name)(*map(torch.tensor, arrays))
    return [x.detach().resolve_conj().numpy() for x in leaves(found)]


def compare(name: str, dtype: str, tolerance: float, eager: bool) -> None:
    arrays = operands(name, dtype)
    with jax.enable_x64(dtype == "float64"):
        theirs = jax.jit(with_gradients(THEIRS, jax.tree.leaves, name))(*arrays)
        wanted = [np.asarray(x) for x in jax.tree.leaves(theirs)]
    assert all(np.isfinite(x).all() for x in wanted)
    assert any(np.any(x) for x in wanted)
    ours = with_gradients(OURS, lm.tree.leaves, name)
    found = lm.jit(ours)(*arrays)
    close(found, wanted, tolerance, "compiled")
    if torch is not None and name not in BEYOND:
        close(found, by_torch(name, arrays), tolerance, "compiled, beside PyTorch")
    if eager:
        close(ours(*map(lm.asarray, arrays)), wanted, tolerance, "eager")


def test_there_are_sixty_programs() -> None:
    assert len(NAMES) >= 60


def test_pytorch_takes_part_in_fifty() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    assert BEYOND.keys() < PROGRAMS.keys()
    assert len(PROGRAMS.keys() - BEYOND.keys()) >= 50


@pytest.mark.parametrize("name", NAMES)
def test_in_double_precision(name: str) -> None:
    compare(name, "float64", 1e-10, eager=True)


@pytest.mark.parametrize("name", NAMES[::6])
def test_in_single_precision(name: str) -> None:
    compare(name, "float32", 1e-5, eager=False)
