"""Budgets of memory: arenas stay under them, results do not change by a bit."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from lamina.backend.compile.rerun import Reruns
from lamina.base.errors import MemoryBudgetWarning, UsageError
from lamina.functional import gelu, relu


class Block(nn.Module):
    """x plus two products of its norm."""

    def __init__(self, width: int):
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, width), nn.Linear(width, width)

    def __call__(self, x: Any) -> Any:
        return x + self.down(gelu(self.up(self.norm(x))))


class ImageBlock(nn.Module):
    """x plus two convolutions, with statistics that are assigned and numbers that are drawn."""

    def __init__(self, channels: int):
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.drop = nn.Dropout(0.2)

    def __call__(self, x: Any) -> Any:
        return x + self.drop(self.second(relu(self.norm(self.first(x)))))


class Network(nn.Module):
    """Blocks one after the other."""

    def __init__(self, block: Any, depth: int, width: int):
        self.blocks = [block(width) for _ in range(depth)]

    def __call__(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


NETWORKS = {
    "linear": (lambda depth: Network(Block, depth, 32), (32, 32)),
    "convolutions": (lambda depth: Network(ImageBlock, depth, 4), (2, 4, 12, 12)),
}


def trained(kind: str, depth: int, budget: Any) -> tuple[Any, list[np.ndarray]]:
    """The record of a program of a network's gradients, and all that it computes."""
    make, shape = NETWORKS[kind]
    lm.random.seed(0)
    model = make(depth)
    x = lm.asarray(np.random.default_rng(0).standard_normal(shape).astype(np.float32))

    def forward(m: Any, x: Any) -> Any:
        return m(x)

    f = forward if budget is None else lm.checkpoint(forward, budget=budget)
    step = lm.jit(lambda m, x: lm.value_and_grad(lambda m: (f(m, x) ** 2).mean())(m))
    record = step.program(model, x).record
    lm.random.seed(1)
    made = step(model, x)
    return record, [np.asarray(t) for t in (*lm.tree.leaves(made), *model.state_dict().values())]


@pytest.mark.parametrize(("kind", "depth"), [("linear", 64), ("convolutions", 24)])
def test_a_budget_is_kept_and_changes_no_bit(kind: str, depth: int) -> None:
    plain, wanted = trained(kind, depth, None)
    record, found = trained(kind, depth, 0.4)
    assert record.plan.arena_bytes <= 0.4 * plain.plan.arena_bytes
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    assert record.remade.plain_bytes == plain.plan.arena_bytes
    assert record.remade.steps == len(record.lowered.steps) - len(plain.lowered.steps)
    assert 0.0 < record.remade.share < 0.6
    assert {k.key for k in record.kernels} == {k.key for k in plain.kernels}


def test_a_budget_is_kept_by_a_step_whose_updates_share_a_number() -> None:
    """Adam's correction is read by all updates: they wait neither for it nor for one another."""

    def arena(optimizer: Any, budget: float | None) -> int:
        model = Network(Block, 16, 32)
        state = optimizer(model, lr=1e-3)
        forward = lambda m, x: m(x)
        f = forward if budget is None else lm.checkpoint(forward, budget=budget)

        @lm.jit
        def step(m: Any, state: Any, x: Any) -> Any:
            loss, grads = lm.value_and_grad(lambda m: (f(m, x) ** 2).mean())(m)
            state.update(m, grads)
            return loss

        return step.program(model, state, lm.ones((32, 32))).record.plan.arena_bytes

    plain = arena(lm.optim.AdamW, None)
    assert plain <= 1.01 * arena(lm.optim.SGD, None)
    assert arena(lm.optim.AdamW, 0.4) <= 0.4 * plain


def test_a_whole_budget_changes_nothing() -> None:
    plain, _ = trained("linear", 4, None)
    record, _ = trained("linear", 4, 1.0)
    assert record.remade.steps == 0
    assert [s.body for s in record.lowered.steps] == [s.body for s in plain.lowered.steps]
    assert record.plan.arena_bytes == plain.plan.arena_bytes


def test_the_least_grows_with_the_square_root_of_the_depth() -> None:
    least, shares = [], []
    for depth in (8, 32, 128):
        with pytest.warns(MemoryBudgetWarning, match="cannot be made to fit"):
            record, _ = _least(depth)
        least.append(record.plan.arena_bytes)
        shares.append(record.remade.share)
    assert least[2] / least[1] < 2.4 and least[1] / least[0] < 2.4  # 4 times as many layers
    assert shares[2] < 0.45


