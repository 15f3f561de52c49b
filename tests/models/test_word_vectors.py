"""word2vec: words of one subject come to point the same way, by either model and either output."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as lm
from lamina import models, nn, optim

SUBJECTS = 3  # of four words each, which occur with one another only
COUNTS = [1000] * 12


def sentences(count: int) -> np.ndarray:
    """Four words of one subject each.  Shapes: `[N, 4]`."""
    rng = np.random.default_rng(0)
    return 4 * rng.integers(SUBJECTS, size=(count, 1)) + rng.integers(4, size=(count, 4))


@pytest.mark.parametrize("output", [nn.NegativeSampling, nn.HierarchicalSoftmax])
@pytest.mark.parametrize("way", ["skip_gram", "bag_of_words"])
def test_words_of_one_subject_are_neighbours(way: str, output: type[nn.Module]) -> None:
    lm.random.seed(0)
    model = models.WordVectors(12, 8, output(COUNTS, 8))
    optimizer = optim.Adam(model, lr=0.03)

    def loss_of(model: models.WordVectors, words: lm.Tensor) -> lm.Tensor:
        if way == "skip_gram":
            return model.skip_gram(words[:, 0], words[:, 1])
        return model.bag_of_words(words[:, 1:], words[:, 0])

    @lm.jit
    def step(model: models.WordVectors, optimizer: optim.Optimizer, words: lm.Tensor) -> lm.Tensor:
        loss, slopes = lm.value_and_grad(loss_of)(model, words)
        optimizer.update(model, slopes)
        return loss

    text = sentences(3000)
    losses = [float(step(model, optimizer, text)) for _ in range(250)]
    assert losses[-1] < 0.85 * losses[0]
    found, cosines = model.nearest(model(lm.arange(12)), 4)
    assert (found[:, 0].numpy() == np.arange(12)).all()
    np.testing.assert_allclose(cosines[:, 0].numpy(), 1.0, rtol=1e-5)
    same = found.numpy() // 4 == np.arange(12)[:, None] // 4
    assert same.all()


def test_places_without_a_word_do_not_count() -> None:
    lm.random.seed(0)
    model = models.WordVectors(5, 3, nn.HierarchicalSoftmax([5, 4, 3, 2, 1], 3))
    model.output.weight = lm.asarray(np.random.default_rng(0).normal(size=(4, 3)), dtype=lm.float32)
    centre = np.array([2])
    whole = model.bag_of_words(np.array([[1, 3]]), centre)
    padded = model.bag_of_words(np.array([[1, -1, 3, -1, -1]]), centre)
    assert float(padded) == pytest.approx(float(whole), rel=1e-6)
    alone = model.bag_of_words(np.array([[-1, -1]]), centre)  # nothing around it
    assert float(alone) == pytest.approx(np.log(2) * int((model.output.signs[2] != 0).sum()))


def test_as_many_neighbours_as_words() -> None:
    model = models.WordVectors(5, 3, nn.NegativeSampling([1] * 5, 3))
    assert model.nearest(model(lm.asarray(0)), 5)[0].shape == (5,)
    with pytest.raises(lm.UsageError, match="nearest: there are 5 words"):
        model.nearest(model(lm.asarray(0)), 6)
