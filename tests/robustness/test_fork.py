"""A forked child goes on where its parent was."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import lamina as lm

X = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
PRODUCT = lm.jit(lambda x: lm.functional.softmax(x @ x))


def in_child(job: Callable[[], None], timeout_s: float = 60.0) -> int:
    """How a forked child that runs `job` ends: 0 when it is well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        child = os.fork()
    if not child:
        code = 1
        try:
            job()
            code = 0
        finally:
            os._exit(code)
    for _ in range(int(timeout_s * 100)):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


def work() -> None:
    """What was compiled before, what is new, eager code, random numbers, a gradient."""
    product = (X @ X).astype(np.float64)
    exponents = np.exp(product - product.max(axis=1, keepdims=True))
    wanted = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(PRODUCT(X).numpy(), wanted, rtol=0, atol=1e-3)
    new = lm.jit(lambda x: lm.exp(x * 0.01).sum(axis=0))
    np.testing.assert_allclose(new(X).numpy(), np.exp(X * 0.01).sum(axis=0), rtol=1e-4)
    assert float((lm.asarray(X) * 0 + 1).sum()) == X.size
    assert lm.random.normal((4,)).numpy().shape == (4,)
    assert float(lm.grad(lambda x: x**2)(lm.asarray(3.0))) == 6.0


def test_a_child_of_a_used_process() -> None:
    work()
    assert in_child(work) == 0
    work()


def test_a_grandchild() -> None:
    work()
    assert in_child(lambda: os._exit(in_child(work))) == 0


def test_pending_tensors_are_computed_by_both() -> None:
    pending = lm.asarray(X) + 1

    def look() -> None:
        np.testing.assert_array_equal(pending.numpy(), X + 1)

    assert in_child(look) == 0
    look()


def test_a_fork_while_another_thread_traces() -> None:
    """The lock of a thread that is not there any more is nobody's."""
    tracing, leave = threading.Event(), threading.Event()

    @lm.jit
    def slow(x: lm.Tensor) -> lm.Tensor:
        tracing.set()
        assert leave.wait(60)
        return x + 1

    thread = threading.Thread(target=lambda: slow(lm.ones(())))
    thread.start()
    assert tracing.wait(60)
    try:
        ended = in_child(lambda: float(lm.jit(lambda x: x * 2)(lm.ones(()))) and None)
    finally:
        leave.set()
        thread.join(60)
    assert ended == 0


def square(n: int) -> float:
    return float((lm.asarray(float(n)) ** 2).sum())


def test_a_pool_of_processes() -> None:
    square(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(square, range(6)) == [float(n * n) for n in range(6)]
