"""A GPT that learns Shakespeare letter by letter, beside PyTorch's on the same batches if asked.

    python examples/char_gpt.py            4 layers, 128 wide, 64 letters: minutes on two cores
    python examples/char_gpt.py --peer     the same network in PyTorch beside it
    python examples/char_gpt.py --full     6 layers, 384 wide, 6 heads, 256 letters, batch 64
    python examples/char_gpt.py --full --batch 8 --steps 60 --peer

FOLDER holds input.txt, the million letters of tiny Shakespeare; the last tenth is for validation.
The peer begins with the same weights and takes the same steps with `torch.optim.AdamW`.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress, TextColumn

import lamina as lm
from lamina import functional, models, optim

WARMUP = 0.05  # of all steps, while the learning rate rises
BETAS = (0.9, 0.99)
WEIGHT_DECAY = 0.1
FULL = {"layers": 6, "width": 384, "heads": 6, "block": 256, "batch": 64}
QUICK = {"layers": 1, "width": 32, "heads": 2, "block": 32, "batch": 8, "steps": 60, "windows": 64}


class Letters:
    """A text as numbers of its letters, cut into a part to learn from and one to validate with."""

    def __init__(self, text: str):
        self.letters = sorted(set(text))
        number = {letter: i for i, letter in enumerate(self.letters)}
        tokens = np.array([number[letter] for letter in text])
        self.train, self.validation = np.split(tokens, [int(0.9 * len(tokens))])

    def text(self, tokens: Sequence[int]) -> str:
        """The letters of tokens."""
        return "".join(self.letters[t] for t in tokens)


def windows(tokens: np.ndarray, starts: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """`block` letters from each start, and the letter after each.  Shapes: `[B, T], [B, T]`"""
    found = tokens[starts[:, None] + np.arange(block + 1)]
    return found[:, :-1], found[:, 1:]


def loss_of(model: models.GPT2, x: Any, y: Any) -> lm.Tensor:
    """Mean cross entropy of the next letter, in nats."""
    logits = model(x)  # (B, T, V)
    return functional.cross_entropy(
        lm.reshape(logits, (-1, logits.shape[-1])), lm.reshape(y, (-1,))
    )


@lm.jit
def step(model: models.GPT2, optimizer: optim.Optimizer, x: Any, y: Any) -> lm.Tensor:
    """One training step, compiled to one native call."""
    loss, grads = lm.value_and_grad(loss_of)(model, x, y)
    optimizer.update(model, grads)
    return loss


evaluate = lm.jit(loss_of)


class Peer:
    """The same network in PyTorch, from the same weights."""

    def __init__(self, model: models.GPT2):
        try:
            import torch
        except ImportError as error:
            raise SystemExit(f"--peer needs PyTorch ({error})") from None
        self.torch = torch
        self.config = model.config
        self.parameters = {
            name: torch.tensor(p.numpy(), requires_grad=True)
            for name, p in model.named_parameters()
        }
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), betas=BETAS, weight_decay=WEIGHT_DECAY
        )

    def step(self, x: np.ndarray, y: np.ndarray, lr: float) -> float:
        """One training step; its loss."""
        self.optimizer.param_groups[0]["lr"] = lr
        loss = self._loss(x, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> float:
        """The loss without learning."""
        with self.torch.no_grad():
            return self._loss(x, y).item()

    def _loss(self, x: np.ndarray, y: np.ndarray) -> Any:
        logits = self._logits(self.torch.from_numpy(x)).flatten(0, 1)
        return self.torch.nn.functional.cross_entropy(logits, self.torch.from_numpy(y).flatten())

    def _logits(self, x: Any) -> Any:
        f, p = self.torch.nn.functional, self.parameters

        def norm(h: Any, name: str) -> Any:
            return f.layer_norm(h, h.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])

        def linear(h: Any, name: str) -> Any:
            return h @ p[f"{name}.weight"] + p[f"{name}.bias"]

        h = f.embedding(x, p["transformer.wte.weight"])
        h = h + p["transformer.wpe.weight"][: x.shape[1]]  # (B, T, C)
        for i in range(self.config.n_layer):
            at = f"transformer.h.{i}"
            parts = linear(norm(h, f"{at}.ln_1"), f"{at}.attn.c_attn").chunk(3, dim=-1)
            q, k, v = (a.unflatten(-1, (self.config.n_head, -1)).transpose(1, 2) for a in parts)
            heads = f.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, T, C / H)
            h = h + linear(heads.transpose(1, 2).flatten(2), f"{at}.attn.c_proj")
            inner = f.gelu(linear(norm(h, f"{at}.ln_2"), f"{at}.mlp.c_fc"), approximate="tanh")
            h = h + linear(inner, f"{at}.mlp.c_proj")
        return norm(h, "transformer.ln_f") @ p["transformer.wte.weight"].T


def learning_rate(peak: float, done: float) -> float:
    """Rises to `peak`, then falls to a tenth of it; `done` is the share of steps taken."""
    if done < WARMUP:
        return peak * done / WARMUP
    return peak * (0.55 + 0.45 * math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def validation_loss(
    loss: Callable[[np.ndarray, np.ndarray], Any], letters: Letters, options: argparse.Namespace
) -> float:
    """Mean loss over `options.windows` windows that lie evenly over the validation letters."""
    last = len(letters.validation) - options.block - 1
    starts = np.linspace(0, last, options.windows).astype(np.int64)
    x, y = windows(letters.validation, starts, options.block)
    size = min(32, options.windows)
    found = [float(loss(x[i : i + size], y[i : i + size])) for i in range(0, len(x), size)]
    return float(np.mean(found))


def train(options: argparse.Namespace, letters: Letters) -> tuple[models.GPT2, list[float]]:
    """Train, with the peer if there is one; the model, and the last validation losses."""
    lm.random.seed(options.seed)
    random = np.random.default_rng(options.seed)
    model = models.GPT2(
        models.GPT2Config(
            len(letters.letters),
            n_positions=options.block,
            n_embd=options.width,
            n_layer=options.layers,
            n_head=options.heads,
            dropout=0.0,
        )
    )
    optimizer = optim.AdamW(model, options.lr, BETAS, weight_decay=WEIGHT_DECAY)
    peer = Peer(model) if options.peer else None
    spent, found = [0.0, 0.0], []
    columns = (*Progress.get_default_columns(), TextColumn("loss {task.fields[loss]:.3f}"))
    with Progress(*columns) as progress:
        bar = progress.add_task("train", total=options.steps, loss=math.nan)
        for done in range(options.steps):
            starts = random.integers(len(letters.train) - options.block, size=options.batch)
            x, y = windows(letters.train, starts, options.block)
            optimizer.lr = rate = learning_rate(options.lr, done / options.steps)
            began = time.perf_counter()
            loss = float(step(model, optimizer, x, y))
            spent[0] += time.perf_counter() - began
            if peer is not None:
                began = time.perf_counter()
                theirs = peer.step(x, y, rate)
                spent[1] += time.perf_counter() - began
                if done in (0, 9, 99):
                    progress.print(f"step {done + 1}: loss {loss:.6f}, PyTorch {theirs:.6f}")
            progress.update(bar, completed=done + 1, loss=loss)
            if (done + 1) % options.every and done + 1 < options.steps:
                continue
            found = [validation_loss(lambda x, y: evaluate(model, x, y), letters, options)]
            if peer is not None:
                found.append(validation_loss(peer.evaluate, letters, options))
            words = ", PyTorch ".join(f"{value:.4f}" for value in found)
            progress.print(f"step {done + 1}: validation loss {words}")
    words = ", PyTorch ".join(f"{1e3 * s / options.steps:.0f} ms" for s in spent[: len(found)])
    print(f"a step: {words}")
    return model, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, train, write a few lines, and sum up in one; the exit status."""
    home = os.environ.get("LAMINA_DATA")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(home) / "tiny-shakespeare" if home else None,
        required=not home,
        metavar="FOLDER",
        help="where the text is (the folder tiny-shakespeare in LAMINA_DATA)",
    )
    parser.add_argument("--layers", type=int, default=4, help="blocks of the network (4)")
    parser.add_argument("--width", type=int, default=128, help="channels (128)")
    parser.add_argument("--heads", type=int, default=4, help="of attention (4)")
    parser.add_argument("--block", type=int, default=64, help="letters that it sees (64)")
    parser.add_argument("--batch", type=int, default=12, help="windows in a step (12)")
    parser.add_argument("--steps", type=int, default=2000, help="training steps (2000)")
    parser.add_argument("--lr", type=float, default=1e-3, help="highest learning rate (0.001)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (0)")
    parser.add_argument("--every", type=int, default=250, help="steps between validations (250)")
    parser.add_argument("--windows", type=int, default=1024, help="for validation (1024)")
    parser.add_argument("--peer", action="store_true", help="train PyTorch's beside it")
    parser.add_argument("--full", action="store_true", help="the large network, batch 64")
    parser.add_argument("--quick", action="store_true", help="60 steps of a tiny network")
    first, _ = parser.parse_known_args(arguments)
    parser.set_defaults(**(FULL if first.full else {}), **(QUICK if first.quick else {}))
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        letters = Letters((options.data / "input.txt").read_text())
        model, found = train(options, letters)
        written = models.generate(model.eval(), [0], options.block - 1, temperature=0.8)
    except (lm.LaminaError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(letters.text(written.tolist()[1:]))
    seconds = time.perf_counter() - began
    words = ", PyTorch ".join(f"{value:.4f}" for value in found)
    print(f"char_gpt: {options.steps} steps, validation loss {words}, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
