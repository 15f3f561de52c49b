"""Loss layers: names, defaults and buffers of PyTorch, and the functions that they call."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")

RNG = np.random.default_rng(6)
X, Y, Z = RNG.uniform(0.1, 0.9, (3, 5, 4)).astype(np.float32)
LABELS = np.array([0, 3, -100, 1, 2])
SIGNS = np.array([1.0, -1.0, -1.0, 1.0, -1.0], np.float32)
WEIGHT = np.array([0.5, 1.0, 2.0, 0.1], np.float32)
WEIGHTED = {"weight": WEIGHT}
CALLS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "BCELoss": (WEIGHTED, (X, Y)),
    "BCEWithLogitsLoss": (WEIGHTED | {"pos_weight": WEIGHT}, (X, Y)),
    "CTCLoss": ({"blank": 3}, (np.log(X)[:, None], [[0, 1]], [5], [2])),
    "CosineEmbeddingLoss": ({"margin": 0.9}, (X, Y, SIGNS)),
    "CosineSimilarity": ({"dim": 0}, (X, Y)),
    "CrossEntropyLoss": (WEIGHTED | {"label_smoothing": 0.1}, (X, LABELS)),
    "GaussianNLLLoss": ({"full": True, "eps": 0.3}, (X, Y, Z)),
    "HingeEmbeddingLoss": ({"margin": 0.4}, (X[:, 0], SIGNS)),
    "HuberLoss": ({"delta": 0.2}, (X, Y)),
    "KLDivLoss": ({"reduction": "batchmean", "log_target": True}, (X, Y)),
    "L1Loss": ({"reduction": "sum"}, (X, Y)),
    "MSELoss": ({}, (X, Y)),
    "MarginRankingLoss": ({"margin": 0.1}, (X[:, 0], Y[:, 0], SIGNS)),
    "MultiLabelMarginLoss": ({}, (X[:1], np.array([[1, 3, -1, 0]]))),
    "MultiLabelSoftMarginLoss": (WEIGHTED, (X, (Y > 0.5).astype(np.float32))),
    "MultiMarginLoss": (WEIGHTED | {"p": 2, "margin": 0.5}, (X, np.array([0, 3, 1, 1, 2]))),
    "NLLLoss": (WEIGHTED | {"ignore_index": 3}, (X, np.array([0, 3, 1, 1, 2]))),
    "PairwiseDistance": ({"p": 1.0, "keepdim": True}, (X, Y)),
    "PoissonNLLLoss": ({"log_input": False, "full": True}, (X, Y)),
    "SmoothL1Loss": ({"beta": 0.2}, (X, Y)),
    "SoftMarginLoss": ({}, (X[:, 0], SIGNS)),
    "TripletMarginLoss": ({"margin": 0.5, "swap": True}, (X, Y, Z)),
    "TripletMarginWithDistanceLoss": ({"margin": 0.5, "reduction": "none"}, (X, Y, Z)),
}


def test_every_loss_of_pytorch_is_there() -> None:
    losses = [n for n in vars(torch.nn) if n.endswith("Loss") and n[0] != "_"]
    missing = {n for n in losses if not hasattr(nn, n)}
    assert missing <= {"AdaptiveLogSoftmaxWithLoss", "LinearCrossEntropyLoss", "NLLLoss2d"}
    assert sorted(n for n in vars(nn) if n.endswith("Loss")) == sorted(
        n for n in CALLS if n.endswith("Loss")
    )


@pytest.mark.parametrize("name", CALLS)
def test_options_have_the_names_and_defaults_of_pytorch(name: str) -> None:
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    for option, parameter in inspect.signature(getattr(nn, name)).parameters.items():
        assert parameter.default == theirs[option].default, option


@pytest.mark.parametrize("name", CALLS)
def test_values(name: str) -> None:
    options, inputs = CALLS[name]
    given = {k: torch.tensor(v) if v is WEIGHT else v for k, v in options.items()}
    theirs = getattr(torch.nn, name)(**given)
    ours = getattr(nn, name)(**options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert not list(ours.parameters())
    wanted = theirs(*[torch.as_tensor(np.asarray(x)) for x in inputs])
    found = ours(*inputs)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_settings_are_shown() -> None:
    assert repr(nn.SmoothL1Loss(beta=0.5)) == "SmoothL1Loss(reduction='mean', beta=0.5)"


def test_a_loss_inside_a_step() -> None:
    """A layer with a buffer is a tree: it may be an argument of `jit`, or be closed over."""
    loss = nn.CrossEntropyLoss(WEIGHT)
    run = lm.jit(lm.value_and_grad(lambda x, loss: loss(x, LABELS)))
    value, slope = run(lm.asarray(X), loss)
    f = lambda x: functional.cross_entropy(x, LABELS, WEIGHT)
    wanted, bar = lm.value_and_grad(f)(lm.asarray(X))
    assert float(value) == pytest.approx(float(wanted))
    np.testing.assert_allclose(slope.numpy(), bar.numpy(), rtol=1e-5, atol=1e-7)
