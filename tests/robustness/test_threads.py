"""Several Python threads at once: eager code, shared and own jitted functions, transforms."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import lamina as lm

ROUNDS = 8


def arrays(columns: int = 3) -> Iterator[np.ndarray]:
    """Another shape every time, so that programs are traced and compiled all the while."""
    for n in range(1, ROUNDS + 1):
        yield np.random.default_rng(n).standard_normal((n, columns)).astype(np.float32)


def close(got: lm.Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-3, atol=1e-4)


SHARED = lm.jit(lambda x: (x @ x.T).sum(axis=0) + 1)
MODEL = lm.nn.Linear(3, 2)
PREDICT = lm.jit(lambda m, x: m(x))
STIR = lm.jit(lambda x: lm.functional.dropout(x, 0.5, training=True))


def eager() -> None:
    for a in arrays():
        close(lm.sin(lm.asarray(a)) * 2 + 1, np.sin(a) * 2 + 1)


def same_function() -> None:
    for a in arrays():
        close(SHARED(a), (a @ a.T).sum(axis=0) + 1)


def own_function() -> None:
    f = lm.jit(lambda x: lm.exp(x).max(axis=0))
    for a in arrays():
        close(f(a), np.exp(a).max(axis=0))


def same_model() -> None:
    """While one thread traces, the model holds placeholders; nobody else may see them."""
    w, b = MODEL.weight.numpy(), MODEL.bias.numpy()  # type: ignore[union-attr]
    for a in arrays():
        close(PREDICT(MODEL, a), a @ w.T + b)


def gradients() -> None:
    for a in arrays():
        close(lm.grad(lambda x: (x**3).sum())(lm.asarray(a)), 3 * a * a)


def batches() -> None:
    for a in arrays():
        close(lm.vmap(lambda row: row.sum())(lm.asarray(a)), a.sum(axis=1))


def random_numbers() -> None:
    for a in arrays():
        assert np.isfinite(lm.random.normal(a.shape).numpy()).all()
        assert set(np.unique(STIR(np.ones_like(a)).numpy())) <= {0.0, 2.0}
        lm.vmap(lambda row: row + lm.random.uniform(()))(lm.asarray(a)).block()


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Threads change places all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(*jobs: Callable[[], object]) -> None:
    """Run the jobs in a thread each; fail with what failed first."""
    failed: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread hangs"
    if failed:
        raise failed[0]


@pytest.mark.parametrize(
    "jobs",
    [
        (eager, eager, own_function),
        (same_function, same_function, eager),
        (same_model, same_model, gradients),
        (batches, random_numbers, eager, own_function),
        (random_numbers, random_numbers, same_model),
        (gradients, batches, same_function, same_model, random_numbers),
    ],
    ids=lambda jobs: "+".join(job.__name__ for job in jobs),
)
def test_threads_do_not_disturb_each_other(
    jobs: tuple[Callable[[], None], ...], eager_switching: None
) -> None:
    at_once(*jobs)


def test_a_pending_tensor_of_another_thread(eager_switching: None) -> None:
    """Two threads look at tensors that were recorded, but not computed, by a third."""
    x = lm.asarray(np.arange(64, dtype=np.float32))
    pending = [x * float(i) for i in range(40)]
    sums = [p + 1 for p in pending]

    def look(which: list[lm.Tensor], more: int) -> None:
        for i, t in enumerate(which):
            close(t, np.arange(64) * float(i) + more)

    at_once(*[lambda: look(pending, 0), lambda: look(sums, 1)] * 2)


def test_history_is_kept_for_the_thread_that_needs_it(eager_switching: None) -> None:
    """A look in one thread must not cut the record that a gradient in another still walks."""
    base = lm.asarray(np.ones(16, np.float32))
    stop = threading.Event()

    def looker() -> None:
        while not stop.is_set():
            (base * 2 + 1).numpy()

    def learner() -> None:
        try:
            for n in range(30):
                shared = base * float(n)

                def loss(x: lm.Tensor, shared: lm.Tensor = shared) -> lm.Tensor:
                    y = x * shared
                    y.numpy()
                    return (y * y).sum()

                close(lm.grad(loss)(base), np.full(16, 2.0 * n * n))
        finally:
            stop.set()

    at_once(looker, learner)


def test_each_draw_is_another(eager_switching: None) -> None:
    """The default generator gives no number twice, whoever asks."""
    drawn: list[float] = []
    draw = lm.jit(lambda: lm.random.uniform(()))

    def eagerly() -> None:
        for _ in range(40):
            drawn.append(float(lm.random.uniform(())))

    def jitted() -> None:
        for _ in range(40):
            drawn.append(float(draw()))

    at_once(eagerly, jitted, eagerly, jitted)
    assert len(set(drawn)) == 160
