"""AMD Zen 4 (2022): AVX-512 in two passes through units of 32 bytes."""

from dataclasses import replace

from lamina.backend.targets.target import Caches
from lamina.backend.targets.x86 import avx512

TARGET = replace(
    avx512.TARGET,
    name="zen4",
    cpus=frozenset({"znver4"}),
    fma_units=1,  # two of 32 bytes do the work of one of 64
    caches=Caches(l1d_bytes=32 << 10, l2_bytes=1 << 20, l3_bytes=32 << 20),
)
