"""Who is compared: how each peer is found, given its threads, and what is odd about it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
"""Tells glibc to keep freed memory, so that large results meet no page faults."""


ISAS: dict[str, dict[str, str]] = {
    "avx2": {
        "LAMINA_TARGET": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
}
"""What tells each peer to use no more than some instructions, by the name of Lamina's target."""


@dataclass(frozen=True)
class Peer:
    """A system that runs the workloads.

    Attributes:
        name: of the column.
        builder: which builder of a workload it runs.
        distribution: the installed package.
        note: what a reader must know to judge its numbers.
        environment: variables of its processes.
        default: whether it takes part when `--peers` is not given.
        optional: whether it does so only where it is installed.
        ranked: whether it can be the best peer.
        confined: whether it can be told to use fewer instructions than there are.
    """

    name: str
    builder: str
    distribution: str
    note: str
    environment: Mapping[str, str] = field(default_factory=dict)
    default: bool = True
    optional: bool = False
    ranked: bool = True
    confined: bool = True

    @property
    def takes_part(self) -> bool:
        """Whether it does when `--peers` is not given."""
        return self.default and (not self.optional or self.version() is not None)

    def version(self) -> str | None:
        """The installed version; None when the peer is absent."""
        if importlib.util.find_spec(self.distribution) is None:
            return None
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "lamina",
            "lamina",
            "lamina",
            "functions under lm.jit, except in workloads named eager; results waited for with "
            "block(); LAMINA_THREADS sets the threads",
        ),
        Peer(
            "torch",
            "torch",
            "torch",
            "eager, NCHW; torch.set_num_threads sets the threads; Adam is the fused one; large "
            "results are mapped afresh at every call (see torch_heap)",
        ),
        Peer(
            "torch_compile",
            "torch_compile",
            "torch",
            "torch.compile in its default mode (Inductor, needs a C++ compiler); in training the "
            "loss is compiled with its gradient, and Adam is the fused eager one",
            default=False,
        ),
        Peer(
            "torch_heap",
            "torch",
            "torch",
            "torch, with the C library told to keep freed memory; not counted as best",
            environment=KEEP_FREED_MEMORY,
            default=False,
            ranked=False,
        ),
        Peer(
            "jax",
            "jax",
            "jax",
            "under jax.jit, waited for with block_until_ready; NPROC sets the threads of XLA's "
            "pool; images are NHWC",
            environment={"JAX_PLATFORMS": "cpu"},
            confined=False,  # XLA's own code is by a flag, its products are not
        ),
        Peer(
            "onnxruntime",
            "onnxruntime",
            "onnxruntime",
            "graphs of ONNX whose weights are constants; forward passes only",
            optional=True,
            confined=False,
        ),
        Peer(
            "openvino",
            "openvino",
            "openvino",
            "the same graphs, for the shortest time of one call; in rows of bf16 it computes them "
            "in bf16",
            optional=True,
            confined=False,
        ),
        Peer(
            "numpy",
            "numpy",
            "numpy",
            "products by its BLAS with OPENBLAS_NUM_THREADS threads, all else on one thread",
        ),
        Peer(
            "numpy_heap",
            "numpy",
            "numpy",
            "numpy, with the C library told to keep freed memory; not counted as best",
            environment=KEEP_FREED_MEMORY,
            default=False,
            ranked=False,
        ),
    )
}


def environment(peer: Peer, threads: int, cache: Path) -> dict[str, str]:
    """The variables of a peer's process: this one's, the threads, and caches of this run."""
    count = str(threads)
    own = {
        "LAMINA_THREADS": count,
        "LAMINA_CACHE_DIR": str(cache / "lamina"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "NPROC": count,
        "PJRT_NPROC": count,
        "TMPDIR": str(cache),
    }
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        own["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    return dict(os.environ) | own | dict(peer.environment)


def configure(builder: str, threads: int) -> None:
    """Imports a peer, and tells it what it must be told from inside its process."""
    importlib.import_module(next(p.distribution for p in PEERS.values() if p.builder == builder))
    if builder in ("torch", "torch_compile"):
        import torch

        torch.set_num_threads(threads)
