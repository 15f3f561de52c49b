"""Nest -> machine code through LLVM."""

from .disk import DiskCache, Entry
from .foreign import foreign_kernel
from .instructions import KINDS, count_instructions
from .objects import (
    CompiledKernel,
    compile_kernels,
    compiler_version,
    disk_cache,
    kernel_assembly,
    kernel_ir,
    kernel_key,
    kernel_optimised_ir,
    kernels_of_keys,
)
