"""Trainer: a training loop that can be read, resumed, and taken apart.

The loop itself is `fit`. What it does in a step is `Step`, where it is in the data is known by the
batches, what is done beside it is done by callbacks; a loop of your own takes the same pieces.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import data, nn, saving
from lamina.base.errors import UsageError
from lamina.metrics import Metric
from lamina.optim.average import Averages
from lamina.tensor import random
from lamina.train.callbacks import Callback, Record
from lamina.train.interruption import Interruption
from lamina.train.seeds import undisturbed
from lamina.train.step import AnyOptimizer, Step, examples_in, programs_flops
from lamina.train.throughput import Throughput


class Trainer:
    """Trains a model: `fit`, `evaluate`, `predict`.

    Args:
        model: moved by the steps.
        loss_of: `loss_of(model, *batch)` gives the loss, or the loss and a dict of measures.
        optimizer: made of the model; `optim.LBFGS` makes its iterations on each batch, so give it
            all of the data as one.
        metrics: by name; evaluations update them with `model(*batch[:-1])` and `batch[-1]`.
        precision: "f32", "bf16" or "f16", see `Step`.
        accumulate: batches whose gradients are averaged for one step.
        clip_norm: the largest norm of all gradients together.
        average: of the parameters, made of the model, such as `optim.EMA`: updated after each
            step; evaluations and predictions are those of the averaged model.
        callbacks: called in order, see `Callback`.
        checkpoints: where to save, or the path of a folder; nothing is saved when None.
        checkpoint_every: steps between checkpoints; one after each epoch when None. Where the
            checkpoints keep the best, there is one after each evaluation too.
        evaluate_every: steps between evaluations; one after each epoch when None.
        log_every: steps between records.
        peak_flops_per_s: what the machine can do, as from `measured_peak`; records then have the
            utilisation, the share of it that the products of the steps reach.
        relaxed: liberties that the steps may take, such as "winograd", see `lamina.jit`.
        jit: compile; without it every operation runs by itself, which is for looking inside.

    Attributes:
        step: steps taken.
        epoch: epochs completed.
        total_steps: how many `fit` will have taken at its end; None when it does not know.
        record: the last numbers by name.
        stopped: why training stopped early; empty when it did not.

    Example:
        >>> import lamina as lm
        >>> import numpy as np
        >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
        >>> model = lm.nn.Linear(1, 1)
        >>> def loss_of(model, x, y): return ((model(x) - y) ** 2).mean()
        >>> trainer = Trainer(model, loss_of, lm.optim.SGD(model, lr=0.3))
        >>> record = trainer.fit(lm.data.Batches(x, 2 * x + 1, size=16, seed=0), epochs=50)
        >>> trainer.step, round(trainer.evaluate([(x, 2 * x + 1)])["loss"], 3)
        (200, 0.0)
    """

    def __init__(
        self,
        model: nn.Module,
        loss_of: Callable[..., Any],
        optimizer: AnyOptimizer,
        *,
        metrics: Mapping[str, Metric] | None = None,
        precision: str = "f32",
        accumulate: int = 1,
        clip_norm: float | None = None,
        average: Averages | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoints: saving.Checkpoints | str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        evaluate_every: int | None = None,
        log_every: int = 50,
        peak_flops_per_s: float | None = None,
        relaxed: Sequence[str] | str = (),
        jit: bool = True,
    ):
        counts = [accumulate, log_every, checkpoint_every, evaluate_every]
        if any(count is not None and count < 1 for count in counts):
            raise UsageError(
                "Trainer: steps and batches are counted from 1",
                [f"accumulate, log_every, checkpoint_every, evaluate_every: {counts}"],
            )
        self.model = model
        self.optimizer = optimizer
        self.train_step = Step(
            loss_of, precision=precision, clip_norm=clip_norm, relaxed=relaxed, jit=jit
        )
        self.metrics = dict(metrics or {})
        self.average = average
        self.accumulate = accumulate
        self.callbacks = list(callbacks)
        if checkpoints is not None and not isinstance(checkpoints, saving.Checkpoints):
            checkpoints = saving.Checkpoints(checkpoints)
        self.checkpoints = checkpoints
        self.checkpoint_every = checkpoint_every
        self.evaluate_every = evaluate_every
        self.log_every = log_every
        self.peak_flops_per_s = peak_flops_per_s
        self.step = 0
        self.total_steps: int | None = None
        self.record: Record = {}
        self.stopped = ""
        self._saved = -1  # the step of the last checkpoint
        self._evaluated_at = -1
        self._batches: Any = data.Replayed([])
        self._validation: Any = None
        self._since_log: list[dict[str, float | lm.Tensor]] = []
        self._speed = Throughput()
        self._flops: int | None = None
        compiled: Callable[..., Any] = lm.jit if jit else lambda f: f
        self._evaluated = compiled(self._evaluate_batch)
        self._predicted = compiled(lambda model, inputs: model(*inputs))
        self._take_average = compiled(lambda average, model: average.update(model))

    # ------------------------------------------------------------ the loop

    def fit(
        self,
        batches: Iterable[Any],
        *,
        epochs: int | None = None,
        steps: int | None = None,
        validation: Iterable[Any] | None = None,
        resume: bool = False,
    ) -> Record:
        """Train until so many epochs or steps are done in all, also counting those before.

        SIGINT and SIGTERM let the step end, save a checkpoint, and then do what they always do.

        Args:
            batches: gives the batches of an epoch in each loop: `data.Batches`, a list, or whatever
                is resumable. A batch is a tuple of the arguments of `loss_of` behind the model.
            epochs: when to stop; or
            steps: when to stop, whichever comes first.
            validation: batches for evaluations.
            resume: go on from the latest checkpoint, if there is one, to the bit as if training had
                never been interrupted.

        Returns:
            The last numbers by name.

        Raises:
            UsageError: no end is given, the loop over the batches is empty, or the checkpoint is of
                another run.
        """
        self._begin(batches, validation, epochs, steps)
        with Interruption() as interruption:
            try:
                if resume:
                    self.resume()
                self._call("on_start")
                self._speed.restart()
                while not self._is_done(epochs, steps):
                    for group in self._groups(steps):
                        self._take_step(group)
                        if self.stopped or interruption.signal is not None:
                            break
                    else:
                        self._end_epoch(steps)
                    if interruption.signal is not None:
                        break
                if self.step != self._saved:
                    self.save()
            finally:
                self._end()
            interruption.deliver()
        return self.record

    def _take_step(self, group: Sequence[Any]) -> None:
        """One step on one batch, or on several whose gradients are averaged."""
        measures = self.train_step(self.model, self.optimizer, *group)
        if self.average is not None:
            self._take_average(self.average, self.model)
        self.step += 1
        self._since_log.append(dict(measures))
        self._count(group)
        if self.step % self.log_every == 0:
            self._log()
        self._call("on_step")
        if self.evaluate_every and self.step % self.evaluate_every == 0:
            self._validate()
        due = self.checkpoint_every and self.step % self.checkpoint_every == 0
        if due or self._may_be_best():
            self.save()

    def _end_epoch(self, steps: int | None) -> None:
        """What follows the last batch of an epoch."""
        if steps is not None and self.step >= steps and self._batches.position:
            return  # it was the last step, amid the epoch
        if not self.evaluate_every:
            self._validate()
        self._call("on_epoch")
        if not self.checkpoint_every or self._may_be_best():
            self.save()

    def _may_be_best(self) -> bool:
        """Whether the checkpoint of this step could be the best one: it was just evaluated."""
        asked = self.checkpoints is not None and self.checkpoints.best is not None
        return asked and self.step == self._evaluated_at

    def _is_done(self, epochs: int | None, steps: int | None) -> bool:
        ended = epochs is not None and self.epoch >= epochs
        return ended or bool(self.stopped) or (steps is not None and self.step >= steps)

    def _groups(self, steps: int | None) -> Iterator[list[Any]]:
        """The batches of each step to come in this epoch."""
        began, taken = self._batches.position, self.step
        batches = iter(self._batches)
        while steps is None or self.step < steps:
            group = list(itertools.islice(batches, self.accumulate))
            if not group and began == 0 and self.step == taken:
                raise UsageError("fit: the batches are empty", [f"epoch: {self.epoch}"])
            if not group:
                return
            yield group

    def stop(self, why: str = "stopped by a callback") -> None:
        """Let `fit` end behind this step."""
        self.stopped = why

    # ------------------------------------------------------------ beginning and end

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self._batches.epoch

    def _begin(self, batches: Any, validation: Any, epochs: int | None, steps: int | None) -> None:
        if epochs is None and steps is None:
            raise UsageError("fit: no end is given", ["epochs: None", "steps: None"])
        if getattr(self._batches, "batches", self) is not batches:
            self._batches = data.resumable(batches)
        self._validation = validation
        self.stopped = ""
        per_epoch = len(batches) if hasattr(batches, "__len__") else None  # type: ignore[arg-type]
        ends = [steps] if steps is not None else []
        if epochs is not None and per_epoch is not None:
            ends.append(epochs * -(-per_epoch // self.accumulate))
        self.total_steps = min(ends) if ends else None

    def _end(self) -> None:
        self._call("on_end")
        if self.checkpoints is not None:
            self.checkpoints.wait()

    def _call(self, name: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, name)(self, *args)

    # ------------------------------------------------------------ records

    def _count(self, group: Sequence[Any]) -> None:
        if self._flops is None:  # the first step compiled, which is not its speed
            counted = self.peak_flops_per_s is not None
            parts = self.train_step, self.model, self.optimizer, group
            self._flops = programs_flops(*parts) if counted else 0
            self._speed.restart()
            return
        self._speed.count(sum(map(examples_in, group)), self._flops)

    def _log(self) -> None:
        """A record of the steps since the last one: the means of their measures, and the speed."""
        taken, self._since_log = _numbers(self._since_log), []
        means = {name: float(np.mean([m[name] for m in taken])) for name in taken[-1]}
        record: Record = {"step": self.step, "epoch": self.epoch, **means}
        record["lr"] = self.optimizer.lr
        if self._speed.steps:
            seconds = self._speed.seconds
            record["examples_per_s"] = self._speed.examples / seconds
            if self.peak_flops_per_s:
                record["utilisation"] = self._speed.flops / seconds / self.peak_flops_per_s
        self._speed.restart()
        self.record |= record
        self._call("on_log", record)

    def _validate(self) -> None:
        if self._validation is None:
            return
        with self._speed.paused():
            found = self.evaluate(self._validation)
        record: Record = {"step": self.step, "epoch": self.epoch}
        record |= {f"val_{name}": value for name, value in found.items()}
        self.record |= record
        self._evaluated_at = self.step
        self._call("on_log", record)
        self._call("on_evaluate", record)

    # ------------------------------------------------------------ evaluation

    def evaluate(self, batches: Iterable[Any]) -> Record:
        """The mean loss, the means of measures, and the metrics over all batches.

        The model is in evaluation mode meanwhile; what is drawn leaves the random state alone.

        Args:
            batches: as for `fit`.

        Raises:
            UsageError: there are none.
        """
        sums: dict[str, float] = {}
        count = 0
        for metric in self.metrics.values():
            metric.reset()
        model = self._evaluated_model()
        with _evaluating(model), undisturbed():
            for batch in batches:
                measures, prediction = self._evaluated(model, batch)
                examples = examples_in(batch)
                count += examples
                for name, value in measures.items():
                    sums[name] = sums.get(name, 0.0) + float(value) * examples
                for metric in self.metrics.values():
                    metric.update(prediction, batch[-1])
        if not count:
            raise UsageError("evaluate: there are no batches", ["examples: 0"])
        found = {name: total / count for name, total in sums.items()}
        return found | {name: metric.compute() for name, metric in self.metrics.items()}

    def predict(self, *inputs: Any) -> lm.Tensor:
        """`model(*inputs)` in evaluation mode, compiled."""
        model = self._evaluated_model()
        with _evaluating(model), undisturbed():
            return self._predicted(model, inputs)

    def _evaluated_model(self) -> nn.Module:
        if self.average is None or not self.step:
            return self.model
        return self.average.averaged(self.model)

    def _evaluate_batch(self, model: Any, batch: Any) -> tuple[Any, Any]:
        loss, measures = self.train_step.loss(model, batch)
        prediction = model(*batch[:-1]) if self.metrics else None
        return {"loss": loss, **measures}, prediction

    # ------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        """Everything that the steps to come depend on."""
        return {
            **self._parts(),
            "step": self.step,
            "stopped": self.stopped,
            "record": dict(self.record),
            "since_log": _numbers(self._since_log),
            "callbacks": {
                name: callback.state_dict()  # type: ignore[attr-defined]
                for name, callback in self._stateful().items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the model, the optimiser and the batches have to be of the same kind.

        Raises:
            UsageError, ShapeError, DTypeError: they are not.
        """
        parts = self._parts()
        missing = [name for name in parts if name not in state]
        if missing:
            raise UsageError(
                "Trainer: the state is of another run",
                [f"missing: {', '.join(missing)}"],
                "resume with the precision of before",
            )
        saving.put_back(parts, {name: state[name] for name in parts})
        self.step = int(state["step"])
        self.stopped = str(state["stopped"])
        self.record = dict(state["record"])
        self._since_log = [dict(taken) for taken in state["since_log"]]
        for name, callback in self._stateful().items():
            if name in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][name])  # type: ignore[attr-defined]

    def save(self) -> None:
        """Write a checkpoint of this step, where there is a place for them."""
        if self.checkpoints is not None:
            with self._speed.paused():
                fresh = self._evaluated_at == self.step
                known = {k: v for k, v in self.record.items() if fresh or not k.startswith("val_")}
                self.checkpoints.save(self.step, self, known)
            self._saved = self.step

    def resume(self) -> bool:
        """Go on from the latest checkpoint; whether there was one.

        Raises:
            UsageError: there is no place for checkpoints, or the latest is of another run.
            FormatError: it is damaged.
        """
        if self.checkpoints is None:
            raise UsageError("resume: no checkpoints are given", ["checkpoints: None"])
        if self.checkpoints.latest_step() is None:
            return False
        self.load_state_dict(self.checkpoints.load())
        self._saved = self.step
        return True

    def _parts(self) -> dict[str, Any]:
        """The objects of a run that have a state of their own."""
        parts = {
            "model": self.model,
            "optimizer": self.optimizer,
            "batches": self._batches,
            "random": random.default,
        }
        others = {"loss_scale": self.train_step.scale, "average": self.average}
        return parts | {name: part for name, part in others.items() if part is not None}

    def _stateful(self) -> dict[str, Callback]:
        return {
            f"{type(callback).__name__}.{i}": callback
            for i, callback in enumerate(self.callbacks)
            if hasattr(callback, "state_dict")
        }


class _evaluating:
    """`with _evaluating(model):` puts it in evaluation mode, and back as it was."""

    def __init__(self, model: nn.Module):
        self._modes = [(module, module.training) for module in model.modules()]

    def __enter__(self) -> None:
        for module, _ in self._modes:
            module.training = False

    def __exit__(self, *error: object) -> None:
        for module, mode in self._modes:
            module.training = mode


def _numbers(taken: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in measures.items()} for measures in taken]
