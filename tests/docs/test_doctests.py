"""Every example in a docstring runs and says what it shows."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import lamina as lm
from lamina.graph.ir import op
from tests.docs.pages import FLAGS, Checker

SOURCE = Path(lm.__file__).parent
FILES = [p for p in sorted(SOURCE.rglob("*.py")) if ">>> " in p.read_text()]


def module_name(path: Path) -> str:
    """`lamina.tensor.jit` for `src/lamina/tensor/jit.py`."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_examples(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(op, "REGISTRY", dict(op.REGISTRY))  # an example may define an op
    lm.random.seed(0)
    module = importlib.import_module(module_name(path))
    runner = doctest.DocTestRunner(Checker(), optionflags=FLAGS)
    tests = doctest.DocTestFinder().find(module, module.__name__)
    assert any(test.examples for test in tests), f"{path.name}: no example is found"
    for test in tests:
        runner.run(test)
    assert not runner.failures, capsys.readouterr().out
