"""The compile cache on disk: damaged files, foreign files, writers that die."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
import sys
import warnings
import lamina as lm

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = float(lm.jit(lambda x: lm.sin(x) * 2 + x @ x)(lm.ones((5, 5))).sum())
for warning in caught:
    print("warned:", warning.message, file=sys.stderr)
print(f"{found:.2f}")
"""
RIGHT = "167.07\n"


def run(folder: Path) -> tuple[str, list[str]]:
    """What a new process prints, and the warnings in it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "LAMINA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout, done.stderr.splitlines()


def kernels(folder: Path) -> list[Path]:
    return sorted((folder / "kernels").glob("*.kernel"))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


def of_the_future(data: bytes) -> bytes:
    return data[:8] + struct.pack("<I", 99) + data[12:]


DAMAGE: dict[Callable[[bytes], bytes], str] = {
    cut: "its checksum is wrong",
    flipped: "its checksum is wrong",
    of_the_future: "it has format 99, not 1",
    lambda data: b"": "it is not a kernel file",
    lambda data: b"hello": "it is not a kernel file",
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that one process has filled and another has read without complaint."""
    folder = tmp_path_factory.mktemp("cache")
    assert run(folder) == (RIGHT, [])
    files = {path: path.stat().st_ino for path in kernels(folder)}
    assert files
    assert run(folder) == (RIGHT, [])
    assert {path: path.stat().st_ino for path in kernels(folder)} == files
    return folder


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file(damage: Callable[[bytes], bytes], filled: Path) -> None:
    """The whole warning, the right result, and a sound file in its place."""
    path = kernels(filled)[0]
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    shown, warned = run(filled)
    assert shown == RIGHT
    assert warned == [
        f"warned: compile cache: {path} cannot be used: {DAMAGE[damage]}; the kernel is rebuilt"
    ]
    assert path.read_bytes() == sound
    assert run(filled) == (RIGHT, [])


def test_file_of_another_kernel(filled: Path) -> None:
    path, other = kernels(filled)[:2]
    sound = path.read_bytes()
    path.write_bytes(other.read_bytes())
    shown, warned = run(filled)
    assert shown == RIGHT
    assert warned == [
        f"warned: compile cache: {path} cannot be used: "
        "it belongs to another kernel, compiler or target; the kernel is rebuilt"
    ]
    assert path.read_bytes() == sound


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert run(tmp_path / "cache") == (RIGHT, [])


def test_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    assert run(tmp_path / "cache") == (RIGHT, [])


WRITER = """
import sys
from pathlib import Path
from lamina.backend.codegen.llvm.disk import DiskCache, Entry

cache = DiskCache(Path(sys.argv[1]))
print("writing", flush=True)
while True:
    for number in range(50):
        cache.write(Entry(f"key{number}", "c", "t", "f", 0, bytes([number]) * 4_000_000))
"""


def test_killed_while_writing(tmp_path: Path) -> None:
    """What a killed writer leaves is whole, or is a temporary file that nobody reads."""
    from lamina.backend.codegen.llvm.disk import DiskCache

    folder = tmp_path / "kernels"
    left = 0
    for attempt in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(0.02 + 0.011 * attempt)
        writer.send_signal(signal.SIGKILL)
        assert writer.wait(60) == -signal.SIGKILL
        writer.stdout.close()
        left = len(list(folder.glob(".tmp-*")))
        cache = DiskCache(folder)
        for path in folder.glob("*.kernel"):
            entry = cache.read(path.stem, "c", "t")
            assert entry is not None
            assert set(entry.code) == {int(path.stem.removeprefix("key"))}
            assert len(entry.code) == 4_000_000
        if left:
            break
    assert left, "no writer was killed in the middle of a file"
    assert run(tmp_path) == (RIGHT, [])
    DiskCache(folder).sweep(time.time() + 7200)
    assert not list(folder.glob(".tmp-*"))
