"""One model passes through every floor from one script, and every room stands alone.

The floors are those of the import contract in pyproject.toml; what a room may load is what lies
below it. A room that is not there yet is skipped, and joins when its folder appears.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import lamina as lm
from lamina import data, functional, nn, optim
from lamina.backend.codegen.llvm import compile_kernels
from lamina.backend.compile import compile_graph
from lamina.backend.compile.lower import lower
from lamina.backend.compile.pipelines import Pipeline, pipeline
from lamina.backend.compile.plan_memory import plan_memory
from lamina.backend.nest.verify import verify as verify_nest
from lamina.backend.targets import Target, select
from lamina.graph.ir import Graph
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.parser import parse
from lamina.graph.transforms import vjp
from lamina.runtime import Buffer

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "lamina"


def floors() -> list[list[str]]:
    """The rooms of the import contract that are there, from the top floor down."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    named = [re.findall(r"\(([\w.]+)\)", layer) for layer in contract["layers"]]
    return [[room for room in rooms if _exists(room)] for rooms in named]


def _exists(room: str) -> bool:
    path = SOURCE / room.replace(".", "/")
    return (path / "__init__.py").exists() or path.with_suffix(".py").exists()


FLOORS = floors()
ROOMS = [room for rooms in FLOORS for room in rooms]


# ---------------------------------------------------------------------- one script, all floors


def loss_of(model: nn.Module, images: lm.Tensor, labels: lm.Tensor) -> lm.Tensor:
    return functional.cross_entropy(model(images), labels)


def step(model: nn.Module, optimizer: optim.Optimizer, images, labels) -> lm.Tensor:
    loss, gradients = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, gradients)
    return loss


def small_model() -> nn.Module:
    lm.random.seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)
    )


def run(graph: Graph, arrays: list[np.ndarray], target: Target) -> list[np.ndarray]:
    """The outputs of the compiled graph."""
    buffers = [Buffer.wrap(np.ascontiguousarray(a)) for a in arrays]
    results = compile_graph(graph, target).run(buffers)
    return [
        np.frombuffer(b, v.dtype.numpy, v.type.size).reshape(v.shape)
        for b, v in zip(results, graph.outputs, strict=True)
    ]


def targets() -> list[Target]:
    """Every processor that this machine can stand for."""
    found = []
    for name in ("generic", "avx2", "avx512", "neon"):
        try:
            found.append(select(name))
        except lm.UsageError:
            continue
    return found


