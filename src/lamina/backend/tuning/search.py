"""From the model's candidate by small steps to a faster one: a bounded search.

    measure the model's candidate, other ways, and all that differ in one setting
    as long as something was gained: all that differ from the best so far in one setting
    race the best against the model's

Each step takes candidates in the order of their estimates and leaves out what is estimated to be
far behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lamina.backend.compile import choices
from lamina.backend.compile.choices import Choice
from lamina.backend.schedule.candidates import Candidate, candidate
from lamina.backend.schedule.policies import ways
from lamina.backend.targets import Target
from lamina.backend.tuning.kernels import Kernel
from lamina.backend.tuning.trial import Trial, compile_trials, numbers_for, race, results, trial
from lamina.graph.ir import Graph

MOST_TRIALS = 40  # of one step
FAR = 2.0  # times the estimate of the model's candidate: not worth a measurement
COMPILE_S = 0.05  # of a candidate, about
RUNS = 6  # of each candidate, at least: to warm up, to compare results, to race
LEAST_GAIN = 0.02
STEP_GAIN = 0.01  # worth another step
STEP_SHARE = 0.25  # of the time that is left goes into one step
FINAL_SHARE = 0.3  # of all the time goes into the last race
LEAST_ROUNDS = 9  # of the last race
TOLERANCE = {"f16": 2e-2, "bf16": 6e-2, "f32": 1e-4, "c64": 1e-4, "f64": 1e-10, "c128": 1e-10}


@dataclass(frozen=True)
class Found:
    """What a search found for a kernel.

    Attributes:
        model: name of the model's candidate.
        best: name of the fastest; that of the model's where nothing beat it.
        model_s, best_s: their times.
        tried: how many candidates were measured.
        differing: candidates whose results differ from the model's: errors of the compiler.
        known: whether it was found in an earlier run.
    """

    kernel: Kernel
    model: str
    best: str
    model_s: float
    best_s: float
    tried: int
    differing: tuple[str, ...] = ()
    known: bool = False

    @property
    def gain(self) -> float:
        """The model's time over the best."""
        return self.model_s / self.best_s if self.best_s else 1.0


Note = Callable[[str], None]


def search(kernel: Kernel, target: Target, seconds: float, note: Note | None = None) -> Found:
    """Looks for a faster candidate of a kernel, for about so many seconds.

    Args:
        note: is told what is being done.
    """
    return _Search(kernel, target, seconds, note or (lambda text: None)).run()


def tune(
    kernels: Sequence[Kernel],
    target: Target,
    seconds: float,
    again: bool = False,
    note: Callable[[Kernel, str], None] | None = None,
) -> list[Found]:
    """Searches for each kernel and keeps what is found.

    Args:
        seconds: for each kernel.
        again: also for kernels that were searched before.
        note: is told what is being done.
    """
    found: list[Found] = []
    for kernel in kernels:
        key = choices.key_of(kernel.body)
        before = choices.known(target).found.get(key)
        if before is not None and not again:
            found.append(_before(kernel, target, before))
            continue
        one = search(kernel, target, seconds, partial(note, kernel) if note else None)
        found.append(one)
        name = one.best if one.best != one.model else ""
        choices.keep(target, {key: Choice(name, kernel.name[:100], one.model_s, one.best_s)})
    return found


def _before(kernel: Kernel, target: Target, choice: Choice) -> Found:
    model = ways(kernel.body, target)[0].name
    best = choice.name or model
    return Found(kernel, model, best, choice.model_s, choice.best_s, 0, known=True)


