"""Losses over vocabularies: draws, trees, probabilities, and what they learn."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn, optim
from lamina.nn.vocabulary import huffman

COUNTS = [50, 30, 9, 6, 3, 1, 1]
RNG = np.random.default_rng(0)


def test_negatives_are_drawn_by_the_power_of_their_counts() -> None:
    lm.random.seed(0)
    layer = nn.NegativeSampling(COUNTS, 3)
    drawn = np.bincount(lm.jit(lambda layer: layer.draw((200, 100)))(layer).numpy().ravel())
    wanted = np.array(COUNTS) ** 0.75
    wanted = 20_000 * wanted / wanted.sum()
    assert (abs(drawn - wanted) < 5 * np.sqrt(wanted)).all()


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jitted"])
def test_negative_sampling_is_the_loss_of_what_it_draws(jitted: bool) -> None:
    layer = nn.NegativeSampling(COUNTS, 3, negatives=4)
    layer.weight = lm.asarray(RNG.standard_normal((7, 3), dtype=np.float32))
    x, words = RNG.standard_normal((5, 3), dtype=np.float32), np.array([0, 6, 2, 2, 1])
    lm.random.seed(3)
    drawn = layer.draw((5, 4)).numpy()
    lm.random.seed(3)
    found = (lm.jit(nn.Module.__call__) if jitted else nn.Module.__call__)(layer, x, words)
    table = layer.weight.numpy()
    wanted = functional.negative_sampling_loss(x, table[words], table[drawn])
    assert float(found) == pytest.approx(float(wanted), rel=1e-6)
    lm.random.seed(4)
    assert float(layer(x, words)) != pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.parametrize("counts", [COUNTS, [1, 1], [1] * 9, RNG.integers(1, 500, 60).tolist()])
def test_codes_are_prefix_free_and_as_short_as_they_can_be(counts: list[int]) -> None:
    codes = huffman(counts)
    words = ["".join("1" if right else "0" for _, right in path) for path in codes]
    assert sum(2.0 ** -len(word) for word in words) == 1.0  # complete, by Kraft's equality
    assert not any(a != b and b.startswith(a) for a in words for b in words)
    heap, least = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:  # the least sum of count x length is the sum of all inner nodes
        both = heapq.heappop(heap) + heapq.heappop(heap)
        least += both
        heapq.heappush(heap, both)
    assert sum(count * len(word) for count, word in zip(counts, words)) == least


def test_probabilities_sum_to_one_and_the_loss_is_theirs() -> None:
    layer = nn.HierarchicalSoftmax(COUNTS, 4)
    layer.weight = lm.asarray(2 * RNG.standard_normal((6, 4), dtype=np.float32))
    x, words = RNG.standard_normal((7, 4), dtype=np.float32), np.arange(7)
    logs = layer.log_prob(lm.asarray(x)).numpy()
    np.testing.assert_allclose(np.exp(logs).sum(1), 1.0, rtol=1e-5)
    found, slope = lm.value_and_grad(lambda layer: layer(x, words))(layer)
    assert float(found) == pytest.approx(-logs[words, words].mean(), rel=1e-5)
    by_all = lm.grad(lambda layer: -layer.log_prob(x)[words, words].mean())(layer)
    np.testing.assert_allclose(slope.weight.numpy(), by_all.weight.numpy(), rtol=1e-4, atol=1e-6)


def test_a_tree_learns_how_often_words_occur() -> None:
    layer = nn.HierarchicalSoftmax(COUNTS, 1)
    words = np.repeat(np.arange(7), COUNTS)
    x = np.ones((100, 1), np.float32)
    optimizer = optim.Adam(layer, lr=0.1)

    @lm.jit
    def step(layer: nn.Module, optimizer: optim.Optimizer) -> lm.Tensor:
        loss, slopes = lm.value_and_grad(lambda layer: layer(x, words))(layer)
        optimizer.update(layer, slopes)
        return loss

    for _ in range(300):
        loss = step(layer, optimizer)
    found = np.exp(layer.log_prob(lm.ones((1, 1))).numpy())[0]
    np.testing.assert_allclose(found, np.array(COUNTS) / 100, atol=2e-3)
    share = np.array(COUNTS) / 100
    assert float(loss) == pytest.approx(-(share * np.log(share)).sum(), abs=1e-3)


@pytest.mark.parametrize("counts", [[5], [3, 0], [2, -1], [[1, 2]], [1.0, float("nan")]])
@pytest.mark.parametrize("layer", [nn.NegativeSampling, nn.HierarchicalSoftmax])
def test_counts_that_are_none(layer: type[nn.Module], counts: list[float]) -> None:
    with pytest.raises(lm.UsageError, match="counts are positive numbers"):
        layer(counts, 4)