def agree(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_one_model_passes_through_every_floor() -> None:
    # data processing, layers, the programming interface: a step that trains
    digits = data.digits()
    images, labels = next(iter(data.batches(digits.train_images, digits.train_labels, 32, seed=0)))
    model = small_model()
    optimizer = optim.SGD(model, lr=0.1, momentum=0.9)
    jitted = lm.jit(step)
    first = float(step(model, optimizer, images, labels))  # eager
    losses = [float(jitted(model, optimizer, images, labels)) for _ in range(20)]
    assert losses[-1] < 0.7 * first

    # the computational graph: text and back, and its meaning by NumPy
    model = small_model()
    weights = [p.numpy() for p in model.parameters()]
    graph = lm.jit(loss_of).graph(model, images, labels)
    assert parse(str(graph)) == graph
    arrays = [*weights, images, labels]
    assert [v.shape for v in graph.inputs] == [a.shape for a in arrays]
    assert abs(float(evaluate(graph, *arrays)[0]) - first) < 1e-4

    # the front end: gradients, then passes that keep the meaning
    backward = vjp(graph, wrt=range(len(weights)))
    arrays.append(np.ones((), np.float32))
    wanted = list(evaluate(backward, *arrays))
    fused = Pipeline("checked", pipeline(3).passes, verify=True)(backward)
    agree(list(evaluate(fused, *arrays)), wanted)

    # the back end, the runtime and several processors: loops, a plan, machine code, results
    assert targets()
    for target in targets():
        lowered = lower(fused, target)
        nests = [task.nest for one in lowered.steps for task in one.tasks]
        for nest in nests:
            verify_nest(nest)
        plan = plan_memory(lowered)
        assert plan.arena_bytes <= plan.sum_bytes
        assert all(kernel.code for kernel in compile_kernels(nests, target))
        agree(run(backward, arrays, target), wanted)


def test_the_same_step_is_the_same_eager_jitted_and_by_the_reference() -> None:
    digits = data.digits()
    images, labels = digits.train_images[:16], digits.train_labels[:16]
    found = []
    for runner in (step, lm.jit(step)):
        model = small_model()
        optimizer = optim.Adam(model, lr=1e-2)
        losses = [float(runner(model, optimizer, images, labels)) for _ in range(3)]
        found.append([np.array(losses), *[p.numpy() for p in model.parameters()]])
    agree(found[1], found[0])


# ---------------------------------------------------------------------- every room alone

ALONE = """
import importlib, sys, types
package = types.ModuleType("lamina")
package.__path__ = [sys.argv[1]]
sys.modules["lamina"] = package  # without the package's own imports
importlib.import_module("lamina." + sys.argv[2])
print(*[name for name in sys.modules if name.startswith("lamina.")])
"""


def room_of(module: str) -> str | None:
    """The room of `lamina.graph.ir.value`: `graph.ir`; None for a folder above rooms."""
    name = module.removeprefix("lamina.")
    return next((r for r in ROOMS if name == r or name.startswith(f"{r}.")), None)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_alone_and_loads_only_what_lies_below(room: str) -> None:
    level = next(i for i, rooms in enumerate(FLOORS) if room in rooms)
    below = {r for rooms in FLOORS[level + 1 :] for r in rooms}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(SOURCE), room], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = {room_of(module) for module in done.stdout.split()} - {None}
    assert room in loaded
    assert loaded - {room} <= below


def loaded_by(code: str) -> list[str]:
    """The modules of a new process after `code`."""
    code = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_using_lamina_loads_no_compiler() -> None:
    loaded = loaded_by("import lamina; lamina.Tensor")
    assert "lamina.tensor" in loaded
    compiler = ("llvmlite", "lamina.backend.c", "lamina.backend.s", "lamina.backend.nest")
    assert not [name for name in loaded if name.startswith(compiler)]


def test_the_package_alone_loads_no_front_end() -> None:
    loaded = loaded_by("import lamina; lamina.load_program")
    assert "lamina.backend.exported" in loaded
    assert not {"lamina.front", "lamina.tensor", "llvmlite"} & set(loaded)


def test_every_name_comes_with_the_first() -> None:
    assert "lamina.front" in loaded_by("from lamina import *; zeros")
    assert "lamina.front" in loaded_by("import lamina; assert 'zeros' in dir(lamina)")
    with pytest.raises(AttributeError, match="module 'lamina' has no attribute 'zeroes'"):
        lm.zeroes


def files_of(room: str) -> list[Path]:
    """The tests of a room: its folder under tests/, or one file for a room of one file."""
    folder = ROOT / "tests" / room.replace(".", "/")
    return [*folder.rglob("test_*.py")] or [*folder.parent.glob(f"test_{folder.name}.py")]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_tests_of_its_own(room: str) -> None:
    assert any("def test_" in path.read_text() for path in files_of(room))


def test_the_tests_of_a_room_run_alone() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/graph/ir"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_importing_loads_neither_compiler_nor_rewriters() -> None:
    program = "import lamina, sys; lamina.Tensor; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    late = ("llvmlite", "lamina.graph.passes", "lamina.backend.compile", "lamina.backend.exported",
            "lamina.tensor.export", "lamina.tensor.convert.convert")  # fmt: skip
    assert [name for name in late if name in done.stdout.split()] == []
