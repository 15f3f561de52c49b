"""The network of `lamina demo` on MNIST: over 99 % of the test images within five epochs.

    python examples/mnist.py --data FOLDER

FOLDER holds the four files of MNIST, or of a set in its format such as Fashion-MNIST:
train-images-idx3-ubyte, train-labels-idx1-ubyte and the same with t10k, gzipped or not.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import lamina as lm
from lamina import data, functional, models, optim

WARMUP = 0.2  # of all steps, while the learning rate rises
SHIFT = 2  # pixels by which images move while training


def loss_of(model: models.DigitNet, images: Any, labels: Any) -> lm.Tensor:
    """Mean cross entropy of a batch."""
    return functional.cross_entropy(model(images), labels, label_smoothing=0.1)


@lm.jit
def step(model: models.DigitNet, optimizer: optim.Optimizer, images: Any, labels: Any) -> lm.Tensor:
    """One training step, compiled to one native call."""
    loss, grads = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, grads)
    return loss


@lm.jit
def classify(model: models.DigitNet, images: Any) -> lm.Tensor:
    """The digit in each image."""
    return lm.argmax(model(images), axis=-1)


def learning_rate(peak: float, done: float) -> float:
    """Rises to `peak`, then falls to 0 along a cosine; `done` is the share of steps taken."""
    if done < WARMUP:
        return peak * done / WARMUP
    return peak * 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def shifted(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each image moved by up to SHIFT pixels, zeros moving in."""
    count, _, height, width = images.shape
    framed = np.pad(images[:, 0], ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    rows = random.integers(0, 2 * SHIFT + 1, (count, 1)) + np.arange(height)
    columns = random.integers(0, 2 * SHIFT + 1, (count, 1)) + np.arange(width)
    moved = framed[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved[:, None]


def accuracy(model: models.DigitNet, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose digit the model finds."""
    parts = [classify(model, images[i : i + 1000]).numpy() for i in range(0, len(images), 1000)]
    return float(np.mean(np.concatenate(parts) == labels))


def train(options: argparse.Namespace, mnist: data.Split) -> tuple[float, int]:
    """Train and test after every epoch; the last test accuracy and the number of steps."""
    lm.random.seed(options.seed)
    random = np.random.default_rng(options.seed)
    model = models.DigitNet(side=28)
    optimizer = optim.AdamW(model, lr=options.lr)
    per_epoch = len(mnist.train_images) // options.batch
    found, done = 0.0, 0
    for epoch in range(options.epochs):
        columns = (
            TextColumn(f"epoch {epoch + 1}/{options.epochs}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps  loss {task.fields[loss]:.4f}"),
            TimeElapsedColumn(),
        )
        order = random.integers(2**31)
        with Progress(*columns) as progress:
            bar = progress.add_task("train", total=per_epoch, loss=math.nan)
            for images, labels in data.batches(
                mnist.train_images, mnist.train_labels, options.batch, order
            ):
                optimizer.lr = learning_rate(options.lr, done / (options.epochs * per_epoch))
                loss = step(model, optimizer, shifted(images, random), labels)
                done += 1
                if done % 50 == 0 or done % per_epoch == 0:
                    progress.update(bar, completed=done - epoch * per_epoch, loss=float(loss))
        found = accuracy(model, mnist.test_images, mnist.test_labels)
        print(f"epoch {epoch + 1}: test accuracy {100 * found:.2f} %", flush=True)
    return found, done


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, train, and sum up in one line; the exit status."""
    home = os.environ.get("LAMINA_DATA")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(home) / "mnist" if home else None,
        required=not home,
        metavar="FOLDER",
        help="where the files are (the folder mnist in LAMINA_DATA)",
    )
    parser.add_argument("--epochs", type=int, default=5, help="passes over the data (5)")
    parser.add_argument("--batch", type=int, default=64, help="images in a step (64)")
    parser.add_argument("--lr", type=float, default=4e-3, help="highest learning rate (0.004)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and shifts (0)")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        found, steps = train(options, data.mnist(options.data))
    except lm.LaminaError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - began
    rate = steps / seconds
    print(f"mnist: test accuracy {100 * found:.2f} %, {seconds:.1f} s, {rate:.0f} steps/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
