"""jit: one program for a signature, objects updated, memory donated."""

import numpy as np
import pytest

import lamina as lm
from lamina.backend import execution
from tests.tensor.stand_ins import Affine


def test_one_program_for_a_signature():
    calls = []

    @lm.jit
    def f(x, scale):
        calls.append(x.shape)
        return x * scale

    for s in (1.0, 2.0, 3.0):
        np.testing.assert_allclose(f(lm.ones((2,)), s).numpy(), [s, s])
    assert calls == [(2,)]
    f(lm.ones((3,)), 1.0)
    f(lm.ones((2,)), 1)
    assert len(calls) == 3
    assert f.signatures == 3


def test_numbers_are_weak():
    f = lm.jit(lambda x, s: x * (s + 1.0))
    assert f(lm.ones((2,), dtype=lm.float16), 0.5).dtype is lm.float16


ARITHMETIC = {
    "negative": lambda n: -n,
    "abs": abs,
    "positive": lambda n: +n,
    "scaled": lambda n: n * 0.1,
    "over": lambda n: n / 3,
    "under": lambda n: 1 / n,
    "root": lambda n: n**0.5,
    "power": lambda n: 0.1**n,
    "floor": lambda n: (n + 0.5) // 0.3,
}


@pytest.mark.parametrize("number", [7, 0.1])
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_of_numbers_loses_no_digits(name, number):
    """As in Python: what becomes of a number before it meets a tensor has 64 bits."""
    f = ARITHMETIC[name]
    scaled = lm.jit(lambda n, x: x * f(n))
    found = scaled(number, lm.ones((1,), dtype=lm.float64))
    np.testing.assert_allclose(found.numpy(), f(number), 1e-15)
    assert scaled(number, lm.ones((1,), dtype=lm.float16)).dtype is lm.float16


def test_module_is_updated_in_place():
    model = Affine()

    @lm.jit
    def step(m, x):
        loss, g = lm.value_and_grad(lambda m: (m(x) ** 2).mean())(m)
        m.scale = m.scale - 0.1 * g.scale
        m.shift = m.shift - 0.1 * g.shift
        return loss

    losses = [float(step(model, lm.asarray([1.0, 2.0]))) for _ in range(20)]
    assert losses[-1] < 0.1 * losses[0]
    assert float(model.calls) == 20.0
    assert step.signatures == 1


@pytest.mark.skipif(execution.back_end() == "reference", reason="NumPy makes new arrays")
def test_old_buffers_are_donated():
    state = {"w": (lm.ones((64,)) * 2.0).block()}

    @lm.jit
    def step(s):
        s["w"] = s["w"] + 1.0

    step(state)
    address = state["w"]._value.data.buffer.address
    step(state)
    assert state["w"]._value.data.buffer.address == address
    assert float(state["w"][0]) == 4.0


@pytest.mark.parametrize("hold", ["tensor", "view", "pending"])
def test_what_others_see_is_not_donated(hold):
    state = {"w": (lm.ones((64,)) * 2.0).block()}
    step = lm.jit(lambda s: s.update(w=s["w"] + 1.0))
    step(state)
    seen = {
        "tensor": lambda w: w,
        "view": lambda w: w.numpy(),
        "pending": lambda w: w * 1.0,
    }[hold](state["w"])
    step(state)
    step(state)
    assert float(seen[0]) == 3.0
    assert float(state["w"][0]) == 5.0


def test_new_entries_appear():
    state = {"w": lm.asarray(1.0)}

    @lm.jit
    def step(s):
        if "m" not in s:
            s["m"] = lm.zeros_like(s["w"])
        s["m"] = s["m"] + s["w"]
        s["list"] = [s["w"], "text", (s["m"], None)]
        return s["m"]

    assert float(step(state)) == 1.0
    assert float(step(state)) == 2.0
    assert float(state["m"]) == 2.0
    assert state["list"][1] == "text"
    assert float(state["list"][2][0]) == 2.0


def test_a_fresh_dict_of_the_same_keys_keeps_donation():
    state = {"p": {"m": lm.ones((4,)).block()}}

    @lm.jit
    def step(s):
        s["p"] = {"m": s["p"]["m"] + 1.0}

    for _ in range(3):
        step(state)
    assert state["p"]["m"].tolist() == [4.0] * 4


def test_removed_and_appended():
    state = {"a": lm.asarray(1.0), "b": lm.asarray(2.0)}
    items = [lm.asarray(1.0)]

    @lm.jit
    def f(s, xs):
        s["c"] = s.pop("a") + 1
        xs.append(xs[0] * 2)

    f(state, items)
    assert list(state) == ["b", "c"]
    assert float(state["c"]) == 2.0
    assert [float(x) for x in items] == [1.0, 2.0]


