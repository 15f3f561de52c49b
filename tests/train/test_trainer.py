"""The loop: what it computes, when it calls what, and that resuming changes no bit."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import data, functional, metrics, nn, optim, saving, train
from lamina.base.errors import CheckError
from tests.train.runs import X, Y, batches_of, everything, loss_of, trainer_of


def test_a_network_is_trained_and_tested_in_a_few_lines() -> None:
    digits = data.digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    trainer = train.Trainer(
        model,
        lambda model, x, y: functional.cross_entropy(model(x), y),
        optim.Adam(model, lr=3e-3),
        metrics={"accuracy": metrics.Accuracy()},
    )
    batches = data.Batches(digits.train_images, digits.train_labels, size=64, seed=0)
    test = data.Batches(digits.test_images, digits.test_labels, size=100, drop_last=False)
    record = trainer.fit(batches, epochs=6, validation=test)
    assert record["val_accuracy"] > 0.93 and trainer.evaluate(test)["accuracy"] > 0.93
    right = trainer.predict(digits.test_images).numpy().argmax(1) == digits.test_labels
    assert right.mean() == pytest.approx(record["val_accuracy"])


def test_it_does_what_a_loop_by_hand_does() -> None:
    trainer = trainer_of()
    trainer.fit(batches_of(), epochs=3)
    other = trainer_of()
    model, optimizer = other.model, other.optimizer

    @lm.jit
    def step(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
        loss, grads = lm.value_and_grad(loss_of)(model, x, y)
        optimizer.update(model, grads)
        return loss

    batches = batches_of()
    for _ in range(3):
        for x, y in batches:
            step(model, optimizer, x, y)
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), trainer.model.state_dict()[name].numpy())


def test_the_mode_is_chosen_in_one_place() -> None:
    """PI-1: compiled or operation by operation, the numbers are the same."""
    models = []
    for jit in (True, False):
        lm.random.seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3))
        trainer = train.Trainer(model, loss_of, optim.SGD(model, lr=0.3), jit=jit)
        trainer.fit(batches_of(), steps=4)
        models.append(model)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-5, atol=2e-6)


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    found = []
    for size, accumulate in ((20, 1), (5, 4)):
        lm.random.seed(0)
        model = nn.Linear(6, 3)
        trainer = train.Trainer(model, loss_of, optim.SGD(model, lr=0.5), accumulate=accumulate)
        trainer.fit(data.Batches(X, Y, size=size), steps=3)
        found.append(model.weight.numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_the_end_of_an_epoch_takes_what_is_left() -> None:
    trainer = trainer_of(accumulate=2)
    trainer.fit(batches_of(), epochs=2)  # 5 batches: 2, 2 and 1
    assert trainer.step == 6 == trainer.total_steps and trainer.epoch == 2


def test_gradients_are_clipped() -> None:
    model = nn.Linear(6, 3)
    before = [p.numpy().copy() for p in model.parameters()]
    trainer = train.Trainer(model, loss_of, optim.SGD(model, lr=1.0), clip_norm=0.01, log_every=1)
    trainer.fit([(X, Y)], steps=1)
    after = [p.numpy() for p in model.parameters()]
    moved = math.hypot(*(np.linalg.norm(a - b) for a, b in zip(before, after, strict=True)))
    assert moved == pytest.approx(0.01, rel=1e-3)
    assert trainer.record["gradient_norm"] > 0.1


@pytest.mark.parametrize("cut", [1, 5, 8])
def test_a_resumed_run_is_the_same_to_the_bit(cut: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"log_every": 3, "evaluate_every": 4, "checkpoint_every": 1}
    validation = [(X[:10], Y[:10])]

    def stopping() -> list[train.Callback]:
        return [train.EarlyStopping(patience=100)]

    whole = trainer_of(tmp_path / "whole", callbacks=stopping(), **options)
    whole.fit(batches_of(), steps=13, validation=validation)
    wanted = everything(whole)
    first = trainer_of(tmp_path / "cut", callbacks=stopping(), **options)
    first.fit(batches_of(), steps=cut, validation=validation)
    lm.random.seed(99)
    second = trainer_of(tmp_path / "cut", callbacks=stopping(), **options)
    lm.random.seed(98)
    second.fit(batches_of(), steps=13, validation=validation, resume=True)
    assert everything(second) == wanted


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "f16", "checkpoint_every": 3},
        {"precision": "bf16", "accumulate": 2, "checkpoint_every": 2, "clip_norm": 0.5},
        {},
    ],
    ids=["f16", "bf16 accumulated", "by epochs"],
)
def test_a_resumed_run_with_other_options(options: dict[str, Any], tmp_path: Path) -> None:
    def run(folder: str, epochs: int) -> train.Trainer:
        trainer = trainer_of(tmp_path / folder, **options)
        listed = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8)]
        trainer.fit(listed, epochs=epochs, resume=True)
        return trainer

    wanted = everything(run("whole", 3))
    run("cut", 1)
    assert everything(run("cut", 3)) == wanted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_then_does_what_it_does(number: int, tmp_path: Path) -> None:
    whole = trainer_of()
    whole.fit(batches_of(), epochs=3)
    wanted = everything(whole)

    def interrupt(trainer: train.Trainer) -> None:
        if trainer.step == 7:
            signal.raise_signal(number)

    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    first = trainer_of(tmp_path, callbacks=[train.Every(1, interrupt)])
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as caught:
        first.fit(batches_of(), epochs=3)
    if number == signal.SIGTERM:
        assert caught.value.code == 143  # type: ignore[union-attr]
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    assert first.step == 7 and saving.Checkpoints(tmp_path).latest_step() == 7
    second = trainer_of(tmp_path)
    second.fit(batches_of(), epochs=3, resume=True)
    assert everything(second) == wanted


class Noting(train.Callback):
    """Writes down what is called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda trainer, *rest: self.calls.append(f"{name[3:]} {trainer.step}")
        return super().__getattribute__(name)


