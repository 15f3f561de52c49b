"""Module: names, state, modes, freezing, sharing, copying, and what users get wrong."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn


class Branches(nn.Module):
    """Layers as attributes, in a list, in a dict and in a tuple; parameters and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.blocks = [nn.Linear(2, 2), nn.Linear(2, 2, bias=False)]
        self.heads = {"mean": nn.Linear(2, 1), "spread": [nn.Linear(2, 1)]}
        self.scale = lm.ones((2,))
        self.pair = (nn.LayerNorm(2), nn.Dropout(0.5))
        self.gains = [lm.ones(()), lm.zeros(())]
        self.register_buffer("seen", lm.zeros((), dtype=lm.int64))
        self.label = "branches"

    def forward(self, x: Any) -> Any:
        x = self.first(x) * self.scale
        for block in self.blocks:
            x = lm.tanh(block(x))
        x = self.pair[1](self.pair[0](x)) * self.gains[0] + self.gains[1]
        self.seen = self.seen + x.shape[0]
        return self.heads["mean"](x) + self.heads["spread"][0](x)


class Tied(nn.Module):
    """An autoencoder whose halves share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Linear(3, 3, bias=False)
        self.up = nn.Linear(3, 3)
        self.up.weight = self.down.weight

    def forward(self, x: Any) -> Any:
        return self.up(lm.tanh(self.down(x)))


NAMES = [
    "scale",
    "gains.0",
    "gains.1",
    "first.weight",
    "first.bias",
    "blocks.0.weight",
    "blocks.0.bias",
    "blocks.1.weight",
    "heads.mean.weight",
    "heads.mean.bias",
    "heads.spread.0.weight",
    "heads.spread.0.bias",
    "pair.0.weight",
    "pair.0.bias",
]


def inputs(count: int = 4, width: int = 2) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)


def square(model: nn.Module, x: Any) -> lm.Tensor:
    return lm.sum(model(x) ** 2)


@lm.jit
def jitted_step(model: nn.Module, optimizer: lm.optim.Optimizer, x: Any) -> lm.Tensor:
    loss, grads = lm.value_and_grad(square)(model, x)
    optimizer.update(model, grads)
    return loss


def eager_step(model: nn.Module, optimizer: lm.optim.Optimizer, x: Any) -> lm.Tensor:
    loss, grads = lm.value_and_grad(square)(model, x)
    optimizer.update(model, grads)
    return loss


def numbers(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


both_ways = pytest.mark.parametrize("step", [eager_step, jitted_step], ids=["eager", "jitted"])


# ------------------------------------------------------------------ names and order


def test_names_come_in_the_order_of_definition() -> None:
    model = Branches()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert [name for name, _ in model.named_buffers()] == ["seen"]
    paths = ["first", "blocks.0", "blocks.1", "heads.mean", "heads.spread.0", "pair.0", "pair.1"]
    assert [name for name, _ in model.named_children()] == paths
    assert [name for name, _ in model.named_modules()] == ["", *paths]
    assert len(list(model.parameters())) == len(NAMES)
    nested = nn.Sequential(nn.Sequential(nn.Linear(1, 1)), nn.Linear(1, 1, bias=False))
    names = [name for name, _ in nested.named_parameters()]
    assert names == ["0.0.weight", "0.0.bias", "1.weight"]


def test_deleting_and_inserting_layers() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    optimizer = lm.optim.Adam(net)
    jitted_step(net, optimizer, inputs())
    del net[0]
    assert [name for name, _ in net.named_parameters()] == ["1.weight", "1.bias"]
    net.insert(0, nn.Linear(2, 3)).append(nn.Tanh())
    assert [type(layer).__name__ for layer in net] == ["Linear", "ReLU", "Linear", "Tanh"]
    net[-1] = nn.GELU()
    assert len(net) == 4
    assert isinstance(net[3], nn.GELU)
    assert [type(layer).__name__ for layer in net[1:3]] == ["ReLU", "Linear"]
    jitted_step(net, optimizer, inputs())
    del net[1:]
    assert len(net) == 1


@both_ways
def test_a_deleted_layer_leaves_the_optimizer(step: Any) -> None:
    model = Branches()
    optimizer = lm.optim.Adam(model)
    step(model, optimizer, inputs())
    model.heads = {"mean": model.heads["mean"], "spread": [nn.Tanh()]}
    model.blocks.pop()
    step(model, optimizer, inputs())
    gone = {"blocks.1.weight", "heads.spread.0.weight", "heads.spread.0.bias"}
    assert list(optimizer.state) == [name for name in NAMES if name not in gone]
    del model.first.bias
    model.first.bias = None
    step(model, optimizer, inputs())
    assert "first.bias" not in optimizer.state


def test_repr() -> None:
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.MaxPool2d(2)))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): MaxPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))\n"
        "  )\n"
        ")"
    )
    assert repr(nn.BatchNorm2d(3)) == (
        "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
    )
    assert repr(nn.LayerNorm(4)) == "LayerNorm((4,), eps=1e-05, elementwise_affine=True)"
    assert repr(Branches()).splitlines()[2] == (
        "  (blocks.0): Linear(in_features=2, out_features=2, bias=True)"
    )


# ------------------------------------------------------------------ modes


def test_train_and_eval_reach_all_modules() -> None:
    model = Branches()
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    x = lm.asarray(inputs())
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())
    assert all(module.training for module in model.train().modules())
    assert (model(x).numpy() != model(x).numpy()).any()


def test_a_mode_has_a_program_of_its_own() -> None:
    f = lm.jit(lambda layer, x: layer(x))
    layer, x = nn.Dropout(0.5), lm.ones((64,))
    assert (f(layer, x).numpy() != 1).any()
    assert (f(layer.eval(), x).numpy() == 1).all()
    f(layer.train(), x)
    assert f.signatures == 2


@both_ways
def test_buffers_are_saved_but_not_trained(step: Any) -> None:
    model = Branches()
    for _ in range(3):
        step(model, lm.optim.SGD(model, lr=0.1), inputs(5))
    assert int(model.seen) == 15
    assert int(model.state_dict()["seen"]) == 15
    held = nn.Module()
    held.register_buffer("table", lm.ones((2,)))
    held.gain = lm.ones(())
    grads = lm.grad(lambda m: lm.sum(m.table * m.gain))(held)
    assert grads.table is None
    assert float(grads.gain) == 2.0


def test_a_buffer_that_is_a_parameter_elsewhere_is_no_parameter() -> None:
    layer = nn.Linear(2, 2)
    layer.register_buffer("anchor", layer.weight)
    grads = lm.grad(lambda layer: lm.sum(layer.weight * layer.anchor))(layer)
    np.testing.assert_array_equal(grads.weight.numpy(), layer.weight.numpy())
    assert grads.anchor is None
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    anchor = layer.anchor
    layer.set_parameters({"weight": lm.ones((2, 2))})
    assert layer.anchor is anchor


@both_ways
def test_frozen_parts_stay(step: Any) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
    net[0].freeze()
    optimizer = lm.optim.AdamW(net, lr=0.1)
    before = numbers(net)
    for _ in range(2):
        step(net, optimizer, inputs())
    after = numbers(net)
    for name in before:
        assert (before[name] == after[name]).all() == name.startswith("0.")
    grads = lm.grad(square)(net, inputs())
    assert grads[0].weight is None
    assert next(net.named_parameters())[0] == "0.weight"
    net.freeze(False)
    step(net, optimizer, inputs())
    assert (numbers(net)["0.weight"] != after["0.weight"]).any()


# ------------------------------------------------------------------ sharing and copying


def test_a_shared_parameter_is_listed_once_and_saved_twice() -> None:
    model = Tied()
    assert [name for name, _ in model.named_parameters()] == ["down.weight", "up.bias"]
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert names == list(model.state_dict()) == ["down.weight", "up.weight", "up.bias"]


def test_gradients_of_a_shared_parameter_add_up() -> None:
    model, x = Tied(), inputs(5, 3)
    together = lm.grad(square)(model, x)
    apart = copy.deepcopy(model)
    apart.up.weight = apart.up.weight * 1.0
    separate = lm.grad(square)(apart, x)
    total = separate.down.weight.numpy() + separate.up.weight.numpy()
    np.testing.assert_allclose(together.down.weight.numpy(), total, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(together.up.weight.numpy(), total, rtol=1e-5, atol=1e-6)


@both_ways
@pytest.mark.parametrize("make", [lm.optim.SGD, lm.optim.Adam])
def test_a_shared_parameter_stays_shared(step: Any, make: Any) -> None:
    model = Tied()
    before = model.down.weight.numpy().copy()
    optimizer = make(model, lr=0.01)
    assert list(optimizer.state) == ["down.weight", "up.bias"]
    for _ in range(3):
        step(model, optimizer, inputs(5, 3))
        assert model.up.weight is model.down.weight
    assert (model.down.weight.numpy() != before).any()
    model.load_state_dict({n: t.numpy() for n, t in model.state_dict().items()})
    assert model.up.weight is model.down.weight
    model.astype(lm.float64)
    assert model.up.weight is model.down.weight
    model.set_parameters({"down.weight": lm.ones((3, 3), dtype=lm.float64)})
    assert (model.up.weight.numpy() == 1).all()


@both_ways
def test_equal_gradients_do_not_tie_parameters(step: Any) -> None:
    """Two biases that are added have one gradient, and stay two parameters."""

    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = lm.zeros((2,))
            self.b = lm.ones((2,))

        def forward(self, x: Any) -> Any:
            return x + self.a + self.b

    model = Sum()
    step(model, lm.optim.SGD(model, lr=0.1), np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(model.a.numpy(), [-0.2, -0.2], rtol=1e-6)
    np.testing.assert_allclose(model.b.numpy(), [0.8, 0.8], rtol=1e-6)


def test_a_shared_module_works_twice() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    optimizer = lm.optim.SGD(model, lr=0.1)
    losses = [float(jitted_step(model, optimizer, inputs())) for _ in range(5)]
    assert losses[-1] < losses[0]
    assert model[0] is model[2]


def test_a_deep_copy_shares_nothing() -> None:
    model = Tied()
    other = copy.deepcopy(model)
    assert other.up.weight is other.down.weight
    assert other.up.weight is not model.up.weight
    start = numbers(model)
    jitted_step(other, lm.optim.SGD(other, lr=0.1), inputs(5, 3))
    for name, array in numbers(model).items():
        np.testing.assert_array_equal(array, start[name])
    pair = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    pair[1] = copy.deepcopy(pair[0])
    assert len(list(pair.parameters())) == 4


def test_pickle() -> None:
    model = Branches().eval()
    other = pickle.loads(pickle.dumps(model))
    assert not other.training
    x = lm.asarray(inputs())
    np.testing.assert_array_equal(other(x).numpy(), model(x).numpy())
    assert [name for name, _ in other.named_parameters()] == NAMES


# ------------------------------------------------------------------ state


def test_state_goes_round() -> None:
    lm.random.seed(1)
    first, second = Branches(), Branches()
    arrays = numbers(first)
    second.load_state_dict(arrays)
    for name, array in numbers(second).items():
        np.testing.assert_array_equal(array, arrays[name])
    for array in arrays.values():
        array[...] = 0  # what was loaded is a copy
    np.testing.assert_array_equal(numbers(second)["first.weight"], numbers(first)["first.weight"])


def test_loading_converts_to_the_dtype_of_the_module() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.ones((1, 2)), "bias": [0.5]})
    assert layer.weight.dtype is layer.bias.dtype is lm.float32


def test_loading_a_part() -> None:
    layer = nn.Linear(2, 1)
    bias = layer.bias.numpy().copy()
    layer.load_state_dict({"weight": np.ones((1, 2)), "other": np.ones(3)}, strict=False)
    np.testing.assert_array_equal(layer.weight.numpy(), [[1, 1]])
    np.testing.assert_array_equal(layer.bias.numpy(), bias)


def test_astype_leaves_whole_numbers() -> None:
    model = nn.Sequential(nn.BatchNorm2d(2), Branches()).astype(lm.float64)
    kinds = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    whole = {"0.num_batches_tracked", "1.seen"}
    assert all(kind is (lm.int64 if n in whole else lm.float64) for n, kind in kinds.items())


def test_modules_are_trees() -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    doubled = lm.tree.map(lambda t: t * 2, model)
    assert isinstance(doubled, nn.Sequential)
    np.testing.assert_array_equal(doubled[0].weight.numpy(), 2 * model[0].weight.numpy())


# ------------------------------------------------------------------ parts by name


def test_parts_are_found_by_path() -> None:
    model = Branches()
    assert model.get_submodule("heads.spread.0") is model.heads["spread"][0]
    assert model.get_submodule("") is model
    assert model.get_parameter("blocks.1.weight") is model.blocks[1].weight
    assert model.get_buffer("seen") is model.seen
    for find in (model.get_submodule, model.get_parameter, model.get_buffer):
        with pytest.raises(lm.UsageError, match=r"Branches has no \w+ 'nothing'\n  known: "):
            find("nothing")
    model.add_module("tail", nn.Linear(1, 1))
    model.register_parameter("gain", lm.ones(()))
    names = [name for name, _ in model.named_parameters()]
    assert names[3] == "gain" and names[-2:] == ["tail.weight", "tail.bias"]


def test_apply_reaches_each_module_once_and_the_outermost_last() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    seen: list[nn.Module] = []
    assert model.apply(seen.append) is model
    assert len(seen) == 3 and seen[-1] is model
    assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
    assert len(list(model.named_modules(remove_duplicate=False))) == 4


@both_ways
def test_parameters_are_frozen_by_name(step: Any) -> None:
    model = Branches()
    assert model.freeze(names=["*.bias", "heads.*", "gains.0"]) is model
    kept = {n for n in NAMES if n.endswith("bias") or n.startswith(("heads", "gains"))}
    assert len(list(model.trainable_parameters())) == len(NAMES) - len(kept)
    optimizer = lm.optim.Adam(model)
    before = numbers(model)
    step(model, optimizer, inputs())
    after = numbers(model)
    assert {n for n in NAMES if (before[n] == after[n]).all()} == kept
    model.freeze(False, names="heads.mean.*")
    grads = lm.grad(square)(model, inputs())
    assert grads.heads["mean"].bias is not None and grads.heads["spread"][0].bias is None
    model.requires_grad_(False)
    assert not list(model.trainable_parameters())
    assert len(list(model.requires_grad_().trainable_parameters())) == len(NAMES)
    with pytest.raises(lm.UsageError, match=r"freeze: Branches has no parameter 'head\.\*'"):
        model.freeze(names="head.*")


def test_a_report_of_what_was_left_out() -> None:
    layer = nn.Linear(2, 1)
    report = layer.load_state_dict({"weight": np.ones((1, 2)), "other": 1.0}, strict=False)
    assert report == (["bias"], ["other"])
    assert report.missing_keys == ["bias"] and report.unexpected_keys == ["other"]
    assert layer.load_state_dict(layer.state_dict()) == ([], [])


def test_passing_buffers_are_not_saved() -> None:
    module = nn.Module()
    module.register_buffer("kept", lm.ones(()))
    module.register_buffer("table", lm.ones((2,)), persistent=False)
    assert list(module.state_dict()) == ["kept"]
    assert [name for name, _ in module.named_buffers()] == ["kept", "table"]
    assert len(list(module.buffers())) == 2
    module.load_state_dict({"kept": 2.0})
    assert copy.deepcopy(module)._passing_buffers == ("table",)
    assert module.double().table.dtype is lm.float64


def test_precisions_and_copies() -> None:
    model = Tied()
    for convert, dtype in (
        (model.half, lm.float16),
        (model.bfloat16, lm.bfloat16),
        (model.double, lm.float64),
        (model.float, lm.float32),
    ):
        assert convert() is model
        assert {p.dtype for p in model.parameters()} == {dtype}
    other = model.copy()
    assert other.up.weight is other.down.weight
    assert other.up.weight is not model.up.weight
