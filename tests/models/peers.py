"""Models of `torchvision` and `transformers`, whose weights and outputs ours are compared with."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm

_libraries: list[Any] = []  # a library of operators lives as long as its object


def torchvision_models() -> Any:
    """`torchvision.models`.

    A wheel that was built for GPUs cannot load its operators beside a PyTorch for CPUs, and then
    refuses to be imported. The networks use none of them, so their bare names are enough.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    for _ in range(10):
        try:
            return pytest.importorskip("torchvision.models", reason="torchvision is not installed")
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise
            for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{missing[1]}(Tensor x) -> Tensor")
            _libraries.append(library)
    raise AssertionError("torchvision lacks more operators than it has")


def transformers_class(path: str) -> Any:
    """A class of `transformers`, such as "bert.BertForMaskedLM"."""
    pytest.importorskip("transformers", reason="transformers is not installed (extra: test)")
    if importlib.util.find_spec("torchvision"):
        torchvision_models()  # it imports torchvision where there is one
    folder, name = path.split(".")
    module = pytest.importorskip(f"transformers.models.{folder}")
    return getattr(module, name)


def stirred(model: Any) -> Any:
    """The model in double precision, evaluating, with other numbers in every parameter."""
    import torch

    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.add_(0.1 * torch.rand_like(buffer))
    return model.double().eval()


def close(ours: Any, theirs: Any, relative: float = 1e-9) -> None:
    """Equal up to so many times the largest number."""
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    tolerance = relative * max(1.0, float(np.abs(theirs).max()))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=tolerance)


def falls(model: Any, loss_of: Callable[..., Any], steps: int = 3, lr: float = 1e-2) -> None:
    """A jitted step of Adam makes the loss smaller; every trained parameter moves."""
    optimizer = lm.optim.Adam(model, lr=lr)
    before = {name: tensor.numpy() for name, tensor in model.named_parameters()}

    @lm.jit
    def step(model: Any, optimizer: Any) -> Any:
        loss, gradients = lm.value_and_grad(loss_of)(model)
        optimizer.update(model, gradients)
        return loss

    losses = [float(step(model, optimizer)) for _ in range(steps)]
    assert losses[-1] < losses[0]
    for name, tensor in model.named_parameters():
        assert (tensor.numpy() != before[name]).any(), name


def same_gradients(
    ours: Any, theirs: Any, our_loss: Any, their_loss: Any, eager: bool = True
) -> None:
    """With the numbers of `theirs`: equal losses and gradients, by `jit` and, if so, without."""
    ours.load_state_dict(theirs.state_dict())
    expected = their_loss(theirs)
    theirs.zero_grad()
    expected.backward()
    bars = {name: p.grad for name, p in theirs.named_parameters()}
    for transform in (lm.jit, lambda f: f)[: 1 + eager]:
        loss, gradients = transform(lm.value_and_grad(our_loss))(ours)
        close(loss, expected)
        found = dict(gradients.named_parameters())
        assert list(found) == list(bars)
        for name, bar in bars.items():
            close(found[name], bar)
