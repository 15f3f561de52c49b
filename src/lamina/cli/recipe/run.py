"""From a configuration to a trainer with its data: every part by its name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import lamina.tensor as lm
from lamina import data, functional, metrics, models, nn, optim, saving, train
from lamina.cli.recipe import files
from lamina.cli.recipe.config import Config, parameters_of
from lamina.optim import schedules

CHECKPOINTS = "checkpoints"  # the folder within that of a run
EXAMPLE = """\
# A run of `lamina train`. Every key may be left out but the names.

[run]
folder = "runs/digits"     # checkpoints and log.csv; the file's name without it
seed = 0

[data]
name = "digits"            # digits, mnist, "mine.py:function"; with a file: arrays, table, text

[model]
name = "MLP"               # MLP, DigitNet, resnet18, ..., GPT2 for text, "mine.py:Network"
hidden = [128, 64]
dropout = 0.1

[loss]
name = "cross_entropy"     # of class numbers; mse_loss, huber_loss, ... of numbers
label_smoothing = 0.1

[optimizer]
name = "AdamW"             # any of lamina.optim
lr = 4e-3
weight_decay = 0.01

[schedule]
name = "Cosine"            # any of lamina.optim.schedules, for the steps that there are
warmup = 20

[train]
epochs = 20
batch = 64
precision = "f32"          # or bf16, f16
clip_norm = 1.0
early_stopping = 5         # epochs without a lower loss on the test data
"""


class Run(NamedTuple):
    """All that a run needs.

    Attributes:
        batches: to train on.
        test: to evaluate on.
        names: of its parts, for the eye.
    """

    trainer: train.Trainer
    batches: data.Batches
    test: data.Batches
    epochs: int
    folder: Path
    names: dict[str, str]


class MLP(nn.Module):
    """Linear layers with ReLU between them, on inputs of any shape.

    Args:
        features: of an input; as many as the data has.
        classes: of the last layer; as many as the data has.
        hidden: widths between.
        dropout: behind each of them, while training.
    """

    def __init__(
        self, features: int, classes: int, hidden: Sequence[int] = (128,), dropout: float = 0.0
    ):
        super().__init__()
        widths = [features, *hidden]
        parts: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(widths):
            parts += [nn.Linear(inputs, outputs), nn.ReLU()]
            parts += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*parts, nn.Linear(widths[-1], classes))

    def forward(self, x: lm.Tensor) -> lm.Tensor:
        return self.layers(x)


def gpt2(
    vocab_size: int,
    n_positions: int,
    n_embd: int = 128,
    n_layer: int = 4,
    n_head: int = 4,
    dropout: float = 0.0,
) -> nn.Module:
    """A small GPT-2 for the tokens that the data has."""
    config = models.GPT2Config(
        vocab_size=vocab_size,
        n_positions=n_positions,
        n_embd=n_embd,
        n_layer=n_layer,
        n_head=n_head,
        dropout=dropout,
    )
    return models.GPT2(config)


DATA = {
    "digits": data.digits,
    "mnist": data.mnist,
    "arrays": files.arrays,
    "table": files.table,
    "text": files.text,
}
MODELS = {
    "MLP": MLP,
    "GPT2": gpt2,
    "LSTMLanguageModel": models.LSTMLanguageModel,
    **{
        name: getattr(models, name)
        for name in ("DigitNet", "LeNet", "resnet18", "resnet34", "resnet50", "MobileNetV2")
    },
}
LOSSES = {
    name: getattr(functional, name)
    for name in ("cross_entropy", "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss")
}
OPTIMIZERS = {
    name: one
    for name, one in vars(optim).items()
    if inspect.isclass(one)
    and issubclass(one, (optim.Optimizer, optim.LBFGS))
    and one is not optim.Optimizer
}
_PLANS = "Constant Cosine Exponential InverseSquareRoot Linear MultiStep OneCycle Polynomial Step"
SCHEDULES = {name: getattr(schedules, name) for name in (*_PLANS.split(), "WarmRestarts", "WSD")}


def folder_of(config: Config) -> Path:
    """Where a run writes: `run.folder`, or the name of its file without the ending."""
    return Path(config.section("run").take("folder", "str", config.path.stem))


def prepare(config: Config, callbacks: Sequence[train.Callback] = ()) -> Run:
    """Make everything that the file describes.

    Raises:
        UsageError: with the line of the file, where it asks for what there is not.
    """
    about = config.section("run")
    folder = folder_of(config)
    about.take("folder", "str")
    seed = about.take("seed", "int", 0)
    about.finish()
    train.seed_everything(seed)
    names = {part: str(config.values.get(part, {}).get("name", "")) for part in ("data", "model")}

    plan = config.section("train")
    size, epochs = plan.take("batch", "int", 64), plan.take("epochs", "int", 10)
    patience = plan.take("early_stopping", "int")
    options = {
        "precision": plan.take("precision", "str", "f32"),
        "clip_norm": plan.take("clip_norm", "float"),
        "accumulate": plan.take("accumulate", "int", 1),
        "log_every": plan.take("log_every", "int", 50),
    }
    plan.finish()
    split = _data(config)
    batches = data.Batches(split.train_images, split.train_labels, size=size, seed=seed)
    test = data.Batches(split.test_images, split.test_labels, size=size, drop_last=False)
    is_classes = np.issubdtype(split.train_labels.dtype, np.integer)
    model = _model(config, split, is_classes)
    tokens = files.is_text(split)
    loss_of = _loss(config, is_classes, tokens)
    steps = epochs * -(-len(batches) // options["accumulate"])
    optimizer = _optimizer(config, model, steps)
    config.finish()

    stopping = [] if patience is None else [train.EarlyStopping("val_loss", patience)]
    log = train.CsvLog(str(folder / "log.csv"))
    trainer = train.Trainer(
        model,
        loss_of,
        optimizer,
        metrics={"accuracy": metrics.Accuracy(class_axis=-1 if tokens else 1)}
        if is_classes
        else {},
        callbacks=[*stopping, log, *callbacks],
        checkpoints=saving.Checkpoints(folder / CHECKPOINTS, best="val_loss"),
        **options,
    )
    return Run(trainer, batches, test, epochs, folder, names)


def _data(config: Config) -> data.Split:
    section = config.section("data")
    found = section.call(section.choose("name", DATA))
    split = data.Split(*map(np.asarray, found))
    if len(split.train_images) != len(split.train_labels):
        config.fail("data", "name", "it gives not one label for each example")
    return split


def _model(config: Config, split: data.Split, is_classes: bool) -> nn.Module:
    """The model; what it asks of the data, it is told."""
    section = config.section("model")
    tokens = files.is_text(split)
    maker = section.choose("name", MODELS, "LSTMLanguageModel" if tokens else "MLP")
    shape, labels = split.train_images.shape[1:], split.train_labels
    classes = int(labels.max()) + 1 if is_classes else int(np.prod(labels.shape[1:]))
    known = {
        "features": int(np.prod(shape)),
        "classes": classes,
        "num_classes": classes,
        "side": shape[-1] if len(shape) == 3 else None,
        "in_channels": shape[0] if len(shape) == 3 else None,
        "vocab_size": 1 + max(int(part.max()) for part in split) if tokens else None,
        "n_positions": shape[0] if tokens else None,
    }
    takes = parameters_of(maker)
    told = {k: v for k, v in known.items() if v is not None and k in takes}
    told = {k: v for k, v in told.items() if k not in section.values}
    return section.call(maker, **told)


def _loss(config: Config, is_classes: bool, tokens: bool) -> Any:
    section = config.section("loss")
    loss = section.choose("name", LOSSES, "cross_entropy" if is_classes else "mse_loss")
    known = [k for k in parameters_of(loss) if k not in ("input", "target", "reduction")]
    options = section.options(loss, known)

    def loss_of(model: nn.Module, x: Any, y: Any) -> lm.Tensor:
        found = model(x)
        return loss(lm.moveaxis(found, -1, 1) if tokens else found, y, **options)

    return loss_of


def _optimizer(config: Config, model: nn.Module, steps: int) -> optim.Optimizer:
    section = config.section("optimizer")
    maker = section.choose("name", OPTIMIZERS, "AdamW")
    planned = config.section("schedule")
    if not planned.values:
        return section.call(maker, model)
    if "lr" not in section.values:
        config.fail("schedule", "", "a schedule needs optimizer.lr, its highest rate")
    rate = float(section.take("lr", "float"))
    kind = planned.choose("name", SCHEDULES)
    ends = "steps" in parameters_of(kind) and "steps" not in planned.values
    counted = {"steps": steps} if ends else {}
    return section.call(maker, model, lr=planned.call(kind, lr=rate, **counted))
