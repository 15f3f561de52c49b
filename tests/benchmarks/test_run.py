"""The command line, and one short run of it from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks import run
from benchmarks.process import ROOT


def test_patterns_choose_workloads_in_their_order():
    assert [w.name for w in run.choose_workloads("mm_512, mm_5*0")] == ["mm_500", "mm_512"]
    assert len(run.choose_workloads("*")) > 30


def test_peers_in_the_order_given():
    assert [p.name for p in run.choose_peers("numpy,lamina,numpy")] == ["numpy", "lamina"]
    assert run.choose_peers("all")[0].name == "lamina"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--only", "nonsense*"], "no workload matches 'nonsense*'"),
        (["--peers", "lamina,ghost"], "no peer 'ghost'"),
        (["--passes", "0"], "--passes: a positive number, not 0"),
        (["--threads", "-1"], "--threads: a positive number, not -1"),
    ],
)
def test_wrong_options_say_what_there_is(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        run.parse(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_only_a_whole_run_goes_into_the_record():
    assert run.parse([]).out == run.RECORD
    assert run.parse(["--quick"]).out == run.SCRATCH
    assert run.parse(["--only", "mm_*"]).out == run.SCRATCH
    assert run.parse(["--peers", "lamina"]).out == run.SCRATCH


def test_the_plan_follows_the_options():
    plan = run.plan_of(run.parse(["--quick", "--passes", "7"]), threads=2)
    assert (plan.passes, plan.seconds, plan.threads) == (7, 0.05, 2)
    assert run.plan_of(run.parse([]), threads=1).passes == 5


def test_the_listing(capsys):
    assert run.main(["--list"]) == 0
    shown = capsys.readouterr().out
    assert "mm_2048 " in shown and "torch_compile" in shown


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        run.parse(["--help"])
    assert "--only 'jit_*' --quick" in capsys.readouterr().out


def test_a_quick_run(tmp_path):
    chosen = ["--quick", "--only", "eager_add_16,mm_500", "--peers", "lamina,numpy"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", *chosen, "--out", str(tmp_path)],
        cwd=ROOT,
        env=dict(os.environ) | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "| eager_add_16 " in done.stdout
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["complete"] and found["limits"]["peak_flops"]
    cells = {w["name"]: w["cells"] for w in found["workloads"]}
    assert set(cells) == {"eager_add_16", "mm_500"}
    for row in cells.values():
        for cell in row.values():
            assert cell["status"] == "ok"
            assert len(cell["passes"]) == 2
            assert cell["median_s"] > 0
    product = next(w for w in found["workloads"] if w["name"] == "mm_500")
    assert product["floor"]["seconds"] > 0
    assert (tmp_path / "results.md").read_text().startswith("# Benchmarks")


def test_all_peers_are_confined_or_left_out() -> None:
    options = run.parse(["--isa", "avx2", "--peers", "all"])
    names = [peer.name for peer in options.chosen]
    assert {"lamina", "torch", "numpy"} <= set(names)
    assert not {"jax", "onnxruntime", "openvino"} & set(names)
    assert run.plan_of(options, threads=2).isa == "avx2"
    assert options.out == run.SCRATCH
    with pytest.raises(SystemExit):
        run.parse(["--isa", "sparc"])
