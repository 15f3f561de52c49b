"""Any x86-64 processor: SSE2, 16-byte vectors, no fused multiply-add."""

from lamina.backend.targets.target import Caches, Target

TARGET = Target(
    name="generic",
    arch="x86_64",
    llvm_triple="x86_64-unknown-linux-gnu",
    llvm_cpu="x86-64",
    features=frozenset({"64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2"}),
    vector_bytes=16,
    vector_registers=16,
    fma_units=1,
    fma_latency=8,  # a multiplication and an addition, 4 cycles each
    caches=Caches(l1d_bytes=32 << 10, l2_bytes=256 << 10, l3_bytes=2 << 20),
)
