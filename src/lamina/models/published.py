"""Language models from the folders in which they are published: `config.json` and safetensors."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import FormatError, UsageError
from lamina.interop import load_weights, read_weights
from lamina.models.gpt2 import GPT2, GPT2Config
from lamina.models.llama import Llama, LlamaConfig

CONFIG = "config.json"
_ONLY: dict[str, dict[str, tuple[Any, ...]]] = {  # settings that our models do not vary
    "gpt2": {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "n_inner": (None,),
        "add_cross_attention": (False,),
    },
    "llama": {
        "hidden_act": ("silu",),
        "attention_bias": (False,),
        "mlp_bias": (False,),
    },
}


def load_published(path: str | os.PathLike[str], dtype: Any = lm.float32) -> GPT2 | Llama:
    """The model in a folder that `save_pretrained` of `transformers` wrote, ready to generate.

    Args:
        path: a folder with `config.json`, and `model.safetensors` or its shards.
        dtype: of the parameters; those in the file are converted.

    Raises:
        UsageError: the folder is none of a model, the model is of a kind that Lamina has not, or it
            has a setting that Lamina's has not.
        FormatError: a file is damaged.

    Example:
        >>> import json
        >>> import lamina as lm
        >>> sizes = {"vocab_size": 11, "n_positions": 16, "n_embd": 8, "n_layer": 1, "n_head": 2}
        >>> model = lm.models.GPT2(lm.models.GPT2Config(**sizes))
        >>> lm.interop.save_safetensors("model.safetensors", model.state_dict())
        >>> _ = Path("config.json").write_text(json.dumps({"model_type": "gpt2", **sizes}))
        >>> bool((load_published(".").lm_head.weight == model.lm_head.weight).all())
        True

    Source: the folders of https://huggingface.co/docs/transformers.
    """
    folder = Path(path)
    config = read_config(folder)
    kind = config.get("model_type")
    if kind not in _ONLY:
        raise UsageError(
            "load_published: Lamina has no such language model",
            [f"model_type: {kind!r}", f"known:      {', '.join(_ONLY)}"],
        )
    for name, values in _ONLY[kind].items():
        _require(config, name, values)
    if kind == "gpt2":
        model = GPT2(_sizes(GPT2Config, config), dtype)
        model.load_pretrained(read_weights(folder))
        return model.eval()
    llama = Llama(_sizes(LlamaConfig, _llama_settings(config)), dtype)
    load_weights(llama, folder)
    return llama.eval()


def read_config(folder: Path) -> dict[str, Any]:
    """The settings in `config.json`.

    Raises:
        UsageError: there is none.
        FormatError: it is not JSON, or no table of settings.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise UsageError(
            f"load_published: the folder has no {CONFIG}",
            [f"folder: {folder}"],
            "name the folder of a published model",
        )
    try:
        config = json.loads(file.read_bytes())
    except ValueError as error:
        raise FormatError(f"load_published: {CONFIG} is not JSON", [str(error)]) from None
    if not isinstance(config, dict):
        raise FormatError(f"load_published: {CONFIG} holds no settings", [f"file: {file}"])
    return config


def end_tokens(folder: Path) -> tuple[int, ...]:
    """The tokens that end a text, by `generation_config.json` or else by `config.json`."""
    more = folder / "generation_config.json"
    settings = read_config(folder)
    if more.is_file():
        settings |= json.loads(more.read_bytes())
    found = settings.get("eos_token_id")
    return () if found is None else (found,) if isinstance(found, int) else tuple(found)


def _llama_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Under the names of `LlamaConfig`, whichever version of transformers wrote them."""
    rotary = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rotary_kind = rotary.get("rope_type", rotary.get("type", "default"))
    if rotary_kind != "default":
        _require({"rope_type": rotary_kind}, "rope_type", ("default",))
    settings = {k: v for k, v in {**rotary, **config}.items() if v is not None}
    width, heads = settings["hidden_size"], settings["num_attention_heads"]
    _require(settings, "head_dim", (width // heads,))
    return {"num_key_value_heads": heads, **settings}


def _sizes(kind: Any, settings: Mapping[str, Any]) -> Any:
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in settings.items() if name in names})


def _require(settings: Mapping[str, Any], name: str, values: tuple[Any, ...]) -> None:
    """Refuse a setting that the model would pass over, with a wrong text as the result."""
    if name in settings and settings[name] not in values:
        raise UsageError(
            "load_published: Lamina's model has no such setting",
            [f"{name}: {settings[name]!r}", f"known: {', '.join(map(repr, values))}"],
        )
