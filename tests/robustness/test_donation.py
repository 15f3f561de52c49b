"""Steps that overwrite their own state: nothing is read after it was overwritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm

State = dict[str, Any]
NAMES = "abcd"


def step_of(seed: int, xp: Any) -> Callable[[State], Any]:
    """A random step: each entry becomes a function of two, by elements, rows or columns."""
    rng = np.random.default_rng(seed)
    plan = [
        (name, rng.choice(list(NAMES), 2), rng.choice(["map", "map", "row", "column", "product"]))
        for name in rng.permutation(list(NAMES))
    ]

    def step(s: State) -> Any:
        old = dict(s)
        total = 0.0
        for name, (left, right), kind in plan:
            x, y = old[left], old[right]
            if kind == "map":
                new = x * 0.5 + y * 0.25 + 0.125
            elif kind == "row":
                new = x - xp.max(y, axis=-1, keepdims=True) * 0.5
            elif kind == "column":
                new = x * 0.5 - xp.mean(y, axis=0, keepdims=True)
            else:
                new = (x @ xp.swapaxes(y, -1, -2)) @ x * (0.5 / x.shape[-1])
            s[name] = new
            total = total + xp.sum(new)
        return total

    return step


@pytest.mark.parametrize("shape", [(3, 5), (16, 16), (33, 65), (7, 1000)])
@pytest.mark.parametrize("seed", range(12))
def test_random_steps(seed: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    start = {n: rng.standard_normal(shape).astype(np.float32) for n in NAMES}
    plain = {n: a.astype(np.float64) for n, a in start.items()}
    state = {n: (lm.asarray(a) + 0).block() for n, a in start.items()}
    by_numpy, jitted = step_of(seed, np), lm.jit(step_of(seed, lm))
    for _ in range(4):
        wanted = by_numpy(plain)
        got = jitted(state)
        for n in NAMES:
            scale = np.abs(plain[n]).max() + 1
            np.testing.assert_allclose(state[n].numpy(), plain[n], rtol=0, atol=2e-4 * scale)
        assert float(got) == pytest.approx(float(wanted), abs=1e-2 * (1 + abs(float(wanted))))
    assert jitted.signatures == 1


@pytest.mark.parametrize("n", [1, 7, 64, 1000, 100_000])
def test_results_that_change_places(n: int) -> None:
    """One kernel whose every result may lie in the memory of any operand."""
    start = [np.arange(n, dtype=np.float32) + i for i in range(4)]
    state = [(lm.asarray(a) + 0).block() for a in start]

    @lm.jit
    def turn(s: list[lm.Tensor]) -> None:
        a, b, c, d = s
        s[:] = [b + 1, c * 2, d - a, a]

    a, b, c, d = start
    for _ in range(3):
        turn(state)
        a, b, c, d = b + 1, c * 2, d - a, a
    for got, wanted in zip(state, (a, b, c, d), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)


def test_what_is_held_elsewhere_is_left_alone() -> None:
    state = {"w": (lm.ones((1000,)) + 0).block()}
    step = lm.jit(lambda s: s.update(w=s["w"] * 2))
    step(state)
    views = []
    for _ in range(4):
        views.append(state["w"].numpy())
        step(state)
    assert [float(v[0]) for v in views] == [2.0, 4.0, 8.0, 16.0]
