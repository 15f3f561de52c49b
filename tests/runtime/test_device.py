"""Devices: topology, threads, the clock, the cost of importing."""

import os
import subprocess
import sys

import pytest

from lamina.runtime import Device, now_ns, num_threads, set_num_threads, topology


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_topology_is_plausible():
    machine = Device().topology()
    assert machine is topology()
    assert 1 <= machine["physical_cores"] <= machine["logical_cpus"]
    assert machine["logical_cpus"] <= len(os.sched_getaffinity(0))
    assert 4096 <= machine["l1d_bytes"] <= machine["l2_bytes"]
    assert machine["line_bytes"] in (32, 64, 128, 256)
    assert machine["memory_bytes"] > 1 << 28
    assert all(isinstance(present, bool) for present in machine["features"].values())


@pytest.mark.skipif(not os.path.exists("/proc/cpuinfo"), reason="needs Linux")
def test_features_agree_with_the_system():
    with open("/proc/cpuinfo") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    if not flags:
        pytest.skip("no x86 flags")
    joined = {flag.replace("avx512_", "avx512") for flag in flags}
    for name, present in topology()["features"].items():
        assert present == (name in joined), name


def test_threads_can_be_set():
    before = num_threads()
    set_num_threads(3)
    assert num_threads() == 3
    set_num_threads(before)
    with pytest.raises(ValueError, match="at least 1"):
        set_num_threads(0)


def test_threads_come_from_the_environment():
    show = "import lamina.runtime as r; print(r.num_threads())"
    assert python(show, LAMINA_THREADS="5").stdout.strip() == "5"
    failed = python(show, LAMINA_THREADS="many")
    assert "LAMINA_THREADS='many': expected a positive number of threads" in failed.stderr


def test_the_clock_goes_forward():
    first = now_ns()
    assert isinstance(first, int)
    assert now_ns() >= first


def test_importing_is_light():
    result = python("import sys, lamina.runtime; print('llvmlite' in sys.modules)")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "False"
