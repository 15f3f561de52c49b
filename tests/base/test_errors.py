"""The family of errors, and the lines of the user's program that they name."""

from __future__ import annotations

import inspect
import pickle
import threading

import pytest

from lamina.base import errors, spans
from lamina.base.errors import LaminaError, ShapeError
from lamina.base.spans import Span, at, here

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, LaminaError)]


def test_a_message_has_problem_facts_way_out_and_line():
    with pytest.raises(ShapeError) as error:
        raise ShapeError("add: shapes differ", ["x: f32[3]", "y: f32[4]"], "reshape one")
    lines = str(error.value).splitlines()
    assert lines[:4] == [
        "add: shapes differ",
        "  x: f32[3]",
        "  y: f32[4]",
        "  help: reshape one",
    ]
    assert lines[4].startswith("  at test_errors.py:")
    assert "raise ShapeError(" in lines[4]


def test_facts_help_and_line_may_be_missing():
    with at(None):
        assert str(LaminaError("nothing else")) == "nothing else"


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_each_class_is_an_error_of_lamina_with_a_docstring(kind):
    assert issubclass(kind, LaminaError) and inspect.getdoc(kind)
    with pytest.raises(kind):
        raise kind("a problem")


def test_here_is_the_innermost_line_outside_lamina():
    def inner():
        return here()

    span = inner()
    assert span is not None
    assert span.file == __file__ and span.function.endswith("inner")
    assert str(span) == f"test_errors.py:{span.line}"
    assert span.describe().endswith(":  return here()")


def test_the_same_line_is_the_same_span():
    found = [here() for _ in range(2)]
    assert found[0] is found[1]


def test_code_made_while_running_is_not_kept() -> None:
    before = len(spans._lines)
    for i in range(5):
        exec(compile(f"made = here() or {i}", f"<made {i}>", "exec"), {"here": here})
    assert len(spans._lines) <= before + 1  # this function's own


def test_at_decides_for_what_is_made_inside_and_ends():
    wanted = Span("model.py", 41, "f")
    with at(wanted):
        assert here() is wanted
        with at(None):
            assert here() is None
        assert here() is wanted
    assert here() is not wanted


def test_at_holds_for_one_thread():
    seen = []
    with at(Span("model.py", 41)):
        thread = threading.Thread(target=lambda: seen.append(here()))
        thread.start()
        thread.join()
    assert seen[0] is None or seen[0].file != "model.py"


def test_spans_can_be_kept():
    span = Span("model.py", 41, "f")
    assert pickle.loads(pickle.dumps(span)) == span
    assert spans.Span("model.py", 41).describe() == "model.py:41"
