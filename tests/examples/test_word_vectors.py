"""`examples/word_vectors.py` on a small language of our own, and its parts."""

from __future__ import annotations

import gzip
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "word_vectors.py"
ANIMALS, COLOURS = ["dog", "cat", "horse", "cow"], ["red", "blue", "green", "yellow"]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_word_vectors", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences about animals and sentences about colours, never about both."""
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice((ANIMALS, COLOURS)[i % 2], 6)) + "." for i in range(2000)]
    path = tmp_path_factory.mktemp("words") / "text.txt.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


@pytest.mark.parametrize("model", ["skip-gram", "bag-of-words"])
@pytest.mark.parametrize("output", ["negatives", "tree"])
def test_a_quick_run_finds_what_belongs_together(
    example: ModuleType,
    text: Path,
    model: str,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(example, "OFTEN", 1.0)  # among eight words all are frequent
    options = ["--text", str(text), "--model", model, "--output", output, "--width", "16"]
    assert example.main([*options, "--quick", "--lr", "0.03"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"pass 1/1: loss \d\.\d{3}, [\d,]+ examples/s", said)
    assert re.fullmatch(r"word_vectors: 8 words, \d+\.\d s", said.splitlines()[-1])
    for word, others in (("dog", ANIMALS), ("red", COLOURS)):
        (line,) = re.findall(rf"^  {word} +(.*)$", said, re.M)
        assert set(line.split(", ")[:3]) == set(others) - {word}


def test_windows_stay_in_their_sentence(example: ModuleType) -> None:
    rng = np.random.default_rng(0)
    text = np.array([0, 1, 2, -1, 3, 4, -1, 5, -1])
    corpus = example.Corpus(list("abcdef"), np.full(6, 1), text)
    seen = set()
    for _ in range(200):
        words, around = example.windows(corpus, rng)
        assert around.shape == (len(words), 2 * example.WINDOW)
        seen |= {(int(w), int(c)) for w, row in zip(words, around) for c in row if c >= 0}
    first = {(a, b) for a in range(3) for b in range(3) if a != b}
    assert seen == first | {(3, 4), (4, 3)}  # and the lonely 5 has no example


def test_frequent_words_are_left_out_more_often(example: ModuleType) -> None:
    text = np.tile([0, 0, 0, 0, 0, 0, 0, 1, 2, -1], 5000)
    corpus = example.Corpus(list("abc"), np.array([35000, 5000, 5000]), text)
    words, _ = example.windows(corpus, np.random.default_rng(0))
    kept = np.bincount(words, minlength=3) / corpus.counts
    assert kept[0] < 0.6 * kept[1]


def test_an_analogy_is_a_parallelogram(example: ModuleType) -> None:
    words = ["man", "boy", "woman", "girl", "dog"]
    corpus = example.Corpus(words, np.ones(5), np.array([-1]))
    model = example.models.WordVectors(5, 3, example.nn.NegativeSampling([1] * 5, 3))
    vectors = [[1.0, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [1, -1, -1]]
    model.vectors.weight = example.lm.asarray(vectors)
    assert example.analogy(corpus, model, "man", "boy", "woman") == ["girl", "dog"]
    assert example.neighbours(corpus, model, "man", 1) == ["boy"]


def test_a_picture(example: ModuleType, text: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib (extra: docs)")
    picture = tmp_path / "words.svg"
    options = ["--text", str(text), "--quick", "--batch", "256"]
    assert example.main([*options, "--picture", str(picture)]) == 0
    assert "<svg" in picture.read_text()


@pytest.mark.parametrize(
    "options, said",
    [
        (["--least", "100000"], "UsageError: word_vectors: too few words"),
        (["--batch", "1000000"], "UsageError: word_vectors: the text is shorter than a batch"),
        (["--text", "nowhere.txt"], "FileNotFoundError"),
    ],
)
def test_what_users_get_wrong(
    example: ModuleType,
    text: Path,
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert example.main(["--text", str(text), *options]) == 1
    assert capsys.readouterr().err.startswith(said)
