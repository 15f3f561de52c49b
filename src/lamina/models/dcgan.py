"""DCGAN: one network draws pictures, another one tells them from real ones, and both learn."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.base.errors import UsageError
from lamina.tensor import Tensor

_LEAST_SIDE = 8


class Generator(nn.Module):
    """Pictures from noise: transposed convolutions, each of which doubles the side.

    Args:
        noise: numbers a picture is made from.
        width: channels before the last layer; the first layer makes the most.
        channels: of the pictures.
        side: their height and width, a power of two.
        dtype: of the parameters.

    Shapes: `noise: [B, noise] -> [B, channels, side, side]`, each number in -1..1. The names of
    parameters are those of PyTorch's examples.

    Raises:
        UsageError: the side is no power of two, or less than 8.

    Example:
        >>> import lamina as lm
        >>> lm.models.Generator(noise=5, width=4, side=16)(lm.ones((2, 5))).shape
        (2, 3, 16, 16)

    Source: Radford, Metz and Chintala 2016, "Unsupervised representation learning with deep
    convolutional generative adversarial networks".
    """

    def __init__(
        self,
        noise: int = 100,
        width: int = 64,
        channels: int = 3,
        side: int = 64,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.noise = noise
        most = width * 2 ** (_doublings(side) - 1)
        parts: list[nn.Module] = [_grown(noise, most, 1, 0, dtype), _norm(most, dtype), nn.ReLU()]
        while most > width:
            parts += [_grown(most, most // 2, 2, 1, dtype), _norm(most // 2, dtype), nn.ReLU()]
            most //= 2
        self.main = nn.Sequential(*parts, _grown(width, channels, 2, 1, dtype), nn.Tanh())

    def forward(self, noise: Any) -> Tensor:
        return self.main(lm.reshape(lm.asarray(noise), (-1, self.noise, 1, 1)))

    def sample(self, count: int, key: Tensor | None = None) -> Tensor:
        """New pictures.

        Args:
            count: how many.
            key: where the noise comes from; the default generator when None.

        Shapes: `-> [count, channels, side, side]`
        """
        dtype = next(self.parameters()).dtype
        return self(lm.random.normal((count, self.noise), dtype=dtype, key=key))


class Discriminator(nn.Module):
    """How real pictures look: convolutions, each of which halves the side, and one logit.

    Args:
        width: channels after the first layer; each further one doubles them.
        channels: of the pictures.
        side: their height and width, a power of two.
        dtype: of the parameters.

    Shapes: `x: [B, channels, side, side] -> [B]`, logits of being real. The names of parameters are
    those of PyTorch's examples.

    Raises:
        UsageError: the side is no power of two, or less than 8.

    Example:
        >>> import lamina as lm
        >>> lm.models.Discriminator(width=4, side=16)(lm.ones((2, 3, 16, 16))).shape
        (2,)

    Source: Radford, Metz and Chintala 2016.
    """

    def __init__(self, width: int = 64, channels: int = 3, side: int = 64, dtype: Any = lm.float32):
        super().__init__()
        parts: list[nn.Module] = [_shrunk(channels, width, 2, 1, dtype), nn.LeakyReLU(0.2)]
        for _ in range(_doublings(side) - 1):
            parts += [_shrunk(width, 2 * width, 2, 1, dtype), _norm(2 * width, dtype)]
            parts.append(nn.LeakyReLU(0.2))
            width *= 2
        self.main = nn.Sequential(*parts, _shrunk(width, 1, 1, 0, dtype))

    def forward(self, x: Tensor) -> Tensor:
        return lm.reshape(self.main(x), (-1,))


def discriminator_loss(discriminator: Any, real: Any, made: Any) -> Tensor:
    """-mean log σ(D(real)) - mean log(1 - σ(D(made))): what the discriminator makes small.

    Shapes: `real, made: [B, channels, side, side] -> []`

    Source: Goodfellow et al. 2014, "Generative adversarial nets", equation 1.
    """
    told = functional.softplus(lm.negative(discriminator(lm.asarray(real))))
    return lm.add(lm.mean(told), lm.mean(functional.softplus(discriminator(lm.asarray(made)))))


def generator_loss(discriminator: Any, made: Any) -> Tensor:
    """-mean log σ(D(made)): what the generator makes small.

    Shapes: `made: [B, channels, side, side] -> []`

    Source: Goodfellow et al. 2014, section 3: the form whose gradient does not vanish early.
    """
    return lm.mean(functional.softplus(lm.negative(discriminator(lm.asarray(made)))))


def adversarial_step(
    generator: Any,
    discriminator: Any,
    generator_optimizer: Any,
    discriminator_optimizer: Any,
    real: Any,
    noise: Any,
) -> tuple[Tensor, Tensor]:
    """One step of both: the discriminator on real and made pictures, then the generator.

    Both see the same pictures. It may stand inside `jit`, as one program.

    Args:
        generator, discriminator: the networks, which are updated in place.
        generator_optimizer, discriminator_optimizer: of `lamina.optim`. The paper has Adam with a
            rate of 0.0002 and betas (0.5, 0.999).
        real: pictures in -1..1.
        noise: from the standard normal distribution.

    Returns:
        (loss of the discriminator, loss of the generator).

    Shapes: `real: [B, channels, side, side], noise: [B, noise] -> ([], [])`

    Example:
        >>> import lamina as lm
        >>> drawer = lm.models.Generator(noise=5, width=4, channels=1, side=8)
        >>> critic = lm.models.Discriminator(width=4, channels=1, side=8)
        >>> optimizers = [lm.optim.Adam(m, 2e-4, betas=(0.5, 0.999)) for m in (drawer, critic)]
        >>> step = lm.jit(lm.models.adversarial_step)
        >>> losses = step(drawer, critic, *optimizers, lm.zeros((4, 1, 8, 8)), lm.ones((4, 5)))
        >>> [loss.shape for loss in losses]
        [(), ()]

    Source: Goodfellow et al. 2014, algorithm 1, with one step of each.
    """
    made, pull = lm.vjp(lambda generator: generator(noise), generator)
    critic, gradients = lm.value_and_grad(discriminator_loss)(discriminator, real, made)
    discriminator_optimizer.update(discriminator, gradients)
    drawer, made_bar = lm.value_and_grad(generator_loss, argnums=1)(discriminator, made)
    (gradients,) = pull(made_bar)
    generator_optimizer.update(generator, gradients)
    return critic, drawer


def _doublings(side: int) -> int:
    """How often a side of 4 doubles."""
    if side < _LEAST_SIDE or side & (side - 1):
        raise UsageError(
            "DCGAN: the side of a picture is a power of two",
            [f"side:  {side}", f"least: {_LEAST_SIDE}"],
        )
    return side.bit_length() - 3


def _grown(inputs: int, outputs: int, stride: int, padding: int, dtype: Any) -> nn.ConvTranspose2d:
    layer = nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False, dtype=dtype)
    layer.weight = nn.init.normal(layer.weight, std=0.02)
    return layer


def _shrunk(inputs: int, outputs: int, stride: int, padding: int, dtype: Any) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 4, stride, padding, bias=False, dtype=dtype)
    layer.weight = nn.init.normal(layer.weight, std=0.02)
    return layer


def _norm(width: int, dtype: Any) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(width, dtype=dtype)
    layer.weight = nn.init.normal((width,), mean=1.0, std=0.02, dtype=dtype)
    return layer
