"""Intel's AVX-512 for laptops and desktops (2019 to 2021): one multiply-add unit of 64 bytes."""

from dataclasses import replace

from lamina.backend.targets.target import Caches
from lamina.backend.targets.x86 import avx512

TARGET = replace(
    avx512.TARGET,
    name="avx512_client",
    cpus=frozenset({"cannonlake", "icelake-client", "rocketlake", "tigerlake"}),
    fma_units=1,  # the two of 32 bytes work as one
    caches=Caches(l1d_bytes=48 << 10, l2_bytes=512 << 10, l3_bytes=8 << 20, l1d_ways=12),
)
