"""Machine instructions by kind, in text by hand and in kernels."""

from __future__ import annotations

import pytest

from lamina.backend.codegen.llvm import KINDS, count_instructions
from lamina.backend.codegen.llvm.instructions import count_text
from lamina.backend.nest.parser import parse
from lamina.backend.targets.select import described

X86 = """
\t.text
name:
\tpushq\t%rbx
\tvmovups\t(%rdi), %zmm0
\tvmovups\t64(%rsp), %zmm1
\tvmovaps\t%zmm1, -64(%rsp)
\tvfmadd231ps\t(%rsi,%rax,4), %zmm1, %zmm0
\tvfmadd231ps\t%zmm2, %zmm1, %zmm0
\tvbroadcastss\t(%rcx), %zmm3
\tvpermps\t%zmm0, %zmm1, %zmm2
\tvgatherdps\t(%rdx,%zmm1,4), %zmm2 {%k1}
\tvpdpbusd\t%zmm2, %zmm1, %zmm0
\tvaddps\t%zmm2, %zmm1, %zmm0
\tvdivps\t%zmm2, %zmm1, %zmm0
\tvmovups\t%zmm0, (%rdi) {%k1}
\tvcvtps2pd\t%ymm0, %zmm1
\tjb\t.LBB0_1
\tretq
"""
AARCH64 = """
\tldr\tq0, [x0]
\tldp\tq1, q2, [sp, #32]
\tfmla\tv0.4s, v1.4s, v2.s[0]
\tstr\tq0, [x1], #16
\tzip1\tv0.4s, v1.4s, v2.4s
\tadd\tx0, x0, #1
\tb.lt\t.LBB0_1
\tret
"""
SUM = """
kernel sum(x: f32[4096] in, y: f32[4096] in, z: f32[4096] out) {
  vector for j in 0..4096 {
    z[j] = multiply_add(x[j], y[j], z[j])
  }
}
""".replace("z: f32[4096] out", "z: f32[4096] inout")


def counted(text: str, arch: str) -> dict[str, int]:
    return {kind: n for kind, n in count_text(text, arch).items() if n}


def test_kinds_of_x86() -> None:
    assert counted(X86, "x86_64") == {
        "vector loads": 4,
        "vector stores": 1,
        "multiply-adds": 2,
        "dot products": 1,
        "arithmetic": 1,
        "divisions": 1,
        "shuffles": 1,
        "broadcasts": 1,
        "gathers": 1,
        "conversions": 1,
        "spills": 2,
        "branches": 2,
        "scalar": 1,
    }


def test_kinds_of_aarch64() -> None:
    assert counted(AARCH64, "aarch64") == {
        "vector loads": 1,
        "vector stores": 1,
        "multiply-adds": 1,
        "shuffles": 1,
        "spills": 1,
        "branches": 2,
        "scalar": 1,
    }


@pytest.mark.parametrize("name", ["avx512", "avx2", "neon"])
def test_a_kernel_has_what_it_should(name: str) -> None:
    found = count_instructions(parse(SUM), described(name))
    assert set(found) == set(KINDS)
    assert found["multiply-adds"] >= 1
    assert found["vector loads"] >= 2
    assert found["vector stores"] >= 1
    assert found["spills"] == found["gathers"] == found["calls"] == 0


def test_of_an_unknown_architecture_nothing_is_said() -> None:
    assert count_instructions(parse(SUM), described("null")) == {}