def test_callbacks_are_called_in_order() -> None:
    noting = Noting()
    trainer = trainer_of(callbacks=[noting], log_every=2)
    trainer.fit(batches_of(20), epochs=2, validation=[(X, Y)])
    assert noting.calls == [
        "start 0", "step 1", "log 2", "step 2", "log 2", "evaluate 2", "epoch 2",
        "step 3", "log 4", "step 4", "log 4", "evaluate 4", "epoch 4", "end 4",
    ]  # fmt: skip


def test_the_record_has_the_means_since_the_last_one() -> None:
    losses: list[float] = []
    trainer = trainer_of(log_every=1)
    trainer.callbacks.append(train.Every(1, lambda t: losses.append(t.record["loss"])))
    trainer.fit(batches_of(), steps=5)
    other = trainer_of(log_every=5)
    record = other.fit(batches_of(), steps=5)
    assert record["loss"] == pytest.approx(np.mean(losses))
    assert record["lr"] == other.optimizer.lr and record["examples_per_s"] > 0


def test_training_stops_early(tmp_path: Path) -> None:
    class Given(train.Callback):
        """Gives evaluations the numbers of a list."""

        def on_evaluate(self, trainer: train.Trainer, record: dict[str, float]) -> None:
            record["val_loss"] = [5.0, 3.0, 4.0, 3.0, 3.5, 1.0][trainer.step - 1]

    stopping = train.EarlyStopping(patience=2)
    checkpoints = saving.Checkpoints(tmp_path, keep=1)
    trainer = trainer_of(checkpoints, callbacks=[Given(), stopping], evaluate_every=1)
    trainer.fit(batches_of(), epochs=9, validation=[(X, Y)])
    assert trainer.step == 5 and stopping.best_step == 2
    assert trainer.stopped == "val_loss was best at step 2"
    again = trainer_of(checkpoints, callbacks=[Given(), train.EarlyStopping(patience=2)])
    again.fit(batches_of(), epochs=9, validation=[(X, Y)], resume=True)
    assert again.step == 5  # it had stopped


def test_exactly_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = saving.Checkpoints(tmp_path, keep=2, best="val_loss")
    trainer = trainer_of(checkpoints, checkpoint_every=2, evaluate_every=3)
    losses: dict[int, float] = {}
    trainer.callbacks.append(
        train.Every(3, lambda t: losses.update({t.step: t.record.get("val_loss", np.inf)}))
    )
    trainer.fit(batches_of(), steps=20, validation=[(X, Y)])
    best = checkpoints.best_step()
    assert best is not None and best % 3 == 0
    assert checkpoints.steps() == sorted({best, 18, 20})
    state = checkpoints.load(best)
    model = trainer_of().model
    model.load_state_dict(state["model"])
    trainer.model = model
    assert trainer.evaluate([(X, Y)])["loss"] == pytest.approx(
        checkpoints.metrics(best)["val_loss"]
    )