def test_outputs_that_are_inputs():
    x = lm.asarray([1.0, 2.0])
    f = lm.jit(lambda x, d: (x, d, d["y"], x + 1, None, "s"))
    d = {"y": lm.asarray(3.0)}
    for _ in range(2):
        a, b, c, e, n, s = f(x, d)
        assert a is x
        assert b is d
        assert c is d["y"]
        assert e.tolist() == [2.0, 3.0]
        assert (n, s) == (None, "s")


def test_swap():
    state = {"a": lm.asarray(1.0), "b": lm.asarray(2.0)}

    @lm.jit
    def swap(s):
        s["a"], s["b"] = s["b"], s["a"]

    swap(state)
    assert (float(state["a"]), float(state["b"])) == (2.0, 1.0)
    swap(state)
    assert (float(state["a"]), float(state["b"])) == (1.0, 2.0)


def test_static_arguments():
    @lm.jit(static_argnames=("n", "mode"))
    def f(x, n, mode="add"):
        return x.reshape((n, -1)) + (1 if mode == "add" else 0)

    assert f(lm.zeros((6,)), 2).shape == (2, 3)
    assert f(lm.zeros((6,)), n=3, mode="no").shape == (3, 2)
    with pytest.raises(lm.UsageError, match="names no argument 'm'"):
        lm.jit(lambda x: x, static_argnames="m")


@pytest.mark.parametrize("numbers", [1, (1,), [-2], (np.int64(1), -2)])
def test_static_arguments_by_position(numbers):
    """However a call gives them."""

    @lm.jit(static_argnums=numbers)
    def f(x, n, y):
        return x.reshape((n, -1)) * y

    x = lm.ones((6,))
    assert f(x, 2, 1.0).shape == (2, 3) and f(x, n=3, y=2.0).shape == (3, 2)
    assert f(x, y=5.0, n=2).shape == (2, 3)
    assert f.signatures == 3  # two ways to write the call with n = 2


def test_static_arguments_by_name_and_by_position():
    f = lm.jit(lambda x, n, mode: x * n if mode == "times" else x, static_argnums=-1,
               static_argnames=("n", "mode"))  # fmt: skip
    assert f(lm.asarray(2.0), 3, "times").tolist() == 6.0
    assert f(lm.asarray(2.0), 3, mode="no").tolist() == 2.0


def test_static_arguments_among_any_number():
    powers = lm.jit(lambda x, *n: [x**k for k in n], static_argnums=(1, 2))
    assert [t.tolist() for t in powers(lm.asarray(2.0), 2, 3)] == [4.0, 8.0]
    scaled = lm.jit(lambda x, **options: x * len(options["name"]), static_argnames="name")
    assert scaled(lm.asarray(2.0), name="abc").tolist() == 6.0
    power = lm.jit(pow, static_argnums=1)
    assert power(lm.asarray([1.0, 3.0]), 2).tolist() == [1.0, 9.0]


def test_a_static_object_in_every_transform():
    """A function as an argument, the loss of a derivative, an example of many."""
    apply = lm.jit(lambda f, x: f(x), static_argnums=0)
    x = lm.asarray([0.5, 1.0])
    assert apply(lm.sin, x).tolist() == lm.sin(x).tolist()
    slope = lm.grad(lambda x: apply(lm.sum, x * x))(x)
    assert slope.tolist() == [1.0, 2.0]
    assert lm.vmap(lambda e: apply(lm.square, e))(x).tolist() == [0.25, 1.0]


def test_captured_tensors_and_arrays():
    w = lm.asarray([1.0, 2.0]) * 2
    f = lm.jit(lambda x: x * w + lm.asarray(np.array([10.0, 20.0], np.float32)))
    assert f(lm.asarray([1.0, 1.0])).tolist() == [12.0, 24.0]
    assert len(f.graph(lm.asarray([1.0, 1.0])).inputs) in (2, 3)


def test_numpy_arguments_are_inputs():
    f = lm.jit(lambda x, s: x * s)
    for i in range(3):
        assert f(np.full(2, i, np.float32), np.float32(2)).tolist() == [2.0 * i] * 2
    assert f.signatures == 1


def test_methods():
    class Model:
        def __init__(self):
            self.k = 3.0

        @lm.jit
        def scaled(self, x):
            """Times k."""
            return x * self.k

    assert Model().scaled(lm.asarray(2.0)).item() == 6.0
    assert Model.scaled.__doc__ == "Times k."
    assert Model.scaled.__name__ == "scaled"


