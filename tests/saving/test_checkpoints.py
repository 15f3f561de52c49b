"""A run's checkpoints: which stay, what a background write holds, where its errors go."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim, saving
from lamina.saving import disk


def test_exactly_the_newest_stay(tmp_path: Path) -> None:
    with saving.Checkpoints(tmp_path, keep=3) as checkpoints:
        for step in range(0, 200, 10):
            checkpoints.save(step, {"step": step})
    assert checkpoints.steps() == [170, 180, 190]
    assert sorted(os.listdir(tmp_path)) == [f"step-000000{n}" for n in (170, 180, 190)]
    assert checkpoints.load() == {"step": 190} and checkpoints.load(170) == {"step": 170}


@pytest.mark.parametrize(("mode", "best"), [("min", 3), ("max", 1)])
def test_the_best_stays(mode: str, best: int, tmp_path: Path) -> None:
    values = [math.nan, 9.0, 3.0, 1.0, 4.0, 5.0, 4.5]
    with saving.Checkpoints(tmp_path, keep=2, best="loss", mode=mode) as checkpoints:
        for step, value in enumerate(values):
            checkpoints.save(step, step, {"loss": value})
    assert checkpoints.best_step() == best
    assert checkpoints.steps() == [best, 5, 6]
    again = saving.Checkpoints(tmp_path, keep=2, best="loss", mode=mode)
    assert again.best_step() == best and again.metrics(best) == {"loss": values[best]}


def test_later_steps_do_not_touch_what_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, counts = nn.Linear(64, 64), np.zeros(3)
    optimizer = optim.Adam(model, lr=0.1)

    @lm.jit
    def step(model: Any, optimizer: Any) -> Any:  # takes the memory of the old parameters
        loss, grads = lm.value_and_grad(lambda m: (m.weight**2).sum() + m.bias.sum())(model)
        optimizer.update(model, grads)
        return loss

    step(model, optimizer)
    go, put_folder = threading.Event(), disk.put_folder

    def waiting(*args: Any) -> None:
        assert go.wait(30)
        put_folder(*args)

    monkeypatch.setattr(disk, "put_folder", waiting)
    wanted = np.array(model.weight.numpy())
    checkpoints = saving.Checkpoints(tmp_path)
    checkpoints.save(1, {"model": model, "optimizer": optimizer, "counts": counts})
    for _ in range(3):
        step(model, optimizer)
    counts += 7
    go.set()
    found = checkpoints.load()
    np.testing.assert_array_equal(found["model"]["weight"].numpy(), wanted)
    assert found["counts"].tolist() == [0, 0, 0] and int(found["optimizer"]["steps"]) == 1
    assert not np.array_equal(model.weight.numpy(), wanted)


def test_an_error_in_the_background_surfaces_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = saving.Checkpoints(tmp_path)
    checkpoints.save(0, 0)
    checkpoints.wait()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "I/O error")))
        checkpoints.save(1, 1)
        checkpoints._writing.join()  # type: ignore[union-attr]
    with pytest.raises(OSError, match="I/O error"):
        checkpoints.save(2, 2)
    checkpoints.save(2, 2)
    checkpoints.close()
    assert checkpoints.steps() == [0, 2] and len(os.listdir(tmp_path)) == 2
    with pytest.raises(lm.UsageError, match="nothing that can be saved"), checkpoints:
        checkpoints.save(3, object())


def test_a_step_may_be_saved_again(tmp_path: Path) -> None:
    checkpoints = saving.Checkpoints(tmp_path, background=False)
    checkpoints.save(4, "old")
    checkpoints.save(4, "new")
    assert checkpoints.load(4) == "new" and os.listdir(tmp_path) == ["step-000000004"]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(lm.UsageError, match="at least one is kept"):
        saving.Checkpoints(tmp_path, keep=0)
    with pytest.raises(lm.UsageError, match="'min' or 'max'"):
        saving.Checkpoints(tmp_path, mode="least")
    with pytest.raises(lm.UsageError, match="count from 0"):
        saving.Checkpoints(tmp_path).save(-1, 0)
    empty = saving.Checkpoints(tmp_path / "none")
    assert empty.latest_step() is None and empty.best_step() is None
    with pytest.raises(lm.FormatError, match="there is none yet"):
        empty.load()
    assert not (tmp_path / "none").exists()
