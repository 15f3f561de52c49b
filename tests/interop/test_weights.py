"""Published weights: one file, shards with an index, names that fit or do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import interop, models, nn
from tests.models.peers import transformers_class


def sharded(folder: Path, state: dict[str, Any], **changes: Any) -> Path:
    """The state in two files with an index."""
    names = list(state)
    places = {}
    for i, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{i}-of-00002.safetensors"
        interop.save_safetensors(folder / file, {name: state[name] for name in part})
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": places | changes}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_one_file_and_shards(tmp_path: Path) -> None:
    first, second = nn.LSTM(3, 4), nn.LSTM(3, 4)
    (tmp_path / "one").mkdir()
    interop.save_safetensors(tmp_path / "one/model.safetensors", first.state_dict())
    folder = sharded(tmp_path, first.state_dict())
    for path in (tmp_path / "one", tmp_path / "one/model.safetensors", folder):
        for parameter in second.parameters():
            assert parameter.size
        assert interop.load_weights(second, path) == ([], [])
        for one, other in zip(first.parameters(), second.parameters(), strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
        second = nn.LSTM(3, 4)


def test_a_model_of_transformers_loads(tmp_path: Path) -> None:
    kind = transformers_class("gpt2.GPT2LMHeadModel")
    torch = pytest.importorskip("torch")
    sizes = {"vocab_size": 19, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16}
    model = kind(kind.config_class(**sizes)).eval()
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "shards", max_shard_size="3KB")
    assert (tmp_path / "shards/model.safetensors.index.json").is_file()
    tokens = np.arange(7)[None]
    with torch.no_grad():
        wanted = model(torch.from_numpy(tokens)).logits.numpy()
    for folder in ("whole", "shards"):
        ours = models.GPT2(models.GPT2Config(**sizes)).eval()
        report = interop.load_weights(ours, tmp_path / folder)  # the tied lm_head is not there
        assert report == ([], [])
        np.testing.assert_allclose(ours(tokens).numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_names_that_do_not_fit(tmp_path: Path) -> None:
    state = nn.Linear(2, 2).state_dict()
    path = tmp_path / "a.safetensors"
    interop.save_safetensors(path, {"net.weight": state["weight"], "net.scale": lm.ones(2)})
    layer = nn.Linear(2, 2)
    with pytest.raises(lm.UsageError, match=r"unknown: net\.weight, net\.scale"):
        interop.load_weights(layer, path)
    with pytest.raises(lm.UsageError, match="missing: bias"):
        interop.load_weights(layer, path, prefix="net.")
    report = interop.load_weights(layer, path, prefix="net.", strict=False)
    assert report == (["bias"], ["scale"])
    np.testing.assert_array_equal(layer.weight.numpy(), state["weight"].numpy())


def test_an_index_that_lies(tmp_path: Path) -> None:
    state = nn.Linear(2, 2).state_dict()
    index = tmp_path / "model.safetensors.index.json"
    lies = {
        "no safetensors file beside it": {"x": "../model.safetensors"},
        "which is not there": {"x": "model-00003-of-00002.safetensors"},
        "has no x": {"x": "model-00001-of-00002.safetensors"},
        "no weight_map": {"x": 3},
    }
    for message, change in lies.items():
        with pytest.raises(lm.FormatError, match=message):
            interop.load_safetensors(sharded(tmp_path, state, **change))
    index.write_text("{")
    with pytest.raises(lm.FormatError, match="cannot be read"):
        interop.load_safetensors(tmp_path)
    index.unlink()
    with pytest.raises(lm.UsageError, match="the folder holds no weights"):
        interop.load_safetensors(tmp_path)
    (tmp_path / "bare").write_bytes(b"no format at all")
    with pytest.raises(lm.FormatError):
        interop.read_weights(tmp_path / "bare")
