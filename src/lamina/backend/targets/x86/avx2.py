"""x86-64 with AVX2 and FMA (x86-64-v3: Haswell 2013, Zen 2017): 32-byte vectors."""

from dataclasses import replace

from lamina.backend.targets.target import Caches
from lamina.backend.targets.x86 import generic

TARGET = replace(
    generic.TARGET,
    name="avx2",
    llvm_cpu="x86-64-v3",
    features=generic.TARGET.features
    | {"avx", "avx2", "bmi", "bmi2", "crc32", "cx16", "f16c", "fma", "lzcnt", "movbe", "popcnt"}
    | {"sahf", "sse3", "sse4.1", "sse4.2", "ssse3", "xsave"},
    vector_bytes=32,
    fma_units=2,
    fma_latency=4,
    caches=Caches(l1d_bytes=32 << 10, l2_bytes=512 << 10, l3_bytes=8 << 20),
)
