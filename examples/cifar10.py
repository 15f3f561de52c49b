"""A convolutional network on a part of CIFAR-10, beside PyTorch's on the same batches if asked.

    python examples/cifar10.py
    python examples/cifar10.py --peer            the same network in PyTorch beside it
    python examples/cifar10.py --epochs 5 --seed 1 --peer

FOLDER holds data_batch_1_first4000.bin.xz and test_batch_first1000.bin.xz: 4,000 images to learn
from and 1,000 to test with, in the binary format of CIFAR-10. One function builds both networks,
since `lamina.nn` and `torch.nn` have the same layers; the peer begins with the same weights.
"""

from __future__ import annotations

import argparse
import lzma
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress, TextColumn

import lamina as lm
from lamina import data, functional, nn, optim

WARMUP = 0.2  # of all steps, while the learning rate rises
SHIFT = 4  # pixels by which images move while training
WEIGHT_DECAY = 5e-2
MEAN = np.array([0.4914, 0.4822, 0.4465], np.float32).reshape(3, 1, 1)
SPREAD = np.array([0.2470, 0.2435, 0.2616], np.float32).reshape(3, 1, 1)


def network(nn: Any, width: int) -> Any:
    """Three convolutions with batch normalisation and pooling, of Lamina or of PyTorch.

    Shapes: `x: [B, 3, 32, 32] -> [B, 10]`
    """

    def stage(inputs: int, outputs: int) -> list[Any]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *stage(3, width),  # (B, width, 16, 16)
        *stage(width, 2 * width),  # (B, 2 width, 8, 8)
        *stage(2 * width, 4 * width),  # (B, 4 width, 4, 4)
        nn.Flatten(),
        nn.Linear(64 * width, 10),
    )


def loss_of(model: nn.Module, images: Any, labels: Any) -> lm.Tensor:
    """Mean cross entropy of a batch."""
    return functional.cross_entropy(model(images), labels, label_smoothing=0.1)


@lm.jit
def step(model: nn.Module, optimizer: optim.Optimizer, images: Any, labels: Any) -> lm.Tensor:
    """One training step, compiled to one native call."""
    loss, grads = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, grads)
    return loss


@lm.jit
def classify(model: nn.Module, images: Any) -> lm.Tensor:
    """The kind of thing in each image."""
    return lm.argmax(model(images), axis=-1)


