"""A loop over many shapes compiles a few kernels, which are right for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import lamina as lm
from lamina.backend import execution
from lamina.backend.codegen.llvm import objects
from lamina.backend.compile import build
from lamina.backend.targets import select
from lamina.tensor import eager

Program = Callable[..., object]

SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 129, 257, 1000)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


PROGRAMS: dict[str, tuple[Program, Program]] = {
    "chain": (
        lambda x, y, row: lm.exp(x * 0.5) + y * y - x,
        lambda x, y, row: np.exp(x * np.float32(0.5)) + y * y - x,
    ),
    "broadcast": (lambda x, y, row: x + row, lambda x, y, row: x + row),
    "softmax": (lambda x, y, row: lm.functional.softmax(x), lambda x, y, row: softmax(x)),
    "columns": (lambda x, y, row: x.sum(axis=0), lambda x, y, row: x.sum(axis=0, dtype="f8")),
    "rows": (lambda x, y, row: x.sum(axis=1), lambda x, y, row: x.sum(axis=1, dtype="f8")),
    "all": (lambda x, y, row: x.sum(), lambda x, y, row: x.sum(dtype="f8")),
    "transposed": (lambda x, y, row: x.T + 1, lambda x, y, row: x.T + 1),
    "slice": (lambda x, y, row: x[1:, :-1] * 2, lambda x, y, row: x[1:, :-1] * 2),
    "concatenated": (
        lambda x, y, row: lm.concat([x, y], axis=1),
        lambda x, y, row: np.concatenate([x, y], axis=1),
    ),
}


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The keys of the different kernels that are asked for."""
    if execution.back_end() != "compiled":
        pytest.skip("only compiled kernels are counted")
    eager.clear_programs()
    found: set[str] = set()
    key_of = objects.kernel_key

    def noted(nest, target):
        found.add(key_of(nest, target))
        return key_of(nest, target)

    monkeypatch.setattr(objects, "kernel_key", noted)
    yield found


def check(program: tuple[Program, Program], shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape)
    x, y = rng.standard_normal((2, *shape), np.float32)
    row = rng.standard_normal(shape[1], np.float32)
    got = np.asarray(program[0](*map(lm.asarray, (x, y, row))))
    wanted = np.asarray(program[1](x, y, row), np.float32)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, 1e-5, 2e-6 * max(shape) ** 0.5, err_msg=str(shape))


def shapes(count: int) -> list[tuple[int, int]]:
    """Different shapes: all pairs of the sizes that are special, then others."""
    found = dict.fromkeys((r, c) for r in SIZES for c in SIZES if r * c <= 70_000)
    rng = np.random.default_rng(0)
    while len(found) < count:
        found[tuple(map(int, rng.integers(2, 150, 2)))] = None
    return list(found)[:count]


@pytest.mark.slow
def test_a_thousand_shapes_compile_a_few_kernels(kernels: set[str]) -> None:
    names = list(PROGRAMS)
    of_program: dict[str, set[str]] = {name: set() for name in names}
    for i, shape in enumerate(shapes(1000)):
        name = names[i % len(names)]
        before = set(kernels)
        kernels.clear()
        check(PROGRAMS[name], shape)
        of_program[name] |= kernels
        kernels |= before
    counts = {name: len(found) for name, found in of_program.items()}
    assert len(kernels) <= 40, counts
    assert all(count <= 10 for count in counts.values()), counts


@pytest.mark.parametrize("name", PROGRAMS)
def test_large_shapes_and_threads(name: str, kernels: set[str]) -> None:
    for shape in ((900, 1100), (1, 500_001), (300_001, 2), (4097, 129)):
        check(PROGRAMS[name], shape)


@pytest.mark.parametrize("target", ["avx2", "generic"])
def test_lesser_targets(target: str, monkeypatch: pytest.MonkeyPatch, kernels: set[str]) -> None:
    monkeypatch.setattr(build, "select", lambda: select(target))
    eager.clear_programs()
    for name in PROGRAMS:
        for shape in ((1, 1), (2, 3), (7, 9), (16, 17), (33, 8), (65, 64), (257, 1000)):
            check(PROGRAMS[name], shape)
    eager.clear_programs()


@pytest.mark.parametrize("name", ["chain", "broadcast", "columns", "rows", "all", "transposed"])
def test_empty_shapes(name: str) -> None:
    for shape in ((0, 0), (0, 5), (17, 0)):
        check(PROGRAMS[name], shape)


def test_products_of_many_shapes(kernels: set[str]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        m, k, n = rng.integers(1, 40, 3)
        x, y = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        got = (lm.asarray(x) @ lm.asarray(y)).numpy()
        np.testing.assert_allclose(got, x @ y, 1e-4, 1e-5)
    assert len(kernels) <= 30


def test_the_same_call_gives_the_same_bits(kernels: set[str]) -> None:
    """Whatever ran before it: there are no tiers."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((37, 203), np.float32), rng.standard_normal((203, 41), np.float32)
    results = []
    for _ in range(3):
        eager.clear_programs()
        product = lm.functional.softmax(lm.asarray(x) @ lm.asarray(w))
        results.append((product.numpy(), product.sum(axis=0).numpy(), lm.asarray(x).sum().numpy()))
        for other in ((11, 7), (64, 64), (9, 400)):
            check(PROGRAMS["softmax"], other)
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a.view("u4"), b.view("u4"))
