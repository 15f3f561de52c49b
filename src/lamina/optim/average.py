"""Averages of the parameters on their way."""

from __future__ import annotations

import copy
from typing import TypeVar

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.optimizer import Parameters
from lamina.optim.state import Stateful
from lamina.tensor import Tensor

Model = TypeVar("Model", bound=Parameters)


class Averages(Stateful):
    """Averages of a model's parameters over the calls of `update`.

    They are kept in float32 where the parameters have fewer bits. The first call takes the
    parameters as they are.

    Attributes:
        average: by name of the parameter.
        steps: how many calls there were, 0-d int64.
    """

    def __init__(self, model: Parameters):
        self.steps = lm.zeros((), dtype=lm.int64)
        self.average = {
            name: lm.zeros_like(p, dtype=lm.result_type(p.dtype, lm.float32))
            for name, p in model.named_parameters()
            if p.dtype.is_float
        }

    def share(self, t: Tensor) -> Tensor:
        """How much of the average the new parameters are, after `t` calls; float64."""
        raise NotImplementedError

    def update(self, model: Parameters) -> None:
        """Take the parameters as they are now into the average; also inside `jit`.

        Raises:
            UsageError: the model has other parameters.
        """
        parameters = dict(model.named_parameters())
        missing = [name for name in self.average if name not in parameters]
        if missing:
            raise UsageError(
                f"{type(self).__name__}.update: the model lacks parameters",
                [f"missing: {', '.join(missing)}"],
                "make the average from this model",
            )
        t = lm.astype(self.steps, lm.float64)
        share = lm.where(lm.equal(self.steps, 0), lm.ones_like(t), self.share(t))
        for name, average in self.average.items():
            new = lm.astype(parameters[name], average.dtype)
            self.average[name] = average + lm.astype(share, average.dtype) * (new - average)
        self.steps = self.steps + 1

    def averaged(self, model: Model) -> Model:
        """A copy of the model with the averages as its parameters; buffers are the model's."""
        other = copy.deepcopy(model)
        dtypes = {name: p.dtype for name, p in other.named_parameters()}
        new = {name: lm.astype(a, dtypes[name]) for name, a in self.average.items()}
        other.set_parameters(new)
        return other


class EMA(Averages):
    """a = decay a + (1 - decay) p: the exponential moving average of the parameters.

    Args:
        model: whose parameters are averaged.
        decay: how much of the average stays.
        warmup: take min(decay, (1 + t) / (10 + t)) for the first ones, so that the average soon
            forgets where the parameters started.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(1, 1, bias=False)
        >>> ema = lm.optim.EMA(model, decay=0.5)
        >>> for value in (1.0, 2.0, 4.0):
        ...     model.weight = lm.asarray([[value]])
        ...     ema.update(model)
        >>> ema.averaged(model).weight
        Tensor([[2.75]], shape=(1, 1), dtype=float32)

    Source: Polyak and Juditsky 1992; the warm-up is TensorFlow's.
    """

    def __init__(self, model: Parameters, decay: float = 0.999, warmup: bool = False):
        if not 0.0 <= decay <= 1.0:
            raise UsageError("EMA: decay lies in 0..1", [f"decay: {decay}"])
        self.decay = decay
        self.warmup = warmup
        super().__init__(model)

    def share(self, t: Tensor) -> Tensor:
        if not self.warmup:
            return lm.full_like(t, 1.0 - self.decay)
        return 1.0 - lm.minimum((1.0 + t) / (10.0 + t), self.decay)


class SWA(Averages):
    """a = a + (p - a) / n: the mean of the parameters at n calls, usually one an epoch.

    Batch normalisation has measured for other parameters: let the averaged model see the training
    data once before it is evaluated.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(1, 1, bias=False)
        >>> swa = lm.optim.SWA(model)
        >>> for value in (1.0, 2.0, 6.0):
        ...     model.weight = lm.asarray([[value]])
        ...     swa.update(model)
        >>> swa.averaged(model).weight
        Tensor([[3.]], shape=(1, 1), dtype=float32)

    Source: Izmailov et al., "Averaging Weights Leads to Wider Optima", UAI 2018.
    """

    def share(self, t: Tensor) -> Tensor:
        return 1.0 / (t + 1.0)
