"""`jit(frozen=...)`: equal results; what follows from weights is made when those change."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.base.errors import BoundsError, UsageError
from lamina.runtime import memory_stats

RNG = np.random.default_rng(0)


def normal(*shape: int) -> lm.Tensor:
    return lm.asarray(RNG.standard_normal(shape).astype(np.float32), copy=True)


def forward(model: Any, x: lm.Tensor) -> lm.Tensor:
    return model(x)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(40, 70), nn.ReLU(), nn.Linear(70, 33)).eval()


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 20, 3, padding=1), nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 36, 1),
        nn.Conv2d(36, 7, 3, stride=2), nn.Conv2d(7, 7, 3, groups=7),
    ).eval()  # fmt: skip


def counts(program: Any) -> dict[str, set[int]]:
    """How often kernels ran since the profile began, by whether they run once."""
    tasks, timings = program.program.tasks(), program.program.timings()
    found: dict[str, set[int]] = {"once": set(), "always": set()}
    for task, timing in zip(tasks, timings, strict=True):
        found["once" if task.once else "always"].add(timing.calls)
    return found


NETS: list[tuple[str, Callable[[], Any], tuple[int, ...]]] = [
    ("dense", net, (50, 40)),
    ("dense, a row", net, (1, 40)),
    ("dense, seven rows", net, (7, 40)),
    ("dense, no row", net, (0, 40)),
    ("dense, batches", net, (3, 5, 40)),
    ("convolutions", convolutions, (2, 3, 19, 23)),
    ("one image", convolutions, (1, 3, 32, 32)),
    ("transposed", lambda: nn.ConvTranspose2d(5, 6, 3, stride=2), (2, 5, 9, 8)),
    ("attention", lambda: nn.TransformerEncoderLayer(24, 4, 50, batch_first=True), (2, 9, 24)),
    ("recurrent", lambda: nn.LSTMCell(12, 30), (9, 12)),
]


@pytest.mark.parametrize("dtype", [lm.float32, lm.float64, lm.bfloat16], ids=str)
@pytest.mark.parametrize(("make", "shape"), [n[1:] for n in NETS], ids=[n[0] for n in NETS])
def test_results_are_those_of_the_plain_program(
    make: Callable[[], Any], shape: tuple[int, ...], dtype: Any
) -> None:
    model = make().eval().astype(dtype)
    x = lm.astype(normal(*shape), dtype)
    plain, frozen = lm.jit(forward), lm.jit(forward, frozen="model")
    wanted = lm.tree.leaves(plain(model, x))
    rough = {"float64": 1e-13, "float32": 1e-5, "bfloat16": 2e-2}[dtype.long_name]
    for _ in range(3):
        for a, b in zip(wanted, lm.tree.leaves(frozen(model, x)), strict=True):
            a, b = (np.asarray(lm.astype(t, lm.float64)) for t in (a, b))
            np.testing.assert_allclose(b, a, rtol=rough, atol=rough)


def test_what_is_not_finite_stays_so() -> None:
    model, x = net(), normal(9, 40)
    weight = np.asarray(model[0].weight).copy()
    weight[3, 5], weight[4, 4], weight[69, 39] = np.nan, np.inf, -np.inf
    model.load_state_dict({**model.state_dict(), "0.weight": weight})
    found = lm.jit(forward, frozen="model")(model, x)
    np.testing.assert_array_equal(np.isnan(found.numpy()), np.isnan(model(x).numpy()))


def test_kernels_that_read_nothing_else_run_once() -> None:
    model, x = convolutions(), normal(2, 3, 19, 23)
    f = lm.jit(forward, frozen="model")
    program = f.program(model, x)
    program.program.profile()
    for _ in range(4):
        f(model, x)
    assert counts(program) == {"once": {1}, "always": {4}}
    seen = lm.explain(f, model, x, file=io.StringIO())
    assert "once" in next(s.text for s in seen.stages if s.name == "kernels")
    assert "kept" in next(s.text for s in seen.stages if s.name == "memory")


@pytest.mark.parametrize("mode", ["threads", "serial", "graph"])
def test_every_mode(mode: Any) -> None:
    model, x = convolutions(), normal(2, 3, 19, 23)
    f = lm.jit(forward, frozen="model")
    f.program(model, x).program.mode = mode
    for _ in range(2):
        np.testing.assert_allclose(f(model, x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-5)


def test_loaded_weights_count() -> None:
    model, other, x = net(), net(), normal(50, 40)
    f = lm.jit(forward, frozen="model")
    f(model, x)
    model.load_state_dict(other.state_dict())
    np.testing.assert_allclose(f(model, x).numpy(), other(x).numpy(), rtol=1e-5, atol=1e-6)


def test_training_between_calls_counts() -> None:
    """A step that gives the memory of the old weights to the new ones."""
    model, x = net(), normal(50, 40)
    optimizer = optim.SGD(model, lr=0.1)
    f = lm.jit(forward, frozen="model")

    @lm.jit
    def step(model: Any, optimizer: Any, x: lm.Tensor) -> lm.Tensor:
        loss, grads = lm.value_and_grad(lambda m: lm.mean(m(x) ** 2))(model)
        optimizer.update(model, grads)
        return loss

    for _ in range(4):
        step(model, optimizer, x)
        np.testing.assert_allclose(f(model, x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)


def test_models_in_turn() -> None:
    models, x = [net() for _ in range(3)], normal(50, 40)
    f = lm.jit(forward, frozen="model")
    for _ in range(2):
        for model in models:
            np.testing.assert_allclose(f(model, x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)


def test_equal_functions_keep_their_own() -> None:
    """Equal graphs share their kernels, and not what is kept."""
    first, second, x = net(), net(), normal(50, 40)
    one, two = lm.jit(forward, frozen="model"), lm.jit(forward, frozen="model")
    programs = [one.program(first, x), two.program(second, x)]
    for program in programs:
        program.program.profile()
    for _ in range(3):
        one(first, x)
        two(second, x)
    assert [counts(p)["once"] for p in programs] == [{1}, {1}]


def test_an_array_that_somebody_writes_to() -> None:
    weight = RNG.standard_normal((33, 40)).astype(np.float32)
    x = normal(50, 40)
    given = x.numpy().astype(np.float64)
    f = lm.jit(lambda w, x: x @ w.T, frozen="w")
    for shared in (lm.asarray(weight), weight):
        for _ in range(3):
            weight *= 2.0
            exact, scale = (a @ b.T for a, b in ((given, weight), (abs(given), abs(weight))))
            assert (abs(f(shared, x).numpy() - exact) <= 4e-6 * scale).all()


def test_a_copy_is_settled() -> None:
    weight = RNG.standard_normal((33, 40)).astype(np.float32)
    x = normal(50, 40)
    f = lm.jit(lambda w, x: x @ w.T, frozen="w")
    copy = lm.asarray(weight, copy=True)
    program = f.program(copy, x)
    program.program.profile()
    for _ in range(3):
        f(copy, x)
    assert counts(program)["once"] == {1}


def test_threads() -> None:
    models, x = [net() for _ in range(2)], normal(50, 40)
    wanted = [model(x).numpy() for model in models]
    f = lm.jit(forward, frozen="model")
    wrong: list[int] = []

    def work(which: int) -> None:
        for i in range(60):
            at = (which + i // 7) % 2
            if not np.allclose(f(models[at], x).numpy(), wanted[at], rtol=1e-5, atol=1e-6):
                wrong.append(at)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_kept_memory_goes_with_the_program() -> None:
    w, x = normal(512, 600), normal(64, 512)
    scaled = lambda w, x: x @ lm.exp(w)
    lm.jit(scaled)(w, x)
    gc.collect()
    before = memory_stats().in_use_bytes
    f = lm.jit(scaled, frozen="w")
    f(w, x)
    assert memory_stats().in_use_bytes - before >= f.program(w, x).program.kept_bytes > 10**6
    del f
    gc.collect()
    assert memory_stats().in_use_bytes - before < 10**5  # scratch of a thread, perhaps


def test_tied_weights() -> None:
    weight, x = normal(40, 40), normal(9, 40)
    f = lm.jit(lambda model, other, x: x @ model["w"].T @ other.T, frozen="model")
    found = f({"w": weight}, weight, x)
    np.testing.assert_allclose(
        found.numpy(), x.numpy() @ weight.numpy().T @ weight.numpy().T, rtol=1e-3, atol=1e-4
    )


def test_method() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()

        @lm.jit(frozen="self")
        def __call__(self, x: lm.Tensor) -> lm.Tensor:
            return self.inner(x)

    model, x = Model(), normal(50, 40)
    np.testing.assert_allclose(model(x).numpy(), model.inner(x).numpy(), rtol=1e-5, atol=1e-6)


def test_keyword_and_static() -> None:
    f = lm.jit(lambda x, *, model, twice: model(x) * (2 if twice else 1),
               frozen=["model"], static_argnames="twice")  # fmt: skip
    model, x = net(), normal(5, 40)
    found = f(x, model=model, twice=True)
    np.testing.assert_allclose(found.numpy(), 2 * model(x).numpy(), rtol=1e-5, atol=1e-6)


def test_the_rest_of_the_arguments() -> None:
    def layers(x: lm.Tensor, *arrays: lm.Tensor) -> lm.Tensor:
        for w in arrays:
            x = x @ lm.exp(w)
        return x

    f = lm.jit(layers, frozen="arrays")
    x, w, v = normal(50, 40), normal(40, 30), normal(30, 20)
    program = f.program(x, w, v)
    program.program.profile()
    for _ in range(2):
        np.testing.assert_allclose(f(x, w, v).numpy(), layers(x, w, v).numpy(), rtol=1e-4)
    assert (
        counts(program) == {"once": {1}, "always": {2}} and len(program.program.native.frozen) == 2
    )


def test_bytes_are_packed_once() -> None:
    def product(x: lm.Tensor, w: lm.Tensor) -> lm.Tensor:
        x = lm.astype(lm.round(x * 20.0), lm.int8)
        return lm.matmul(lm.astype(x, lm.int32), lm.astype(w, lm.int32).mT)

    f, plain = lm.jit(product, frozen="w"), lm.jit(product)
    for shape in ((257, 70), (300, 133)):
        x = normal(60, shape[1])
        w = lm.asarray(RNG.integers(-128, 128, shape, np.int8), copy=True)
        for _ in range(2):
            np.testing.assert_array_equal(f(x, w).numpy(), plain(x, w).numpy())


def test_captured_tensors_are_frozen() -> None:
    model, x = convolutions(), normal(2, 3, 19, 23)
    f = lm.jit(lambda x: model(x))
    assert f.program(x).program.kept_bytes > 0
    for _ in range(2):
        np.testing.assert_allclose(f(x).numpy(), model(x).numpy(), rtol=1e-4, atol=1e-5)


def test_fault_in_what_runs_once() -> None:
    f = lm.jit(lambda i, x: x + lm.take(lm.arange(9.0), i * 2), frozen="i")
    x = normal(3)
    for _ in range(2):
        with pytest.raises(BoundsError):
            f(lm.asarray([1, 2, 7], copy=True), x)
    found = f(lm.asarray([0, 1, 2], copy=True), x)
    np.testing.assert_array_equal(found.numpy(), x.numpy() + np.asarray([0, 2, 4], np.float32))


def test_random_numbers_are_drawn_at_every_call() -> None:
    f = lm.jit(lambda model, x: model(x) + lm.random.normal((50, 33)), frozen="model")
    model, x = net(), normal(50, 40)
    assert not np.array_equal(f(model, x).numpy(), f(model, x).numpy())


def test_output_that_is_frozen_alone() -> None:
    f = lm.jit(lambda w, x: (w * 2.0, x @ w), frozen="w")
    w, x = normal(40, 30), normal(20, 40)
    for _ in range(2):
        twice, product = f(w, x)
        np.testing.assert_array_equal(twice.numpy(), 2 * w.numpy())
        np.testing.assert_allclose(product.numpy(), x.numpy() @ w.numpy(), rtol=1e-4, atol=1e-5)


def test_dynamic_shapes_keep_nothing() -> None:
    f = lm.jit(forward, frozen="model", dynamic_shapes={"x": {0: lm.Dim("B")}})
    model = net()
    for rows in (3, 50):
        x = normal(rows, 40)
        np.testing.assert_allclose(f(model, x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)
        assert f.program(model, x).program.kept_bytes == 0


def test_unknown_name() -> None:
    with pytest.raises(UsageError) as caught:
        lm.jit(forward, frozen="modl")
    assert str(caught.value).startswith(
        "jit: frozen names no argument 'modl'\n  arguments: model, x"
    )


def test_replaced_leaf() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    f = lm.jit(forward, frozen="model")
    with pytest.raises(UsageError) as caught:
        f(model, normal(2, 3, 8, 8))
    assert str(caught.value).startswith(
        "jit: the function replaces what it was told is frozen\n"
        "  replaced: model.1.running_mean\n"
        "  help: for a layer that gathers statistics, call model.eval() first; else leave the "
        "argument out of frozen, or keep what changes in another one"
    )
    model.eval()
    assert f(model, normal(2, 3, 8, 8)).shape == (2, 4, 6, 6)


def test_weights_that_an_epilogue_reads_too() -> None:
    """What is packed for the product stays an input of what follows it."""
    w = lm.asarray(np.random.default_rng(0).standard_normal((200, 200)).astype(np.float32))
    x = lm.asarray(np.random.default_rng(1).standard_normal((200, 200)).astype(np.float32))
    for f in (lambda w, x: lm.maximum(x @ w, w), lambda w, x: x @ lm.exp(w) + lm.exp(w)):
        found = lm.jit(f, frozen="w")(w, x)
        np.testing.assert_allclose(found.numpy(), lm.jit(f)(w, x).numpy(), 1e-5, 1e-5)


def test_saving_memory_beside_what_is_kept() -> None:
    """Late readers compute again what is cheap, never what is made once and kept."""
    rng = np.random.default_rng(2)
    w, x = (lm.asarray(rng.standard_normal((512, 512), np.float32) / 30) for _ in range(2))

    def f(w: Any, x: Any) -> Any:
        a = lm.exp(x)
        y = a @ w
        for _ in range(4):
            y = lm.tanh(y @ w)
        return (y @ lm.exp(w)) * (a + a)

    frozen = lm.jit(f, frozen="w")
    for scale in (1.0, 1.0, 0.5):
        found, wanted = frozen(w * scale, x), lm.jit(f)(w * scale, x)
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), 1e-4, 1e-5)
    assert frozen.lower(w, x).program.program.kept_bytes > 0
