"""Text from a decoder, token by token: greedy, sampled, as a stream, and by beam search.

A decoder is a module with `new_cache(batch, size)`, `hidden(tokens, cache, count)`,
`logits(hidden)` and `most_tokens`, such as `Llama` and `GPT2`. The cache has a fixed size, so one
compiled step serves all tokens; a prompt is padded to a power of two, so few programs serve prompts
of all lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor

_CACHE_STEP = 64  # caches have a multiple of so many places
_LEAST_BLOCK = 8


def generate(
    model: Any,
    prompt: Any,
    max_new_tokens: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: int | Sequence[int] = (),
    key: Tensor | None = None,
) -> Tensor:
    """The prompt and the tokens that follow it.

    Args:
        model: a decoder.
        prompt: tokens.
        max_new_tokens: so many follow, or fewer when all sequences have met `stop`.
        temperature: logits are divided by it; 0 takes the largest.
        top_k: draw from the k largest logits only.
        top_p: draw from the fewest largest whose probabilities reach p together.
        stop: tokens that end a sequence; the first of them fills up sequences that ended.
        key: where randomness comes from; the default generator when None.

    Shapes: `prompt: [T] or [B, T] -> [T + N] or [B, T + N]`, with N at most `max_new_tokens`.

    Raises:
        UsageError: the model is not made for so many tokens.

    Example:
        >>> import lamina as lm
        >>> net = lm.models.LSTMLanguageModel(vocab_size=5, width=4)
        >>> lm.models.generate(net, [1, 2], 3, temperature=0).shape
        (5,)

    Source: Fan, Lewis and Dauphin 2018 for top_k; Holtzman et al. 2020 for top_p.
    """
    given = _tokens(prompt)
    made = list(
        stream(
            model,
            given,
            max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            stop=stop,
            key=key,
        )
    )
    whole = np.concatenate([given, *[np.reshape(t, (-1, 1)) for t in made]], axis=1)
    return lm.asarray(whole if np.ndim(prompt) == 2 else whole[0])


def stream(
    model: Any,
    prompt: Any,
    max_new_tokens: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: int | Sequence[int] = (),
    key: Tensor | None = None,
) -> Iterator[Any]:
    """The tokens that follow the prompt, one after the other as they are made.

    Args:
        model, prompt, max_new_tokens, temperature, top_k, top_p, stop, key: as in `generate`.

    Yields:
        An integer for a prompt `[T]`, an int64 array `[B]` for `[B, T]`.
    """
    tokens, alone = _tokens(prompt), np.ndim(prompt) < 2
    ends = (stop,) if isinstance(stop, int) else tuple(stop)
    if temperature < 0:
        raise UsageError("generate: a negative temperature", [f"temperature: {temperature}"])
    cache = model.new_cache(len(tokens), _places(model, tokens.shape[1], max_new_tokens))
    block, count = _padded(tokens, cache)
    done = np.zeros(len(tokens), bool)
    options = {"greedy": temperature == 0, "top_k": top_k, "narrow": top_p is not None}
    for i in range(max_new_tokens):
        share = 1.0 if top_p is None else float(top_p)
        chosen = _step(model, cache, block, count, temperature, share, key, i, **options)
        block, count = chosen, None
        now = chosen.numpy()[:, 0]
        if ends:
            now = np.where(done, ends[0], now)
            done |= np.isin(now, ends)
        yield int(now[0]) if alone else now
        if ends and done.all():
            return


def beam_search(
    model: Any,
    prompt: Any,
    max_new_tokens: int,
    beams: int = 4,
    *,
    length_penalty: float = 1.0,
    stop: int | Sequence[int] = (),
) -> tuple[Tensor, Tensor]:
    """Likely continuations of the prompt: those that stay among the best at every length.

    A sequence that met `stop` keeps its place among the beams with the probability it had.

    Args:
        model: a decoder.
        prompt: tokens.
        max_new_tokens: so many follow, or fewer when all beams have met `stop`.
        beams: how many sequences are kept.
        length_penalty: the score of a sequence is its log-probability, divided by the number of its
            new tokens to this power.
        stop: tokens that end a sequence; the first of them fills it up.

    Returns:
        (sequences, scores), the best first.

    Shapes: `prompt: [T] or [B, T] -> ([K, T + N], [K]) or ([B, K, T + N], [B, K])`

    Source: Graves 2012, "Sequence transduction with recurrent neural networks", section 2.6; the
    penalty after Wu et al. 2016.
    """
    tokens, alone = _tokens(prompt), np.ndim(prompt) < 2
    if beams < 1:
        raise UsageError("beam_search: there is at least one beam", [f"beams: {beams}"])
    ends = (stop,) if isinstance(stop, int) else tuple(stop)
    batch, length = tokens.shape
    cache = model.new_cache(batch * beams, _places(model, length, max_new_tokens))
    whole = np.repeat(tokens[:, None], beams, axis=1)  # (B, K, T)
    block, count = _padded(whole.reshape(-1, length), cache)
    scores: Any = np.full((batch, beams), -np.inf, np.float32)
    scores[:, 0] = 0.0  # all beams begin alike: one counts
    done: Any = np.zeros((batch, beams), bool)
    sizes = np.zeros((batch, beams), np.int64)
    for _ in range(max_new_tokens):
        block, scores, done_now, parent = _spread(
            model, cache, block, count, scores, done, beams=beams, ends=ends
        )
        count, rows = None, parent.numpy()
        old = np.take_along_axis(np.asarray(done), rows, axis=1)
        sizes = np.take_along_axis(sizes, rows, axis=1) + ~old
        whole = np.take_along_axis(whole, rows[..., None], axis=1)
        whole = np.concatenate([whole, block.numpy().reshape(batch, beams, 1)], axis=2)
        done = done_now.numpy()
        if done.all():
            break
    found = np.asarray(scores) / np.maximum(sizes, 1) ** length_penalty
    order = np.argsort(-found, axis=1, kind="stable")
    whole = np.take_along_axis(whole, order[..., None], axis=1)
    found = np.take_along_axis(found, order, axis=1).astype(np.float32)
    return (
        (lm.asarray(whole[0]), lm.asarray(found[0]))
        if alone
        else (
            lm.asarray(whole),
            lm.asarray(found),
        )
    )


def _next_logits(model: Any, cache: Any, block: Tensor, count: Any) -> Tensor:
    """Logits of the token after the `count` that count.  Shapes: `block: [B, T] -> [B, V]`."""
    hidden = model.hidden(block, cache, count)  # (B, T, C)
    if block.shape[1] > 1:
        last = [0, hidden.shape[1] - 1 if count is None else lm.subtract(count, 1), 0]
        hidden = lm.dynamic_slice(hidden, last, (hidden.shape[0], 1, hidden.shape[2]))
    return lm.astype(model.logits(hidden[:, 0]), lm.float32)


@lm.jit(static_argnames=("greedy", "top_k", "narrow"))
def _step(
    model: Any,
    cache: Any,
    block: Tensor,
    count: Any,
    temperature: Any,
    top_p: Any,
    key: Tensor | None,
    number: Any,
    *,
    greedy: bool,
    top_k: int | None,
    narrow: bool,
) -> Tensor:
    """The next token of each sequence.  Shapes: `block: [B, T] -> [B, 1]`."""
    logits = _next_logits(model, cache, block, count)
    if greedy:
        return lm.expand_dims(lm.argmax(logits, axis=-1), axis=1)
    logits = lm.divide(logits, lm.astype(lm.asarray(temperature), lm.float32))
    if top_k is not None:
        logits = functional.keep_top_k(logits, top_k)
    if narrow:
        logits = functional.keep_top_p(logits, lm.astype(lm.asarray(top_p), lm.float32))
    own = None if key is None else lm.random.fold_in(key, lm.asarray(number))
    return lm.expand_dims(lm.random.categorical(logits, key=own), axis=1)


@lm.jit(static_argnames=("beams", "ends"))
def _spread(
    model: Any,
    cache: Any,
    block: Tensor,
    count: Any,
    scores: Tensor,
    done: Tensor,
    *,
    beams: int,
    ends: tuple[int, ...],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best beams with one more token.

    Shapes: `block: [B K, T], scores, done: [B, K] -> ([B K, 1], [B, K], [B, K], [B, K])`: tokens,
    scores, which have ended, and which beam each goes on from.
    """
    scores, done = lm.asarray(scores), lm.asarray(done)
    logs = functional.log_softmax(_next_logits(model, cache, block, count))
    batch, words = scores.shape[0], logs.shape[-1]
    logs = lm.reshape(logs, (batch, beams, words))
    if ends:
        only = lm.where(lm.arange(words) == ends[0], 0.0, -np.inf)
        logs = lm.where(lm.expand_dims(done, axis=-1), only, logs)
    every = lm.reshape(lm.add(lm.expand_dims(scores, axis=-1), logs), (batch, beams * words))
    best, place = lm.top_k(every, beams)
    parent, token = lm.floor_divide(place, words), lm.remainder(place, words)
    ended = lm.take_along_axis(done, parent, axis=1)
    for end in ends:
        ended = lm.logical_or(ended, lm.equal(token, end))
    offset = lm.reshape(lm.multiply(lm.arange(batch), beams), (-1, 1))
    cache.reorder(lm.reshape(lm.add(parent, offset), (-1,)))
    return lm.reshape(token, (-1, 1)), best, ended, parent


