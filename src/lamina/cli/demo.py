"""`lamina demo`: a small convolutional network learns real handwritten digits."""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import lamina.tensor as lm
from lamina import data, functional, models, optim
from lamina.backend.compile.explain import times
from lamina.cli import command
from lamina.cli.command import positive

SHADES = " .:-=+*#%@"
EXAMPLES = """\
  lamina demo                          60 passes over 1,437 images, then a test
  lamina demo --epochs 5 --seed 3      shorter, from other weights
"""


def add_command(commands: Any) -> None:
    """Add `demo` to the command line."""
    one = command.add(commands, "demo", "train a network on real digits, in seconds", EXAMPLES)
    one.add_argument("--epochs", type=positive, default=60, help="passes over the data (60)")
    one.add_argument("--batch", type=positive, default=64, help="images in a step (64)")
    one.add_argument("--seed", type=int, default=0, help="of weights and order (0)")
    one.set_defaults(run=run)


def loss_of(model: models.DigitNet, images: Any, labels: Any) -> Any:
    """Mean cross entropy of a batch; smoothed labels keep so small a data set from being learned
    by heart (Szegedy et al., "Rethinking the Inception architecture", 2016)."""
    return functional.cross_entropy(model(images), labels, label_smoothing=0.1)


@lm.jit
def step(model: models.DigitNet, optimizer: optim.Optimizer, images: Any, labels: Any) -> Any:
    """One training step, compiled to one native call."""
    loss, grads = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, grads)
    return loss


@lm.jit
def classify(model: models.DigitNet, images: Any) -> Any:
    """The logits of each image."""
    return model(images)


def run(options: argparse.Namespace) -> int:
    """Train, test, and show."""
    began = time.perf_counter()
    lm.random.seed(options.seed)
    digits = data.digits()
    model = models.DigitNet(side=8, hidden=128)
    optimizer = optim.AdamW(model, lr=4e-3)
    steps, seconds = train(model, optimizer, digits, options)
    logits = classify(model, digits.test_images).numpy()
    accuracy = float(np.mean(logits.argmax(1) == digits.test_labels))
    elapsed = time.perf_counter() - began
    show_prediction(digits, logits)
    show_compilation(model, optimizer, digits, options.batch)
    print("\nNext:  python examples/mnist.py --data FOLDER    the same network on MNIST")
    print("       python docs/walkthrough.py              one function on every floor of Lamina")
    print("       lamina info                             the machine as Lamina sees it")
    rate = steps / max(seconds, 1e-9)
    print(
        f"demo: test accuracy {accuracy:.1%}, {elapsed:.1f} s, {rate:.0f} steps/s".replace(
            "%", " %"
        )
    )
    return 0


def train(
    model: models.DigitNet, optimizer: optim.Optimizer, digits: data.Split, options: Any
) -> tuple[int, float]:
    """Train with a progress bar; the number of steps after the first, and their seconds."""
    per_epoch = len(digits.train_images) // options.batch
    total = per_epoch * options.epochs
    peak = optimizer.lr
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps  loss {task.fields[loss]:.4f}"),
        TimeElapsedColumn(),
    )
    done = 0
    started = time.perf_counter()
    with Progress(*columns) as progress:
        bar = progress.add_task("train", total=total, loss=math.nan)
        for epoch in range(options.epochs):
            optimizer.lr = peak * 0.5 * (1 + math.cos(math.pi * epoch / options.epochs))
            shuffled = data.batches(
                digits.train_images, digits.train_labels, options.batch, options.seed + epoch
            )
            for images, labels in shuffled:
                loss = step(model, optimizer, images, labels)
                if done == 0:
                    loss.block()
                    started = time.perf_counter()  # the first call compiles
                done += 1
            progress.update(bar, completed=done, loss=float(loss))
    return done - 1, time.perf_counter() - started


def show_prediction(digits: data.Split, logits: np.ndarray) -> None:
    """One test image as text, with the probabilities the network gives to the digits."""
    chosen = 0
    shown = np.exp(logits[chosen] - logits[chosen].max())
    shown /= shown.sum()
    print("\nA test image, and what the network says:\n")
    picture = digits.test_images[chosen, 0]
    for y in range(10):
        row = ""
        if y < 8:
            row = "".join(SHADES[min(9, int(p * 9.99))] * 2 for p in picture[y])
        bar = "#" * round(shown[y] * 30)
        print(f"  {row:16}   {y} {shown[y]:7.2%} {bar}")
    print(f"\n  It is a {digits.test_labels[chosen]}; the network says {logits[chosen].argmax()}.")


def show_compilation(
    model: models.DigitNet, optimizer: optim.Optimizer, digits: data.Split, batch: int
) -> None:
    """The stages through which the training step went."""
    images, labels = digits.train_images[:batch], digits.train_labels[:batch]
    program = step.program(model, optimizer, images, labels)
    record = program.record
    print(f"\nThe training step as a program: {len(record.kernels)} kernels, one native call.\n")
    print(times(program))
