"""SOAP."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.group import Group
from lamina.optim.moments import Moments
from lamina.optim.optimizer import Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor
from lamina.tensor.linalg import eigh, qr

_SIDES = ("left", "right")


class SOAP(Moments):
    """Adam in the eigenbasis of Shampoo's preconditioners.

    For a matrix, L = b L + (1-b) G Gᵀ and R = b R + (1-b) Gᵀ G with b = `shampoo_beta`, whose
    eigenvectors are the columns of P and Q. Adam's v is that of Pᵀ G Q and its step is taken there:
    p = p - lr P (Pᵀ m̂ Q / (sqrt(v̂) + eps)) Qᵀ. P and Q are found by `eigh` in the first step,
    which moves nothing, and follow by a step of power iteration, P = qr(L P), every `every` steps.
    Axes after the first count as one; parameters of fewer than two are Adam's; an axis of more
    than `largest` is not rotated. Weight decay shrinks p by `1 - lr weight_decay` first.

    Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", ICLR 2025,
    algorithm 3.
    """

    decoupled = True
    by_rows = False

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 3e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        shampoo_beta: float = 0.95,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        every: int = 10,
        largest: int = 10_000,
        groups: Sequence[Group] = (),
    ):
        if every < 1:
            raise UsageError("SOAP: every is at least 1", [f"every: {every}"])
        self.shampoo_beta = shampoo_beta
        self.every = every
        self.largest = largest
        super().__init__(model, lr, betas, eps, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        state = super().initial(parameter)
        if parameter.ndim < 2:
            return state
        for side, size in zip(_SIDES, _matrix_shape(parameter), strict=True):
            if size <= self.largest:
                state[f"{side}_gram"] = lm.zeros((size, size), dtype=parameter.dtype)
                state[f"{side}_basis"] = lm.eye(size, dtype=parameter.dtype)
        return state

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        # The first step of a matrix only measures, and Adam counts from the second one.
        t = lm.astype(self.steps, lm.float64)
        b1, b2 = self.betas
        plain = self._sizes(lr, t)
        later = lm.maximum(t - 1.0, 1.0)
        moves = lm.astype(lm.greater(t, 1.0), lm.float64)
        rotated = self._sizes(lr, later)
        return *plain, moves * rotated[0], rotated[1], moves * (1.0 - b1), moves * (1.0 - b2)

    def _sizes(self, lr: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        b1, b2 = self.betas
        root = lm.sqrt(1.0 - b2**t)
        return lr * root / (1.0 - b1**t), self.eps * root

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        step_size, eps, rotated_size, rotated_eps, first, second = scalars
        if parameter.ndim < 2:
            mean, square = self.moments(gradient, state)
            move = step_size * (mean / (lm.sqrt(square) + eps))
            return parameter - move, {"exp_avg": mean, "exp_avg_sq": square}
        g = lm.reshape(gradient, _matrix_shape(parameter))
        mean = lm.reshape(state["exp_avg"], g.shape)
        square = lm.reshape(state["exp_avg_sq"], g.shape)
        bases = [state.get(f"{side}_basis") for side in _SIDES]
        turned = _rotated(g, bases)
        mean = mean + first * (g - mean)
        square = square + second * (turned * turned - square)
        move = _rotated(mean, bases) / (lm.sqrt(square) + rotated_eps)
        move = rotated_size * _rotated(move, bases, back=True)
        new = {"exp_avg": mean, "exp_avg_sq": square}
        new = {name: lm.reshape(x, parameter.shape) for name, x in new.items()}
        return parameter - lm.reshape(move, parameter.shape), new | self._followed(g, state)

    def _followed(self, g: Tensor, state: State) -> State:
        """The preconditioners with this gradient in them, and their bases when it is time."""
        b = self.shampoo_beta
        new: State = {}
        for side in _SIDES:
            if f"{side}_gram" in state:
                x = g if side == "left" else lm.matrix_transpose(g)
                outer = lm.matmul(x, lm.matrix_transpose(x))
                gram = new[f"{side}_gram"] = b * state[f"{side}_gram"] + (1.0 - b) * outer
                new[f"{side}_basis"] = self._basis(gram, state[f"{side}_basis"])
        return new

    def _basis(self, gram: Tensor, basis: Tensor) -> Tensor:
        due = lm.equal(self.steps % self.every, 0)
        which = lm.where(lm.equal(self.steps, 1), 2, lm.astype(due, lm.int64))
        branches = [
            lambda gram, basis: basis,
            lambda gram, basis: qr(lm.matmul(gram, basis)).Q,
            lambda gram, basis: eigh(gram).eigenvectors,
        ]
        return lm.switch(which, branches, gram, basis)


def _matrix_shape(parameter: Tensor) -> tuple[int, int]:
    rows = parameter.shape[0]
    return rows, parameter.size // rows


def _rotated(x: Tensor, bases: Sequence[Tensor | None], back: bool = False) -> Tensor:
    """Pᵀ x Q, or P x Qᵀ; None is no rotation."""
    left, right = bases
    if left is not None:
        x = lm.matmul(left if back else lm.matrix_transpose(left), x)
    if right is not None:
        x = lm.matmul(x, lm.matrix_transpose(right) if back else right)
    return x
