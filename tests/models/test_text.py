"""GPT-2, Llama, BERT and T5: weights of transformers, its outputs, and a step of training."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, models
from tests.models.peers import close, falls, stirred, transformers_class

RNG = np.random.default_rng(0)
TOKENS = RNG.integers(2, 19, (2, 7))
MASK = np.array([[1] * 7, [1] * 4 + [0] * 3])
TARGET = RNG.integers(2, 19, (2, 6))
SINGLE = 2e-6  # transformers takes root mean squares in single precision

GPT2 = models.GPT2Config(19, n_positions=16, n_embd=12, n_layer=2, n_head=2)
LLAMA = models.LlamaConfig(
    vocab_size=19,
    hidden_size=16,
    intermediate_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=16,
)
BERT = models.BertConfig(19, 12, 2, 2, 20, max_position_embeddings=16)
T5 = models.T5Config(19, 12, 5, 20, 2, 1, 2, 8, 6)
GATED = models.T5Config(
    19, 12, 5, 20, 1, 2, 2, 8, 6, feed_forward_proj="gated-gelu", tie_word_embeddings=False
)


def twins(theirs: str, ours: Any, config: Any) -> tuple[Any, Any]:
    """The model of both, with the same numbers and the same names."""
    sizes = asdict(config)
    sizes.pop("dropout", None)
    sizes |= {"decoder_start_token_id": 0}
    made = transformers_class(f"{theirs.split('.')[0]}.{type(config).__name__}")(**sizes)
    their_model = stirred(transformers_class(theirs)(made))
    our_model = ours(config, dtype=lm.float64).eval()
    assert list(our_model.state_dict()) == list(their_model.state_dict())
    our_model.load_state_dict(their_model.state_dict())
    return our_model, their_model


@pytest.mark.parametrize(
    "theirs, ours, config, relative",
    [
        ("gpt2.GPT2LMHeadModel", models.GPT2, GPT2, 1e-9),
        ("llama.LlamaForCausalLM", models.Llama, LLAMA, SINGLE),
    ],
)
def test_decoders(theirs: str, ours: Any, config: Any, relative: float) -> None:
    our_model, their_model = twins(theirs, ours, config)
    import torch

    close(our_model(TOKENS), their_model(torch.tensor(TOKENS)).logits, relative)


@pytest.mark.parametrize(
    "theirs, ours",
    [
        ("bert.BertForMaskedLM", models.BertForMaskedLM),
        ("bert.BertForSequenceClassification", models.BertForSequenceClassification),
    ],
)
def test_encoders(theirs: str, ours: Any) -> None:
    our_model, their_model = twins(theirs, ours, BERT)
    import torch

    segments = (np.arange(7) > 2) + np.zeros((2, 1), int)
    given = [torch.tensor(a) for a in (TOKENS, MASK, segments)]
    close(our_model(TOKENS), their_model(given[0]).logits)
    close(our_model(TOKENS, MASK, segments), their_model(*given).logits)


def test_old_files_of_bert() -> None:
    """Without tied weights, with other names of norms, and with a pooler."""
    model = models.BertForMaskedLM(BERT)
    state = {n: t.numpy() for n, t in model.state_dict().items() if ".decoder." not in n}
    old = {n.replace("LayerNorm.weight", "LayerNorm.gamma"): a + 1 for n, a in state.items()}
    old["bert.pooler.dense.bias"] = np.zeros(12)
    model.load_pretrained(old)
    for name, array in state.items():
        np.testing.assert_array_equal(model.get_parameter(name).numpy(), array + 1)
    words = model.bert.embeddings.word_embeddings.weight
    assert model.cls["predictions"].decoder.weight is words


@pytest.mark.parametrize("config", [T5, GATED], ids=["relu", "gated"])
def test_encoder_and_decoder(config: models.T5Config) -> None:
    our_model, their_model = twins("t5.T5ForConditionalGeneration", models.T5, config)
    import torch

    source, mask, labels = (torch.tensor(a) for a in (TOKENS, MASK, TARGET))
    found = their_model(source, attention_mask=mask, labels=labels)
    logits = our_model(TOKENS, our_model.shifted(TARGET), MASK)
    close(logits, found.logits, SINGLE)
    loss = functional.cross_entropy(lm.reshape(logits, (-1, 19)), TARGET.ravel())
    close(loss, found.loss, SINGLE)


def test_generation() -> None:
    """The cache gives what the whole target gives; beams see the source they belong to."""
    lm.random.seed(1)
    model = models.T5(T5, lm.float64).eval()
    after = model.given(TOKENS, MASK)
    made = models.generate(after, [[0], [0]], 5, temperature=0).numpy()
    for length in range(1, 6):
        best = lm.argmax(model(TOKENS, made[:, :length], MASK)[:, -1], axis=-1)
        np.testing.assert_array_equal(best.numpy(), made[:, length])
    beams, scores = models.beam_search(after, [[0], [0]], 4, beams=3)
    logs = functional.log_softmax(model(TOKENS, beams.numpy()[:, 0, :-1], MASK)).numpy()
    chosen = np.take_along_axis(logs, beams.numpy()[:, 0, 1:, None], axis=2)
    np.testing.assert_allclose(scores.numpy()[:, 0], chosen.mean((1, 2)), atol=1e-5)


@pytest.mark.parametrize(
    "make, call",
    [
        (lambda: models.BertForMaskedLM(BERT), lambda model: model(TOKENS)),
        (lambda: models.T5(T5), lambda model: model(TOKENS[:, ::-1], model.shifted(TOKENS))),
    ],
    ids=["bert", "t5"],
)
def test_a_step_of_training(make: Any, call: Any) -> None:
    lm.random.seed(0)
    model = make().eval()

    def loss(model: Any) -> Any:
        return functional.cross_entropy(lm.reshape(call(model), (-1, 19)), TOKENS.ravel())

    falls(model, loss)
