"""The kernel caches: memory, disk, and every way a file on disk can be wrong."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest

from lamina.backend.codegen import compile_kernels, kernel_assembly, kernel_ir, kernel_key
from lamina.backend.codegen.llvm import objects
from lamina.backend.codegen.llvm.disk import DiskCache, Entry, decode, encode
from lamina.backend.nest.parser import parse
from lamina.backend.targets.select import select
from lamina.base.errors import CacheWarning

DOUBLE = """
kernel {name}(x: f32[40] in, o: f32[40] out) {{
  vector for {v} in 0..40 {{
    o[{v}] = x[{v}]*{factor}
  }}
}}
"""


def nest(factor: float = 2.0, name: str = "double", v: str = "j"):
    return parse(DOUBLE.format(name=name, v=v, factor=factor))


@pytest.fixture
def target():
    return select("native")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache directory of its own, and nothing in memory."""
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(objects, "_ENTRIES", {})
    monkeypatch.setattr(objects, "_LOADER", objects.Loader())
    return tmp_path / "kernels"


@pytest.fixture
def builds(monkeypatch):
    """The keys of the kernels that LLVM had to compile."""
    built = []
    original = objects.build

    def build(nest, target, key):
        built.append(key)
        return original(nest, target, key)

    monkeypatch.setattr(objects, "build", build)
    return built


def forget(monkeypatch) -> None:
    """As if the process had just begun."""
    monkeypatch.setattr(objects, "_ENTRIES", {})
    monkeypatch.setattr(objects, "_LOADER", objects.Loader())


def check(kernel, factor: float = 2.0) -> None:
    x, o = np.arange(40, dtype=np.float32), np.zeros(40, np.float32)
    args = (ctypes.c_void_p * 2)(x.ctypes.data, o.ctypes.data)
    function = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
    )(kernel.address)
    function(ctypes.addressof(args), 0, 1, None)
    np.testing.assert_array_equal(o, x * np.float32(factor))


def test_equal_nests_share_a_kernel(folder, builds, target):
    a, b, c = compile_kernels([nest(), nest(name="twice", v="k"), nest(3.0)], target)
    assert a.address == b.address != c.address
    assert (a.name, b.name) == ("double", "twice")
    assert len(builds) == 2
    check(a)
    check(c, 3.0)


def test_code_is_unloaded_when_nobody_holds_its_kernel(folder, builds, target):
    a, b = compile_kernels([nest(), nest(name="twice")], target)
    assert objects._LOADER.count() == 1
    del a
    gc.collect()
    check(b)
    del b
    gc.collect()
    assert objects._LOADER.count() == 0
    (again,) = compile_kernels([nest()], target)
    check(again)
    assert objects._LOADER.count() == len(builds) == 1


def test_few_entries_are_kept_in_memory(folder, builds, target, monkeypatch):
    monkeypatch.setattr(objects, "ENTRIES_KEPT", 2)
    for factor in (2.0, 3.0, 4.0, 2.0):
        check(compile_kernels([nest(factor)], target)[0], factor)
    assert len(objects._ENTRIES) == 2
    assert len(builds) == 3  # the first came from disk again


def test_the_key_knows_target_and_content(target):
    keys = {
        kernel_key(nest(), target),
        kernel_key(nest(2.5), target),
        kernel_key(nest(), target.with_caches(l2_bytes=12345)),
        kernel_key(nest(), select("generic")),
    }
    assert len(keys) == 4
    assert kernel_key(nest(), target) == kernel_key(nest(name="other"), target)


def test_a_second_process_reads_from_disk(folder, builds, target, monkeypatch):
    compile_kernels([nest()], target)
    forget(monkeypatch)
    (kernel,) = compile_kernels([nest()], target)
    assert len(builds) == 1
    check(kernel)


def test_without_a_directory_nothing_is_written(tmp_path, monkeypatch, target):
    forget(monkeypatch)
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")
    check(compile_kernels([nest()], target)[0])
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_directory_is_no_error(tmp_path, monkeypatch, target):
    forget(monkeypatch)
    occupied = tmp_path / "file"
    occupied.write_text("not a directory")
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(occupied))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(compile_kernels([nest()], target)[0])


