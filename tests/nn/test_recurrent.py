"""Recurrent layers and cells: PyTorch's values and gradients, lengths, and what users get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from tests.nn.parity import Parity, check, close
from tests.nn.test_errors import message

BOTH = ("float64", "float32")
X = (5, 2, 3)


def with_state(layer: Any, x: Any, *state: Any) -> Any:
    """The first state as one tensor, or the pair of an LSTM."""
    return layer(x, state if len(state) == 2 else state[0])


CASES = (
    Parity("rnn", lambda nn: nn.RNN(3, 4), (X,)),
    Parity(
        "rnn with relu, two layers, both directions",
        lambda nn: nn.RNN(3, 4, 2, "relu", bidirectional=True),
        (X, (4, 2, 4)),
        with_state,
    ),
    Parity("lstm", lambda nn: nn.LSTM(3, 4), (X,), dtypes=BOTH),
    Parity(
        "lstm, two layers, both directions, batch first",
        lambda nn: nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True),
        ((2, 5, 3), (4, 2, 4), (4, 2, 4)),
        with_state,
    ),
    Parity("lstm without bias", lambda nn: nn.LSTM(3, 4, bias=False), (X,)),
    Parity(
        "lstm projected, two layers, both directions",
        lambda nn: nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2),
        (X, (4, 2, 2), (4, 2, 4)),
        with_state,
    ),
    Parity("lstm of one sequence", lambda nn: nn.LSTM(3, 4), ((5, 3), (1, 4), (1, 4)), with_state),
    Parity(
        "gru, two layers, both directions",
        lambda nn: nn.GRU(3, 4, 2, bidirectional=True),
        (X, (4, 2, 4)),
        with_state,
        dtypes=BOTH,
    ),
    Parity("gru without bias", lambda nn: nn.GRU(3, 4, bias=False), (X,)),
    Parity("rnn cell", lambda nn: nn.RNNCell(3, 4, nonlinearity="relu"), ((2, 3), (2, 4))),
    Parity("lstm cell", lambda nn: nn.LSTMCell(3, 4), ((2, 3), (2, 4), (2, 4)), with_state),
    Parity("lstm cell, first", lambda nn: nn.LSTMCell(3, 4, bias=False), ((3,),)),
    Parity("gru cell", lambda nn: nn.GRUCell(3, 4), ((2, 3), (2, 4))),
)


@pytest.mark.parametrize(
    "case, dtype",
    [(case, dtype) for case in CASES for dtype in case.dtypes],
    ids=lambda x: getattr(x, "name", x),
)
def test_against_torch(case: Parity, dtype: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    check(case, dtype)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_lengths_are_packed_sequences(kind: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True}
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(3, 4, **options).double()
    ours = getattr(nn, kind)(3, 4, **options).astype("float64")
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((3, 5, 3))
    lengths = np.array([2, 5, 3])
    given = torch.tensor(x, requires_grad=True)
    pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    packed, last = theirs(pack(given, lengths, batch_first=True, enforce_sorted=False))
    expected, _ = pad(packed, batch_first=True)
    ends = last if isinstance(last, tuple) else (last,)
    (expected.sin().sum() + sum((end * end).sum() for end in ends)).backward()

    def loss(layer: Any, x: Any, lengths: Any) -> Any:
        y, last = layer(x, lengths=lengths)
        ends = last if isinstance(last, tuple) else (last,)
        return lm.sin(y).sum() + sum((end * end).sum() for end in ends), (y, ends)

    differentiate = lm.jit(lm.grad(loss, argnums=(0, 1), has_aux=True))
    (bars, x_bar), (y, found) = differentiate(ours, lm.asarray(x), lengths)
    close(y, expected, "float64", "output")
    for a, b in zip(found, ends, strict=True):
        close(a, b, "float64", "last state")
    close(x_bar, given.grad, "float64", "input")
    for name, bar in bars.named_parameters():
        close(bar, dict(theirs.named_parameters())[name].grad, "float64", name)


def test_dropout_stands_between_layers() -> None:
    lm.random.seed(0)
    x = lm.random.normal((6, 3, 4))
    deep = nn.LSTM(4, 8, 2, dropout=0.5)
    assert (deep(x)[0].numpy() != deep(x)[0].numpy()).any()
    deep.eval()
    np.testing.assert_array_equal(deep(x)[0].numpy(), deep(x)[0].numpy())
    flat = nn.LSTM(4, 8, 1, dropout=0.5)
    np.testing.assert_array_equal(flat(x)[0].numpy(), flat(x)[0].numpy())


def test_a_layer_is_its_cell_repeated() -> None:
    layer, cell = nn.LSTM(3, 4, dtype=lm.float64), nn.LSTMCell(3, 4, dtype=lm.float64)
    cell.load_state_dict({name[:-3]: tensor for name, tensor in layer.state_dict().items()})
    x = lm.random.normal(X, dtype=lm.float64)
    y, _ = layer(x)
    state = None
    for t in range(5):
        state = cell(x[t], state)
        np.testing.assert_allclose(y[t].numpy(), state[0].numpy(), rtol=1e-12, atol=1e-15)


def test_the_program_does_not_grow_with_the_steps() -> None:
    step = lm.jit(lambda layer, x: layer(x)[0])
    layer = nn.GRU(2, 3, bidirectional=True)
    sizes = [len(list(step.graph(layer, lm.ones((t, 1, 2))).nodes)) for t in (3, 300)]
    assert sizes[0] == sizes[1]


MESSAGES = [
    (
        lambda: nn.LSTM(3, 4)(lm.ones((5, 2, 4))),
        "ShapeError: LSTM: these are no sequences for the layer\n"
        "  x: f32[5,2,4]\n  input_size: 3\n  help: x is [T, B, input_size]",
    ),
    (
        lambda: nn.GRU(3, 4, batch_first=True)(lm.ones((2, 5, 3)), lm.ones((1, 5, 4))),
        "ShapeError: GRU: the state does not fit\n"
        "  state: f32[1,5,4]\n  wanted: (1, 2, 4)\n"
        "  help: a state is [layers * directions, B, width]",
    ),
    (
        lambda: nn.RNN(3, 4)(lm.ones((5, 2, 3)), lengths=[5, 4, 3]),
        "ShapeError: RNN: there is not one length for each sequence\n"
        "  lengths: i64[3]\n  sequences: 2",
    ),
    (
        lambda: nn.RNN(3, 4, nonlinearity="gelu"),
        'UsageError: RNN: no nonlinearity \'gelu\'\n  there are "tanh" and "relu"',
    ),
    (
        lambda: nn.LSTM(3, 4, proj_size=4),
        "UsageError: LSTM: sizes are at least 1, and proj_size is less than hidden_size\n"
        "  hidden_size: 4\n  num_layers: 1\n  proj_size: 4",
    ),
    (
        lambda: nn.GRU(3, 4, dropout=2),
        "UsageError: GRU: dropout is not a probability\n  dropout: 2",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected


def test_descriptions() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    for make in (
        lambda nn: nn.LSTM(3, 4, 2, bias=False, batch_first=True, dropout=0.5, proj_size=2),
        lambda nn: nn.RNN(3, 4, bidirectional=True),
        lambda nn: nn.RNNCell(3, 4, nonlinearity="relu"),
        lambda nn: nn.GRUCell(3, 4, bias=False),
    ):
        assert repr(make(nn)) == repr(make(torch.nn))
