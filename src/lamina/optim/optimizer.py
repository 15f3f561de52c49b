"""What optimisers share: state for each parameter, and an update that works inside `jit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import lamina.tensor as lm
from lamina.base.errors import ShapeError, UsageError
from lamina.optim.group import Group, Members, divided
from lamina.optim.rate import Rate, as_rate, rate_at
from lamina.optim.rows import Move, RowGradient, State, move_rows, require_fit, require_whole
from lamina.optim.state import Stateful
from lamina.tensor import Tensor

Scalars = tuple[Tensor, ...]
Gradients = dict[str, Any]  # tensors, or gradients of rows


class Parameters(Protocol):
    """What an optimiser needs of a model; every `nn.Module` has it."""

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]: ...

    def set_parameters(self, new: Mapping[str, Tensor]) -> None: ...


class Optimizer(Stateful):
    """Updates the parameters of a module from gradients.

    A subclass says what a parameter's state is at first (`initial`), what all parameters of a step
    have in common (`scalars`), and how one of them moves (`step`).

    Args:
        model: whose parameters are updated.
        lr: learning rate; may be set at any time, also between jitted steps, without retracing.
            Or a schedule: a function of the steps taken so far, evaluated inside the program.
        weight_decay: how much of each parameter is added to its gradient or, where it is
            `decoupled`, taken away beside the step, times the learning rate.
        groups: parameters with rates or decay of their own.

    Attributes:
        steps: how many updates there were, 0-d int64.
        state: tensors by name of the parameter and name of the state.
        groups: the members of each group; the last one has the parameters that no group took.
        maximize: whether the loss is to rise: set it to True, and gradients count negatively.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(2, 1)
        >>> optimizer = lm.optim.SGD(model, lr=0.1)
        >>> def loss_of(model, x): return (model(x) ** 2).mean()
        >>> loss, grads = lm.value_and_grad(loss_of)(model, lm.ones((4, 2)))
        >>> optimizer.update(model, grads)
    """

    decoupled: bool = False
    decays_itself: bool = False  # `step` has the weight decay in its formula
    by_rows: bool = True  # `step` of some rows is that of the whole parameter there
    maximize: bool = False

    def __init__(
        self,
        model: Parameters,
        lr: Rate,
        weight_decay: float = 0.0,
        groups: Sequence[Group] = (),
    ):
        named = self._named(model, "takes the model whose parameters it updates")
        parameters = {name: p for name, p in named.items() if p.dtype.is_float}
        self.lr = lr
        self.weight_decay = weight_decay
        self.steps = lm.zeros((), dtype=lm.int64)
        self.groups = divided(type(self).__name__, groups, parameters)
        self.state: dict[str, State] = {
            name: self.initial(parameters[name])
            for members in self.groups
            if not members.frozen
            for name in members.names
        }

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.rate)

    @lr.setter
    def lr(self, value: Rate) -> None:
        self._lr = as_rate(type(self).__name__, value)

    @property
    def rate(self) -> Tensor:
        """The learning rate of the next step, a 0-d float64 tensor, also inside `jit`."""
        return rate_at(self._lr, self.steps)

    @property
    def schedule(self) -> Any:
        """The schedule that `lr` was set to, or None where it was a number."""
        return None if isinstance(self._lr, Tensor) else self._lr

    # ------------------------------------------------------------ what an optimiser is

    def initial(self, parameter: Tensor) -> State:
        """The state of a parameter before the first step."""
        raise NotImplementedError

    def begin(self) -> None:
        """Called once in each update, when `self.steps` counts it already."""

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        """What the parameters of a group have in common in this step, computed in float64.

        They reach `step` rounded to the dtype of the parameter, as in PyTorch.
        """
        return (lr,)

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        """The new parameter and its new state. `self.steps` already counts this step."""
        raise NotImplementedError

    # ------------------------------------------------------------ the update

    def update(self, model: Parameters, grads: Parameters | Mapping[str, Any]) -> None:
        """Move every parameter of `model` by its gradient.

        Args:
            model: the module given at construction, or one of the same structure.
            grads: what `lm.grad` returned for it, or gradients by name, among which may be a
                `RowGradient`; parameters without gradient stay.

        Raises:
            UsageError: the gradients are not those of the model, or the module has parameters
                that this optimiser does not know.
        """
        gradients = self.gradients_of(model, grads)
        parameters = dict(model.named_parameters())
        for name in [name for name in self.state if name not in parameters]:
            del self.state[name]  # the layer was deleted
        taken = self.steps
        self.steps = taken + 1
        self.begin()
        new: dict[str, Tensor] = {}
        for members in self.groups:
            mine = {n: gradients[n] for n in members.names if n in gradients}
            if mine and not members.frozen:
                self._update(members, taken, parameters, mine, new)
        model.set_parameters(new)

    def _update(
        self,
        members: Members,
        taken: Tensor,
        parameters: dict[str, Tensor],
        gradients: Gradients,
        new: dict[str, Tensor],
    ) -> None:
        lr = members.rate_at(taken, self._lr)
        decay = self.weight_decay if members.weight_decay is None else members.weight_decay
        scalars = self.scalars(lr, decay)
        if self.decays_itself:
            decay = 0.0
        if decay and self.decoupled:
            scalars = (*scalars, 1.0 - lr * decay)
        rounded: dict[Any, Scalars] = {}
        for name, gradient in gradients.items():
            parameter = parameters[name]
            dtype = parameter.dtype
            if dtype not in rounded:
                rounded[dtype] = tuple(lm.astype(s, dtype) for s in scalars)
            move = self._mover(rounded[dtype], decay)
            if isinstance(gradient, RowGradient):
                moved = move_rows(move, parameter, gradient, self.state[name])
            else:
                moved = move(parameter, lm.astype(gradient, dtype), self.state[name])
            new[name], self.state[name] = moved

    def _mover(self, scalars: Scalars, decay: float) -> Move:
        """The step with its weight decay, for a parameter or some rows of it."""

        def move(parameter: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
            gradient = -gradient if self.maximize else gradient
            if decay and self.decoupled:
                return self.step(parameter * scalars[-1], gradient, state, scalars[:-1])
            if decay:
                gradient = gradient + decay * parameter
            return self.step(parameter, gradient, state, scalars)

        return move

    # ------------------------------------------------------------ what it is given

    def _named(self, model: Parameters, problem: str) -> dict[str, Tensor]:
        if not hasattr(model, "named_parameters") or isinstance(model, type):
            raise UsageError(
                f"{type(self).__name__}: {problem}",
                [f"given: {type(model).__name__}"],
                "pass the module itself, not its parameters()",
            )
        return dict(model.named_parameters())

    def gradients_of(self, model: Parameters, grads: Any) -> Gradients:
        """The gradients by name of parameter.

        Raises:
            UsageError, ShapeError: they are not those of the model, as for `update`.
        """
        owner = f"{type(self).__name__}.update"
        parameters = self._named(model, "update takes the model and its gradients")
        given = _by_name(owner, grads)
        found = {n: given[n] for n in parameters if n in given}
        if not found and parameters:
            raise UsageError(
                f"{owner}: no gradient of any parameter",
                [f"gradients:  {', '.join(given) or 'none'}", f"parameters: {_some(parameters)}"],
                "pass what lm.grad returned for this model; not all of it can be frozen",
            )
        every = dict(model.named_parameters(remove_duplicate=False))
        foreign = [n for n in given if n not in every]
        if foreign:
            raise UsageError(
                f"{owner}: gradients of parameters that the model does not have",
                [f"unknown:    {', '.join(foreign)}", f"parameters: {_some(parameters)}"],
                "pass what lm.grad returned for this model",
            )
        unknown = [n for n in found if n not in self.state and not self._is_frozen(n)]
        if unknown:
            raise UsageError(
                f"{owner}: parameters that it was not made for",
                [f"unknown: {', '.join(unknown)}", f"known:   {', '.join(self.state)}"],
                "make the optimizer from this model",
            )
        if not self.by_rows:
            require_whole(owner, found)
        for n, gradient in found.items():
            if isinstance(gradient, RowGradient):
                require_fit(owner, n, gradient, parameters[n])
            elif gradient.shape != parameters[n].shape:
                raise ShapeError(
                    f"{owner}: the gradient of {n} has another shape",
                    [f"parameter: {parameters[n].type}", f"gradient:  {gradient.type}"],
                    "pass what lm.grad returned for this model",
                )
        return found

    def _is_frozen(self, name: str) -> bool:
        return any(members.frozen and name in members.names for members in self.groups)


def _by_name(owner: str, grads: Any) -> Gradients:
    """The gradients that are there, by name."""
    if isinstance(grads, Mapping):
        given: dict[str, Any] = dict(grads)
    elif hasattr(grads, "named_parameters") and not isinstance(grads, type):
        given = dict(grads.named_parameters(remove_duplicate=False))
    else:
        raise UsageError(
            f"{owner}: takes the gradients of the model",
            [f"given: {type(grads).__name__}"],
            "pass what lm.grad or lm.value_and_grad returned for the model",
        )
    return {name: gradient for name, gradient in given.items() if gradient is not None}


def _some(names: Mapping[str, Any]) -> str:
    """The names, at most eight of them."""
    shown = list(names)[:8]
    return ", ".join([*shown, "..."] if len(names) > len(shown) else shown)
