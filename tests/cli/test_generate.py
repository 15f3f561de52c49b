"""`lamina generate`: the published story, models of transformers, streams, mistakes of users."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from lamina.cli import main
from lamina.cli.generate import pieces
from lamina.interop import Tokenizer
from tests.models.peers import transformers_class

TEXT = "the cat sat on the mat and the dog sat on the cat, héllo 猫 wörld! " * 20


@pytest.fixture(scope="module")
def stories() -> Path:
    folder = Path(os.environ.get("LAMINA_DATA", "")) / "models" / "stories260K"
    if not (folder / "stories260K.bin").is_file():
        pytest.skip("stories260K is not in LAMINA_DATA")
    return folder


def made(kind: str, folder: Path, words: int) -> Any:
    """A small model of transformers with random weights, written to the folder."""
    import torch

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "gpt2": {"vocab_size": words, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2},
        "llama": {
            "vocab_size": words,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 64,
            "rope_theta": 5000.0,
        },
    }[kind]
    sizes |= {"bos_token_id": 0, "eos_token_id": 0, "initializer_range": 0.4}
    config = {"gpt2": "gpt2.GPT2Config", "llama": "llama.LlamaConfig"}[kind]
    model = {"gpt2": "gpt2.GPT2LMHeadModel", "llama": "llama.LlamaForCausalLM"}[kind]
    peer = transformers_class(model)(transformers_class(config)(**sizes)).eval()
    peer.save_pretrained(folder, safe_serialization=True)
    return peer


@pytest.fixture(scope="module")
def words() -> Any:
    """A byte-level BPE of a hundred pieces beyond the bytes."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    coder = tokenizers.Tokenizer(tokenizers.models.BPE())
    coder.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    coder.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<end>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    coder.train_from_iterator([TEXT], trainer)
    return coder


def test_the_published_story(stories: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(stories / "stories260K.bin")
    assert main(["generate", model, "--temperature", "0", "--tokens", "40"]) == 0
    shown = capsys.readouterr()
    story = (stories / "expected-greedy.txt").read_text()
    assert len(shown.out) > 80 and story.startswith(shown.out.rstrip("\n"))
    assert shown.err.startswith("generate: 40 tokens, ") and shown.err.endswith(", greedy\n")


def test_a_seed_repeats_and_a_prompt_comes_from_a_pipe(
    stories: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["generate", str(stories / "stories260K.bin"), "--prompt", "-", "--tokens", "12"]
    said = []
    for seed in (3, 3, 4):
        monkeypatch.setattr("sys.stdin", io.StringIO("Tom had a red\n"))
        assert main([*command, "--seed", str(seed), "--top-k", "50", "--top-p", "0.95"]) == 0
        shown = capsys.readouterr()
        assert shown.out.startswith("Tom had a red") and shown.err.endswith(f", seed {seed}\n")
        said.append(shown.out)
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_models_of_transformers_say_the_same(
    kind: str, words: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    peer = made(kind, tmp_path, words.get_vocab_size())
    words.save(str(tmp_path / "tokenizer.json"))
    prompt = "the cat sat on the 猫"
    wanted = words.encode(prompt).ids
    with torch.no_grad():
        for _ in range(24):  # its own `generate` takes seconds to import
            wanted.append(int(peer(torch.tensor([wanted])).logits[0, -1].argmax()))
            if wanted[-1] == 0:
                break
    command = ["generate", str(tmp_path), "--prompt", prompt, "--temperature", "0"]
    assert main([*command, "--tokens", "24"]) == 0
    assert capsys.readouterr().out == words.decode(wanted) + "\n"


def test_a_letter_comes_whole_and_a_torn_one_at_the_end(words: Any) -> None:
    codec = Tokenizer(words)
    prompt, following = codec.encode("the "), codec.encode("wörld 龍")  # in bytes, not in pieces
    tokens = list(prompt)
    shown = list(pieces(codec, tokens, following))
    assert "".join(shown) == "the wörld 龍" and tokens == prompt + following
    assert not any("\ufffd" in text for text in shown) and "" in shown[1:-1]
    torn = list(pieces(codec, list(prompt), following[:-1]))
    assert "".join(torn) == "the wörld \ufffd"


def message(error: str) -> str:
    return error.split("\n  at ")[0].rstrip()


def test_a_setting_that_our_model_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(**config: Any) -> str:
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert main(["generate", str(tmp_path)]) == 1
        return message(capsys.readouterr().err)

    assert said(model_type="mamba") == (
        "UsageError: load_published: Lamina has no such language model\n"
        "  model_type: 'mamba'\n"
        "  known:      gpt2, llama"
    )
    assert "attention_bias: True" in said(model_type="llama", attention_bias=True)
    sizes = {"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4}
    assert "rope_type: 'yarn'" in said(**sizes, rope_scaling={"rope_type": "yarn"})
    assert "rope_type: 'llama3'" in said(**sizes, rope_parameters={"rope_type": "llama3"})
    assert "head_dim: 16" in said(**sizes, head_dim=16)
    assert "activation_function: 'relu'" in said(model_type="gpt2", activation_function="relu")
    (tmp_path / "config.json").write_text("{")
    assert main(["generate", str(tmp_path)]) == 1
    assert message(capsys.readouterr().err).startswith("FormatError: load_published: config.json")


def test_models_and_vocabularies_that_are_not_there(
    stories: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(tmp_path / "none.bin")]) == 1
    assert message(capsys.readouterr().err).startswith("UsageError: generate: there is no such")
    assert main(["generate", str(tmp_path)]) == 1
    assert "the folder has no config.json" in capsys.readouterr().err
    (tmp_path / "m.bin").write_bytes((stories / "stories260K.bin").read_bytes())
    assert main(["generate", str(tmp_path / "m.bin")]) == 1
    assert "beside it: none\n  help: name it with --tokenizer" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, said",
    [
        (["--temperature", "-1"], "argument --temperature: -1 is not a number from 0 on"),
        (["--top-p", "1.5"], "argument --top-p: 1.5 is not above 0 and at most 1"),
        (["--top-k", "0"], "argument --top-k: 0 is less than 1"),
        (["--tokens", "0"], "argument --tokens: 0 is less than 1"),
    ],
)
def test_options(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["generate", "model.bin", *options])
    assert capsys.readouterr().err.rstrip().endswith(f"lamina generate: error: {said}")