class _Search:
    def __init__(self, kernel: Kernel, target: Target, seconds: float, note: Note):
        self.kernel, self.target, self.note = kernel, target, note
        self.body: Graph = kernel.body
        self.ways = ways(self.body, target)
        self.start = time.perf_counter()
        self.seconds = seconds
        self.inputs = numbers_for(self.body)
        self.trials: dict[str, Trial] = {}
        self.names: set[str] = set()
        self.differing: list[str] = []
        self.model = self._trial(candidate(self.ways[0], {}))

    def run(self) -> Found:
        compile_trials([self.model], self.target)
        self.wanted = results(self.model, self.body, self.inputs)
        self.run_s = self.model.sample(self.inputs, 1)
        best = self.model
        others = [candidate(way, {}) for way in self.ways[1:]]
        while self._left_s() > FINAL_SHARE * self.seconds:
            before = best
            best = self._step(best, others)
            others = []
            if best is before or best.median_s > (1 - STEP_GAIN) * before.median_s:
                break
        best = self._final(best)
        model_s, best_s = self.model.median_s, best.median_s
        tried, name = len(self.trials), self.model.candidate.name
        differing = tuple(self.differing)
        return Found(self.kernel, name, best.candidate.name, model_s, best_s, tried, differing)

    def _left_s(self) -> float:
        return self.start + self.seconds - time.perf_counter()

    def _step(self, best: Trial, others: list[Candidate]) -> Trial:
        """The fastest of the best so far and what is around it."""
        fresh = self._fresh([*others, *best.candidate.neighbours()], self._affordable())
        self.note(f"compiling {len(fresh)} candidates")
        compile_trials(fresh, self.target)
        fresh = [one for one in fresh if self._agrees(one)]
        self.note(f"measuring {len(fresh)} candidates")
        best.samples_s.clear()
        race([best, *fresh], self.inputs, max(STEP_SHARE * self._left_s(), 0.0))
        return min((best, *fresh), key=lambda t: t.median_s)

    def _affordable(self) -> int:
        """How many candidates the time that is left allows to compile and to run a few times."""
        each = COMPILE_S + RUNS * self.run_s
        return max(1, min(MOST_TRIALS, int(self._left_s() / each)))

    def _fresh(self, candidates: Iterable[Candidate], most: int) -> list[Trial]:
        """Trials of candidates that are new and not hopeless, the best estimates first."""
        limit = FAR * self.model.candidate.estimate or 1.0
        new = [c for c in candidates if c.name not in self.names and c.estimate <= limit]
        found = []
        for one in sorted(new, key=lambda c: c.estimate):
            self.names.add(one.name)
            known = len(self.trials)
            made = self._trial(one)
            if len(self.trials) > known:
                found.append(made)
            if len(found) == most:
                break
        return found

    def _trial(self, one: Candidate) -> Trial:
        """The trial of a candidate; that of another one which comes to the same."""
        self.names.add(one.name)
        made = trial(self.body, one, self.target)
        return self.trials.setdefault(made.text, made)

    def _agrees(self, one: Trial) -> bool:
        """Whether a trial computes what the model's does, but for rounding."""
        made = results(one, self.body, self.inputs)
        for got, wanted, v in zip(made, self.wanted, self.body.outputs, strict=True):
            with np.errstate(all="ignore"):
                scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
                near = np.abs(got - wanted) <= TOLERANCE.get(str(v.dtype), 0.0) * scale
            same = near | (got == wanted) | (np.isnan(got) & np.isnan(wanted))
            if not same.all():
                self.differing.append(one.candidate.name)
                return False
        return True

    def _final(self, best: Trial) -> Trial:
        """The best if it beats the model's by more than the spread."""
        if best is self.model:
            return best
        self.note(f"{best.candidate.name} against the model's")
        for one in (self.model, best):
            one.samples_s.clear()
        left = max(min(FINAL_SHARE * self.seconds, self._left_s()), 0.0)
        race([self.model, best], self.inputs, left, LEAST_ROUNDS)
        ours, theirs = np.array(best.samples_s), np.array(self.model.samples_s)
        rounds = min(len(ours), len(theirs))
        ratios = ours[:rounds] / theirs[:rounds]
        wins = np.median(ratios) < 1 - LEAST_GAIN and np.quantile(ratios, 0.75) < 1
        return best if wins else self.model
