"""The same training step in processes with other settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import lamina as lm
from lamina.backend.targets import select

STEP = """
import json
import numpy as np
import lamina as lm

class Net(lm.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = lm.nn.Conv2d(1, 3, 3)
        self.hidden = lm.nn.Linear(3 * 4 * 4, 33)
        self.out = lm.nn.Linear(33, 5)

    def forward(self, x):
        x = lm.functional.relu(self.conv(x))
        x = lm.functional.gelu(self.hidden(x.reshape((x.shape[0], -1))))
        return self.out(x)

lm.random.seed(0)
net = Net()
optimizer = lm.optim.Adam(net, lr=1e-2)

@lm.jit
def step(net, optimizer, x, y):
    loss, grads = lm.value_and_grad(lambda n: lm.functional.cross_entropy(n(x), y))(net)
    optimizer.update(net, grads)
    return loss

rng = np.random.default_rng(0)
x = rng.standard_normal((130, 1, 6, 6)).astype(np.float32)
y = rng.integers(0, 5, 130)
losses = [float(step(net, optimizer, x, y)).hex() for _ in range(4)]
sums = [float(lm.sum(p)).hex() for p in net.parameters()]
print(json.dumps([losses, sums]))
"""


def trained(**settings: str) -> list[list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", STEP],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return [[float.fromhex(text) for text in row] for row in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def native() -> list[list[float]]:
    found = trained()
    assert found[0][-1] < found[0][0]
    return found


@pytest.mark.parametrize("target", ["generic", "avx2", "avx512"])
def test_every_target_learns_the_same(target: str, native: list[list[float]]) -> None:
    try:
        select(target)
    except lm.UsageError:
        pytest.skip("this machine lacks it")
    found = trained(LAMINA_TARGET=target)
    assert found[0] == pytest.approx(native[0], rel=1e-4)
    assert found[1] == pytest.approx(native[1], rel=2e-2, abs=2e-2)


@pytest.mark.parametrize("level", ["0", "1", "2"])
def test_every_level_learns_the_same(level: str, native: list[list[float]]) -> None:
    found = trained(LAMINA_OPT=level)
    assert found[0] == pytest.approx(native[0], rel=1e-4)


def test_the_reference_learns_the_same(native: list[list[float]]) -> None:
    found = trained(LAMINA_TARGET="reference")
    assert found[0] == pytest.approx(native[0], rel=1e-4)


def test_the_number_of_threads_changes_no_bit() -> None:
    """Programs are compiled for a number of threads, and may differ; runs of one may not."""
    one = trained(LAMINA_THREADS="1")
    assert trained(LAMINA_THREADS="2") == one
    assert trained(LAMINA_THREADS="3") == one
