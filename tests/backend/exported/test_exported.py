"""Exported programs: run by a process without the front end, and files that somebody damaged."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn, optim
from lamina.backend.exported import structure
from lamina.base import safetensors

RUN = """
import json, sys
import numpy as np
import lamina
program = lamina.load_program(sys.argv[1])
x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
found = [np.asarray(program(x)).tolist() for _ in range(int(sys.argv[2]))]
front = ("lamina.front", "lamina.tensor", "lamina.functional", "lamina.nn", "lamina.optim")
print(json.dumps([found, [name for name in front if name in sys.modules]]))
"""
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def elsewhere(program: Any, path: Path, calls: int = 1) -> list[Any]:
    """What the program gives in a process of its own."""
    program.save(path)
    command = [sys.executable, "-c", RUN, str(path), str(calls)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, loaded = json.loads(done.stdout)
    assert loaded == []
    return found


def test_a_model_runs_in_a_process_without_the_front_end(tmp_path: Path) -> None:
    """IN-3, CG-17."""
    lm.random.seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 2))
    program = lm.export(model, X)
    assert set(program.state) == set(model.state_dict())
    (found,) = elsewhere(program, tmp_path / "net")
    np.testing.assert_allclose(found, model(lm.asarray(X)).numpy(), rtol=1e-5, atol=1e-6)


def training_step() -> tuple[Callable[..., Any], Any, Any]:
    lm.random.seed(2)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    optimizer = optim.Adam(model, lr=0.1)

    @lm.jit
    def step(model: Any, optimizer: Any, x: Any) -> Any:
        loss, grads = lm.value_and_grad(lambda m, x: ((m(x) - 1.0) ** 2).mean())(model, x)
        optimizer.update(model, grads)
        return loss

    return step, model, optimizer


def test_a_training_step_trains_elsewhere_and_goes_on_from_its_own_file(tmp_path: Path) -> None:
    step, model, optimizer = training_step()
    program = lm.export(step, model, optimizer, X)
    found = elsewhere(program, tmp_path / "step", calls=4)
    wanted = [float(step(model, optimizer, X)) for _ in range(4)]  # dropout draws included
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    for _ in range(2):
        program(X)
    program.save(tmp_path / "later")
    again = lm.load_program(tmp_path / "later")
    np.testing.assert_allclose([again(X), again(X)], wanted[2:], rtol=1e-5)
    for name, tensor in model.state_dict().items():
        np.testing.assert_allclose(again.state[f"model.{name}"], tensor.numpy(), rtol=1e-4)
    assert again.state["optimizer.steps"] == 4


def test_state_is_replaced_in_place() -> None:
    step, model, optimizer = training_step()
    program = lm.export(step, model, optimizer, X)
    program(X)
    before = dict(zip(program.signature.inputs, program._kept.values()))
    program(X)
    donated = [n for n, b in before.items() if b.donated]
    assert {"model.0.weight", "optimizer.state.0.weight.exp_avg"} <= set(donated)


def loops(x: Any) -> Any:
    def body(carry: Any, row: Any) -> Any:
        new = lm.cond(row.sum() > 0, lambda: carry + row, lambda: carry - 2 * row)
        return new, new * new

    last, rows = lm.scan(body, lm.zeros(4), x)
    count = lm.while_loop(lambda v: v[0] < 20, lambda v: (v[0] * 2, v[1] + 1), (last.sum(), 0))
    return last + rows.sum(0) + count[1]


def complex_numbers(x: Any) -> Any:
    z = lm.make_complex(x, 2 * x) * lm.asarray(np.array([1 + 2j, 3, 0, -1j], np.complex64))
    return lm.concat([lm.real(z), lm.imag(lm.exp(z))])


def keys(x: Any) -> Any:
    return x + lm.random.normal((3, 4), key=lm.random.key(7))


def large_constants(x: Any) -> Any:
    table = np.arange(4 * 300, dtype=np.float32).reshape(300, 4)
    return x @ table.T + np.float32(np.nan) * 0 + np.float32(np.inf)


def custom_derivative(x: Any) -> Any:
    cube = lm.custom_jvp(lambda x: x**3)
    cube.defjvp(lambda p, t: (cube(*p), 3 * t[0] * p[0] ** 2))
    return lm.grad(lambda x: lm.scan(lambda c, r: (c + cube(r), None), lm.zeros(4), x)[0].sum())(x)


def sorting(x: Any) -> Any:
    return lm.sort(lm.linalg.inv(x @ x.T + lm.eye(3)), axis=-1)


PROGRAMS = [loops, complex_numbers, keys, large_constants, custom_derivative, sorting]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_programs_come_back(f: Callable[..., Any], tmp_path: Path) -> None:
    program = lm.export(f, X)
    program.save(tmp_path / "p")
    loaded = lm.load_program(tmp_path / "p")
    assert loaded.graph == program.graph
    assert loaded.signature == program.signature
    wanted = lm.jit(f)(lm.asarray(X)).numpy()
    np.testing.assert_array_equal(loaded(X), wanted)


# ---------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "p"
    weight = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    lm.export(lambda m, x: {"y": (m(x) @ weight, 3)}, nn.Linear(4, 4), X).save(path)
    return path.read_bytes()


def test_every_damage_is_a_format_error(saved: bytes, tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(150):
        data = bytearray(saved)
        how = rng.randrange(3)
        if how == 0:
            del data[rng.randrange(len(data)) :]
        elif how == 1:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            at = rng.randrange(len(data))
            data[at:at] = bytes([rng.randrange(256)])
        (tmp_path / "p").write_bytes(data)
        try:
            found = lm.load_program(tmp_path / "p")
        except lm.FormatError:
            continue
        assert found.graph == lm.load_program(write(tmp_path / "q", saved)).graph  # a space


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def changed(saved: bytes, tmp_path: Path, change: Callable[[Any, Any], None]) -> Any:
    """The file with other content, its checksum right."""
    from lamina.backend.exported.file import _checksum

    read: Any = safetensors.load(write(tmp_path / "before", saved))
    arrays, texts = read
    signature = json.loads(texts["signature"])
    change(signature, texts)
    texts["signature"] = texts.get("signature") and json.dumps(signature)
    unsigned = {n: t for n, t in texts.items() if n != "checksum"}
    texts["checksum"] = _checksum(unsigned, arrays)
    safetensors.save(tmp_path / "p", arrays, texts)
    return lm.load_program(tmp_path / "p")


LIES: dict[str, Callable[[Any, Any], Any]] = {
    "too few names": lambda s, t: s["inputs"].pop(),
    "a name twice": lambda s, t: s["inputs"].__setitem__(0, s["inputs"][1]),
    "an output that is not there": lambda s, t: s.update(result={"output": 7}),
    "an input as a result": lambda s, t: s.update(result={"input": 0}),
    "an update of another type": lambda s, t: s.update(updates=[[0, 0], [9, 0]]),
    "an argument twice": lambda s, t: s["arguments"].append(s["arguments"][0]),
    "an argument for a parameter": lambda s, t: s.update(arguments=[["x", {"input": 0}]]),
    "no argument": lambda s, t: s.update(arguments=[]),
    "a structure of another kind": lambda s, t: s.update(result={"set": []}),
    "a structure without end": lambda s, t: s.update(result=nested(200)),
    "a write nowhere": lambda s, t: s.update(writes=[["x", [], 0]]),
    "a name that is a number": lambda s, t: s.update(name=3),
    "a list for a signature": lambda s, t: s.clear(),
    "another graph": lambda s, t: t.update(graph="graph(%a: f32[3]) {\n return %a\n}"),
    "no graph": lambda s, t: t.pop("graph"),
    "an unknown op": lambda s, t: t.update(graph=t["graph"].replace("contract", "contrast")),
}


def nested(depth: int) -> Any:
    return {"list": [nested(depth - 1)]} if depth else {"value": 1}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_program_that_lies_about_itself(
    lie: Callable[[Any, Any], Any], saved: bytes, tmp_path: Path
) -> None:
    with pytest.raises(lm.FormatError, match=r"the file is damaged|this is no structure"):
        changed(saved, tmp_path, lie)


def test_other_files_and_other_versions(saved: bytes, tmp_path: Path) -> None:
    safetensors.save(tmp_path / "weights", {"x": X}, {})
    with pytest.raises(lm.FormatError) as caught:
        lm.load_program(tmp_path / "weights")
    assert str(caught.value).split("\n  at ")[0] == (
        "load_program: this file holds no program\n"
        f"  file: {tmp_path / 'weights'}\n"
        "  help: lm.export(f, ...).save(path) makes one"
    )
    with pytest.raises(lm.FormatError) as caught:
        changed(saved, tmp_path, lambda s, t: t.update(version="2"))
    assert str(caught.value).split("\n  at ")[0] == (
        "load_program: another version of the file format\n"
        f"  file: {tmp_path / 'p'}, version '2'\n"
        "  known: version 1\n"
        "  help: export the program again, or load it with the Lamina that made it"
    )
    with pytest.raises(FileNotFoundError):
        lm.load_program(tmp_path / "nowhere")


# ---------------------------------------------------------------------- calls


def nested_program() -> Any:
    def f(point: Any, mode: str, *, scale: float) -> Any:
        sign = 1 if mode == "plus" else -1
        return point["x"] + sign * scale * point["pair"][1], (point["pair"][0], None)

    return lm.export(f, {"x": X, "pair": (X, 2)}, "plus", scale=0.5)


def test_arguments_are_taken_apart_as_at_the_export() -> None:
    program = nested_program()
    found, (first, nothing) = program({"x": X, "pair": (X, 3)}, "plus", scale=2)
    np.testing.assert_allclose(found, X + 6)
    assert nothing is None
    np.testing.assert_array_equal(first, X)
    assert list(program.inputs) == ["point.x", "point.pair.0", "point.pair.1", "scale"]
    assert [str(t) for t in program.outputs] == ["f32[3,4]", "f32[3,4]"]


GOOD_POINT = {"x": X, "pair": (X, 3)}
CALLS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((GOOD_POINT, "minus"), {"scale": 1.0}, "mode is another than at the export"),
    ((GOOD_POINT, "plus"), {}, "other arguments than at the export"),
    ((GOOD_POINT, "plus", 1), {"scale": 1.0}, "other arguments than at the export"),
    ((GOOD_POINT, "plus"), {"mode": "plus", "scale": 1.0}, "other arguments than at the export"),
    (({"x": X, "pair": [X, 3]}, "plus"), {"scale": 1.0}, r"point\['pair'\] is another"),
    (({"x": X, "pear": (X, 3)}, "plus"), {"scale": 1.0}, "point is another than at the export"),
    ((X, "plus"), {"scale": 1.0}, "point is another than at the export"),
    (({"x": X[1:], "pair": (X, 3)}, "plus"), {"scale": 1.0}, "has another shape"),
    (({"x": X > 0, "pair": (X, 3)}, "plus"), {"scale": 1.0}, "has another dtype"),
    (({"x": X, "pair": (X, 3.5)}, "plus"), {"scale": 1.0}, "has another dtype"),
]


@pytest.mark.parametrize("args, kwargs, said", CALLS)
def test_other_arguments_are_refused(args: Any, kwargs: Any, said: str) -> None:
    with pytest.raises(lm.LaminaError, match=said):
        nested_program()(*args, **kwargs)


def test_the_message_for_another_shape() -> None:
    with pytest.raises(lm.ShapeError) as caught:
        lm.export(lm.exp, X)(X[:2])
    assert str(caught.value).split("\n  at ")[0] == (
        "exported program exp: x has another shape than at the export\n"
        "  given: f32[2,4]\n"
        "  takes: f32[3,4]\n"
        "  help: a program serves the shapes that it was exported for"
    )


def test_arrays_of_any_layout_and_order_are_taken() -> None:
    program = lm.export(lambda x: x + 1, X)
    for given in (np.asfortranarray(X), X.astype(">f4"), X[::-1][::-1], lm.asarray(X)):
        np.testing.assert_array_equal(program(given), X + 1)


def test_structures_are_checked_before_they_are_used() -> None:
    assert structure.checked({"dict": [["a", {"input": 0}]]}, 1, 0)
    for wrong in ({"input": 1}, {"input": True}, {"dict": [["a"]]}, {"value": []}, {}, None):
        with pytest.raises(lm.FormatError, match="this is no structure"):
            structure.checked(wrong, 1, 1)


# ------------------------------------------------------------------ sizes that are symbols

B = lm.Dim("B")


def centred() -> Any:
    """Rows less their mean, and half of them: a number, a type and a parameter made of B."""

    @lm.jit(dynamic_shapes={"x": {0: B}})
    def centred(x: Any) -> Any:
        return x - lm.mean(x, axis=0), x[: (x.shape[0] + 1) // 2]

    return centred


def test_one_program_serves_all_sizes(tmp_path: Path) -> None:
    f = centred()
    program = lm.export(f, X)
    assert str(program.inputs) == "{'x': f32[B,4]}"
    program.save(tmp_path / "p")
    loaded = lm.load_program(tmp_path / "p")
    assert loaded.graph == program.graph
    for n in (1, 2, 3, 8):
        x = np.random.default_rng(n).uniform(size=(n, 4)).astype(np.float32)
        for one in (program, loaded):
            less, half = one(x)
            np.testing.assert_allclose(less, x - x.mean(0), 1e-5, 1e-6)
            np.testing.assert_array_equal(half, x[: (n + 1) // 2])


def test_a_training_step_for_all_batch_sizes(tmp_path: Path) -> None:
    lm.random.seed(3)
    model = nn.Linear(4, 2)
    twin = nn.Linear(4, 2)
    twin.load_state_dict(model.state_dict())

    def step(model: Any, optimizer: Any, x: Any) -> Any:
        loss, grads = lm.value_and_grad(lambda m, x: lm.mean((m(x) - 1.0) ** 2))(model, x)
        optimizer.update(model, grads)
        return loss

    symbolic = lm.jit(step, dynamic_shapes={"x": {0: B}})
    program = lm.export(symbolic, model, optim.AdamW(model, lr=0.1), X)
    program.save(tmp_path / "p")
    loaded = lm.load_program(tmp_path / "p")
    optimizer = optim.AdamW(twin, lr=0.1)
    plain = lm.jit(step)
    for n in (3, 1, 5, 3):
        x = np.random.default_rng(n).uniform(size=(n, 4)).astype(np.float32)
        assert float(loaded(x)) == pytest.approx(float(plain(twin, optimizer, lm.asarray(x))), 1e-5)
    np.testing.assert_allclose(loaded.state["model.weight"], twin.weight.numpy(), 1e-5)


def test_sizes_share_kernels() -> None:
    program = lm.export(centred(), X)

    def kernels(n: int) -> set[str]:
        program(np.ones((n, 4), np.float32))
        return {k.symbol for k in program._for({"B": n}).program.record.kernels}

    kernels(40)
    assert kernels(41) == kernels(57)


def test_arrays_of_sizes_that_the_program_does_not_serve() -> None:
    f = lm.jit(
        lambda x, y: lm.matmul(x, y), dynamic_shapes={"x": (lm.Dim("N", min=2), B), "y": {0: B}}
    )
    program = lm.export(f, np.ones((2, 3)), np.ones((3, 4)))
    cases = [
        ((2, 3), (2, 4), "B is 2 here and 3 there|B is 3 here and 2 there"),
        ((1, 3), (3, 4), "N is at least 2"),
        ((2, 3), (3, 5), "y has another shape than at the export"),
        ((2, 3, 1), (3, 4), "x has another shape than at the export"),
    ]
    for x, y, problem in cases:
        with pytest.raises(lm.ShapeError, match=problem):
            program(np.ones(x), np.ones(y))
    with pytest.raises(lm.UsageError, match="has a program for each size"):
        _ = program.program
