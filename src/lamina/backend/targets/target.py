"""A machine as data: what schedules and code generation may know about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lamina.base.dtypes import DType
from lamina.base.dtypes import dtype as find_dtype

MOST_L3_BYTES = 16 << 20  # that a core can count on, of all processors so far


@dataclass(frozen=True)
class Caches:
    """Data cache sizes as one core sees them, in bytes; 0 where there is no such level.

    Attributes:
        l1d_ways: how many lines at addresses that fall on the same place the first cache holds.
    """

    l1d_bytes: int
    l2_bytes: int
    l3_bytes: int
    line_bytes: int = 64
    l1d_ways: int = 8

    @property
    def near_bytes(self) -> int:
        """Size of the second cache, or of what stands for it where there is none."""
        return self.l2_bytes or 4 * self.l1d_bytes


@dataclass(frozen=True)
class Target:
    """A processor.

    Attributes:
        name: the file that describes it, such as "avx2".
        arch: "x86_64", "aarch64" or "null".
        llvm_triple, llvm_cpu: what LLVM calls the machine.
        features: instruction sets by their LLVM names; generated code uses no others.
        vector_bytes, vector_registers: the widest registers, and how many there are.
        fma_units, fma_latency: multiply-adds started in a cycle, and cycles until one is done;
            their product is how many independent accumulators keep the units busy.
        caches: data caches.
        cpus: LLVM's names of the only processors it describes; any that has the features if empty.
        cores: processors that kernels may use.
        runs: whether programs may be run; the null target compiles and runs nothing.
    """

    name: str
    arch: str
    llvm_triple: str
    llvm_cpu: str
    features: frozenset[str]
    vector_bytes: int
    vector_registers: int
    fma_units: int
    fma_latency: int
    caches: Caches
    cpus: frozenset[str] = frozenset()
    cores: int = 1
    runs: bool = True

    def has(self, feature: str) -> bool:
        """Whether generated code may use an instruction set, by its LLVM name ("fma")."""
        return feature in self.features

    def lanes(self, dtype: DType | str) -> int:
        """How many elements fill a vector register."""
        return self.vector_bytes // find_dtype(dtype).size_bytes

    @property
    def l3_share_bytes(self) -> int:
        """What these cores can count on of the last cache.

        A virtual machine with a few cores reports the cache of the whole processor, most of which
        serves others.
        """
        return min(self.caches.l3_bytes, self.cores * MOST_L3_BYTES)

    @property
    def dots_bytes(self) -> bool:
        """Whether one instruction adds four products of bytes to each lane of i32 (VNNI)."""
        return self.has("avx512vnni") and self.has("avx512vl")

    @property
    def dots_halves(self) -> bool:
        """Whether one instruction sums two products of i16 in each lane of i32 (PMADDWD)."""
        widest = {16: "sse2", 32: "avx2", 64: "avx512bw"}
        return self.has(widest.get(self.vector_bytes, ""))

    def terms(self, *dtypes: str) -> int:
        """How many products of integers of such dtypes a lane of i32 takes at a time; 1 where each
        is widened and multiplied by itself."""
        if self.dots_bytes and all(d in ("i8", "u8") for d in dtypes):
            return 4
        return 2 if self.dots_halves and all(d in ("i8", "u8", "i16") for d in dtypes) else 1

    @property
    def llvm_features(self) -> str:
        """The features as LLVM takes them: "+avx2,+fma"."""
        return ",".join(f"+{feature}" for feature in sorted(self.features))

    @property
    def key(self) -> str:
        """Equal for targets that get the same kernels; part of every cache key."""
        caches = self.caches
        return "|".join(
            str(part)
            for part in (
                self.name, self.llvm_triple, self.llvm_cpu, self.llvm_features,
                self.vector_bytes, self.vector_registers, self.fma_units, self.fma_latency,
                caches.l1d_bytes, caches.l2_bytes, caches.l3_bytes, caches.line_bytes,
                caches.l1d_ways, self.cores,
            )
        )  # fmt: skip

    def with_caches(
        self,
        l1d_bytes: int | None = None,
        l2_bytes: int | None = None,
        l3_bytes: int | None = None,
    ) -> Target:
        """The same machine with other cache sizes: tile sizes follow them."""
        sizes = {"l1d_bytes": l1d_bytes, "l2_bytes": l2_bytes, "l3_bytes": l3_bytes}
        given = {name: size for name, size in sizes.items() if size is not None}
        return replace(self, caches=replace(self.caches, **given))

    def with_cores(self, cores: int) -> Target:
        """The same machine with another number of processors."""
        return replace(self, cores=cores)
