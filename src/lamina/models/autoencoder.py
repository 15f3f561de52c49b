"""Autoencoder: a network that says its input again after passing it through few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.tensor import Tensor


class Autoencoder(nn.Module):
    """decoder(encoder(x)), each linear layers with ReLU between them.

    Args:
        features: numbers of an example.
        widths: of the layers between the example and its code; the decoder has them reversed.
        code: numbers that an example is pressed into.
        noise: standard deviation of what is added to the input while training. The target stays
            clean, so a denoising autoencoder learns where examples lie.
        dtype: of the parameters.

    Shapes: `x: [*B, features] -> [*B, features]`

    Example:
        >>> import lamina as lm
        >>> net = lm.models.Autoencoder(6, widths=(4,), code=2)
        >>> net.encoder(lm.ones((3, 6))).shape, net(lm.ones((3, 6))).shape
        ((3, 2), (3, 6))

    Source: Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural
    networks"; Vincent et al. 2008, "Extracting and composing robust features with denoising
    autoencoders", for the noise.
    """

    def __init__(
        self,
        features: int = 784,
        widths: Sequence[int] = (128, 64),
        code: int = 32,
        noise: float = 0.0,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.noise = noise
        sizes = [features, *widths, code]
        self.encoder = _layers(sizes, dtype)
        self.decoder = _layers(sizes[::-1], dtype)

    def forward(self, x: Any, key: Tensor | None = None) -> Tensor:
        x = lm.asarray(x)
        if self.training and self.noise:
            x = lm.add(x, lm.random.normal(x.shape, std=self.noise, dtype=x.dtype, key=key))
        return self.decoder(self.encoder(x))

    def loss(self, x: Any, key: Tensor | None = None) -> Tensor:
        """The mean squared difference between an example and what is made of it.

        Args:
            x: examples.
            key: where the noise comes from; the default generator when None.

        Shapes: `x: [*B, features] -> []`
        """
        return functional.mse_loss(self(x, key), x)


def _layers(sizes: Sequence[int], dtype: Any) -> nn.Sequential:
    """Linear maps with ReLU between them."""
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        parts += [nn.Linear(inputs, outputs, dtype=dtype), nn.ReLU()]
    return nn.Sequential(*parts[:-1])
