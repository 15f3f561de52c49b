"""Out of memory: an error with numbers, and everything as it was before."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest

import lamina as lm
from lamina.base.text import quantity
from lamina.runtime import memory_stats, set_memory_limit
from tests.errors.messages import whole

SIZE = 512  # f32[512,512] takes 1 MiB


@pytest.fixture
def limit() -> Iterator[None]:
    yield
    set_memory_limit(0)


def full() -> int:
    """From now on no more memory than is in use; the limit."""
    gc.collect()  # else what earlier tests left may be freed, and make room, at any time
    limit_bytes = memory_stats().in_use_bytes + 4096
    set_memory_limit(limit_bytes)
    return limit_bytes


def refused(line: str) -> list[str]:
    return [
        "run: not enough memory for this program",
        "  asked for: 1.0 MiB",
        "  help: use smaller batches, free tensors, or raise the limit with "
        "lamina.runtime.set_memory_limit",
        f"  at {line}",
    ]


def without_use(text: str) -> list[str]:
    """The lines but for the one that says how much was in use."""
    lines = text.splitlines()
    assert lines.pop(2).startswith("  in use:    ")
    return lines


def test_eager(limit: None) -> None:
    x = lm.ones((SIZE, SIZE)).block()
    y = x * 2 + 1
    full()
    with pytest.raises(lm.OutOfMemoryError) as error:
        y.block()
    assert without_use(whole(error)) == refused("test_eager: y.block()")
    assert float((lm.ones((4,)) * 3).sum()) == 12.0
    set_memory_limit(0)
    assert float(y[0, 0]) == 3.0
    assert float(x[0, 0]) == 1.0


def test_how_much_was_in_use(limit: None) -> None:
    x = lm.ones((SIZE, SIZE)).block()
    allowed = quantity(full(), "B")
    with pytest.raises(lm.OutOfMemoryError) as error:
        (x + 1).block()
    assert str(error.value).splitlines()[2].endswith(f" of {allowed} allowed")


def test_jitted_step_leaves_its_state(limit: None) -> None:
    state = {"w": (lm.ones((SIZE, SIZE)) * 0.5).block()}

    @lm.jit
    def step(s: dict[str, lm.Tensor]) -> lm.Tensor:
        product = s["w"] @ s["w"]
        s["w"] = s["w"] + product
        return product.sum()

    full()
    for _ in range(2):
        with pytest.raises(lm.OutOfMemoryError) as error:
            step(state)
        assert whole(error).splitlines()[0] == "run: not enough memory for this program"
        assert (state["w"].numpy() == 0.5).all()
    set_memory_limit(0)
    assert float(step(state)) == pytest.approx(0.25 * SIZE**3)
    np.testing.assert_allclose(state["w"].numpy(), 0.5 + 0.25 * SIZE)


def test_donation_needs_no_memory(limit: None) -> None:
    state = {"w": (lm.ones((SIZE, SIZE)) * 0.5).block()}
    step = lm.jit(lambda s: s.update(w=s["w"] * 2))
    step(state)
    full()
    for _ in range(3):
        step(state)
    assert float(state["w"][0, 0]) == 8.0


def test_more_than_any_machine_has() -> None:
    x = lm.zeros((2**46,), dtype=lm.uint8)
    with pytest.raises(lm.OutOfMemoryError) as error:
        x.block()
    assert without_use(whole(error)) == [
        line.replace("1.0 MiB", "65536.0 GiB")
        for line in refused("test_more_than_any_machine_has: x.block()")
    ]
    assert float((lm.zeros((2**46,), dtype=lm.uint8) + 1)[5]) == 1.0
