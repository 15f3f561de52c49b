"""Diffusion: noise is added in many small steps, and a network learns to take it away."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import functional, nn
from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor

_MOST_BETA = 0.999


def noise_schedule(name: str = "linear", steps: int = 1000) -> np.ndarray:
    """β of each step: the variance of the noise that it adds.

    Args:
        name: "linear", from 0.0001 to 0.02 for a thousand steps, and in proportion more for fewer;
            or "cosine", where ᾱ follows cos² and little is lost in the first steps.
        steps: their number T.

    Shapes: `-> float64[steps]`

    Raises:
        UsageError: there is no such schedule, or too few steps for it.

    Example:
        >>> float(noise_schedule("linear")[-1])
        0.02

    Source: Ho, Jain and Abbeel 2020, section 4; Nichol and Dhariwal 2021, "Improved denoising
    diffusion probabilistic models", section 3.2.
    """
    if name not in ("linear", "cosine"):
        raise UsageError(f"noise_schedule: no schedule {name!r}", ['there are: "linear", "cosine"'])
    if steps < 1 or (name == "linear" and 20.0 / steps > _MOST_BETA):
        raise UsageError("noise_schedule: too few steps", [f"steps: {steps}"])
    if name == "linear":
        return np.linspace(0.1 / steps, 20.0 / steps, steps)
    left = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * math.pi / 2) ** 2
    return np.minimum(1.0 - left[1:] / left[:-1], _MOST_BETA)


class Diffusion(nn.Module):
    """A network that tells the noise in x, how it learns that, and the way back from noise.

    x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε, where ᾱ_t is the product of 1 - β up to step t, counted from 0.

    Args:
        network: gives ε for `network(x_t, t, *given)`, such as `DiffusionUNet`.
        steps: their number T.
        schedule: of the noise; see `noise_schedule`.
        clip: what the network says about x_0 is brought into -clip..clip while sampling; left as
            it is when None.

    Example:
        >>> import lamina as lm
        >>> small = lm.models.DiffusionUNetConfig(1, 1, (4, 8), (False, True), norm_num_groups=2)
        >>> model = lm.models.Diffusion(lm.models.DiffusionUNet(small), steps=100)
        >>> model.loss(lm.ones((2, 1, 8, 8))).shape
        ()
        >>> model.eval().sample((2, 1, 8, 8), count=4, eta=0.0).shape
        (2, 1, 8, 8)

    Source: Ho, Jain and Abbeel 2020, "Denoising diffusion probabilistic models"; Song, Meng and
    Ermon 2021, "Denoising diffusion implicit models".
    """

    def __init__(
        self,
        network: nn.Module,
        steps: int = 1000,
        schedule: str = "linear",
        clip: float | None = 1.0,
    ):
        super().__init__()
        self.network = network
        self.steps = steps
        self.clip = clip
        left = np.cumprod(1.0 - noise_schedule(schedule, steps))
        self.register_buffer("left", lm.asarray(left), persistent=False)  # ᾱ

    def forward(self, x: Tensor, steps: Any, *given: Any) -> Tensor:
        return self.network(x, steps, *given)

    def noised(self, x: Any, steps: Any, noise: Any) -> Tensor:
        """√ᾱ x + √(1 - ᾱ) noise: the example after so many steps.

        Shapes: `x: [B, *S], steps: int[B], noise: [B, *S] -> [B, *S]`

        Source: Ho, Jain and Abbeel 2020, equation 4.
        """
        x = lm.asarray(x)
        left = lm.take(self.left, lm.asarray(steps), axis=0)
        left = lm.reshape(left, (-1, *(1,) * (x.ndim - 1)))
        kept = lm.astype(lm.sqrt(left), x.dtype)
        added = lm.astype(lm.sqrt(lm.subtract(1.0, left)), x.dtype)
        return lm.add(lm.multiply(kept, x), lm.multiply(added, noise))

    def loss(
        self, x: Any, *given: Any, steps: Any = None, noise: Any = None, key: Tensor | None = None
    ) -> Tensor:
        """The mean squared difference between noise and what the network says of it.

        Args:
            x: examples.
            given: what else the network is told, such as labels.
            steps: of each example; drawn evenly when None.
            noise: of each example; drawn from the standard normal distribution when None.
            key: where both come from; the default generator when None.

        Shapes: `x: [B, *S] -> []`

        Source: Ho, Jain and Abbeel 2020, equation 14.
        """
        x = lm.asarray(x)
        first, second = (None, None) if key is None else (lm.random.fold_in(key, i) for i in (0, 1))
        if steps is None:
            steps = lm.random.randint(0, self.steps, (x.shape[0],), key=first)
        if noise is None:
            noise = lm.random.normal(x.shape, dtype=x.dtype, key=second)
        told = self(self.noised(x, steps, noise), steps, *given)
        return functional.mse_loss(told, lm.asarray(noise, dtype=x.dtype))

    def step_back(
        self, x: Tensor, step: Any, before: Any, noise: Any, *given: Any, eta: Any = 1.0
    ) -> Tensor:
        """x at the step `before`, from x at `step`.

        The network's ε gives x_0, and both give x = √ᾱ' x_0 + √(1 - ᾱ' - σ²) ε + σ noise, with
        σ² = η² (1 - ᾱ') / (1 - ᾱ) (1 - ᾱ / ᾱ').

        Args:
            x: after `step` steps.
            step, before: their numbers; -1 is x_0.
            noise: from the standard normal distribution.
            given: what else the network is told.
            eta: 1 is DDPM with the variance of the posterior, 0 is DDIM, which adds no noise.

        Shapes: `x, noise: [B, *S] -> [B, *S]`

        Source: Song, Meng and Ermon 2021, equations 12 and 16.
        """
        x, step, before = lm.asarray(x), lm.asarray(step), lm.asarray(before)
        now = lm.take(self.left, step, axis=0)
        then = lm.take(self.left, lm.maximum(before, 0), axis=0)
        then = lm.where(lm.less(before, 0), lm.asarray(1.0, dtype=then.dtype), then)
        others = lm.divide(lm.subtract(1.0, then), lm.subtract(1.0, now))
        variance = lm.multiply(others, lm.subtract(1.0, lm.divide(now, then)))
        variance = lm.multiply(variance, lm.square(lm.asarray(eta, dtype=now.dtype)))
        rest = lm.maximum(lm.subtract(lm.subtract(1.0, then), variance), 0.0)
        kept, spread, ahead, beside, drawn = (
            lm.astype(lm.sqrt(part), x.dtype)
            for part in (now, lm.subtract(1.0, now), then, rest, variance)
        )
        told = self(x, lm.broadcast_to(step, x.shape[:1]), *given)
        clean = lm.divide(lm.subtract(x, lm.multiply(spread, told)), kept)
        if self.clip is not None:
            clean = lm.clip(clean, -self.clip, self.clip)
            told = lm.divide(lm.subtract(x, lm.multiply(kept, clean)), spread)
        mean = lm.add(lm.multiply(ahead, clean), lm.multiply(beside, told))
        return lm.add(mean, lm.multiply(drawn, noise))

    def stream(
        self,
        shape: Sequence[int],
        *given: Any,
        count: int | None = None,
        eta: float = 1.0,
        start: Any = None,
        noise: Any = None,
        key: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """x after each step on the way from noise to an example; arguments as in `sample`."""
        count = self.steps if count is None else count
        if not 1 <= count <= self.steps:
            raise UsageError(
                "Diffusion: more steps back than forth, or none",
                [f"count: {count}", f"steps: {self.steps}"],
            )
        shape = tuple(shape)
        if noise is not None and np.shape(noise) != (count, *shape):
            raise ShapeError(
                "Diffusion: there is not one noise for each step",
                [f"noise: {np.shape(noise)}", f"steps: {(count, *shape)}"],
            )
        dtype = next(self.parameters()).dtype
        draw = lambda i: lm.random.normal(
            shape, dtype=dtype, key=None if key is None else lm.random.fold_in(key, i)
        )
        x = draw(0) if start is None else lm.asarray(start, dtype=dtype)
        places = [i * self.steps // count for i in range(count)]
        for i, step in enumerate(reversed(places)):
            before = places[-2 - i] if i + 1 < count else -1
            z = draw(i + 1) if noise is None else lm.asarray(noise[i], dtype=dtype)
            x = _step_back(self, x, np.int64(step), np.int64(before), z, given, np.float64(eta))
            yield x

    def sample(
        self,
        shape: Sequence[int],
        *given: Any,
        count: int | None = None,
        eta: float = 1.0,
        start: Any = None,
        noise: Any = None,
        key: Tensor | None = None,
    ) -> Tensor:
        """Examples from noise: DDPM unless said otherwise, DDIM with `eta=0`.

        One compiled program serves all steps. Call `eval()` before.

        Args:
            shape: of the examples, the batch first.
            given: what else the network is told, such as labels.
            count: steps to take, evenly among all; each one when None.
            eta: share of the noise of DDPM that is added in each step.
            start: what there is before the first step; drawn when None.
            noise: of each step, the first one taken first; drawn when None.
            key: where both come from; the default generator when None.

        Shapes: `start: [*shape], noise: [count, *shape] -> [*shape]`

        Raises:
            UsageError: there are more steps to take than steps.
            ShapeError: there is not one noise for each step.

        Source: Ho, Jain and Abbeel 2020, algorithm 2; Song, Meng and Ermon 2021, section 4.
        """
        options: Any = {"count": count, "eta": eta, "start": start, "noise": noise, "key": key}
        *_, last = self.stream(shape, *given, **options)
        return last


@lm.jit
def _step_back(
    model: Diffusion, x: Tensor, step: Any, before: Any, noise: Any, given: Any, eta: Any
) -> Tensor:
    return model.step_back(x, step, before, noise, *given, eta=eta)
