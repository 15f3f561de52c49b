"""The page on porting: PyTorch's script runs as it stands, and its port computes the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import interop, optim
from tests.docs import pages

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "porting_from_pytorch.md"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's blocks of PyTorch define, run with two passes over the data."""
    pytest.importorskip("torch", reason="the other half of the page needs PyTorch")
    folder = tmp_path_factory.mktemp("porting")
    namespace: dict[str, Any] = {"__name__": "original", "folder": folder}
    for code in re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(), re.M | re.S):
        short = code.replace("range(12)", "range(2)").replace(
            '"digits.pt"', f'"{folder}/digits.pt"'
        )
        exec(compile(short, "original.py", "exec"), namespace)
    return namespace


@pytest.fixture(scope="module")
def port() -> dict[str, Any]:
    """What the first half of the port defines: all before its training loop."""
    script = next(b.code for b in pages.blocks(PAGE) if "class Net" in b.code)
    namespace: dict[str, Any] = {"__name__": "port"}
    exec(compile(script.partition("model = Net()")[0], "port.py", "exec"), namespace)
    return namespace


def test_weights_of_the_original_load_and_agree(
    original: dict[str, Any], port: dict[str, Any]
) -> None:
    model, other = port["Net"](), port["Net"]()
    assert model.load_state_dict(original["state"]) == ([], [])
    assert interop.load_weights(other, original["folder"] / "digits.pt") == ([], [])
    assert bool((other.out.weight == model.out.weight).all())
    images = original["images"][1437:]
    with original["torch"].no_grad():
        wanted = original["model"].cpu().eval()(images).numpy()
    np.testing.assert_allclose(model.eval()(images.numpy()).numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_both_train_alike_from_the_same_weights(
    original: dict[str, Any], port: dict[str, Any]
) -> None:
    torch, images, labels = original["torch"], original["images"], original["labels"]
    theirs, ours = original["Net"](), port["Net"]()
    ours.load_state_dict(theirs.state_dict())
    their_optimizer = torch.optim.AdamW(theirs.parameters(), lr=3e-3)
    our_optimizer = optim.AdamW(ours, lr=3e-3)
    wanted, found = [], []
    for i in range(0, 640, 64):
        x, y = images[i : i + 64], labels[i : i + 64]
        their_optimizer.zero_grad()
        loss = original["F"].cross_entropy(theirs(x), y)
        loss.backward()
        their_optimizer.step()
        wanted.append(loss.item())
        found.append(float(port["step"](ours, our_optimizer, x.numpy(), y.numpy())))
    assert wanted[-1] < 0.7 * wanted[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_the_numbers_that_differ_do(original: dict[str, Any]) -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    theirs = original["torch"].tensor(x)
    ours = lm.asarray(x)
    assert float(ours.std(correction=1)) == pytest.approx(float(theirs.std()))
    assert float(ours.std()) != pytest.approx(float(theirs.std()))
    assert len(lm.split(ours, 2)) == len(theirs.split(2)) == 2
    assert len(lm.split(ours, 4)) != len(theirs.split(4))
