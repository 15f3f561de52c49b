"""word2vec: a vector for each word, learned from the words around it."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.base.errors import UsageError
from lamina.tensor import Tensor


class WordVectors(nn.Module):
    """Vectors of words, trained to predict their neighbours, or by their neighbours.

    Args:
        vocab_size: number of words V.
        width: D, of a vector.
        output: the loss of a word given a vector: `nn.NegativeSampling` or
            `nn.HierarchicalSoftmax`, or any module that is called as they are.
        dtype: of the vectors.

    Shapes: `words: integers [*I] -> [*I, D]`; `vectors.weight: [V, D]`.

    Example:
        >>> import lamina as lm
        >>> model = lm.models.WordVectors(5, 8, lm.nn.NegativeSampling([9, 7, 4, 2, 1], 8))
        >>> model.skip_gram(lm.asarray([0, 1]), lm.asarray([1, 0])).shape
        ()

    Source: Mikolov et al. 2013, "Efficient estimation of word representations in vector space";
    first values as in the authors' word2vec.c.
    """

    def __init__(self, vocab_size: int, width: int, output: nn.Module, dtype: Any = lm.float32):
        super().__init__()
        reach = 0.5 / width
        table = lm.random.uniform((vocab_size, width), -reach, reach, dtype=dtype)
        self.vectors = nn.Embedding.from_pretrained(table, freeze=False)
        self.output = output

    def forward(self, words: Tensor) -> Tensor:
        return self.vectors(words)

    def skip_gram(self, centre: Tensor, context: Tensor) -> Tensor:
        """The loss of a word of the context, given the word in its middle.

        Shapes: `centre, context: integers [N] -> []`.
        """
        return self.output(self.vectors(centre), context)

    def bag_of_words(self, context: Tensor, centre: Tensor) -> Tensor:
        """The loss of the word in the middle, given the mean of the words around it (CBOW).

        Shapes: `context: integers [N, W], -1 where there is no word; centre: integers [N] -> []`.
        """
        there = lm.astype(lm.expand_dims(lm.greater_equal(context, 0), axis=-1), lm.float32)
        vectors = lm.multiply(self.vectors(lm.maximum(context, 0)), there)
        count = lm.maximum(lm.sum(there, axis=1), 1.0)
        return self.output(lm.divide(lm.sum(vectors, axis=1), count), centre)

    def nearest(self, query: Any, k: int = 10) -> tuple[Tensor, Tensor]:
        """The words whose vectors point the way the query does, and the cosines, the best first.

        Args:
            query: a vector, such as `model(king) - model(man) + model(woman)`.
            k: how many.

        Shapes: `query: [D] or [N, D] -> integers [k] or [N, k], and the same of cosines`.

        Raises:
            UsageError: there are fewer words.
        """
        words = self.vectors.weight.shape[0]
        if not 1 <= k <= words:
            raise UsageError(f"nearest: there are {words} words", [f"k: {k}"])
        table = lm.matrix_transpose(functional.normalize(self.vectors.weight, axis=-1))
        cosines = lm.matmul(functional.normalize(lm.asarray(query), axis=-1), table)
        found, places = lm.top_k(cosines, k)
        return places, found
