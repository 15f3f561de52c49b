"""`jit(relaxed=...)`: liberties reach every part of a program, and nothing takes one unasked."""

from __future__ import annotations

import dataclasses
import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.base.errors import FormatError, UsageError
from lamina.functional import conv1d, conv2d, relu

LIBERTIES = ("winograd", "winograd4")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def tiles_wherever_they_can_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether they pay depends on the machine; programs so made must not be found by others."""
    module = importlib.import_module("lamina.graph.passes.winograd")
    monkeypatch.setattr(module, "GAIN", 0.0)
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))


def normal(*shape: int, dtype: str = "float32") -> lm.Tensor:
    return lm.asarray(RNG.standard_normal(shape).astype(dtype))


def is_by_tiles(f: Any, *args: Any) -> bool:
    """Whether a compiled function multiplies tiles."""
    stages = lm.explain(f, *args, file=io.StringIO()).program.record.stages
    return any("winograd" in s.name and s.after > s.before for s in stages)


CASES = [
    ("odd", conv2d, (2, 64, 15, 13), (48, 64, 3, 3), {"padding": 1}),
    ("one image", conv2d, (1, 96, 20, 21), (96, 96, 3, 3), {"padding": (0, 2)}),
    ("no batch", conv2d, (96, 30, 17), (96, 96, 3, 3), {"padding": "same"}),
    ("groups", conv2d, (2, 128, 18, 18), (128, 64, 3, 3), {"padding": 1, "groups": 2}),
]


@pytest.mark.parametrize("liberty", LIBERTIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("f", "x", "w", "options"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_values_and_gradients(f, x, w, options, dtype, liberty) -> None:  # type: ignore[no-untyped-def]
    x, w = normal(*x, dtype=dtype), normal(*w, dtype=dtype)
    b = normal(w.shape[0], dtype=dtype)

    def both(x: Any, w: Any, b: Any) -> Any:
        loss = lambda x, w, b: lm.sum(relu(f(x, w, b, **options)) ** 2)
        return f(x, w, b, **options), lm.grad(loss, argnums=(0, 1, 2))(x, w, b)

    strict, relaxed = lm.jit(both), lm.jit(both, relaxed=liberty)
    assert is_by_tiles(relaxed, x, w, b)
    assert not is_by_tiles(strict, x, w, b)
    wanted, found = strict(x, w, b), relaxed(x, w, b)
    tolerance = (2e-4 if liberty == "winograd4" else 5e-5) if dtype == "float32" else 1e-11
    for a, c in zip((wanted[0], *wanted[1]), (found[0], *found[1]), strict=True):
        assert a.dtype == c.dtype
        np.testing.assert_allclose(
            c.numpy(), a.numpy(), tolerance, tolerance * np.abs(a.numpy()).max()
        )


def test_others_are_the_same_to_the_bit() -> None:
    x = normal(2, 64, 20, 20)
    for kernel, options in (((5, 5), {}), ((3, 3), {"stride": 2}), ((3, 3), {"dilation": 2})):
        w = normal(32, 64, *kernel)
        f = lambda x, w, options=options: conv2d(x, w, **options)  # type: ignore[misc]
        np.testing.assert_array_equal(
            lm.jit(f)(x, w).numpy(), lm.jit(f, relaxed="winograd")(x, w).numpy()
        )


def test_an_infinity_tells_strict_from_relaxed() -> None:
    x, w = np.zeros((1, 96, 24, 24), np.float32), normal(96, 96, 3, 3)
    x[0, 0, 8, 8] = np.inf

    def looped(x: Any, w: Any) -> Any:
        return lm.fori_loop(0, 1, lambda i, y: conv2d(y, w, padding=1), x)

    for f in (lambda x, w: conv2d(x, w, padding=1), looped):
        strict, relaxed = (lm.jit(f, relaxed=r)(lm.asarray(x), w).numpy() for r in ((), "winograd"))
        assert np.isinf(strict[0, :, 7:10, 7:10]).all()
        assert np.isnan(relaxed[0, :, 7:10, 7:10]).any()
    eager = conv2d(lm.asarray(x), w, padding=1).numpy()
    assert np.isinf(eager[0, :, 7:10, 7:10]).all()


def test_algebra() -> None:
    x = lm.asarray([1.0, float("inf"), float("nan")])
    f = lambda x: (x - x, x * 0.0)
    assert [bool(lm.any(lm.isnan(y))) for y in lm.jit(f)(x)] == [True, True]
    assert [y.numpy().tolist() for y in lm.jit(f, relaxed=["algebra"])(x)] == [[0.0] * 3] * 2


def test_names() -> None:
    assert lm.jit(lambda x: x, relaxed=["winograd", "algebra", "winograd"]).relaxed == (
        "algebra",
        "winograd",
    )
    with pytest.raises(UsageError) as error:
        lm.jit(lambda x: x, relaxed="winogard")
    text = str(error.value)
    assert "relaxed: there is no liberty 'winogard'" in text
    assert all(name in text for name in ("algebra:", "winograd:", "winograd4:"))


def test_a_signal() -> None:
    x, w = normal(1, 256, 2000), normal(256, 256, 3)
    f = lm.jit(lambda x, w: conv1d(x, w, padding=1), relaxed="winograd")
    assert is_by_tiles(f, x, w)
    wanted = conv1d(x, w, padding=1).numpy()
    np.testing.assert_allclose(f(x, w).numpy(), wanted, 1e-4, 2e-4)


def test_exported_programs_take_the_same_liberties(tmp_path: Path) -> None:
    x, w = np.zeros((1, 96, 24, 24), np.float32), normal(96, 96, 3, 3)
    x[0, 0, 8, 8] = np.inf
    f = lambda x: conv2d(x, w, padding=1)
    strict, relaxed = lm.export(f, x), lm.export(lm.jit(f, relaxed="winograd"), x)
    batch = {"x": {0: lm.Dim("B")}}
    sized = lm.export(lm.jit(f, relaxed="winograd", dynamic_shapes=batch), x)
    for program in (relaxed, sized):
        program.save(tmp_path / "program.lamina")
        loaded = lm.load_program(tmp_path / "program.lamina")
        assert loaded.signature.relaxed == ("winograd",)
        assert np.isnan(loaded(x)[0, :, 7:10, 7:10]).any()
    assert not np.isnan(strict(x)).any()


def test_a_file_with_an_unknown_liberty(tmp_path: Path) -> None:
    program = lm.export(lambda x: x + 1.0, np.zeros(3, np.float32))
    program.signature = dataclasses.replace(program.signature, relaxed=("haste",))
    program.save(tmp_path / "program.lamina")
    with pytest.raises(FormatError, match="there is no liberty 'haste'"):
        lm.load_program(tmp_path / "program.lamina")


def test_training_takes_them() -> None:
    model = lm.nn.Conv2d(96, 96, 3, padding=1)
    x = np.zeros((1, 96, 24, 24), np.float32)
    x[0, 0, 8, 8] = np.inf

    def loss_of(model: Any, x: Any) -> Any:
        y = model(x)
        return lm.sum(lm.where(lm.isnan(y), 1.0, 0.0))

    for liberties, is_nan in (((), False), ("winograd", True)):
        optimizer = lm.optim.SGD(model, lr=0.0)
        trainer = lm.train.Trainer(model, loss_of, optimizer, relaxed=liberties)
        assert (float(trainer.train_step(model, optimizer, (x,))["loss"]) > 0) is is_nan
    with pytest.raises(UsageError, match="there is no liberty"):
        lm.train.Step(loss_of, relaxed="haste")
