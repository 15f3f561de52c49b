"""Ragged tensors against lists of rows."""

import numpy as np
import pytest

import lamina as lm
from lamina.sparse import Ragged, concat

RNG = np.random.default_rng(1)
LENGTHS = [3, 0, 1, 5, 0]
ROWS = [RNG.normal(size=(n, 2)) for n in LENGTHS]


def ragged() -> Ragged:
    return Ragged.from_rows(ROWS)


def same(x: Ragged, rows) -> None:
    assert len(x) == len(rows)
    for got, wanted in zip(x, rows):
        np.testing.assert_allclose(got.numpy(), wanted, 1e-12)


def test_rows_in_and_out():
    x = ragged()
    same(x, ROWS)
    assert x.lengths.tolist() == LENGTHS
    assert x.row_numbers().tolist() == np.repeat(range(5), LENGTHS).tolist()
    assert x[-2].shape == (5, 2)
    same(Ragged.from_lengths(np.concatenate(ROWS), LENGTHS), ROWS)
    assert Ragged.from_rows([[1, 2], [], [3]]).tolist() == [[1, 2], [], [3]]
    assert Ragged.from_rows([[], []]).sum().tolist() == [0.0, 0.0]
    assert repr(x) == "Ragged(5 rows, values=f64[9,2])"


def test_padded_round_trip():
    padded, mask = ragged().to_padded(fill=-1.0)
    assert padded.shape == (5, 5, 2)
    for row, inside, wanted in zip(padded.numpy(), mask.numpy(), ROWS):
        np.testing.assert_array_equal(row[inside], wanted)
        assert (row[~inside] == -1).all()
    same(Ragged.from_padded(padded, mask.sum(axis=1)), ROWS)
    back = lm.jit(lambda p, n: Ragged.from_padded(p, n, total=9))(padded, lm.asarray(LENGTHS))
    same(back, ROWS)
    short, inside = lm.jit(lambda x: x.to_padded(2))(ragged())
    np.testing.assert_array_equal(short.numpy()[3], ROWS[3][:2])
    assert inside.numpy().sum(1).tolist() == [2, 0, 1, 2, 0]
    empty, inside = Ragged.from_rows([[], []]).to_padded(3)
    assert empty.tolist() == [[0, 0, 0]] * 2 and not inside.numpy().any()


def test_reductions():
    x = ragged()
    blank = {"sum": 0.0, "mean": 0.0, "max": -np.inf, "min": np.inf}
    for name, empty in blank.items():
        wanted = [getattr(r, name)(axis=0) if len(r) else np.full(2, empty) for r in ROWS]
        np.testing.assert_allclose(getattr(x, name)().numpy(), wanted, 1e-12)
    power = [np.exp(r - r.max(0, initial=-9)) for r in ROWS]
    same(x.softmax(), [p / p.sum(0) for p in power])


def test_map_and_spread():
    x = ragged()
    same(x.map(lambda v: lm.exp(v) + 1.0), [np.exp(r) + 1 for r in ROWS])
    same(x.map(lambda a, b: a * b, x), [r * r for r in ROWS])
    centred = x.map(lambda a, b: a - b, x.spread(x.mean()))
    same(centred, [r - r.mean(0) if len(r) else r for r in ROWS])


def test_concat():
    x, y = ragged(), Ragged.from_rows(ROWS[::-1])
    same(concat([x, y]), ROWS + ROWS[::-1])
    joined = concat([x, y, x], axis=1)
    same(joined, [np.concatenate([a, b, a]) for a, b in zip(ROWS, ROWS[::-1])])


def test_jit_grad_and_vmap():
    x = ragged()
    peaks = lambda x: x.map(lambda v: v * v).softmax().max()
    loss = lambda x: lm.sum(lm.where((x.lengths > 0)[:, None], peaks(x), 0.0) ** 2)
    gradient = lm.grad(loss)(x)
    jitted = lm.jit(lm.grad(loss))(x)
    np.testing.assert_allclose(jitted.values.numpy(), gradient.values.numpy(), 1e-12)
    h = 1e-6
    for i in ((0, 0), (4, 1), (8, 0)):
        step = np.zeros((9, 2))
        step[i] = h
        at = lambda s: float(loss(Ragged(np.concatenate(ROWS) + s, x.offsets)))
        assert abs(gradient.values.numpy()[i] - (at(step) - at(-step)) / (2 * h)) < 1e-7
    values = lm.asarray(RNG.normal(size=(3, 9)))
    sums = lm.vmap(lambda v: Ragged(v, x.offsets).sum())(values).numpy()
    wanted = np.add.reduceat(values.numpy(), [0, 3, 4], axis=1)
    np.testing.assert_allclose(sums[:, [0, 2, 3]], wanted, 1e-12)


def test_errors():
    cases = {
        "Ragged: values and offsets do not fit\n  values: f32[]\n  offsets: i64[1]\n"
        "  help: values are [N, *F] and offsets [R + 1]\n": lambda: Ragged(1.0, [0]),
        "Ragged.map: the numbers of elements differ\n  operand 0: f64[9,2]\n  result: f64[2]\n"
        "  help: f works on each element and keeps their number\n": lambda: ragged().map(
            lambda v: lm.sum(v, axis=0)
        ),
        "Ragged.spread: there is not one thing for each row\n  each: f32[4]\n  rows: 5\n"
        "  help: the first axis counts the rows\n": lambda: ragged().spread(lm.ones((4,))),
        "concat: the numbers of rows differ\n  part 0: 5 rows\n  part 1: 1 rows\n"
        "  help: joining takes one row of each part\n": lambda: concat(
            [ragged(), Ragged.from_rows([[1.0]])], axis=1
        ),
        "Ragged.from_padded: there is not one length for each row\n  padded: f32[2,3]\n"
        "  lengths: i64[1]\n  help: padded is [R, T, *F] and lengths [R]\n": lambda: (
            Ragged.from_padded(lm.ones((2, 3)), [1])
        ),
    }
    for message, call in cases.items():
        with pytest.raises(lm.LaminaError) as caught:
            call()
        assert str(caught.value).startswith(message)
    with pytest.raises(lm.TraceError):
        lm.jit(lambda x: x.to_padded())(ragged())
