"""The table of layers: counts checked by hand, and nothing left behind."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm
from lamina import nn


def test_a_convolutional_network() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 5 * 6, 7)
    )
    net[3].freeze(names="bias")
    before = net.state_dict()
    table = nn.summary(net, lm.ones((2, 3, 5, 6)))
    conv, linear = 2 * (2 * 4 * 5 * 6) * (3 * 3 * 3), 2 * 2 * 120 * 7
    assert [row.flops for row in table.rows] == [conv + linear, conv, 0, 0, linear]
    assert [row.shapes[0] for row in table.rows[1:]] == [
        (2, 4, 5, 6),
        (2, 4, 5, 6),
        (2, 120),
        (2, 7),
    ]
    sizes = [4 * 27 + 4, 8, 0, 7 * 121]
    assert [row.parameters for row in table.rows] == [sum(sizes), *sizes]
    assert (table.parameters, table.trainable) == (sum(sizes), sum(sizes) - 7)
    assert table.parameter_bytes == 4 * sum(sizes)
    after = net.state_dict()
    assert all(after[name] is before[name] for name in before)
    assert not any("hook" in name for module in net.modules() for name in vars(module))


def test_loops_count_each_step_and_shared_layers_once() -> None:
    lstm = nn.LSTM(3, 4)
    table = nn.summary(lstm, lm.ones((5, 2, 3)))
    assert table.flops == 2 * 5 * 2 * 16 * (3 + 4)
    assert table.rows[0].shapes == ((5, 2, 4), (1, 2, 4), (1, 2, 4))
    layer = nn.Linear(2, 2)
    table = nn.summary(nn.Sequential(layer, layer), lm.ones((1, 2)))
    assert [row.path for row in table.rows] == ["", "0", "0"]
    assert (table.parameters, table.flops) == (6, 16)


def test_depth_types_and_other_arguments() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.Sequential(nn.Linear(2, 3))

        def forward(self, x: Any, twice: bool, name: str = "") -> Any:
            y = self.part(x)
            return {"once": y, "twice": y * 2.0} if twice and name == "both" else y

    of_type = lm.eval_shape(lambda x: x, np.ones((4, 2), np.float32))
    table = nn.summary(Both(), of_type, True, name="both", depth=1)
    assert [(row.path, row.kind) for row in table.rows] == [("", "Both"), ("part", "Sequential")]
    assert table.rows[0].shapes == ((4, 3), (4, 3))
    assert str(table).splitlines()[3].startswith("  part: Sequential")