def flip(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


def other_target(data: bytes) -> bytes:
    return encode(replace(decode(data), target="another machine"))


def bad_header(data: bytes) -> bytes:
    text = encode(replace(decode(data), symbol=""))
    import hashlib  # the checksum has to be right for the header to be looked at

    rest = text[48:].replace(b'"symbol"', b'"cymbal"')
    return text[:16] + hashlib.sha256(rest).digest() + rest


DAMAGE = {
    "empty": (lambda d: b"", "it is not a kernel file"),
    "foreign": (lambda d: b"PK\x03\x04" + d, "it is not a kernel file"),
    "pickle": (lambda d: b"\x80\x04cos\nsystem\n." + d, "it is not a kernel file"),
    "cut in the prefix": (lambda d: d[:20], "it is not a kernel file"),
    "cut in the code": (lambda d: d[:-7], "its checksum is wrong"),
    "a flipped bit": (flip, "its checksum is wrong"),
    "longer": (lambda d: d + b"x", "its checksum is wrong"),
    "newer": (lambda d: d[:8] + b"\x09\0\0\0" + d[12:], "it has format 9, not 1"),
    "another target": (other_target, "it belongs to another kernel, compiler or target"),
    "odd header": (bad_header, "its header is not understood"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_reported_and_rebuilt(damage, folder, builds, target, monkeypatch):
    change, problem = DAMAGE[damage]
    compile_kernels([nest()], target)
    path = folder / f"{kernel_key(nest(), target)}.kernel"
    path.write_bytes(change(path.read_bytes()))
    forget(monkeypatch)
    with pytest.warns(CacheWarning) as caught:
        (kernel,) = compile_kernels([nest()], target)
    assert [str(w.message) for w in caught] == [
        f"compile cache: {path} cannot be used: {problem}; the kernel is rebuilt"
    ]
    check(kernel)
    assert len(builds) == 2
    forget(monkeypatch)
    check(compile_kernels([nest()], target)[0])
    assert len(builds) == 2


def entry(key: str, size: int = 1000) -> Entry:
    return Entry(key, "c", "t", "s", 0, bytes(size))


def test_entries_survive_the_round_trip():
    e = entry("k")
    assert decode(encode(e)) == e


def test_the_least_recently_used_leave_first(tmp_path):
    disk = DiskCache(tmp_path, limit_bytes=3500)
    for i in range(3):
        disk.write(entry(f"k{i}"))
        os.utime(disk.path(f"k{i}"), (i, i))
    assert disk.read("k0", "c", "t") is not None  # used now: k1 is the oldest
    disk.write(entry("k3"))
    disk.sweep()
    assert sorted(p.stem for p in tmp_path.iterdir()) == ["k0", "k2", "k3"]


def test_abandoned_files_are_swept_and_new_ones_left(tmp_path):
    disk = DiskCache(tmp_path)
    old, new = tmp_path / ".tmp-old", tmp_path / ".tmp-new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    disk.write(entry("k"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [".tmp-new", "k.kernel"]


WRITER = """
import sys
from pathlib import Path
from lamina.backend.codegen.llvm.disk import DiskCache, Entry
disk = DiskCache(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    for i in range(4):
        disk.write(Entry(f"k{i}", "c", "t", "s", 0, bytes([i]) * 200_000))
"""


def test_killed_and_concurrent_writers_leave_whole_entries(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        for _ in range(2)
    ]
    disk = DiskCache(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        for _ in range(100):
            for i in range(4):
                found = disk.read(f"k{i}", "c", "t")
                assert found is None or found.code == bytes([i]) * 200_000
            time.sleep(0.002)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            assert writer.stdout is not None
            writer.stdout.close()
        for i in range(4):
            found = disk.read(f"k{i}", "c", "t")
            assert found is not None and found.code == bytes([i]) * 200_000
    disk.sweep(now_s=time.time() + 7200)
    assert all(p.suffix == ".kernel" for p in tmp_path.iterdir())


def test_many_kernels_compile_side_by_side(folder, builds, target):
    nests = [nest(float(i)) for i in range(12)]
    for i, kernel in enumerate(compile_kernels(nests, target)):
        check(kernel, float(i))
    assert len(builds) == 12
    assert len(list(folder.glob("*.kernel"))) == 12


def test_text_for_people(target):
    assert kernel_ir(nest(), target).startswith(
        "define void @double(ptr %args, i64 %begin, i64 %end, ptr %scratch)"
    )
    assert "double:" in kernel_assembly(nest(), target)