def _tokens(prompt: Any) -> np.ndarray:
    tokens = np.atleast_2d(np.asarray(prompt)).astype(np.int64)
    if tokens.ndim != 2 or not tokens.shape[1]:
        raise ShapeError(
            "generate: the prompt is not one sequence of tokens, or several of one length",
            [f"prompt: {np.shape(prompt)}"],
            "begin with the token that begins a text",
        )
    return tokens


def _places(model: Any, length: int, more: int) -> int:
    """The size of the cache: enough, and seldom another one."""
    most = model.most_tokens
    if length + more > most:
        raise UsageError(
            "generate: the model is not made for so many tokens",
            [f"prompt: {length}", f"new:    {more}", f"most:   {most}"],
        )
    return min(most, -(-(length + more) // _CACHE_STEP) * _CACHE_STEP)


def _padded(tokens: np.ndarray, cache: Any) -> tuple[Any, Any]:
    """The prompt with zeros behind it, up to a power of two, and its own length as a tensor."""
    length = tokens.shape[1]
    if length == 1:
        return lm.asarray(tokens), None
    block = max(_LEAST_BLOCK, 1 << (length - 1).bit_length())
    block = min(block, cache.size)
    padded = np.pad(tokens, [(0, 0), (0, block - length)])
    return lm.asarray(padded), lm.asarray(np.array(length, np.int64))