def _least(depth: int) -> tuple[Any, None]:
    """The record of layers of one product each, under a budget of one byte."""

    @lm.checkpoint(budget=1)
    def chain(x: Any, ws: Any) -> Any:
        for w in ws:
            x = x + lm.sin(lm.exp(lm.tanh(x @ w)) @ w)
        return (x * x).sum()

    ws = [lm.ones((16, 16)) for _ in range(depth)]
    return lm.jit(lm.grad(chain, 1)).program(lm.ones((32, 16)), ws).record, None


def test_what_cannot_be_kept_is_named() -> None:
    with pytest.warns(MemoryBudgetWarning) as caught:
        record, _ = _least(3)
    remade, least = record.remade, record.plan.arena_bytes
    kibi = lambda n: f"{n / 1024:.1f} KiB"
    assert str(caught[0].message) == (
        f"checkpoint: the program cannot be made to fit into its budget of 1 B; it takes "
        f"{kibi(least)}, the least that was found, and {kibi(remade.plain_bytes)} without a "
        f"budget; raise the budget to {least}, or use smaller batches"
    )


def deep(x: Any, w: Any) -> Any:
    """Layers that share a matrix, with a value of the first read by the last."""
    skipped = y = lm.tanh(x @ w)
    for _ in range(12):
        y = y + lm.sin(lm.exp(-y * y) @ w)
    return ((y + skipped) ** 2).mean()


@pytest.mark.filterwarnings("ignore::lamina.base.errors.MemoryBudgetWarning")
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: lm.grad(f, (0, 1)),
        lambda f: lm.grad(lambda x, w: f(x, w) * f(x * 0.5, w)),
        lambda f: lambda x, w: lm.jvp(lambda v: f(x, v), [w], [w])[1],
        lambda f: lambda x, w: lm.vmap(lm.grad(f), in_axes=(0, None))(lm.stack([x, x + 1.0]), w),
        lambda f: lm.grad(lambda x, w: (lm.grad(f)(x, w) ** 2).sum(), 1),
    ],
    ids=["grad", "twice in a loss", "jvp", "vmap", "second order"],
)
def test_budgets_under_transforms(transform: Any) -> None:
    rng = np.random.default_rng(0)
    x, w = (lm.asarray(rng.standard_normal((n, 8)) * 0.3) for n in (64, 8))
    saving = lm.jit(transform(lm.checkpoint(deep, budget=0.8)))
    plain = lm.jit(transform(deep))
    for a, b in zip(lm.tree.leaves(saving(x, w)), lm.tree.leaves(plain(x, w)), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), 1e-12, 1e-14)


def test_the_smallest_of_several_budgets_counts_and_bytes_are_bytes() -> None:
    x, w = lm.ones((64, 8)), lm.ones((8, 8))
    f = lm.checkpoint(lm.checkpoint(deep, budget=0.99), budget=45_000)
    program = lm.jit(lm.grad(f)).program(x, w)
    assert program.record.remade.budget_bytes == 45_000
    assert program.record.plan.arena_bytes <= 45_000 < program.record.remade.plain_bytes


def test_without_a_derivative_there_is_no_budget() -> None:
    program = lm.jit(lm.checkpoint(deep, budget=1)).program(lm.ones((8, 8)), lm.ones((8, 8)))
    assert program.record.remade is None


def test_living_bytes_are_what_the_plan_takes() -> None:
    record, _ = trained("linear", 6, None)
    program = Reruns(record.lowered)
    every = program.run(set(range(program.steps)), [program.steps] * program.steps)
    assert [i for i, _ in every.order] == list(range(program.steps))
    assert every.cost == 0.0
    assert every.peak_bytes <= record.plan.arena_bytes <= 1.1 * every.peak_bytes


def test_explain_tells_of_the_budget() -> None:
    f = lm.grad(lm.checkpoint(deep, budget=0.6))
    seen = lm.explain(f, lm.ones((64, 8)), lm.ones((8, 8)), file=io.StringIO())
    memory = next(s.text for s in seen.stages if s.name == "memory")
    assert "steps run a second time, about" in memory.splitlines()[1]


@pytest.mark.parametrize("budget", [0.0, -1, 1.5, "40 %", True, float("nan")])
def test_wrong_budgets(budget: Any) -> None:
    with pytest.raises(UsageError) as caught:
        lm.checkpoint(deep, budget=budget)
    assert caught.value.facts == (
        "a share: a float above 0, up to 1.0",
        "bytes: a positive integer",
    )


def test_a_budget_takes_no_policy() -> None:
    with pytest.raises(UsageError, match="both keep and budget are given"):
        lm.checkpoint(deep, keep="products", budget=0.5)
