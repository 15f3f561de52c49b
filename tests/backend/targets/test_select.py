"""Targets: which one is selected, and what it says."""

from __future__ import annotations

import importlib
import os
import platform
from pathlib import Path

import pytest

from lamina.backend.targets import Caches, Target, described, select
from lamina.backend.targets.select import read_caches
from lamina.base.errors import UsageError

X86 = platform.machine().lower() in ("x86_64", "amd64")


def test_native_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMINA_TARGET", raising=False)
    target = select()
    assert target is select("native")
    assert target.runs
    assert target.cores >= 1
    assert target.caches.l1d_bytes >= 1024


@pytest.mark.skipif(not X86, reason="an x86-64 machine")
def test_less_than_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_TARGET", "generic")
    generic = select()
    assert (generic.name, generic.llvm_cpu, generic.lanes("f32")) == ("generic", "x86-64", 4)
    assert not any(generic.has(f) for f in ("avx", "fma", "sse4.1", "avx512f"))
    assert generic.caches == select("native").caches
    if select("native").has("avx2"):
        avx2 = select("avx2")
        assert avx2.has("fma") and avx2.lanes("bf16") == 16
        assert "avx512" not in avx2.llvm_features
        assert avx2.key != generic.key


def test_a_few_cores_cannot_count_on_the_last_cache_of_a_whole_processor() -> None:
    target = described("avx512").with_cores(2)
    assert target.with_caches(l3_bytes=260 << 20).l3_share_bytes == 32 << 20
    assert target.with_caches(l3_bytes=8 << 20).l3_share_bytes == 8 << 20


@pytest.mark.skipif(not X86, reason="an x86-64 machine")
@pytest.mark.parametrize(
    ("cpu", "name", "fma_units"),
    [
        ("znver4", "zen4", 1),
        ("tigerlake", "avx512_client", 1),
        ("znver5", "avx512", 2),
        ("sapphirerapids", "avx512", 2),
    ],
)
def test_a_processor_that_has_a_description_of_its_own(
    monkeypatch: pytest.MonkeyPatch, cpu: str, name: str, fma_units: int
) -> None:
    module = importlib.import_module("lamina.backend.targets.select")
    features = described("avx512").features | {"gfni"}
    monkeypatch.setattr(module, "_host", lambda: (cpu, features))
    module._select.cache_clear()
    try:
        target = select("native")
        assert (target.name, target.fma_units, target.llvm_cpu) == (name, fma_units, cpu)
        assert target.features == features
        assert select("avx512").fma_units == 2
    finally:
        module._select.cache_clear()


def test_more_than_the_machine_has() -> None:
    foreign = "neon" if X86 else "avx512"
    with pytest.raises(UsageError, match=f"target '{foreign}' has instructions that this machine"):
        select(foreign)


@pytest.mark.parametrize("name", ["avx1024", "select", "target"])
def test_no_such_target(name: str) -> None:
    with pytest.raises(UsageError, match="there is no target") as failure:
        select(name)
    assert "native, avx2, avx512, avx512_client, generic, neon, null, zen4" in str(failure.value)


def test_the_null_target_runs_nothing() -> None:
    assert not select("null").runs


@pytest.mark.parametrize(
    ("name", "lanes", "registers"),
    [("generic", 4, 16), ("avx2", 8, 16), ("avx512", 16, 32), ("neon", 4, 32)],
)
def test_descriptions(name: str, lanes: int, registers: int) -> None:
    target = described(name)
    assert (target.name, target.lanes("f32"), target.vector_registers) == (name, lanes, registers)
    assert target.lanes("f64") * 2 == lanes
    assert target.lanes("bool") == target.vector_bytes


def test_each_processor_has_what_the_lesser_has() -> None:
    assert described("generic").features < described("avx2").features < described("avx512").features


def test_the_key_tells_targets_apart() -> None:
    target = described("avx2")
    smaller = target.with_caches(l1d_bytes=16 << 10)
    assert smaller.caches == Caches(16 << 10, target.caches.l2_bytes, target.caches.l3_bytes)
    keys = {target.key, smaller.key, target.with_cores(7).key, described("avx512").key}
    assert len(keys) == 4
    assert isinstance(smaller, Target) and smaller.with_caches(l1d_bytes=32 << 10) == target


def test_caches_as_the_system_reports_them(tmp_path: Path) -> None:
    rows = [
        ("1", "Data", "48K"),
        ("1", "Instruction", "64K"),
        ("2", "Unified", "2M"),
        ("3", "?", ""),
    ]
    for number, (level, kind, size) in enumerate(rows):
        folder = tmp_path / f"index{number}"
        os.mkdir(folder)
        for name, text in zip(
            ("level", "type", "size", "coherency_line_size"), (level, kind, size, "128")
        ):
            (folder / name).write_text(text + "\n")
    guess = Caches(1, 2, 3, 4)
    assert read_caches(guess, tmp_path) == Caches(48 << 10, 2 << 20, 3, 128)
    for number, ways in enumerate(("12", "8", "16", "?")):
        (tmp_path / f"index{number}" / "ways_of_associativity").write_text(ways + "\n")
    assert read_caches(guess, tmp_path) == Caches(48 << 10, 2 << 20, 3, 128, l1d_ways=12)
    assert read_caches(guess, tmp_path / "missing") == guess
