"""The vectors that examples/word_vectors.py learns from captions of photographs."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[2] / "examples" / "word_vectors.py"


def draw() -> Any:
    """Some words in two principal components; None without the captions."""
    text = Path(os.environ.get("LAMINA_DATA", "")) / "multi30k" / "train.en.gz"
    if not text.is_file():
        return None
    example = runpy.run_path(str(EXAMPLE))
    options = example["options_of"](["--text", str(text)])
    corpus = example["read"](options.text, options.least)
    return example["draw"](corpus, example["train"](corpus, options))
