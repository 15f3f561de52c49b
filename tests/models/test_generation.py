"""Generation: caches, sampling, streams, beams; and a published model's own text."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, models
from lamina.interop import llama2c
from lamina.models import generation
from tests.nn.test_errors import message

DATA = Path(os.environ.get("LAMINA_DATA") or Path(__file__).parents[3] / "shared" / "data")
STORIES = DATA / "models" / "stories260K"


def small(kind: str) -> Any:
    """A decoder of 7 tokens with weights large enough to prefer some."""
    lm.random.seed(4)
    model: Any = {
        "llama": lambda: models.Llama(
            models.LlamaConfig(7, 16, 24, 2, 4, 2, 64, initializer_range=0.5)
        ),
        "gpt2": lambda: models.GPT2(models.GPT2Config(7, 64, 16, 2, 4, initializer_range=0.3)),
        "lstm": lambda: models.LSTMLanguageModel(7, 16, 2),
    }[kind]()
    if kind == "lstm":
        model.set_parameters({n: p * 8.0 for n, p in model.named_parameters()})
    return model.eval()


KINDS = ["llama", "gpt2", "lstm"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_changes_nothing(kind: str) -> None:
    """Greedy tokens are those of the whole sequence computed anew, for each of two prompts."""
    model = small(kind)
    prompt = np.array([[1, 2, 3, 4, 5, 6, 0, 1, 2, 3], [3, 3, 2, 2, 1, 1, 0, 0, 6, 6]])
    found = models.generate(model, prompt, 12, temperature=0).numpy()
    assert found.shape == (2, 22)
    logits = lm.jit(lambda model, tokens: model(tokens))(model, found)
    np.testing.assert_array_equal(logits.numpy().argmax(axis=-1)[:, 9:-1], found[:, 10:])
    assert len(set(found[:, 10:].ravel().tolist())) > 1
    alone = models.generate(model, prompt[1], 12, temperature=0).numpy()
    np.testing.assert_array_equal(alone, found[1])


def test_one_program_serves_all_tokens_and_prompts() -> None:
    model = small("llama")
    generation._step.clear()
    for length in (9, 12, 16):
        models.generate(model, np.arange(length) % 7, 20, temperature=0.7)
    assert generation._step.signatures == 2  # the prompt, and one token


def test_a_stream_gives_tokens_as_they_are_made() -> None:
    model = small("llama")
    tokens = models.stream(model, [1, 2], 5, temperature=0)
    first = next(tokens)
    whole = models.generate(model, [1, 2], 5, temperature=0).tolist()
    assert [first, *tokens] == whole[2:]
    stop = whole[3]
    cut = whole[: whole.index(stop, 2) + 1]
    assert models.generate(model, [1, 2], 5, temperature=0, stop=stop).tolist() == cut
    rows = models.generate(model, [[1, 2], [3, 4]], 30, stop=[stop, 6]).numpy()
    for row in rows:
        ends = np.flatnonzero((row[2:] == stop) | (row[2:] == 6))
        assert not len(ends) or (row[2 + ends[0] + 1 :] == stop).all()


def test_keys_make_samples_repeatable() -> None:
    model = small("gpt2")
    make = lambda seed: models.generate(model, [1], 20, key=lm.random.key(seed)).tolist()
    assert make(0) == make(0)
    assert make(0) != make(1)


def test_filters_of_logits() -> None:
    p = np.array([0.05, 0.4, 0.1, 0.4, 0.05])
    logits = lm.asarray(np.log(np.stack([p, p[::-1]])))
    for k, left in ((1, [1, 3]), (2, [1, 3]), (3, [1, 2, 3]), (9, range(5))):
        kept = np.isfinite(functional.keep_top_k(logits, k).numpy())
        assert np.flatnonzero(kept[0]).tolist() == list(left)
    for share, left in ((0.0, [1, 3]), (0.8, [1, 3]), (0.85, [1, 2, 3]), (1.0, range(5))):
        kept = np.isfinite(functional.keep_top_p(logits, share - 1e-9).numpy())
        assert np.flatnonzero(kept[0]).tolist() == list(left), share
        assert (kept[0] == kept[1][::-1]).all()


def test_samples_follow_the_distribution() -> None:
    """First tokens of many sequences against softmax(logits / temperature), narrowed."""
    model = small("llama")
    count = 4000
    logits = model(lm.asarray([[1, 2]])).numpy()[0, -1].astype(np.float64)
    lm.random.seed(1)
    drawn = models.generate(model, np.tile([1, 2], (count, 1)), 1, temperature=2.0, top_k=4)
    order = np.argsort(-logits)[:4]
    p = np.zeros(7)
    p[order] = np.exp(logits[order] / 2)
    p /= p.sum()
    seen = np.bincount(drawn.numpy()[:, 2], minlength=7) / count
    assert (seen[p == 0] == 0).all()
    np.testing.assert_allclose(seen, p, atol=4 * 0.5 / np.sqrt(count))


def log_probability(model: Any, whole: np.ndarray, start: int) -> np.ndarray:
    """Of what follows the first `start` tokens of each row."""
    logs = functional.log_softmax(model(lm.asarray(whole))).numpy()
    chosen = np.take_along_axis(logs[:, :-1], whole[:, 1:, None], axis=2)[..., 0]
    return chosen[:, start - 1 :].sum(axis=1)


def test_beams_are_exhaustive_search_when_there_are_enough() -> None:
    model = small("llama")
    every = np.array([[1, 2, *rest] for rest in itertools.product(range(7), repeat=3)])
    scores = log_probability(model, every, 2)
    best = every[np.argsort(-scores)[:5]]
    found, value = models.beam_search(model, [1, 2], 3, 49)
    np.testing.assert_array_equal(found.numpy()[:5], best)
    np.testing.assert_allclose(value.numpy()[:5], np.sort(scores)[::-1][:5] / 3, atol=1e-5)
    greedy, _ = models.beam_search(model, [[1, 2], [4, 4]], 4, 1)
    expected = models.generate(model, [[1, 2], [4, 4]], 4, temperature=0)
    np.testing.assert_array_equal(greedy.numpy()[:, 0], expected.numpy())


def test_a_beam_that_ended_keeps_its_score() -> None:
    model = small("gpt2")
    found, value = models.beam_search(model, [1, 2], 6, 7, stop=[5, 6], length_penalty=0.0)
    ended = 0
    for row, score in zip(found.numpy(), value.numpy(), strict=True):
        ends = np.flatnonzero((row[2:] == 5) | (row[2:] == 6))
        last = 2 + ends[0] + 1 if len(ends) else len(row)
        ended += len(ends) > 0
        assert (row[last:] == 5).all()
        assert score == pytest.approx(log_probability(model, row[None, :last], 2)[0], abs=1e-4)
    assert ended


@pytest.mark.skipif(not STORIES.exists(), reason=f"no {STORIES}; LAMINA_DATA names the folder")
def test_the_text_of_a_published_model() -> None:
    model = models.Llama.from_llama2c(STORIES / "stories260K.bin")
    vocabulary = llama2c.read_vocabulary(STORIES / "tok512.bin", 512)
    expected = (STORIES / "expected-greedy.txt").read_text().strip()
    tokens = list(models.stream(model, [vocabulary.begin], 256, temperature=0))
    assert vocabulary.decode(tokens) == expected
    half = vocabulary.encode("Once upon a time, there was a little girl")
    later = models.generate(model, half, 200, temperature=0).tolist()
    assert expected.startswith(vocabulary.decode(later))


MESSAGES = [
    (
        lambda: models.generate(small("gpt2"), [1] * 60, 5),
        "UsageError: generate: the model is not made for so many tokens\n"
        "  prompt: 60\n  new:    5\n  most:   64",
    ),
    (
        lambda: models.generate(small("gpt2"), [], 5),
        "ShapeError: generate: the prompt is not one sequence of tokens, or several of one length\n"
        "  prompt: (0,)\n  help: begin with the token that begins a text",
    ),
    (
        lambda: models.generate(small("gpt2"), [1], 5, temperature=-1.0),
        "UsageError: generate: a negative temperature\n  temperature: -1.0",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
