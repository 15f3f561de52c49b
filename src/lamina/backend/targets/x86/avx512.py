"""x86-64 with AVX-512 F, BW, CD, DQ and VL (x86-64-v4: Skylake-X 2017, Zen 4 2022)."""

from dataclasses import replace

from lamina.backend.targets.target import Caches
from lamina.backend.targets.x86 import avx2

TARGET = replace(
    avx2.TARGET,
    name="avx512",
    llvm_cpu="x86-64-v4",
    features=avx2.TARGET.features | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    vector_bytes=64,
    vector_registers=32,
    caches=Caches(l1d_bytes=32 << 10, l2_bytes=1 << 20, l3_bytes=16 << 20),
)
