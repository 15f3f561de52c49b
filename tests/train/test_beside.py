"""What goes on beside training: logs, a bar, speed, a sweep of rates, signals."""

from __future__ import annotations

import io
import json
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import lamina as lm
from lamina import data, nn, optim, saving, train
from lamina.train.throughput import Throughput
from tests.train.runs import X, Y, batches_of, everything, loss_of, trainer_of


def test_logs_hold_every_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, table = tmp_path / "run/log.jsonl", tmp_path / "run/log.csv"
    logs = [train.JsonLinesLog(lines), train.CsvLog(table), train.PrintLog()]
    trainer = trainer_of(callbacks=logs, log_every=2)
    trainer.fit(batches_of(20), epochs=2, validation=[(X, Y)])
    records = train.read_json_lines(lines)
    assert [r["step"] for r in records] == [2, 2, 4, 4]
    assert records[1]["val_loss"] > 0 and records[2]["loss"] > 0
    rows = train.read_csv(table)
    assert [{k: float(v) for k, v in row.items() if v} for row in rows] == records
    assert "step 4  epoch 2  val_loss 1.0" in capsys.readouterr().out
    trainer_of(callbacks=[train.JsonLinesLog(lines)]).fit(batches_of(20), steps=1)
    assert train.read_json_lines(lines) == []  # another run begins


def test_logs_go_on_where_a_run_is_resumed(tmp_path: Path) -> None:
    def run(folder: str, steps: int) -> None:
        logs = [train.JsonLinesLog(tmp_path / f"{folder}.jsonl")]
        logs += [train.CsvLog(tmp_path / f"{folder}.csv")]
        trainer = trainer_of(
            tmp_path / folder, callbacks=logs, log_every=1, checkpoint_every=5, evaluate_every=3
        )
        trainer.fit(batches_of(), steps=steps, validation=[(X, Y)], resume=True)

    run("whole", 12)
    run("cut", 7)
    saving.disk.remove_folder(saving.Checkpoints(tmp_path / "cut").path(7))  # killed before it
    with (tmp_path / "cut.jsonl").open("a") as file:
        file.write('{"step": 8, "lo')
    with (tmp_path / "cut.csv").open("a") as file:
        file.write("8,0")
    run("cut", 12)
    pairs = [
        [train.read_json_lines(tmp_path / f"{folder}.jsonl") for folder in ("whole", "cut")],
        [train.read_csv(tmp_path / f"{folder}.csv") for folder in ("whole", "cut")],
    ]
    for whole, cut in pairs:
        for record in (*whole, *cut):
            record.pop("examples_per_s", None)
        assert cut == whole and len(whole) == 16


def test_tensorboard_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="needs the extra tensorboard")
    trainer = trainer_of(callbacks=[train.TensorBoardLog(tmp_path)], log_every=1)
    trainer.fit(batches_of(), steps=2)
    (file,) = tmp_path.iterdir()
    assert b"loss" in file.read_bytes()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    for name in ("tensorboardX", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(lm.UsageError, match=r"pip install lamina\[tensorboard\]"):
        train.TensorBoardLog(tmp_path)
    sweep = train.RateSweep((0.1, 0.2, 0.4, 0.8), (4.0, 3.0, 1.0, 2.0))
    assert sweep.suggestion == 0.2
    with pytest.raises(lm.UsageError, match=r"pip install lamina\[plot\]"):
        sweep.plot(tmp_path / "a.png")


def test_the_bar_shows_numbers() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    bar = train.ProgressBar(console)
    trainer = trainer_of(callbacks=[bar], log_every=1, peak_flops_per_s=1e9)
    trainer.fit(batches_of(), epochs=2)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("10/10", "epoch", "loss", "examples_per_s", "utilisation"):
        assert word in shown


def test_speed_leaves_pauses_out() -> None:
    now = [0.0]
    speed = Throughput(lambda: now[0])
    for _ in range(4):
        now[0] += 0.5
        speed.count(10, 100)
    with speed.paused():
        now[0] += 100.0
    assert speed.seconds == 2.0 and speed.examples / speed.seconds == 20.0
    assert (speed.steps, speed.flops) == (4, 400)
    speed.restart()
    assert speed.steps == 0


def test_utilisation_is_arithmetic_over_time_over_the_peak() -> None:
    trainer = trainer_of(log_every=2, peak_flops_per_s=1e6)
    trainer.fit(batches_of(), steps=4)
    # forward, and backward twice but for the gradient of the input of the first layer
    products = 2 * 8 * (6 * 16 + 16 * 3)
    flops = 3 * products - 2 * 8 * 6 * 16
    rate = trainer.record["examples_per_s"] / 8 * flops
    assert trainer.record["utilisation"] == pytest.approx(rate / 1e6)
    assert train.measured_peak(256, trials=2) > 1e8


def test_a_sweep_finds_a_rate_and_leaves_no_trace(tmp_path: Path) -> None:
    trainer = trainer_of()
    batches = batches_of()
    next(iter(batches))
    trainer._batches = batches
    before = everything(trainer)
    schedule = trainer.optimizer.schedule
    sweep = train.find_rate(trainer.model, loss_of, trainer.optimizer, batches, high=1e5)
    assert everything(trainer) == before and trainer.optimizer.schedule is schedule
    assert 1e-4 < sweep.suggestion < 10 and len(sweep.rates) < 100  # it blew up before the end
    assert list(sweep.rates) == sorted(sweep.rates)
    plain = optim.SGD(trainer.model, lr=0.25)
    train.find_rate(trainer.model, loss_of, plain, batches, steps=5)
    assert plain.lr == 0.25
    with pytest.raises(lm.UsageError, match="rates rise from low to high"):
        train.find_rate(trainer.model, loss_of, plain, batches, low=1.0, high=0.1)
    with pytest.raises(lm.UsageError, match="there are no batches"):
        train.find_rate(trainer.model, loss_of, plain, [])
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    sweep.plot(tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes()[:4] == b"\x89PNG"


def test_a_second_interrupt_interrupts_at_once() -> None:
    with train.Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    called: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: called.append(number))
    try:
        with train.Interruption() as interruption:
            signal.raise_signal(signal.SIGTERM)
            interruption.deliver()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert called == [signal.SIGTERM]


def test_other_threads_note_no_signals() -> None:
    found: list[Any] = []

    def run() -> None:
        with train.Interruption() as interruption:
            interruption.deliver()
            found.append(interruption.signal)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [None]


def test_one_seed_for_all() -> None:
    def drawn() -> list[float]:
        import random

        train.seed_everything(5)
        return [float(lm.random.normal(())), float(np.random.rand()), random.random()]

    assert drawn() == drawn()


def test_records_are_json(tmp_path: Path) -> None:
    log = train.JsonLinesLog(tmp_path / "log.jsonl")
    model = nn.Linear(6, 3)
    trainer = train.Trainer(model, loss_of, optim.SGD(model), callbacks=[log], log_every=1)
    trainer.fit(data.Batches(X, Y, size=40), steps=1)
    assert json.loads((tmp_path / "log.jsonl").read_text())["step"] == 1
