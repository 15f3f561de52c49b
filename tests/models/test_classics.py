"""LeNet, autoencoders and Wide & Deep beside PyTorch's layers with the same numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, models
from tests.models.peers import close, falls, same_gradients, stirred
from tests.nn.test_errors import message

RNG = np.random.default_rng(0)


def torch_lenet(classic: bool, inputs: int) -> Any:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    F = torch.nn.functional

    class LeNet(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 6, 5, padding=2 if inputs == 28 else 0)
            self.conv2 = torch.nn.Conv2d(6, 16, 5)
            self.fc1 = torch.nn.Linear(256 if inputs == 29 else 400, 120)
            self.fc2 = torch.nn.Linear(120, 84)
            self.fc3 = torch.nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            bend, pool = (torch.tanh, F.avg_pool2d) if classic else (F.relu, F.max_pool2d)
            x = pool(bend(self.conv1(x)), 2)
            x = pool(bend(self.conv2(x)), 2).flatten(1)
            return self.fc3(bend(self.fc2(bend(self.fc1(x)))))

    return stirred(LeNet())


@pytest.mark.parametrize("classic, side", [(False, 28), (True, 32), (True, 29)])
def test_lenet(classic: bool, side: int) -> None:
    images, labels = RNG.standard_normal((3, 1, side, side)), np.array([3, 1, 9])
    theirs = torch_lenet(classic, side)
    ours = models.LeNet(side=side, classic=classic, dtype=lm.float64)
    import torch

    same_gradients(
        ours,
        theirs,
        lambda net: functional.cross_entropy(net(lm.asarray(images)), labels),
        lambda net: torch.nn.functional.cross_entropy(
            net(torch.tensor(images)), torch.tensor(labels)
        ),
    )
    close(ours(lm.asarray(images)), theirs(torch.tensor(images)))


def torch_layers(sizes: list[int]) -> Any:
    import torch

    parts: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        parts += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def test_an_autoencoder() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x = RNG.random((5, 9))
    theirs = torch.nn.Module()
    theirs.encoder, theirs.decoder = torch_layers([9, 7, 6, 2]), torch_layers([2, 6, 7, 9])
    ours = models.Autoencoder(9, (7, 6), 2, noise=0.5, dtype=lm.float64).eval()
    given = torch.tensor(x)
    same_gradients(
        ours,
        stirred(theirs),
        lambda net: net.loss(x),
        lambda net: torch.nn.functional.mse_loss(net.decoder(net.encoder(given)), given),
    )
    ours.train()
    key = lm.random.key(3)
    seen = x + lm.random.normal(x.shape, std=0.5, dtype=lm.float64, key=key).numpy()
    np.testing.assert_allclose(ours(x, key).numpy(), ours.eval()(seen).numpy(), rtol=1e-12)


def test_a_variational_autoencoder() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    x, noise = RNG.random((4, 9)), RNG.standard_normal((4, 3))
    sizes = {"fc1": (9, 6), "fc21": (6, 3), "fc22": (6, 3), "fc3": (3, 6), "fc4": (6, 9)}
    theirs = stirred(torch.nn.ModuleDict({n: torch.nn.Linear(*s) for n, s in sizes.items()}))
    ours = models.VAE(9, 6, 3, dtype=lm.float64)
    target, drawn = torch.tensor(x), torch.tensor(noise)

    def loss(net: Any) -> Any:
        h = torch.relu(net["fc1"](target))
        mean, log_variance = net["fc21"](h), net["fc22"](h)
        h = torch.relu(net["fc3"](mean + torch.exp(log_variance / 2) * drawn))
        p = torch.sigmoid(net["fc4"](h))
        said = torch.nn.functional.binary_cross_entropy(p, target, reduction="sum")
        code = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
        divergence = torch.distributions.kl_divergence(code, torch.distributions.Normal(0, 1))
        return (said + divergence.sum()) / len(x)

    same_gradients(ours, theirs, lambda net: net.loss(x, noise), loss)
    key = lm.random.key(1)
    code = lm.random.normal((2, 3), dtype=lm.float64, key=key)
    picture = 1 / (1 + np.exp(-ours.decode(code).numpy()))
    np.testing.assert_allclose(ours.sample(2, key).numpy(), picture, rtol=1e-12)


SIZES, CROSSES, BUCKETS = (3, 5, 7), ((0, 1), (2, 1)), 20
CATEGORIES = RNG.integers(0, SIZES, (6, 3))
VALUES, CLICKS = RNG.standard_normal((6, 2)), RNG.integers(0, 2, 6)


def test_combinations_have_rows_of_their_own_or_share_them_by_a_hash() -> None:
    net = models.WideAndDeep(SIZES, 2, CROSSES, BUCKETS)
    assert net.wide.weight.shape == (3 + 5 + 7 + 15 + 20, 1)
    every = np.stack(np.meshgrid(*map(np.arange, SIZES), indexing="ij"), -1).reshape(-1, 3)
    rows = net.columns(every).numpy()
    a, b, c = every.T
    hashed = ((c * 5 + b) * 2_654_435_761 % 2**32) % 20
    expected = np.stack([a, 3 + b, 8 + c, 15 + a * 5 + b, 30 + hashed], axis=1)
    np.testing.assert_array_equal(rows, expected)
    counts = np.bincount(np.unique(rows[:, 4]) - 30, minlength=20)
    assert counts.sum() > 12  # 35 combinations in 20 buckets: few stay empty


def test_wide_and_deep() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    theirs = torch.nn.Module()
    theirs.wide = torch.nn.Embedding(50, 1)
    theirs.embeddings = torch.nn.ModuleList(torch.nn.Embedding(n, 4) for n in SIZES)
    theirs.deep = torch_layers([3 * 4 + 2, 8, 6, 1])
    ours = models.WideAndDeep(SIZES, 2, CROSSES, BUCKETS, 4, (8, 6), dtype=lm.float64)
    rows = torch.tensor(ours.columns(CATEGORIES).numpy())

    def logits(net: Any) -> Any:
        fields = torch.tensor(CATEGORIES)
        seen = [table(fields[:, i]) for i, table in enumerate(net.embeddings)]
        deep = net.deep(torch.cat([*seen, torch.tensor(VALUES)], dim=1))[:, 0]
        return net.wide(rows).sum((1, 2)) + deep

    same_gradients(
        ours,
        stirred(theirs),
        lambda net: net.loss(CATEGORIES, VALUES, CLICKS),
        lambda net: torch.nn.functional.binary_cross_entropy_with_logits(
            logits(net), torch.tensor(CLICKS, dtype=torch.float64)
        ),
    )


@pytest.mark.parametrize(
    "make, loss",
    [
        (
            lambda: models.LeNet(3, side=16),
            lambda net: functional.cross_entropy(net(lm.asarray(IMAGES)), [0, 1, 2, 0]),
        ),
        (lambda: models.Autoencoder(256, (16,), 4), lambda net: net.loss(IMAGES.reshape(4, -1))),
        (lambda: models.VAE(256, 16, 4), lambda net: net.loss(IMAGES.reshape(4, -1), np.ones(4))),
        (
            lambda: models.WideAndDeep((1, 1), 2, ((0, 1),), width=4, hidden=(6,)),
            lambda net: net.loss(np.zeros((6, 2), int), VALUES, CLICKS),
        ),
    ],
    ids=["lenet", "autoencoder", "vae", "wide_and_deep"],
)
def test_a_step_of_training(make: Any, loss: Any) -> None:
    lm.random.seed(0)
    falls(make(), loss)


IMAGES = RNG.random((4, 1, 16, 16), np.float32)

MESSAGES = [
    (
        lambda: models.LeNet(side=15),
        "ShapeError: LeNet: the images are too small for two convolutions of 5 x 5 and two poolings"
        "\n  side:  15\n  least: 16",
    ),
    (
        lambda: models.LeNet()(lm.ones((1, 1, 32, 32))),
        "ShapeError: LeNet: the images have another size than the model is made for\n"
        "  x: f32[1,1,32,32]\n  side: 28",
    ),
    (
        lambda: models.WideAndDeep((2, 3), crosses=[(0, 2)]),
        "UsageError: WideAndDeep: a cross of fields that do not exist\n"
        "  cross:  (0, 2)\n  fields: 2",
    ),
    (
        lambda: models.WideAndDeep((2, 3), 1)([[0, 1]]),
        "ShapeError: WideAndDeep: other fields or numbers than the model is made for\n"
        "  categories: i64[1,2], made for 2\n  numbers:    0, made for 1",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
