"""Wide & Deep: a linear model that remembers, beside a network that generalises."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import functional, nn
from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor

_HASH = 2_654_435_761  # Knuth's multiplicative hash: 2**32 over the golden ratio


class WideAndDeep(nn.Module):
    """One logit: a linear map of categories and pairs of them, plus a network of their embeddings.

    Args:
        sizes: number of categories of each field.
        numbers: how many plain numbers come with an example.
        crosses: pairs of fields whose combinations the linear part remembers.
        buckets: the most combinations of a pair that have weights of their own; where there are
            more, they share them by a hash.
        width: of the embedding of a field.
        hidden: widths of the layers of the deep part.
        dtype: of the parameters.

    Shapes: `categories: int[B, fields], values: [B, numbers] -> [B]`; the probability is its
    sigmoid. Parameters: `wide.weight` has a row for each category of each field, then for each
    combination; `embeddings.0.weight` is that of the first field, `deep.0.weight` sees the
    embeddings, then the numbers, and the bias of its last layer is that of the whole.

    Raises:
        UsageError: a pair names a field that does not exist.
        ShapeError: there are more or fewer fields or numbers than the model is made for.

    Example:
        >>> import lamina as lm
        >>> net = lm.models.WideAndDeep((3, 5), numbers=2, crosses=[(0, 1)], width=4, hidden=(8,))
        >>> net([[0, 4], [2, 1]], lm.ones((2, 2))).shape
        (2,)

    Source: Cheng et al. 2016, "Wide & deep learning for recommender systems"; the hash is Knuth's,
    The Art of Computer Programming, volume 3, section 6.4.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        numbers: int = 0,
        crosses: Sequence[tuple[int, int]] = (),
        buckets: int = 100_000,
        width: int = 32,
        hidden: Sequence[int] = (256, 128, 64),
        dtype: Any = lm.float32,
    ):
        super().__init__()
        for pair in crosses:
            if not all(0 <= field < len(sizes) for field in pair):
                raise UsageError(
                    "WideAndDeep: a cross of fields that do not exist",
                    [f"cross:  {pair}", f"fields: {len(sizes)}"],
                )
        self.sizes = tuple(sizes)
        self.numbers = numbers
        self.crosses = tuple(crosses)
        combinations = [min(sizes[i] * sizes[j], buckets) for i, j in crosses]
        self._columns = (*sizes, *combinations)
        self.wide = nn.Embedding(sum(self._columns), 1, dtype=dtype)
        self.wide.weight = lm.zeros(self.wide.weight.shape, dtype=dtype)
        self.embeddings = [nn.Embedding(size, width, dtype=dtype) for size in sizes]
        for table in self.embeddings:
            table.weight = lm.random.normal(table.weight.shape, std=width**-0.5, dtype=dtype)
        parts: list[nn.Module] = []
        for inputs, outputs in pairwise([len(sizes) * width + numbers, *hidden, 1]):
            parts += [nn.Linear(inputs, outputs, dtype=dtype), nn.ReLU()]
        self.deep = nn.Sequential(*parts[:-1])

    def forward(self, categories: Any, values: Any = None) -> Tensor:
        categories = lm.asarray(categories)
        given = 0 if values is None else lm.asarray(values).shape[-1]
        if categories.shape[1:] != (len(self.sizes),) or given != self.numbers:
            raise ShapeError(
                "WideAndDeep: other fields or numbers than the model is made for",
                [
                    f"categories: {categories.type}, made for {len(self.sizes)}",
                    f"numbers:    {given}, made for {self.numbers}",
                ],
            )
        wide = lm.sum(self.wide(self.columns(categories)), axis=(1, 2))
        parts = [table(categories[:, i]) for i, table in enumerate(self.embeddings)]
        if values is not None:
            parts.append(lm.asarray(values, dtype=wide.dtype))
        return lm.add(wide, self.deep(lm.concat(parts, axis=1))[:, 0])

    def columns(self, categories: Any) -> Tensor:
        """The rows of `wide` that an example has: of its categories, then of its combinations.

        Shapes: `categories: int[B, fields] -> int64[B, fields + crosses]`
        """
        categories = lm.astype(lm.asarray(categories), lm.int64)
        found = [categories[:, i] for i in range(len(self.sizes))]
        for (i, j), room in zip(self.crosses, self._columns[len(self.sizes) :]):
            place = lm.add(lm.multiply(found[i], self.sizes[j]), found[j])
            if self.sizes[i] * self.sizes[j] > room:
                hashed = lm.bitwise_and(lm.multiply(place, _HASH), 0xFFFF_FFFF)
                place = lm.remainder(hashed, room)
            found.append(place)
        first = np.cumsum([0, *self._columns[:-1]])
        return lm.add(lm.stack(found, axis=1), lm.asarray(first))

    def loss(self, categories: Any, values: Any, labels: Any) -> Tensor:
        """The cross entropy of labels that are 0 or 1, as the mean over the batch.

        Shapes: `categories: int[B, fields], values: [B, numbers] or None, labels: [B] -> []`
        """
        logits = self(categories, values)
        labels = lm.asarray(labels, dtype=logits.dtype)
        return functional.binary_cross_entropy_with_logits(logits, labels)
