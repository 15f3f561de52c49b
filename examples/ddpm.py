"""A diffusion model that draws digits: noise is taken away step by step.

    python examples/ddpm.py                          ddpm.png: a column for each digit
    python examples/ddpm.py --side 14 --steps 500    images of half the side: minutes
    python examples/ddpm.py --count 1000             every step back, as in the paper on DDPM

A U-Net learns to tell the noise in an image, given the step and the digit. Sampling takes --count
of the thousand steps; --eta 0 is DDIM, which adds no noise on the way. FOLDER holds the four files
of MNIST or of a set in its format. The picture needs Pillow (`pip install lamina[pictures]`).

Source: Ho, Jain and Abbeel, "Denoising diffusion probabilistic models", 2020; Song, Meng and Ermon,
"Denoising diffusion implicit models", 2021.
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
from rich.progress import Progress, TextColumn, track

import lamina as lm
from lamina import data, models, optim

WARMUP = 0.05  # of all steps, while the learning rate rises
CLASSES = 10
ROWS = 6  # of the picture


@lm.jit
def step(model: models.Diffusion, optimizer: optim.Optimizer, images: Any, labels: Any) -> Any:
    """One training step, compiled to one native call; how far the noise told is from the noise."""
    loss, grads = lm.value_and_grad(lambda model, x, y: model.loss(x, y))(model, images, labels)
    optimizer.update(model, grads)
    return loss


@lm.jit
def measure(model: models.Diffusion, images: Any, labels: Any, steps: Any, noise: Any) -> Any:
    """The loss with given noise."""
    return model.loss(images, labels, steps=steps, noise=noise)


def network(width: int, halvings: int) -> models.DiffusionUNet:
    """A U-Net for small grey images, with attention at the smallest size."""
    config = models.DiffusionUNetConfig(
        in_channels=1,
        out_channels=1,
        block_out_channels=(width, *[2 * width] * halvings),
        attention=(*[False] * halvings, True),
        layers_per_block=1,
        norm_num_groups=width // 2,
        num_class_embeds=CLASSES,
    )
    return models.DiffusionUNet(config)


def prepared(images: np.ndarray, side: int) -> np.ndarray:
    """Images in -1..1, framed to a side that can be halved twice.  Shapes: `[N, 1, S, S]`"""
    parts = images.shape[-1] // side
    small = images.reshape(len(images), 1, side, parts, side, parts).mean(axis=(3, 5))
    frame = -side % 4 // 2
    framed = np.pad(small, ((0, 0), (0, 0), (frame, frame), (frame, frame)))
    return (2 * framed - 1).astype(np.float32)


def learning_rate(peak: float, done: float) -> float:
    """Rises to `peak`, then falls to 0 along a cosine; `done` is the share of steps taken."""
    if done < WARMUP:
        return peak * done / WARMUP
    return peak * 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))


def loss_on(model: models.Diffusion, images: np.ndarray, labels: np.ndarray) -> float:
    """The loss at steps that lie evenly, with the same noise each time."""
    noise = np.random.default_rng(0).standard_normal(images.shape, np.float32)
    steps = np.linspace(0, model.steps - 1, len(images)).astype(np.int64)
    found = []
    for i in range(0, len(images), 100):
        part = slice(i, i + 100)
        found.append(float(measure(model, images[part], labels[part], steps[part], noise[part])))
    return float(np.mean(found))


def train(options: argparse.Namespace, mnist: data.Split) -> tuple[models.Diffusion, float]:
    """Train; the model, and its loss on test images."""
    lm.random.seed(options.seed)
    random = np.random.default_rng(options.seed)
    model = models.Diffusion(network(options.width, options.halvings), schedule="cosine")
    optimizer = optim.AdamW(model, lr=options.lr)
    images = prepared(mnist.train_images, options.side)
    columns = (*Progress.get_default_columns(), TextColumn("loss {task.fields[loss]:.4f}"))
    with Progress(*columns) as progress:
        bar = progress.add_task("train", total=options.steps, loss=math.nan)
        for done in range(options.steps):
            chosen = random.integers(len(images), size=options.batch)
            optimizer.lr = learning_rate(options.lr, done / options.steps)
            loss = step(model, optimizer, images[chosen], mnist.train_labels[chosen])
            if (done + 1) % 10 == 0:
                progress.update(bar, completed=done + 1, loss=float(loss))
            if (done + 1) % 250 == 0:
                progress.print(f"step {done + 1}: loss {float(loss):.4f}")
    model.eval()
    tested = prepared(mnist.test_images[:1000], options.side)
    return model, loss_on(model, tested, mnist.test_labels[:1000])


def drawn(model: models.Diffusion, options: argparse.Namespace) -> np.ndarray:
    """ROWS new images of each class, in 0..1.  Shapes: `[ROWS, CLASSES, S, S]`"""
    side = options.side + options.side % 4
    labels = np.tile(np.arange(CLASSES), ROWS)
    shape = (len(labels), 1, side, side)
    back = model.stream(shape, labels, count=options.count, eta=options.eta)
    *_, last = track(back, "draw", total=options.count)
    return np.clip((last.numpy() + 1) / 2, 0, 1).reshape(ROWS, CLASSES, side, side)


def save_grid(path: Path, images: np.ndarray) -> None:
    """Images in 0..1 side by side, row by row.  Shapes: `[R, C, S, S]`"""
    try:
        from PIL import Image
    except ImportError as error:
        raise SystemExit(f"the picture needs Pillow, the extra `pictures` ({error})") from None
    rows, columns, side, _ = images.shape
    grid = images.swapaxes(1, 2).reshape(rows * side, columns * side)
    Image.fromarray(np.round(255 * grid).astype(np.uint8)).save(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, train, draw, and sum up in one line; the exit status."""
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
    parser.add_argument("--side", type=int, choices=(28, 14), default=28, help="of images (28)")
    parser.add_argument("--steps", type=int, default=2000, help="training steps (2000)")
    parser.add_argument("--batch", type=int, default=32, help="images in a step (32)")
    parser.add_argument("--width", type=int, default=16, help="channels of the first layer (16)")
    parser.add_argument("--halvings", type=int, default=2, help="of the image, at most 2 (2)")
    parser.add_argument("--lr", type=float, default=2e-3, help="highest learning rate (0.002)")
    parser.add_argument("--count", type=int, default=100, help="steps back from noise (100)")
    parser.add_argument("--eta", type=float, default=1.0, help="share of new noise in each (1)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and noise (0)")
    parser.add_argument("--picture", type=Path, default=Path("ddpm.png"), help="to write")
    parser.add_argument("--quick", action="store_true", help="60 steps of a tiny network")
    options = parser.parse_args(arguments)
    if options.quick:
        options.side, options.width, options.halvings = 14, 4, 1
        options.steps, options.count = 60, 10
    began = time.perf_counter()
    try:
        model, found = train(options, data.mnist(options.data))
        save_grid(options.picture, drawn(model, options))
    except (lm.LaminaError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - began
    print(f"ddpm: loss on test images {found:.4f}, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
