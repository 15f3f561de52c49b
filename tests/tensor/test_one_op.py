"""One operation on data, looked at: the shortest way gives what the long one does."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lamina as lm
from lamina.tensor import eager


def numbers(*shape: int) -> lm.Tensor:
    return lm.asarray(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


def test_the_second_time_is_the_first() -> None:
    x, y = numbers(16), numbers(16) + 1.0
    first, second = (x + y).numpy(), (x + y).numpy()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(second, 2 * np.arange(16) + 1)


def test_operands_that_are_one() -> None:
    x, y = numbers(8), numbers(8) * 3.0
    for _ in range(3):
        np.testing.assert_array_equal((x * y).numpy(), 3.0 * np.arange(8) ** 2)
        np.testing.assert_array_equal((x * x).numpy(), np.arange(8.0) ** 2)


def test_what_else_lives_is_computed_along() -> None:
    x = numbers(5)
    for _ in range(3):
        y = x - 1.0
        z, w = y * y, y + y
        np.testing.assert_array_equal(z.numpy(), (np.arange(5.0) - 1) ** 2)
        assert not w.is_pending


def test_a_look_frees_the_history() -> None:
    x, y = numbers(4), numbers(4)
    for _ in range(3):
        z = x + y
        z.block()
        assert z._value.op is None and z._value.operands == ()
    gc.collect()


def test_a_look_inside_a_derivative_keeps_the_history() -> None:
    def squares(x: lm.Tensor) -> lm.Tensor:
        y = x * x
        y.block()
        return y.sum()

    for _ in range(3):
        np.testing.assert_array_equal(lm.grad(squares)(numbers(4)).numpy(), 2 * np.arange(4.0))


def test_an_error_names_the_line_of_this_look() -> None:
    table = numbers(4, 2)
    for place in (7, 9):
        with pytest.raises(lm.LaminaError, match=str(place)) as caught:
            table[lm.asarray([place])].block()
        assert "test_one_op.py" in str(caught.value)


def test_places_of_slices_share_programs() -> None:
    x = numbers(64)
    before = eager.program_count()
    for i in range(20):
        assert float(x[i]) == i
    assert eager.program_count() <= before + 4


WAYS = {
    "operator": lambda x: x + x,
    "backward": lambda x: 1.0 - x,
    "function": lambda x: lm.multiply(x, x),
    "unary": lambda x: lm.exp(x),
    "method": lambda x: x.sum(),
    "of another dtype": lambda x: lm.add(x, lm.ones((4,), dtype=lm.float64)),
    "of several results": lambda x: lm.top_k(x, 2)[0],
    "layers of functions": lambda x: lm.var(x),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_recorded_knows_the_line_that_the_user_wrote(way: str) -> None:
    made = WAYS[way](numbers(4))
    span = made._value.span
    assert span is not None and span.file == __file__, span


def test_a_thread_may_begin_with_an_operation() -> None:
    x = numbers(3)
    with ThreadPoolExecutor(1) as pool:
        found = list(pool.map(x.__add__, [x, 1.0]))
    np.testing.assert_array_equal(found[0].numpy(), 2 * np.arange(3))
    np.testing.assert_array_equal(found[1].numpy(), np.arange(3) + 1)
