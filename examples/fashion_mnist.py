"""Batch normalisation and augmentation on Fashion-MNIST: over 92.5 % of the test images.

    python examples/fashion_mnist.py
    python examples/fashion_mnist.py --data FOLDER --epochs 3 --seed 1

FOLDER holds the four files train-images-idx3-ubyte, train-labels-idx1-ubyte and the same with t10k,
gzipped or not. Images are mirrored and moved by up to two pixels while training; the rate rises,
then falls along a cosine; labels are smoothed.
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
from rich.progress import Progress, TextColumn

import lamina as lm
from lamina import data, functional, nn, optim

WARMUP = 0.2  # of all steps, while the learning rate rises
SHIFT = 2  # pixels by which images move while training


class Net(nn.Sequential):
    """Three convolutions, each with batch normalisation and pooling, and two linear layers.

    Shapes: `x: [B, 1, 28, 28] -> [B, 10]`
    """

    def __init__(self, width: int):
        def stage(inputs: int, outputs: int) -> list[nn.Module]:
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

        super().__init__(
            *stage(1, width),  # (B, width, 14, 14)
            *stage(width, 2 * width),  # (B, 2 width, 7, 7)
            *stage(2 * width, 4 * width),  # (B, 4 width, 3, 3)
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(36 * width, 4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, 10),
        )


def loss_of(model: Net, images: Any, labels: Any) -> lm.Tensor:
    """Mean cross entropy of a batch."""
    return functional.cross_entropy(model(images), labels, label_smoothing=0.1)


@lm.jit
def step(model: Net, optimizer: optim.Optimizer, images: Any, labels: Any) -> lm.Tensor:
    """One training step, compiled to one native call."""
    loss, grads = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, grads)
    return loss


@lm.jit
def classify(model: Net, images: Any) -> lm.Tensor:
    """The kind of clothing in each image."""
    return lm.argmax(model(images), axis=-1)


def learning_rate(peak: float, done: float) -> float:
    """Rises to `peak`, then falls to 0 along a cosine; `done` is the share of steps taken."""
    if done < WARMUP:
        return peak * done / WARMUP
    return peak * 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def varied(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each image moved by up to SHIFT pixels, zeros moving in, and half of them mirrored."""
    count, _, height, width = images.shape
    framed = np.pad(images[:, 0], ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    rows = random.integers(0, 2 * SHIFT + 1, (count, 1)) + np.arange(height)
    columns = random.integers(0, 2 * SHIFT + 1, (count, 1)) + np.arange(width)
    mirrored = random.random((count, 1)) < 0.5
    columns = np.where(mirrored, columns[:, ::-1], columns)
    return framed[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


def accuracy(model: Net, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose kind the model finds."""
    model.eval()
    parts = [classify(model, images[i : i + 1000]).numpy() for i in range(0, len(images), 1000)]
    model.train()
    return float(np.mean(np.concatenate(parts) == labels))


def train(options: argparse.Namespace, fashion: data.Split) -> float:
    """Train and test after every epoch; the last test accuracy."""
    lm.random.seed(options.seed)
    random = np.random.default_rng(options.seed)
    model = Net(options.width)
    optimizer = optim.AdamW(model, lr=options.lr, weight_decay=0.02)
    per_epoch = len(fashion.train_images) // options.batch
    total, done, found = options.epochs * per_epoch, 0, 0.0
    columns = (*Progress.get_default_columns(), TextColumn("loss {task.fields[loss]:.4f}"))
    for epoch in range(options.epochs):
        with Progress(*columns) as progress:
            bar = progress.add_task(f"epoch {epoch + 1}", total=per_epoch, loss=math.nan)
            for images, labels in data.batches(
                fashion.train_images, fashion.train_labels, options.batch, random.integers(2**31)
            ):
                optimizer.lr = learning_rate(options.lr, done / total)
                loss = step(model, optimizer, varied(images, random), labels)
                done += 1
                if done % 20 == 0 or done % per_epoch == 0:
                    progress.update(bar, completed=done - epoch * per_epoch, loss=float(loss))
        found = accuracy(model, fashion.test_images, fashion.test_labels)
        print(f"epoch {epoch + 1}: test accuracy {100 * found:.2f} %", flush=True)
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
        default=Path(home) / "fashion-mnist" if home else None,
        required=not home,
        metavar="FOLDER",
        help="where the files are (the folder fashion-mnist in LAMINA_DATA)",
    )
    parser.add_argument("--epochs", type=int, default=12, help="passes over the data (12)")
    parser.add_argument("--batch", type=int, default=128, help="images in a step (128)")
    parser.add_argument("--width", type=int, default=32, help="channels of the first layer (32)")
    parser.add_argument("--lr", type=float, default=4e-3, help="highest learning rate (0.004)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and changes (0)")
    parser.add_argument("--quick", action="store_true", help="3,000 images, 2 epochs, width 8")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        fashion = data.mnist(options.data)
        if options.quick:
            options.epochs, options.batch, options.width = 2, 64, 8
            fashion = data.Split(*(part[:3000] for part in fashion))
        found = train(options, fashion)
    except lm.LaminaError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - began
    print(f"fashion_mnist: test accuracy {100 * found:.2f} %, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
