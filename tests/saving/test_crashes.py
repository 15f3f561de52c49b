"""Whenever a process dies while it saves, a whole checkpoint is there: the old or the new one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lamina import saving
from tests.saving.dying_disk import DyingDisk


def tree(step: int) -> dict:
    return {"step": step, "x": np.full(1000, step, np.float32), "y": np.full(3, step)}


def step_in(loaded: dict) -> int:
    """The step of a tree that is whole."""
    assert (loaded["x"] == loaded["step"]).all() and (loaded["y"] == loaded["step"]).all()
    return loaded["step"]


def replace_one(folder: Path) -> None:
    saving.save(folder / "one", tree(1))


def next_of_many(folder: Path) -> None:
    """Save step 2; step 0 is deleted for it."""
    saving.Checkpoints(folder, keep=2, background=False).save(2, tree(2))


def same_of_many(folder: Path) -> None:
    saving.Checkpoints(folder, keep=1, background=False).save(1, tree(1))


def prepare(folder: Path) -> None:
    saving.save(folder / "one", tree(0))
    checkpoints = saving.Checkpoints(folder, keep=3, background=False)
    for step in range(2):
        checkpoints.save(step, tree(step))


@pytest.mark.parametrize("power", [False, True], ids=["killed", "without power"])
@pytest.mark.parametrize("save", [replace_one, next_of_many, same_of_many])
def test_a_death_at_every_call(
    save: Callable[[Path], None], power: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda number: None)  # `DyingDisk` knows what was flushed
    counting = DyingDisk()
    prepare(tmp_path / "count")
    with counting.used(monkeypatch):
        save(tmp_path / "count")
    assert {"mkdir", "write", "fsync", "rename"} <= set(counting.calls)

    seen = set()
    for last in range(len(counting.calls)):
        folder = tmp_path / str(last)
        prepare(folder)
        disk = DyingDisk(last, power)
        with disk.used(monkeypatch):
            save(folder)
        assert disk.dead, f"call {last} was never reached"
        after = saving.Checkpoints(folder, keep=2, background=False)
        if save is replace_one:
            seen.add(step_in(saving.load(folder / "one")))
        else:
            latest = after.latest_step()
            assert latest is not None
            seen.add(latest)
            for step in after.steps():
                assert step_in(after.load(step)) == step
        save(folder)  # and the next one goes well, and clears away what was left
        saving.save(folder / "one", tree(5))
        assert not [n for n in os.listdir(folder) if "writing" in n and "step" not in n]
        assert step_in(saving.load(folder / "one")) == 5
        saving.Checkpoints(folder)
        assert not [name for name in os.listdir(folder) if name.startswith(".")]
    assert seen == ({1} if save is same_of_many else {0, 1} if save is replace_one else {1, 2})


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saving.save(tmp_path / "one", tree(0))

    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            saving.save(tmp_path / "one", tree(1))
    assert step_in(saving.load(tmp_path / "one")) == 0
    assert os.listdir(tmp_path) == ["one"]


def test_a_folder_that_is_being_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[list[str]] = []
    fsync = os.fsync

    def look(number: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            saving.Checkpoints(tmp_path)  # another user of the folder comes along
        inside.append([n for n in os.listdir(tmp_path) if "writing" in n])
        fsync(number)

    monkeypatch.setattr(os, "fsync", look)
    saving.Checkpoints(tmp_path, background=False).save(0, tree(0))
    assert inside[0] and inside[1]
    assert os.listdir(tmp_path) == ["step-000000000"]
