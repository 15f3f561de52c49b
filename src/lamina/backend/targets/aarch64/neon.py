"""Any AArch64 processor: NEON, 16-byte vectors. Data only: no test has run on such a machine."""

from lamina.backend.targets.target import Caches, Target

TARGET = Target(
    name="neon",
    arch="aarch64",
    llvm_triple="aarch64-unknown-linux-gnu",
    llvm_cpu="generic",
    features=frozenset({"fp-armv8", "neon"}),
    vector_bytes=16,
    vector_registers=32,
    fma_units=2,
    fma_latency=4,
    caches=Caches(l1d_bytes=64 << 10, l2_bytes=512 << 10, l3_bytes=4 << 20),
)