class Peer:
    """The same network in PyTorch, from the same weights."""

    def __init__(self, model: nn.Module, width: int):
        try:
            import torch
        except ImportError as error:
            raise SystemExit(f"--peer needs PyTorch ({error})") from None
        self.torch = torch
        self.model = network(torch.nn, width)
        state = {n: torch.from_numpy(t.numpy().copy()) for n, t in model.state_dict().items()}
        self.model.load_state_dict(state)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=WEIGHT_DECAY)

    def step(self, images: np.ndarray, labels: np.ndarray, lr: float) -> float:
        """One training step; its loss."""
        self.optimizer.param_groups[0]["lr"] = lr
        loss = self.torch.nn.functional.cross_entropy(
            self.model(self.torch.from_numpy(images)),
            self.torch.from_numpy(labels),
            label_smoothing=0.1,
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def classify(self, images: np.ndarray) -> np.ndarray:
        """The kind of thing in each image."""
        self.model.eval()
        with self.torch.no_grad():
            found = self.model(self.torch.from_numpy(images)).argmax(dim=-1).numpy()
        self.model.train()
        return found


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images, each channel with mean 0 and spread 1, and labels of a file of records."""
    packed = lzma.decompress(path.read_bytes())
    records = np.frombuffer(packed, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    images = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
    return (images - MEAN) / SPREAD, records[:, 0].astype(np.int64)


def learning_rate(peak: float, done: float) -> float:
    """Rises to `peak`, then falls to 0 along a cosine; `done` is the share of steps taken."""
    if done < WARMUP:
        return peak * done / WARMUP
    return peak * 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def varied(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each image moved by up to SHIFT pixels, zeros moving in, and half of them mirrored."""
    count, _, height, width = images.shape
    framed = np.pad(images, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    rows = random.integers(0, 2 * SHIFT + 1, (count, 1)) + np.arange(height)
    columns = random.integers(0, 2 * SHIFT + 1, (count, 1)) + np.arange(width)
    mirrored = random.random((count, 1)) < 0.5
    columns = np.where(mirrored, columns[:, ::-1], columns)
    moved = framed[np.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(np.moveaxis(moved, -1, 1))


def accuracies(model: nn.Module, peer: Peer | None, cifar: data.Split) -> list[float]:
    """The share of test images whose kind is found, by the model and by its peer."""
    found = [classify(model.eval(), cifar.test_images).numpy()]
    model.train()
    if peer is not None:
        found.append(peer.classify(cifar.test_images))
    return [float(np.mean(kinds == cifar.test_labels)) for kinds in found]


def train(options: argparse.Namespace, cifar: data.Split) -> list[float]:
    """Train, with the peer if there is one, and test after every epoch; the last accuracies."""
    lm.random.seed(options.seed)
    random = np.random.default_rng(options.seed)
    model = network(nn, options.width)
    optimizer = optim.AdamW(model, lr=options.lr, weight_decay=WEIGHT_DECAY)
    peer = Peer(model, options.width) if options.peer else None
    per_epoch = len(cifar.train_images) // options.batch
    total, done, found = options.epochs * per_epoch, 0, [0.0]
    columns = (*Progress.get_default_columns(), TextColumn("loss {task.fields[loss]:.4f}"))
    with Progress(*columns) as progress:
        bar = progress.add_task("train", total=total, loss=math.nan)
        for epoch in range(options.epochs):
            for images, labels in data.batches(
                cifar.train_images, cifar.train_labels, options.batch, random.integers(2**31)
            ):
                images = varied(images, random)
                optimizer.lr = rate = learning_rate(options.lr, done / total)
                loss = float(step(model, optimizer, images, labels))
                done += 1
                progress.update(bar, completed=done, loss=loss)
                if peer is None:
                    continue
                theirs = peer.step(images, labels, rate)
                if done in (1, 10, 100):
                    progress.print(f"step {done}: loss {loss:.6f}, PyTorch {theirs:.6f}")
            found = accuracies(model, peer, cifar)
            words = ", PyTorch ".join(f"{100 * share:.1f} %" for share in found)
            progress.print(f"epoch {epoch + 1}: test accuracy {words}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, train, and sum up in one line; the exit status."""
    home = os.environ.get("LAMINA_DATA")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(home) / "cifar10-subset" if home else None,
        required=not home,
        metavar="FOLDER",
        help="where the files are (the folder cifar10-subset in LAMINA_DATA)",
    )
    parser.add_argument("--epochs", type=int, default=30, help="passes over the data (30)")
    parser.add_argument("--batch", type=int, default=100, help="images in a step (100)")
    parser.add_argument("--width", type=int, default=32, help="channels of the first layer (32)")
    parser.add_argument("--lr", type=float, default=3e-3, help="highest learning rate (0.003)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and changes (0)")
    parser.add_argument("--peer", action="store_true", help="train PyTorch's beside it")
    parser.add_argument("--quick", action="store_true", help="1,000 images, 2 epochs, width 8")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        train_part = read(options.data / "data_batch_1_first4000.bin.xz")
        test_part = read(options.data / "test_batch_first1000.bin.xz")
        if options.quick:
            options.epochs, options.width = 2, 8
            train_part = train_part[0][:1000], train_part[1][:1000]
        found = train(options, data.Split(*train_part, *test_part))
    except (lm.LaminaError, OSError, lzma.LZMAError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - began
    words = ", PyTorch ".join(f"{100 * share:.1f} %" for share in found)
    noise = 100 * math.sqrt(found[0] * (1 - found[0]) / len(test_part[1]))
    print(f"cifar10: test accuracy {words}, standard error {noise:.1f} %, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
