"""Mixed precision: what is computed in 16 bits, what is not, how float16 is kept in range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn, optim, train
from lamina.graph.ops import Contract
from tests.train.runs import Net, X, Y, loss_of, trainer_of


def contractions(jitted: Any, *args: Any) -> set[str]:
    """The dtypes of the operands of products in a program."""
    graph = jitted.graph(*args)
    return {o.dtype.name for v in graph.nodes if isinstance(v.op, Contract) for o in v.operands}


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_products_are_in_16_bits_and_all_that_stays_in_32(precision: str) -> None:
    model = Net()
    optimizer = optim.Adam(model)
    step = train.Step(loss_of, precision=precision)
    assert contractions(step.programs[0], model, optimizer, step.scale, (X, Y)) == {precision}
    step(model, optimizer, (X, Y))
    kept = [*model.parameters(), model.norm.running_mean, *optimizer.state["out.weight"].values()]
    assert {t.dtype for t in kept} == {lm.float32}
    assert step.programs[0].signatures == 1
    step(model, optimizer, (X, Y))
    assert step.programs[0].signatures == 1  # nothing changed its dtype


def test_the_model_is_as_before_behind_the_block() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.Linear(6, 6))
    model[2].weight = model[0].weight  # shared
    before = dict(model.state_dict())
    seen = []
    with train.lowered(model, lm.bfloat16):
        assert model[0].weight is model[2].weight and model[0].weight.dtype is lm.bfloat16
        assert model[1].weight.dtype is lm.float32
        with model[1].register_forward_hook(lambda m, args, y: seen.append(args[0].dtype)):
            assert model(X).dtype is lm.float32
    assert seen == [lm.float32]
    assert all(model.state_dict()[name] is tensor for name, tensor in before.items())
    with pytest.raises(ZeroDivisionError), train.lowered(model, lm.bfloat16):
        raise ZeroDivisionError
    assert all(model.state_dict()[name] is tensor for name, tensor in before.items())
    assert not any("hook" in name for module in model.modules() for name in vars(module))


def test_gradients_are_those_of_torch_autocast() -> None:
    torch = pytest.importorskip("torch", reason="the tests against PyTorch need the test extra")
    ours = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))
    theirs = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
    theirs.load_state_dict({n: torch.tensor(t.numpy()) for n, t in ours.state_dict().items()})
    with torch.autocast("cpu", torch.bfloat16):
        logits = theirs(torch.tensor(X))
    torch.nn.functional.cross_entropy(logits.float(), torch.tensor(Y)).backward()

    def loss(model: Any) -> Any:
        with train.lowered(model, lm.bfloat16):
            return functional.cross_entropy(model(X), Y)

    grads = lm.jit(lm.grad(loss))(ours)
    exact = lm.grad(lambda model: functional.cross_entropy(model(X), Y))(ours)
    for name, tensor in theirs.named_parameters():
        theirs_off = np.abs(tensor.grad.numpy() - exact.get_parameter(name).numpy()).max()
        ours_off = np.abs(
            grads.get_parameter(name).numpy() - exact.get_parameter(name).numpy()
        ).max()
        assert 0 < ours_off < max(2 * theirs_off, 2e-3), name


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_training_comes_as_far_as_in_32_bits(precision: str) -> None:
    losses = []
    for chosen in ("f32", precision):
        trainer = trainer_of(precision=chosen)
        trainer.fit([(X, Y)], steps=40)
        losses.append(trainer.evaluate([(X, Y)])["loss"])
    assert losses[0] < 0.5 and losses[1] == pytest.approx(losses[0], rel=0.1)


def test_small_gradients_survive_by_the_scale() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = lm.ones(4)

        def forward(self, x: Any) -> Any:
            return x * self.w

    def loss(model: Any, x: Any) -> Any:
        return model(x).sum() * 2.0**-26  # of float16's numbers the smallest is 2^-24

    moved = []
    for precision in ("f32", "f16"):
        model = Small()
        step = train.Step(loss, precision=precision)
        step(model, optim.SGD(model, lr=2.0**24), (np.ones(4, np.float32),))
        moved.append(model.w.numpy())
    np.testing.assert_array_equal(moved[0], moved[1])
    assert moved[0][0] == 0.75


def test_an_overflow_leaves_the_step_out() -> None:
    model = Net()
    optimizer = optim.AdamW(model, lr=0.1)
    step = train.Step(loss_of, precision="f16", clip_norm=1.0)
    step(model, optimizer, (X, Y))
    before = {n: t.numpy().copy() for n, t in model.state_dict().items()}
    state = {n: t.numpy().copy() for n, t in optimizer.state_dict().items()}
    huge = X * np.float32(1e5)  # infinite in float16
    measures = step(model, optimizer, (huge, Y))
    assert not np.isfinite(float(measures["gradient_norm"]))
    for name, tensor in model.state_dict().items():
        if name != "norm.num_batches_tracked":
            np.testing.assert_array_equal(tensor.numpy(), before[name])
    for name, tensor in optimizer.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), state[name])
    assert step.scale is not None and float(step.scale.value) == 32768.0
    step(model, optimizer, (X, Y), (X, Y))
    assert int(optimizer.steps) == 2


def test_the_scale_moves_as_that_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="the tests against PyTorch need the test extra")
    theirs = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.0)
    ours = train.LossScale(1024.0, interval=3)
    for finite in [1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1]:
        theirs.scale(parameter.sum())  # makes its scale
        parameter.grad = torch.tensor([1.0 if finite else np.inf])
        theirs.step(optimizer)
        theirs.update()
        ours.adjust(lm.asarray(bool(finite)))
        assert float(ours.value) == theirs.get_scale()
    other = train.LossScale()
    other.load_state_dict({n: t.numpy() for n, t in ours.state_dict().items()})
    assert float(other.value) == float(ours.value) and int(other.good) == int(ours.good)
    with pytest.raises(lm.UsageError, match="a factor above 0"):
        train.LossScale(0.0)
