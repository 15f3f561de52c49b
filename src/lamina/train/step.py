"""One step of training as compiled programs: loss, gradients, clipping, update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lamina.tensor as lm
from lamina import nn, optim
from lamina.base import trees
from lamina.base.errors import UsageError
from lamina.optim.wrapped import Wrapped
from lamina.tensor import Tensor
from lamina.train.precision import LossScale, dtype_of, lowered, taken_if, tensors_of

Measures = dict[str, Tensor]
AnyOptimizer = optim.Optimizer | Wrapped | optim.LBFGS


class Step:
    """`step(model, optimizer, batch)` moves the model and gives the loss of the batch.

    Everything is one program; of several batches, whose gradients are averaged, each has one.

    Args:
        loss_of: `loss_of(model, *batch)` gives the loss, or the loss and a dict of measures. A
            batch that is no tuple and no list is one argument.
        precision: in which products are computed: "f32", "bf16", or "f16", where the loss is scaled
            and steps whose gradients overflow are left out.
        clip_norm: the largest norm of all gradients together.
        relaxed: liberties that the programs may take, as in `lamina.jit`.
        jit: compile; without it every operation runs by itself, which is for looking inside.

    Attributes:
        scale: the `LossScale` of "f16", else None.

    Raises:
        UsageError: there is no such precision or liberty, or the norm is not above 0.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(2, 1)
        >>> step = Step(lambda model, x: (model(x) ** 2).mean(), clip_norm=1.0)
        >>> measures = step(model, lm.optim.SGD(model, lr=0.1), (lm.ones((4, 2)),))
        >>> list(measures)
        ['loss', 'gradient_norm']
    """

    def __init__(
        self,
        loss_of: Callable[..., Any],
        *,
        precision: str = "f32",
        clip_norm: float | None = None,
        relaxed: Sequence[str] | str = (),
        jit: bool = True,
    ):
        if clip_norm is not None and not clip_norm > 0:
            raise UsageError("Step: the norm is above 0", [f"clip_norm: {clip_norm}"])
        self.loss_of = loss_of
        self.dtype = dtype_of(precision)
        self.clip_norm = clip_norm
        self.scale = LossScale() if precision == "f16" else None
        self.programs: list[Callable[..., Any]] = [self._whole, self._gradients, self._more]
        self.programs.append(self._update)
        self.searched: Callable[..., Any] = self._searched
        if jit:
            *others, update = self.programs
            self.programs = [lm.jit(f, relaxed=relaxed) for f in others]
            self.programs.append(lm.jit(update, static_argnames="count", relaxed=relaxed))
            self.searched = lm.jit(self._searched, relaxed=relaxed)

    def __call__(self, model: nn.Module, optimizer: AnyOptimizer, *batches: Any) -> Measures:
        """Take the gradients of the batches, and move the model once.

        Args:
            model: is moved; its parameters are in float32 where the precision is lower.
            optimizer: made of the model. `optim.LBFGS` is given the loss itself, the mean over the
                batches, and makes its iterations on them.
            batches: one as a rule; the gradients of several count alike.

        Returns:
            "loss" and the measures of `loss_of`, the means over the batches, "gradient_norm" where
            it is bounded and "loss_scale" where there is one: 0-d tensors.

        Raises:
            UsageError: gradients are to be bounded or scaled, and the optimizer takes the loss.
        """
        if isinstance(optimizer, optim.LBFGS):
            self._require_plain()
            return self.searched(model, optimizer, batches)
        whole, gradients, more, update = self.programs
        first, *others = batches
        if not others:
            return whole(model, optimizer, self.scale, first)
        total, measures = gradients(model, self.scale, first)
        for batch in others:
            total, measures = more(model, self.scale, batch, total, measures)
        return update(model, optimizer, self.scale, total, measures, len(batches))

    def _require_plain(self) -> None:
        if self.clip_norm is not None or self.scale is not None:
            raise UsageError(
                "Step: LBFGS takes the loss, whose gradients are its own",
                [f"clip_norm: {self.clip_norm}", f"loss scaled: {self.scale is not None}"],
                'leave clip_norm out, and take precision "f32" or "bf16"',
            )

    def _searched(self, model: Any, optimizer: optim.LBFGS, batches: Any) -> Measures:
        """A step of an optimiser that asks for the loss where it likes."""

        def loss_of(model: Any, batches: Any) -> Tensor:
            losses = [self.loss(model, batch)[0] for batch in batches]
            return lm.mean(lm.stack(losses))

        found = [self.loss(model, batch)[1] for batch in batches]
        loss = optimizer.update(model, loss_of, batches)
        means = {name: lm.mean(lm.stack([m[name] for m in found])) for name in found[0]}
        return {"loss": loss, **means}

    def _whole(self, model: Any, optimizer: Any, scale: Any, batch: Any) -> Measures:
        grads, measures = self._gradients(model, scale, batch)
        return self._update(model, optimizer, scale, grads, measures, 1)

    def _gradients(self, model: Any, scale: Any, batch: Any) -> tuple[Any, Measures]:
        def scaled(model: Any, batch: Any) -> tuple[Tensor, Measures]:
            loss, measures = self.loss(model, batch)
            return (loss if scale is None else loss * scale.value), measures | {"loss": loss}

        (_, measures), grads = lm.value_and_grad(scaled, has_aux=True)(model, batch)
        return grads, measures

    def loss(self, model: Any, batch: Any) -> tuple[Tensor, Measures]:
        """The loss of a batch in the precision of the step, and the measures of `loss_of`."""
        arguments = batch if isinstance(batch, tuple | list) else (batch,)
        if self.dtype is lm.float32:
            found = self.loss_of(model, *arguments)
        else:
            with lowered(model, self.dtype):
                found = self.loss_of(model, *arguments)
        loss, measures = found if isinstance(found, tuple) else (found, {})
        return loss, dict(measures)

    def _more(
        self, model: Any, scale: Any, batch: Any, total: Any, measures: Measures
    ) -> tuple[Any, Measures]:
        grads, others = self._gradients(model, scale, batch)
        return trees.map(_add, total, grads), {k: v + others[k] for k, v in measures.items()}

    def _update(
        self, model: Any, optimizer: Any, scale: Any, grads: Any, measures: Measures, count: int
    ) -> Measures:
        shown = {"loss": measures["loss"], **measures}  # the loss first
        if count != 1:
            grads = trees.map(lambda g: g / count, grads)
            shown = {name: value / count for name, value in shown.items()}
        if scale is not None:
            grads = trees.map(lambda g: g / scale.value, grads)
        norm = optim.global_norm(grads) if scale is not None else None
        before = tensors_of([model, optimizer]) if scale is not None else {}
        if self.clip_norm is not None:
            grads, norm = optim.clip_by_norm(grads, self.clip_norm)
            shown["gradient_norm"] = norm
        optimizer.update(model, grads)
        if scale is not None and norm is not None:
            finite = lm.isfinite(norm)
            taken_if(finite, [model, optimizer], before)
            shown["loss_scale"] = scale.value
            scale.adjust(finite)
        return shown


def _add(one: Tensor, other: Tensor) -> Tensor:
    return one + other


def examples_in(batch: Any) -> int:
    """How many examples a batch has: the first axis of its first array."""
    for leaf in trees.leaves(batch):
        if getattr(leaf, "shape", ()):
            return int(leaf.shape[0])
    return 1


def programs_flops(step: Step, model: Any, optimizer: Any, batches: Sequence[Any]) -> int:
    """Arithmetic of the products in a step on such batches, forward and backward together; 0 where
    it is not known before, as that of a line search."""
    whole, gradients, *_ = step.programs
    if not hasattr(whole, "graph") or isinstance(optimizer, optim.LBFGS):
        return 0
    if len(batches) == 1:
        return nn.graph_flops(whole.graph(model, optimizer, step.scale, batches[0]))
    return sum(nn.graph_flops(gradients.graph(model, step.scale, batch)) for batch in batches)