def test_evaluation_leaves_no_trace() -> None:
    trainer = trainer_of()
    trainer.model.norm.eval()
    before = everything(trainer)
    modes = [m.training for m in trainer.model.modules()]
    trainer.evaluate([(X, Y)])
    trainer.predict(X)
    assert everything(trainer) == before
    assert [m.training for m in trainer.model.modules()] == modes
    x = lm.random.normal((2,))
    with train.undisturbed():
        lm.random.normal((5,))
    y = lm.random.normal((2,))
    assert not np.array_equal(x, y)


def test_evaluation_weighs_batches_by_their_examples() -> None:
    trainer = trainer_of(metrics={"accuracy": metrics.Accuracy()})
    whole = trainer.evaluate([(X, Y)])
    parts = trainer.evaluate([(X[:7], Y[:7]), (X[7:], Y[7:])])
    assert parts["accuracy"] == whole["accuracy"]
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)


class Halving(optim.Optimizer):
    """A user's optimiser: half of each parameter, whatever the gradient."""

    def initial(self, parameter: lm.Tensor) -> dict[str, lm.Tensor]:
        return {}

    def step(self, parameter: Any, gradient: Any, state: Any, scalars: Any) -> Any:
        return parameter * 0.5, state


def test_each_part_may_be_the_users_own() -> None:
    """PI-2: data, model, loss, optimiser and metric, none of them Lamina's."""

    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = lm.asarray(8.0)

        def forward(self, x: Any) -> Any:
            return x * self.factor

    class Count(metrics.Metric):
        def measure(self, prediction: Any, target: Any) -> dict[str, Any]:
            return {"n": np.array(len(target))}

        def join(self, states: Any) -> dict[str, Any]:
            return {"n": sum(s["n"] for s in states)}

        def value(self, state: Any) -> int:
            return int(state["n"])

    class Stream:
        epoch = position = 0

        def __iter__(self) -> Any:
            yield np.ones(3, np.float32), np.zeros(3, np.float32)
            self.epoch += 1

        def state_dict(self) -> dict[str, int]:
            return {"epoch": self.epoch}

        def load_state_dict(self, state: Any) -> None:
            self.epoch = state["epoch"]

    model = Doubling()
    trainer = train.Trainer(
        model,
        lambda model, x, y: (abs(model(x) - y).mean(), {"largest": model(x).max()}),
        Halving(model, lr=1.0),
        metrics={"count": Count()},
        log_every=1,
    )
    record = trainer.fit(Stream(), epochs=3, validation=Stream())
    assert float(model.factor) == 1.0
    assert record["val_count"] == 3 and record["largest"] == 2.0
    assert record["val_largest"] == 1.0


def test_batches_may_be_one_array() -> None:
    model = nn.Linear(6, 1)
    trainer = train.Trainer(model, lambda m, x: (m(x) ** 2).mean(), optim.SGD(model, lr=0.1))
    first = trainer.evaluate([X])["loss"]
    trainer.fit([X], steps=20)
    assert trainer.evaluate([X])["loss"] < first


def test_the_averaged_model_is_evaluated(tmp_path: Path) -> None:
    def run(folder: str, steps: int) -> train.Trainer:
        trainer = trainer_of(tmp_path / folder)
        trainer.average = optim.EMA(trainer.model, decay=0.8)
        trainer.fit(batches_of(), steps=steps, resume=True)
        return trainer

    whole = run("whole", 9)
    wanted = everything(whole)
    run("cut", 4)
    assert everything(run("cut", 9)) == wanted
    model = whole.average.averaged(whole.model)  # type: ignore[union-attr]
    other = train.Trainer(model, loss_of, optim.SGD(model))
    assert whole.evaluate([(X, Y)]) == other.evaluate([(X, Y)])
    plain = train.Trainer(whole.model, loss_of, optim.SGD(whole.model))
    assert whole.evaluate([(X, Y)]) != plain.evaluate([(X, Y)])
    np.testing.assert_array_equal(whole.predict(X).numpy(), other.predict(X).numpy())


def test_fit_goes_on_where_it_was() -> None:
    once = trainer_of()
    once.fit(batches_of(), epochs=3)
    whole, batches, twice = everything(once), batches_of(), trainer_of()
    twice.fit(batches, epochs=1)
    twice.fit(batches, epochs=3)
    assert everything(twice) == whole