def test_tied_tensors():
    w = lm.asarray(3.0)
    model = {"a": w, "b": w}

    @lm.jit
    def step(m):
        g = lm.grad(lambda m: m["a"] * m["b"])(m)
        m["a"] = m["a"] - 0.5 * g["a"]
        m["b"] = m["b"] - 0.5 * g["b"]

    step(model)
    assert (float(model["a"]), float(model["b"])) == (0.0, 0.0)


def test_failure_restores_everything():
    state = {"w": lm.asarray(1.0)}
    before = state["w"]

    @lm.jit
    def f(s):
        s["w"] = s["w"] + 1
        s["new"] = 1
        raise KeyError("stop")

    with pytest.raises(KeyError):
        f(state)
    assert state["w"] is before
    assert list(state) == ["w"]


def test_graph_and_program():
    f = lm.jit(lambda x: x + 1)
    x = lm.ones((2,))
    assert "add" in str(f.graph(x))
    assert f.program(x) is f.lower(x).program


def test_pending_arguments_and_results():
    f = lm.jit(lambda x: x * 2)
    x = lm.asarray([1.0])
    for _ in range(5):
        x = f(x + 0.0)
    assert x.tolist() == [32.0]


def test_jit_of_jit_is_one_program():
    inner = lm.jit(lambda x: x * 2)
    outer = lm.jit(lambda x: inner(x) + 1)
    assert float(outer(lm.asarray(3.0))) == 7.0
    assert inner.signatures == 0


def test_an_array_entry_becomes_a_tensor():
    state = {"w": np.ones(3, np.float32)}
    step = lm.jit(lambda s: s.update(w=s["w"] + 1.0))
    for _ in range(3):
        step(state)
    assert state["w"].tolist() == [4.0] * 3


@pytest.mark.parametrize("inner", [False, True])
def test_a_list_that_is_assigned_into_and_then_replaced(inner):
    """What the fresh list holds counts, not what was put into the old one before."""

    class Held:
        pass

    lm.register_node(Held)

    def f(held):
        target = held.parts[0] if inner else held.parts
        target[0] = target[0] + 1.0
        held.parts = [[target[0] * 2.0]] if inner else [target[0] * 2.0]

    found = []
    for run in (f, lm.jit(f)):
        held = Held()
        held.parts = [[lm.asarray(3.0)]] if inner else [lm.asarray(3.0)]
        run(held)
        found.append(lm.tree.leaves(held.parts[0])[0].item())
    assert found == [8.0, 8.0]


@pytest.mark.parametrize("made", [tuple, list, lambda parts: dict(enumerate(parts))])
def test_results_that_mix_arguments_and_new_tensors_keep_their_order(made):
    xs = [lm.asarray([float(i)]) for i in range(5)]
    f = lm.jit(lambda *xs: made([xs[3], xs[0] + 1.0, xs[1], xs[2] * 10.0, xs[3]]))
    for _ in range(2):
        found = f(*xs)
        assert type(found) is type(made([]))
        parts = list(found.values()) if isinstance(found, dict) else found
        assert [float(p[0]) for p in parts] == [3.0, 1.0, 1.0, 20.0, 3.0]
        assert parts[0] is xs[3]


# ---------------------------------------------------------------------- executors


def two_directions(x, w, u):
    def read(x):
        def step(h, row):
            h = lm.tanh(row @ w + h @ u)
            return h, h

        return lm.scan(step, lm.zeros((x.shape[1], w.shape[1])), x)[1]

    return lm.concat([read(x), lm.flip(read(lm.flip(x, axis=0)), axis=0)], axis=-1)


@pytest.mark.parametrize("executor", ["threads", "graph", "serial"])
def test_a_function_runs_under_the_executor_it_asks_for(executor):
    rng = np.random.default_rng(0)
    shapes = (30, 4, 16), (16, 16), (16, 16)
    x, w, u = (lm.asarray(rng.normal(scale=0.3, size=s).astype(np.float32)) for s in shapes)
    wanted = lm.jit(two_directions)(x, w, u).numpy()
    f = lm.jit(two_directions, executor=executor)
    for _ in range(20):
        np.testing.assert_array_equal(f(x, w, u).numpy(), wanted)
    assert f.program(x, w, u).program.mode == executor


def test_loops_that_nothing_orders_do_not_wait_for_memory_of_one_another():
    x, w, u = lm.ones((30, 4, 16)), lm.ones((16, 16)), lm.ones((16, 16))
    tasks = lm.jit(two_directions, executor="graph").program(x, w, u).program.tasks()
    first, second = (i for i, task in enumerate(tasks) if task.name == "scan")
    before = [second]
    for i in before:
        before += tasks[i].dependencies
    assert len(before) > 1 and first not in before


def test_an_unknown_executor_is_refused():
    with pytest.raises(lm.UsageError, match=r"jit: no executor 'turbo'"):
        lm.jit(two_directions, executor="turbo")
