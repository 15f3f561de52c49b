"""Greedy and beam search of transformers, from the same random GPT-2."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import models
from tests.models.peers import transformers_class

PROMPT = np.array([[1, 2, 3, 4, 5], [6, 6, 0, 3, 9]])
CONFIG = models.GPT2Config(11, 40, 16, 2, 4, initializer_range=0.3)
NO_END: dict[str, Any] = {"eos_token_id": None, "pad_token_id": 0}


@pytest.fixture(scope="module")
def twins() -> Any:
    """The model of both, with the same numbers."""
    sizes = asdict(CONFIG)
    sizes.pop("dropout")
    config = transformers_class("gpt2.GPT2Config")(**sizes, bos_token_id=0, eos_token_id=0)
    import torch

    torch.manual_seed(1)
    theirs = transformers_class("gpt2.GPT2LMHeadModel")(config).double().eval()
    ours = models.GPT2(CONFIG, lm.float64).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def generated(theirs: Any, **options: Any) -> Any:
    import torch

    tokens = torch.tensor(PROMPT)
    return theirs.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        do_sample=False,
        return_dict_in_generate=True,
        **options,
    )


def test_greedy(twins: Any) -> None:
    ours, theirs = twins
    found = models.generate(ours, PROMPT, 20, temperature=0).numpy()
    expected = generated(theirs, max_new_tokens=20, **NO_END).sequences.numpy()
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found[:, 5:])) > 2


def test_greedy_until_a_token(twins: Any) -> None:
    ours, theirs = twins
    free = models.generate(ours, PROMPT, 20, temperature=0).numpy()
    end = int(free[0, 8])  # met early by one sequence at least
    found = models.generate(ours, PROMPT, 20, temperature=0, stop=end).numpy()
    options = {"max_new_tokens": 20, "eos_token_id": end, "pad_token_id": end}
    expected = generated(theirs, **options).sequences.numpy()
    np.testing.assert_array_equal(found, expected)
    assert (found[:, -1] == end).any()


@pytest.mark.parametrize("beams, penalty", [(4, 1.0), (5, 0.0)])
def test_beams(twins: Any, beams: int, penalty: float) -> None:
    ours, theirs = twins
    found, scores = models.beam_search(ours, PROMPT, 12, beams, length_penalty=penalty)
    expected = generated(
        theirs,
        max_new_tokens=12,
        num_beams=beams,
        num_return_sequences=beams,
        length_penalty=penalty,
        output_scores=True,
        **NO_END,
    )
    sequences = expected.sequences.numpy().reshape(2, beams, -1)
    np.testing.assert_array_equal(found.numpy(), sequences)
    np.testing.assert_allclose(
        scores.numpy().ravel(), expected.sequences_scores.numpy(), rtol=1e-5, atol=1e-5
    )