def test_errors(tmp_path: Path) -> None:
    trainer = trainer_of()
    with pytest.raises(lm.UsageError, match="no end is given"):
        trainer.fit([(X, Y)])
    with pytest.raises(lm.UsageError, match="the batches are empty"):
        trainer.fit([], epochs=1)
    with pytest.raises(lm.UsageError, match="an iterator is gone after one loop"):
        trainer.fit(iter([(X, Y)]), epochs=1)
    with pytest.raises(lm.UsageError, match="no checkpoints are given"):
        trainer.fit([(X, Y)], epochs=1, resume=True)
    with pytest.raises(lm.UsageError, match="there are no batches"):
        trainer.evaluate([])
    with pytest.raises(lm.UsageError, match="not one of those there are"):
        trainer_of(precision="f8")
    with pytest.raises(lm.UsageError, match="counted from 1"):
        trainer_of(log_every=0)
    with pytest.raises(lm.UsageError, match="the norm is above 0"):
        trainer_of(clip_norm=0.0)
    with pytest.raises(lm.UsageError, match="evaluations give no val_accuracy"):
        trainer_of(callbacks=[train.EarlyStopping("val_accuracy")]).fit(
            [(X, Y)], epochs=1, validation=[(X, Y)]
        )
    with pytest.raises(lm.UsageError, match="'min' or 'max'"):
        train.EarlyStopping(mode="least")
    first = trainer_of(tmp_path)
    first.fit(batches_of(), steps=1)
    with pytest.raises(lm.UsageError, match="the state is of other batches"):
        trainer_of(tmp_path).fit(batches_of(4), steps=2, resume=True)
    with pytest.raises(lm.UsageError, match="the state is of another run"):
        trainer_of(tmp_path, precision="f16").fit(batches_of(), steps=2, resume=True)


def squared(model: Any, x: Any, y: Any) -> Any:
    return ((model(x) - y) ** 2).mean()


def fitted(size: int, optimizer_of: Any, steps: int = 60) -> float:
    """The loss that a linear model reaches on lines with noise, by steps on mini-batches."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((240, 4), np.float32)
    y = x @ np.array([[1.0], [-2.0], [0.5], [3.0]], np.float32) + rng.standard_normal(
        (240, 1), np.float32
    )
    lm.random.seed(1)
    model = nn.Linear(4, 1)
    guard = train.StopOnNonFinite()
    trainer = train.Trainer(model, squared, optimizer_of(model), callbacks=[guard], log_every=5)
    trainer.fit(data.Batches(x, y, size=size, seed=0), steps=steps)
    return trainer.evaluate([(x, y)])["loss"]


def test_rates_sizes_and_divergence() -> None:
    """AP-3: mini-batch SGD: what rate and batch size do, adaptive rates, and a rate too large."""
    by_rate = {lr: fitted(24, lambda m, lr=lr: optim.SGD(m, lr=lr)) for lr in (0.0005, 0.01, 0.1)}
    assert by_rate[0.0005] > 3 * by_rate[0.01] > 3 * by_rate[0.1]
    small, large = (fitted(size, lambda m: optim.SGD(m, lr=0.2), 400) for size in (4, 240))
    assert large < small / 1.05  # few examples keep shaking the weights
    assert fitted(24, lambda m: optim.Adam(m, lr=0.3)) < 1.3
    with pytest.raises(CheckError, match=r"training diverged: loss is (nan|inf)") as found:
        fitted(24, lambda m: optim.SGD(m, lr=30.0))
    assert "learning rate: 30" in str(found.value) and "step:" in str(found.value)


def test_no_checkpoint_follows_a_bad_loss(tmp_path: Path) -> None:
    model = nn.Linear(6, 3)
    steps = iter([1.0, 1.0, np.nan, 1.0])

    def loss(model: Any, x: Any, y: Any, scale: Any) -> Any:
        return loss_of(model, x, y) * scale

    trainer = train.Trainer(
        model,
        loss,
        optim.SGD(model, lr=0.1),
        callbacks=[train.StopOnNonFinite()],
        checkpoints=tmp_path,
        checkpoint_every=1,
        log_every=1,
    )
    with pytest.raises(CheckError):
        trainer.fit([(X, Y, np.float32(s)) for s in steps], epochs=1)
    assert trainer.step == 3
    trainer.resume()
    assert trainer.step == 2 and np.isfinite(model.weight.numpy()).all()
