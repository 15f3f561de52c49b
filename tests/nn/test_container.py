"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from tests.nn.test_errors import message


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_children()]


@pytest.mark.parametrize("kind", [lambda *m: nn.Sequential(*m), lambda *m: nn.ModuleList(m)])
def test_parts_come_and_go(kind: Any) -> None:
    a, b, c, d = (nn.Linear(1, 1) for _ in range(4))
    parts = kind(a, b).append(c).insert(0, d)
    assert list(parts) == [d, a, b, c] and names(parts) == ["0", "1", "2", "3"]
    assert parts.pop() is c and parts.pop(0) is d and len(parts) == 2
    assert type(parts[1:]) is type(parts) and list(parts[1:]) == [b] and list(parts) == [a, b]
    assert list(parts.extend([c]) + [d]) == [a, b, c, d] and len(parts) == 3
    parts[-1] = d
    del parts[0]
    assert list(parts) == [b, d] and parts[-1] is d and d in parts and a not in parts
    assert names(parts) == ["0", "1"]


def test_names_of_a_sequence() -> None:
    net = nn.Sequential(OrderedDict([("body", nn.Linear(2, 3)), ("out", nn.Linear(3, 1))]))
    assert list(net.state_dict()) == ["body.weight", "body.bias", "out.weight", "out.bias"]
    net.insert(1, nn.ReLU()).append(nn.Tanh())
    assert names(net) == ["body", "1", "out", "3"]
    net[0] = nn.Linear(2, 3, bias=False)
    assert names(net[:3]) == ["body", "1", "out"] and net.body.bias is None
    assert net(lm.ones((4, 2))).shape == (4, 1)


def test_dictionaries() -> None:
    heads = nn.ModuleDict({"a": nn.Linear(2, 1)})
    heads.update({"b": nn.Linear(2, 3), "a": nn.Linear(2, 2)})
    assert list(heads) == ["a", "b"] and heads["a"].out_features == 2 and len(heads) == 2
    assert [n for n, _ in heads.items()] == list(heads.keys()) and "b" in heads
    assert heads.pop("a").out_features == 2 and list(heads.state_dict()) == ["b.weight", "b.bias"]
    with pytest.raises(KeyError):
        heads["training"]
    scales = nn.ParameterDict({"left": lm.ones(2)})
    scales["right"] = lm.zeros(3)
    assert [n for n, _ in scales.named_parameters()] == ["left", "right"]
    del scales["left"]
    assert list(scales.values()) == [scales["right"]]
    scales.clear()
    assert len(scales) == 0


def test_lists_of_parameters_train() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scales = nn.ParameterList([lm.ones(2), lm.ones(2)])
            self.named = nn.ParameterDict({"shift": lm.zeros(2)})

        def forward(self, x: Any) -> Any:
            for scale in self.scales:
                x = x * scale
            return x + self.named["shift"]

    net = Net()
    net.scales[1] = lm.asarray([2.0, 3.0])
    assert list(net.state_dict()) == ["scales.0", "scales.1", "named.shift"]
    grads = lm.jit(lm.grad(lambda net, x: lm.sum(net(x))))(net, lm.asarray([5.0, 7.0]))
    np.testing.assert_array_equal(grads.scales[0].numpy(), [10.0, 21.0])
    np.testing.assert_array_equal(grads.named["shift"].numpy(), [1.0, 1.0])
    assert len(net.scales) == 2 and net.scales[-1] is net.scales[1]


def test_the_names_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")

    def make(nn: Any, ones: Any) -> Any:
        module = nn.Module()
        module.layers = nn.ModuleList([nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 1))])
        module.heads = nn.ModuleDict({"x": nn.Linear(1, 1), "y": nn.ModuleList()})
        module.scales = nn.ParameterList([ones(2), ones(3)])
        module.shifts = nn.ParameterDict({"z": ones(1)})
        return module

    ours, theirs = make(nn, lm.ones), make(torch.nn, torch.ones)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())


def test_message() -> None:
    assert message(lambda: nn.ModuleDict({"a.b": nn.ReLU()})) == (
        "UsageError: ModuleDict: no part can be called 'a.b'\n"
        "  a name is a text without dots, and not that of a method\n  help: choose another name"
    )
    with pytest.raises(lm.UsageError, match="'forward'"):
        nn.Sequential({"forward": nn.ReLU()})
    with pytest.raises(lm.UsageError, match="'training'"):
        nn.ModuleDict({"training": nn.ReLU()})
