"""A variational autoencoder that draws digits it has never seen.

    python examples/vae.py                    writes vae.png
    python examples/vae.py --epochs 3 --code 2 --picture /tmp/digits.png

FOLDER holds the four files of MNIST, or of a set in its format such as Fashion-MNIST. The picture
has three bands: test images, the same after passing through the code, and new images from random
codes. It needs Pillow (`pip install lamina[pictures]`).

Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014.
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
from lamina import data, functional, models, optim

COLUMNS = 16  # images side by side in the picture


@lm.jit
def step(model: models.VAE, optimizer: optim.Optimizer, images: Any) -> lm.Tensor:
    """One training step, compiled to one native call."""
    loss, grads = lm.value_and_grad(lambda model, images: model.loss(images))(model, images)
    optimizer.update(model, grads)
    return loss


@lm.jit
def bound(model: models.VAE, images: Any) -> lm.Tensor:
    """The negative evidence lower bound of an image, in nats, as the mean over the images."""
    return model.loss(images)


@lm.jit
def passed(model: models.VAE, images: Any) -> lm.Tensor:
    """The images after passing through the mean of their codes.  Shapes: `[B, 784] -> [B, 784]`"""
    return functional.sigmoid(model.decode(model.encode(images)[0]))


def bound_on(model: models.VAE, images: np.ndarray) -> float:
    """The bound over all images."""
    parts = [images[i : i + 500] for i in range(0, len(images), 500)]
    return float(np.mean([float(bound(model, part)) for part in parts]))


def train(options: argparse.Namespace, train_images: np.ndarray, test_images: np.ndarray) -> Any:
    """Train and test after every epoch; the model and the last bound."""
    lm.random.seed(options.seed)
    random = np.random.default_rng(options.seed)
    model = models.VAE(code=options.code)
    optimizer = optim.Adam(model, lr=options.lr)
    per_epoch, found = len(train_images) // options.batch, math.nan
    columns = (*Progress.get_default_columns(), TextColumn("loss {task.fields[loss]:.1f}"))
    with Progress(*columns) as progress:
        bar = progress.add_task("train", total=options.epochs * per_epoch, loss=math.nan)
        for epoch in range(options.epochs):
            order = random.permutation(len(train_images))
            for i in range(per_epoch):
                done = epoch * per_epoch + i
                optimizer.lr = options.lr * (1 - done / (options.epochs * per_epoch))
                chosen = order[i * options.batch : (i + 1) * options.batch]
                loss = step(model, optimizer, train_images[chosen])
                if i % 50 == 49 or i == per_epoch - 1:
                    progress.update(bar, completed=done + 1, loss=float(loss))
            found = bound_on(model, test_images)
            progress.print(f"epoch {epoch + 1}: bound on the test images {found:.2f} nats")
    return model, found


def save_grid(path: Path, images: np.ndarray) -> None:
    """Images in 0..1 side by side, row by row.  Shapes: `[R * COLUMNS, 784]`"""
    try:
        from PIL import Image
    except ImportError as error:
        raise SystemExit(f"the picture needs Pillow, the extra `pictures` ({error})") from None
    side = math.isqrt(images.shape[-1])
    rows = images.reshape(-1, COLUMNS, side, side).swapaxes(1, 2)  # (R, side, COLUMNS, side)
    grid = rows.reshape(-1, COLUMNS * side)
    Image.fromarray(np.round(255 * grid).astype(np.uint8)).save(path)


def draw(path: Path, model: models.VAE, test_images: np.ndarray) -> None:
    """Two rows of test images, two of the same passed through the code, four of new ones."""
    seen = test_images[: 2 * COLUMNS]
    new = model.sample(4 * COLUMNS).numpy()
    save_grid(path, np.concatenate([seen, passed(model, seen).numpy(), new]))


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
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (10)")
    parser.add_argument("--batch", type=int, default=128, help="images in a step (128)")
    parser.add_argument("--code", type=int, default=20, help="numbers of a code (20)")
    parser.add_argument("--lr", type=float, default=2e-3, help="first learning rate (0.002)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and codes (0)")
    parser.add_argument("--picture", type=Path, default=Path("vae.png"), help="to write")
    parser.add_argument("--quick", action="store_true", help="5,000 images, one epoch")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        split = data.mnist(options.data)
        images = [part.reshape(-1, 784) for part in (split.train_images, split.test_images)]
        if options.quick:
            options.epochs, images = 1, [images[0][:5000], images[1][:500]]
        model, found = train(options, *images)
        draw(options.picture, model, images[1])
    except (lm.LaminaError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - began
    print(f"vae: bound on the test images {found:.2f} nats, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
