"""Variational autoencoder: codes are distributions, so new examples can be drawn."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.tensor import Tensor


class VAE(nn.Module):
    """Logits of an example, from a code drawn from the normal distribution that it is given.

    Args:
        features: numbers of an example, each in 0..1.
        hidden: width of the layer between example and code.
        code: numbers of a code.
        dtype: of the parameters.

    Shapes: `x: [B, features] -> ([B, features], [B, code], [B, code])`: logits, mean and logarithm
    of the variance of the code. The names of parameters are those of PyTorch's examples.

    Example:
        >>> import lamina as lm
        >>> net = lm.models.VAE(features=6, hidden=4, code=2)
        >>> net.sample(3).shape, net.loss(lm.ones((5, 6))).shape
        ((3, 6), ())

    Source: Kingma and Welling 2014, "Auto-encoding variational Bayes".
    """

    def __init__(
        self, features: int = 784, hidden: int = 400, code: int = 20, dtype: Any = lm.float32
    ):
        super().__init__()
        self.fc1 = nn.Linear(features, hidden, dtype=dtype)
        self.fc21 = nn.Linear(hidden, code, dtype=dtype)
        self.fc22 = nn.Linear(hidden, code, dtype=dtype)
        self.fc3 = nn.Linear(code, hidden, dtype=dtype)
        self.fc4 = nn.Linear(hidden, features, dtype=dtype)

    def forward(
        self, x: Any, noise: Any = None, key: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encode(x)
        return self.decode(self.draw(mean, log_variance, noise, key)), mean, log_variance

    def encode(self, x: Any) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the code, each number by itself.

        Shapes: `x: [B, features] -> ([B, code], [B, code])`
        """
        h = functional.relu(self.fc1(lm.asarray(x)))
        return self.fc21(h), self.fc22(h)

    def draw(
        self, mean: Tensor, log_variance: Tensor, noise: Any = None, key: Tensor | None = None
    ) -> Tensor:
        """mean + exp(log_variance / 2) * noise, through which gradients pass to both.

        Args:
            mean, log_variance: of the codes.
            noise: numbers of the standard normal distribution; drawn when None.
            key: where they come from; the default generator when None.

        Shapes: `mean, log_variance: [B, code] -> [B, code]`
        """
        if noise is None:
            noise = lm.random.normal(mean.shape, dtype=mean.dtype, key=key)
        return lm.add(mean, lm.multiply(lm.exp(lm.multiply(log_variance, 0.5)), noise))

    def decode(self, code: Any) -> Tensor:
        """Logits of an example; their sigmoid is its numbers.

        Shapes: `code: [B, code] -> [B, features]`
        """
        return self.fc4(functional.relu(self.fc3(lm.asarray(code))))

    def loss(self, x: Any, noise: Any = None, key: Tensor | None = None) -> Tensor:
        """The negative evidence lower bound of an example, as the mean over the batch.

        The cross entropy of its numbers, and the divergence of its code's distribution from the
        standard normal one: -½ Σ (1 + log σ² - μ² - σ²).

        Shapes: `x: [B, features] -> []`

        Source: Kingma and Welling 2014, equation 10 and appendix B.
        """
        x = lm.asarray(x)
        logits, mean, log_variance = self(x, noise, key)
        said = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        spread = lm.subtract(lm.add(lm.square(mean), lm.exp(log_variance)), log_variance)
        divergence = lm.multiply(lm.sum(lm.subtract(spread, 1.0)), 0.5)
        return lm.divide(lm.add(said, divergence), x.shape[0])

    def sample(self, count: int, key: Tensor | None = None) -> Tensor:
        """New examples, from codes of the standard normal distribution.

        Shapes: `-> [count, features]`, each number in 0..1.
        """
        weight = self.fc3.weight
        code = lm.random.normal((count, weight.shape[1]), dtype=weight.dtype, key=key)
        return functional.sigmoid(self.decode(code))
