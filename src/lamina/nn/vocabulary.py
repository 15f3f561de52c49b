"""Losses over large vocabularies that do not score every word: drawn negatives, a tree of words."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.nn.module import Module
from lamina.tensor import Tensor


class NegativeSampling(Module):
    """How badly `input` tells the word that was there from words drawn by chance.

    A word is drawn with a probability that grows as its count to a power. Negatives are drawn anew
    at each call, inside the program when it is jitted.

    Args:
        counts: how often each of the V words occurs.
        width: D, of the vectors.
        negatives: K, how many are drawn for each example.
        power: of the counts; 1 draws words as often as they occur, 0 all alike.
        dtype: of the vectors.

    Shapes: `input: [N, D], target: integers [N] -> []`; `weight: [V, D]`.

    Raises:
        UsageError: counts that are no counts.

    Example:
        >>> import lamina as lm
        >>> layer = lm.nn.NegativeSampling([5, 3, 1], 4)
        >>> layer(lm.ones((2, 4)), lm.asarray([0, 2]))  # the vectors begin at 0: 6 log 2
        Tensor(4.1589, shape=(), dtype=float32)

    Source: Mikolov et al. 2013, "Distributed representations of words and phrases and their
    compositionality", section 2.2.
    """

    def __init__(
        self,
        counts: Sequence[int],
        width: int,
        negatives: int = 5,
        power: float = 0.75,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        found = _counts("NegativeSampling", counts)
        self.negatives = negatives
        self.weight = lm.zeros((len(found), width), dtype=dtype)
        shares = np.cumsum(found**power)
        self.register_buffer("shares", lm.asarray((shares / shares[-1]).astype(np.float32)))

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Words by chance.  Shapes: `-> integers [*shape]`."""
        words = lm.searchsorted(self.shares, lm.random.uniform(shape), side="right")
        return lm.minimum(words, len(self.shares) - 1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        drawn = self.draw((input.shape[0], self.negatives))
        positive = functional.embedding(target, self.weight)
        return functional.negative_sampling_loss(
            input, positive, functional.embedding(drawn, self.weight)
        )

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}, negatives={self.negatives}"


class HierarchicalSoftmax(Module):
    """Minus the logarithm of the probability of a word that is found by decisions down a tree.

    The tree is that of Huffman's code of the counts, so frequent words take few decisions. At each
    inner node a vector says with the probability σ(input · vector) that the word is on the right.
    The probabilities of all words sum to 1, and a word costs about log V products instead of V.

    Args:
        counts: how often each of the V words occurs.
        width: D, of the vectors.
        dtype: of the vectors.

    Shapes: `input: [N, D], target: integers [N] -> []`; `weight: [V - 1, D]`.

    Raises:
        UsageError: fewer than two words, or counts that are no counts.

    Example:
        >>> import lamina as lm
        >>> layer = lm.nn.HierarchicalSoftmax([5, 1, 1], 4)
        >>> lm.exp(layer.log_prob(lm.ones((1, 4))))  # before training: 1/2 at every node
        Tensor([[0.5 , 0.25, 0.25]], shape=(1, 3), dtype=float32)

    Source: Morin and Bengio 2005, "Hierarchical probabilistic neural network language model";
    Huffman's tree as in Mikolov et al. 2013, section 2.1.
    """

    def __init__(self, counts: Sequence[int], width: int, dtype: Any = lm.float32):
        super().__init__()
        codes = huffman(_counts("HierarchicalSoftmax", counts).tolist())
        longest = max(len(path) for path in codes)
        nodes = np.zeros((len(codes), longest), np.int64)
        signs = np.zeros((len(codes), longest), np.float32)  # 0 behind the end of a path
        for word, path in enumerate(codes):
            nodes[word, : len(path)] = [node for node, _ in path]
            signs[word, : len(path)] = [1.0 if right else -1.0 for _, right in path]
        self.weight = lm.zeros((len(codes) - 1, width), dtype=dtype)
        self.register_buffer("nodes", lm.asarray(nodes))
        self.register_buffer("signs", lm.asarray(signs))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        nodes = functional.embedding(target, self.nodes)  # (N, L)
        signs = functional.embedding(target, self.signs)
        scores = lm.einsum("nd,nld->nl", input, functional.embedding(nodes, self.weight))
        return -lm.mean(lm.sum(_decisions(scores, signs), axis=-1))

    def log_prob(self, input: Tensor) -> Tensor:
        """The logarithm of the probability of every word.  Shapes: `[N, D] -> [N, V]`."""
        scores = lm.matmul(input, lm.matrix_transpose(self.weight))  # (N, V - 1)
        along = lm.take(scores, self.nodes, axis=1)  # (N, V, L)
        return lm.sum(_decisions(along, self.signs), axis=-1)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0] + 1}, {self.weight.shape[1]}"


def huffman(counts: Sequence[float]) -> list[list[tuple[int, bool]]]:
    """Huffman's code: for each word the inner nodes from the root down, and whether it is right.

    Inner nodes are numbered from 0 in the order in which they are made. Of equal counts those that
    came first are merged first, so the tree is the same every time.

    Source: Huffman 1952, "A method for the construction of minimum-redundancy codes".

    Example:
        >>> huffman([5, 1, 1])
        [[(1, True)], [(1, False), (0, False)], [(1, False), (0, True)]]
    """
    heap = [(count, word) for word, count in enumerate(counts)]
    heapq.heapify(heap)
    parent: dict[int, tuple[int, bool]] = {}
    for node in range(len(counts) - 1):
        (less, left), (more, right) = heapq.heappop(heap), heapq.heappop(heap)
        parent[left], parent[right] = (node, False), (node, True)
        heapq.heappush(heap, (less + more, len(counts) + node))
    codes = []
    for word in range(len(counts)):
        path, place = [], word
        while place in parent:
            path.append(parent[place])
            place = len(counts) + parent[place][0]
        codes.append(path[::-1])
    return codes


def _decisions(scores: Tensor, signs: Tensor) -> Tensor:
    """log σ(sign · score) of each decision, 0 where there is none."""
    return lm.where(lm.equal(signs, 0), 0.0, functional.logsigmoid(lm.multiply(signs, scores)))


def _counts(name: str, counts: Sequence[int]) -> np.ndarray:
    found = np.asarray(counts, np.float64)
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all() or found.min() <= 0:
        raise UsageError(
            f"{name}: counts are positive numbers, one for each of at least two words",
            [f"counts: {np.shape(counts)}"],
        )
    return found
