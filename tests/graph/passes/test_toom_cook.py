"""The matrices of F(m, r): exact on random fractions, and few multiplications."""

import random
from fractions import Fraction

import pytest

from lamina.base.errors import UsageError
from lamina.graph.passes.toom_cook import POINTS, Matrix, transforms

SIZES = [(m, r) for m in range(1, 8) for r in range(1, 8) if m + r - 2 <= len(POINTS)]


def times(matrix: Matrix, vector: list[Fraction]) -> list[Fraction]:
    return [sum((a * b for a, b in zip(row, vector, strict=True)), Fraction()) for row in matrix]


@pytest.mark.parametrize(("outputs", "taps"), SIZES)
def test_a_filter_exactly(outputs: int, taps: int) -> None:
    rng = random.Random(outputs * 100 + taps)
    n = outputs + taps - 1
    d, w = (
        [Fraction(rng.randint(-99, 99), rng.randint(1, 99)) for _ in range(k)] for k in (n, taps)
    )
    found = transforms(outputs, taps)
    assert [len(m) for m in found] == [n, n, n]
    products = [u * v for u, v in zip(times(found.weights, w), times(found.inputs, d), strict=True)]
    back = tuple(zip(*found.outputs, strict=True))
    direct = [sum(w[j] * d[k + j] for j in range(taps)) for k in range(outputs)]
    assert times(back, products) == direct


def test_the_transposed_algorithm_gives_the_gradient_in_the_weights() -> None:
    rng = random.Random(0)
    d, bar = ([Fraction(rng.randint(-9, 9)) for _ in range(k)] for k in (6, 4))
    inputs, weights, outputs = transforms(4, 3)
    products = [u * v for u, v in zip(times(outputs, bar), times(inputs, d), strict=True)]
    found = times(tuple(zip(*weights, strict=True)), products)
    assert found == [sum(bar[k] * d[k + j] for k in range(4)) for j in range(3)]


def test_the_smallest_needs_no_multiplication_but_by_halves() -> None:
    inputs, weights, outputs = transforms(2, 3)
    assert {abs(c) for m in (inputs, outputs) for row in m for c in row} == {0, 1}
    assert {abs(c) for row in weights for c in row} == {0, Fraction(1, 2), 1}


@pytest.mark.parametrize(("outputs", "taps"), [(0, 3), (2, 0), (8, 3), (5, 5)])
def test_no_matrices(outputs: int, taps: int) -> None:
    with pytest.raises(UsageError, match=f"no matrices for {outputs} outputs and {taps} taps"):
        transforms(outputs, taps)
